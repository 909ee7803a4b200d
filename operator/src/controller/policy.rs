//! MailPolicy: its status, which says what this version does not act upon.

use std::sync::Arc;

use futures::{FutureExt, StreamExt, stream};
use kube::runtime::controller::Action;
use mail_egress_crds::{
    MailPolicy,
    names::{REASON_NOT_YET_HONOURED, condition},
};

use super::{
    Context, ReconcileError,
    condition::{Finding, Status},
    dependants,
    drive::drive,
    status::report,
};
use crate::watches::{Change, Changes};

/// MailPolicies at one time.
const WORKERS: u16 = 1;

pub(super) async fn run(context: Arc<Context>, changes: &Changes) {
    let stores = context.stores.clone();
    let queue = changes
        .subscribe()
        .flat_map(move |change: Change| stream::iter(dependants::policies(&change, &stores)));
    let store = context.stores.policies.clone();
    let reconcile = |policy, context| reconcile(policy, context).boxed();
    drive("mailpolicy", WORKERS, store, queue, reconcile, context).await;
}

async fn reconcile(policy: Arc<MailPolicy>, context: Arc<Context>) -> Result<Action, ReconcileError> {
    report(&context, policy.as_ref(), &[judge(&policy)]).await?;
    Ok(Action::await_change())
}

fn judge(policy: &MailPolicy) -> Finding {
    let not_yet = policy.spec.not_yet_honoured();
    if not_yet.is_empty() {
        return Finding::yes(condition::SUPPORTED, "this version acts upon its exceptions");
    }
    Finding {
        type_: condition::SUPPORTED,
        status: Status::False,
        reason: REASON_NOT_YET_HONOURED,
        message: format!(
            "this version enforces no policy, and of its exceptions only those from ExchangeOnlineBasic: it does not act upon {}; to mend: rely on spec.allowedNamespaces of the EntraApps and MailRoutes",
            not_yet.join(", ")
        ),
    }
}
