//! A password for Exchange Online, which Microsoft is ending: only by a dated exception.

use jiff::Timestamp;
use kube::ResourceExt;
use mail_egress_config::Login;
use mail_egress_crds::mail_policy::PolicyRule;
use mail_egress_diagnosis::{local, reason};

use super::{Case, Exit, Refusal};

/// Lets a way out pass that logs in to Exchange Online by a password, whatever its kind, for as long as
/// an exception lasts; any other passes as it is.
pub(super) fn judge(case: Case<'_>, exit: Exit) -> Result<Exit, Refusal> {
    match exit.route.by_smtp() {
        Ok(smtp) if matches!(smtp.login, Login::Password { .. }) && is_exchange_online(&smtp.host) => {
            let until = excepted(case, &smtp.host)?;
            Ok(Exit { until: Some(until), ..exit })
        }
        Ok(_) | Err(_) => Ok(exit),
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
