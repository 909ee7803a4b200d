//! Any other relay: by password, by a token of its own provider, by certificate, or by nothing.

use jiff::Timestamp;
use kube::ResourceExt;
use mail_egress_config::{Login, Route, Security, SmtpRoute};
use mail_egress_crds::{
    MailRoute,
    mail_policy::PolicyRule,
    mail_route::{RelayPassword, RelayTls, SmtpRelay},
};
use mail_egress_diagnosis::{local, reason};

use super::{Case, Exit, LongLived, Need, Refusal, connector, smtp};
use crate::credential::Credentials;

pub(super) fn judge(case: Case<'_>, relay: &SmtpRelay) -> Result<Exit, Refusal> {
    let until = match &relay.password {
        Some(_) if is_exchange_online(&relay.host()) => Some(excepted(case, &relay.host())?),
        Some(_) | None => None,
    };
    let (smtp, long_lived) = route(case.route, relay, &case.references.credentials)?;
    let need = match &relay.xoauth2 {
        Some(_) => Need::OfRelay(case.route.clone()),
        None => Need::Nothing,
    };
    Ok(Exit { long_lived, until, ..Exit::new(Route::SmtpRelay(smtp), need) })
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

/// Whether the host is one of Exchange Online's: there a password is a way out that ends (fact sheet 0).
fn is_exchange_online(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let domains = ["office365.com", "office365.us", "outlook.com", "partner.outlook.cn", "mx.microsoft"];
    domains
        .iter()
        .any(|domain| host.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
}

/// Until when an exception lets this sender log in to Exchange Online by a password.
fn excepted(case: Case<'_>, host: &str) -> Result<Timestamp, Refusal> {
    let namespace = case.sender.namespace().unwrap_or_default();
    let (name, labels) = (case.sender.name_any(), &case.references.namespace_labels);
    let granted = case.references.policies.iter().filter_map(|policy| {
        let rule = PolicyRule::ExchangeOnlineBasic;
        policy.spec.exception(rule, &namespace, labels, &name, case.now)
    });
    granted.map(|exception| exception.until.0).max().ok_or_else(|| {
        Refusal::not_accepted(
            local(reason::EXCHANGE_ONLINE_BASIC)
                .with_cause(&format!(
                    "the MailRoute {} logs in to {host} by a password, which Microsoft is ending, and no exception of a MailPolicy that has not ended allows it to this sender",
                    case.route.name_any()
                )),
        )
    })
}
