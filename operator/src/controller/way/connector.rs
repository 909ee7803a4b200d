//! An inbound connector: known by a client certificate or by the address, and no login.

use kube::ResourceExt;
use mail_egress_config::{self as file, Login, Route, SmtpRoute};
use mail_egress_crds::{MailRoute, mail_route::Connector, secret::ClientCertificate};
use mail_egress_diagnosis::{local, reason};
use mail_egress_entra::tls;

use super::{Case, Exit, LongLived, Need, Refusal, smtp};
use crate::credential::Credentials;

pub(super) fn judge(case: Case<'_>, connector: &Connector) -> Result<Exit, Refusal> {
    let (smtp, long_lived) = route(case.route, connector, &case.references.credentials)?;
    Ok(Exit { long_lived, ..Exit::new(Route::Connector(smtp), Need::Nothing) })
}

pub(super) fn route(
    route: &MailRoute,
    connector: &Connector,
    credentials: &Credentials,
) -> Result<(SmtpRoute, Option<LongLived>), Refusal> {
    let mut smtp = smtp(route, &connector.host, connector.port(), connector.ca_bundle.as_deref())?;
    smtp.login = Login::None;
    let long_lived = match &connector.client_certificate {
        Some(named) => Some(identify(&mut smtp, route, named, credentials)?),
        None => None,
    };
    Ok((smtp, long_lived))
}

/// Gives the route a client certificate.
pub(super) fn identify(
    smtp: &mut SmtpRoute,
    route: &MailRoute,
    named: &ClientCertificate,
    credentials: &Credentials,
) -> Result<LongLived, Refusal> {
    let (certificates, key) = credentials.pem(&named.secret_name).map_err(Refusal::unresolved)?;
    let pair = tls::ClientCertificate { certificates: &certificates, key: &key };
    if let Err(error) = tls::client_config_with(smtp.ca_bundle.as_deref(), Some(pair)) {
        let name = &named.secret_name;
        return Err(Refusal::unresolved(
            local(reason::CREDENTIAL_INVALID)
                .with_cause(&format!("the Secret {name} in {} holds no usable certificate with its key", credentials.namespace()))
                .with_words(&error.to_string())
                .with_fix(&format!("put the certificate and its own key, both PEM, under tls.crt and tls.key of the Secret {name}")),
        ));
    }
    smtp.client_certificate = Some(file::ClientCertificate { certificates, key });
    Ok(LongLived {
        reason: "ClientCertificate",
        what: format!(
            "the key of the client certificate of the MailRoute {}, from the Secret {} in {}",
            route.name_any(),
            named.secret_name,
            credentials.namespace()
        ),
    })
}
