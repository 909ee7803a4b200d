//! Azure Communication Services: the client secret of an EntraApp as password.

use kube::ResourceExt;
use mail_egress_config::{Login, Route, SmtpRoute};
use mail_egress_crds::{
    EntraApp, MailRoute, entra_app::CredentialSource, mail_route::AzureCommunicationServices,
};
use mail_egress_diagnosis::{local, reason};

use super::{Case, Exit, LongLived, Need, Refusal, app_of, smtp};

/// What it takes unless more is asked for (fact sheet D, "ACS").
const MESSAGE_BYTES: u64 = 10 * 1024 * 1024;

pub(super) fn judge(case: Case<'_>, services: &AzureCommunicationServices) -> Result<Exit, Refusal> {
    let app = app_of(case)?;
    let name = app.name_any();
    let Some(CredentialSource::ClientSecret(secret)) = app.spec.credential.source() else {
        return Err(Refusal::unsupported(
            local(reason::CLIENT_SECRET_REQUIRED).with_cause(&format!(
                "Azure Communication Services takes a client secret as password, and the EntraApp {name} has another kind of credential"
            )),
        ));
    };
    dedicated(case, app)?;
    let credentials = &case.references.credentials;
    let what = "the client secret's value (not its ID), as text,";
    let password = credentials.text(&secret.secret_name, &secret.key, what).map_err(Refusal::unresolved)?;
    let mut smtp = route(case.route, services)?;
    smtp.login = Login::Password { username: services.username.clone(), password };
    let long_lived = LongLived {
        reason: "ClientSecret",
        what: format!(
            "the client secret of the EntraApp {name}, from the Secret {} in {}",
            secret.secret_name,
            credentials.namespace()
        ),
    };
    let route = Route::AzureCommunicationServices(smtp);
    Ok(Exit { long_lived: Some(long_lived), ..Exit::new(route, Need::Nothing) })
}

pub(super) fn route(route: &MailRoute, services: &AzureCommunicationServices) -> Result<SmtpRoute, Refusal> {
    let mut smtp = smtp(route, services.host(), services.port(), services.ca_bundle.as_deref())?;
    smtp.max_message_bytes = MESSAGE_BYTES;
    Ok(smtp)
}

/// Whoever reads the secret in the sender's namespace can get tokens by it: so it must be good for
/// none that anybody else relies on.
fn dedicated(case: Case<'_>, app: &EntraApp) -> Result<(), Refusal> {
    let Some(user) = &case.references.token_user else { return Ok(()) };
    let name = app.name_any();
    Err(Refusal::not_accepted(
        local(reason::ENTRA_APP_NOT_DEDICATED)
            .with_cause(&format!(
                "the client secret of the EntraApp {name} would lie in this namespace as a password, and the MailSender {user} gets tokens by the same secret"
            ))
            .with_fix(&format!(
                "give Azure Communication Services an app registration and an EntraApp of its own, and name that one here; or let {user} use another EntraApp"
            )),
    ))
}
