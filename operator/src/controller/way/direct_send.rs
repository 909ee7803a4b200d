//! Direct Send: to the tenant's own recipients, without a credential.

use mail_egress_config::{Login, Route, SmtpRoute};
use mail_egress_crds::{MailRoute, mail_route::DirectSend};

use super::{Case, Exit, Need, Refusal, smtp};

pub(super) fn judge(case: Case<'_>, direct: &DirectSend) -> Result<Exit, Refusal> {
    let mailbox = &case.sender.spec.mailbox;
    let domain = mailbox.rsplit_once('@').map_or(mailbox.as_str(), |(_, domain)| domain);
    Ok(Exit::new(Route::DirectSend(route(case.route, direct, domain)?), Need::Nothing))
}

/// `domain` is that of the mailbox: where no host is set its MX is asked for, and where no accepted
/// domains are, it is the only one that is surely the tenant's own.
pub(super) fn route(route: &MailRoute, direct: &DirectSend, domain: &str) -> Result<SmtpRoute, Refusal> {
    let host = direct.host.as_deref();
    let mut smtp = smtp(route, host.unwrap_or(domain), direct.port(), direct.ca_bundle.as_deref())?;
    smtp.mx = host.is_none();
    smtp.login = Login::None;
    smtp.accepted_domains = match route.spec.accepted_domains.as_slice() {
        [] => vec![domain.to_owned()],
        known => known.to_vec(),
    };
    Ok(smtp)
}
