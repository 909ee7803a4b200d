//! Collects what a MailSender refers to, from the stores; no request is made.

use kube::ResourceExt;
use mail_egress_crds::MailSender;

use super::validate::References;
use crate::watches::Stores;

/// What the sender refers to; `None` where its namespace has not been heard of yet, so that
/// nothing can be concluded from the namespace's labels.
#[must_use]
pub(super) fn gather(sender: &MailSender, stores: &Stores) -> Option<References> {
    let namespace_labels = stores.namespace_labels(&sender.namespace()?)?;
    Some(References {
        app: sender.spec.entra_app.as_deref().map(|name| stores.app(name)),
        route: stores.route(&sender.spec.route),
        namespace_labels,
    })
}
