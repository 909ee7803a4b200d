//! Any other relay: by password, by a token of its own provider, by certificate, or by nothing.

use kube::ResourceExt;
use mail_egress_config::{Login, Route, Security, SmtpRoute};
use mail_egress_crds::{
    MailRoute,
    mail_route::{RelayPassword, RelayTls, SmtpRelay},
};

use super::{Case, Exit, LongLived, Need, Refusal, connector, smtp};
use crate::credential::Credentials;

pub(super) fn judge(case: Case<'_>, relay: &SmtpRelay) -> Result<Exit, Refusal> {
    let (smtp, long_lived) = route(case.route, relay, &case.references.credentials)?;
    let need = match &relay.xoauth2 {
        Some(_) => Need::OfRelay(case.route.clone()),
        None => Need::Nothing,
    };
    Ok(Exit { long_lived, ..Exit::new(Route::SmtpRelay(smtp), need) })
}

pub(super) fn route(
    route: &MailRoute,
    relay: &SmtpRelay,
    credentials: &Credentials,
) -> Result<(SmtpRoute, Option<LongLived>), Refusal> {
    let mut smtp = smtp(route, &relay.host(), relay.port(), relay.ca_bundle.as_deref())?;
    smtp.security = match relay.tls {
        RelayTls::StartTLS => Security::StartTls,
        RelayTls::Implicit => Security::ImplicitTls,
        RelayTls::Plaintext => Security::Plaintext,
    };
    let by_password = match (&relay.password, &relay.xoauth2) {
        (Some(password), _) => Some(password_login(&mut smtp, route, password, credentials)?),
        (None, Some(login)) => {
            smtp.login = Login::Token { user: login.username.clone() };
            None
        }
        (None, None) => {
            smtp.login = Login::None;
            None
        }
    };
    let by_certificate = match &relay.client_certificate {
        Some(named) => Some(connector::identify(&mut smtp, route, named, credentials)?),
        None => None,
    };
    Ok((smtp, both(by_password, by_certificate)))
}

fn password_login(
    smtp: &mut SmtpRoute,
    route: &MailRoute,
    named: &RelayPassword,
    credentials: &Credentials,
) -> Result<LongLived, Refusal> {
    let password = credentials
        .text(&named.secret_name, &named.key, "the password, as text,")
        .map_err(Refusal::unresolved)?;
    smtp.login = Login::Password { username: named.username.clone(), password };
    Ok(LongLived {
        reason: "Password",
        what: format!(
            "the password of the MailRoute {}, from the Secret {} in {}",
            route.name_any(),
            named.secret_name,
            credentials.namespace()
        ),
    })
}

fn both(one: Option<LongLived>, other: Option<LongLived>) -> Option<LongLived> {
    match (one, other) {
        (Some(one), Some(other)) => {
            Some(LongLived { reason: one.reason, what: format!("{}, and {}", one.what, other.what) })
        }
        (one, other) => one.or(other),
    }
}
