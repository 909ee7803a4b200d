//! What a MailSender refers to, as it was found: everything that is judged.

use std::{collections::BTreeMap, sync::Arc};

use mail_egress_crds::{EntraApp, MailPolicy, MailRoute};

use crate::{credential::Credentials, watches::Named};

/// What a MailSender refers to, and what else it depends on.
#[derive(Clone, Debug)]
pub(super) struct References {
    /// What `spec.entraApp` names; `None` where it names nothing.
    pub(super) app: Option<Named<EntraApp>>,
    /// What `spec.route` names.
    pub(super) route: Named<MailRoute>,
    /// What `spec.fallbackRoute` names; `None` where it names nothing.
    pub(super) fallback: Option<Named<MailRoute>>,
    /// The labels of the sender's namespace.
    pub(super) namespace_labels: BTreeMap<String, String>,
    /// The Secrets that the routes, or the app in the place of one, have their credentials in.
    pub(super) credentials: Credentials,
    /// Every policy.
    pub(super) policies: Vec<Arc<MailPolicy>>,
    /// Another sender that gets tokens by the same app, looked for where the app's secret would be
    /// carried.
    pub(super) token_user: Option<String>,
}
