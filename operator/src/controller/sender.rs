//! MailSender: from the object to its Secret and its status.

use std::{sync::Arc, time::Duration};

use futures::{FutureExt, StreamExt, stream};
use jiff::Timestamp;
use kube::{ResourceExt, runtime::controller::Action};
use mail_egress_crds::{MailSender, names::condition};
use mail_egress_diagnosis::Diagnosis;

use super::{
    Context, ReconcileError,
    apply::{ApplyError, apply},
    build::{self, Orders},
    condition::{Finding, progress},
    dependants,
    drive::drive,
    gather::gather,
    status::report,
    token::{Decision, token},
    validate::validate,
};
use crate::watches::{Change, Changes};

/// MailSenders at one time.
const WORKERS: u16 = 32;

/// When the namespace of a new sender should have been heard of.
const NAMESPACE_LAG: Duration = Duration::from_secs(1);

pub(super) async fn run(context: Arc<Context>, changes: &Changes) {
    let stores = context.stores.clone();
    let queue = changes
        .subscribe()
        .flat_map(move |change: Change| stream::iter(dependants::senders(&change, &stores)));
    let store = context.stores.senders.clone();
    let reconcile = |sender, context| reconcile(sender, context).boxed();
    drive("mailsender", WORKERS, store, queue, reconcile, context).await;
}

async fn reconcile(sender: Arc<MailSender>, context: Arc<Context>) -> Result<Action, ReconcileError> {
    if sender.metadata.deletion_timestamp.is_some() {
        // the Secret goes with its owner
        return Ok(Action::await_change());
    }
    let Some(references) = gather(&sender, &context.stores) else {
        return Ok(Action::requeue(NAMESPACE_LAG));
    };
    let verdict = validate(&sender, &references, Timestamp::now());
    let (orders, token_finding, again) = match token(&verdict, &context) {
        Decision::Now(orders, finding, again) => (orders, finding, again),
        Decision::Soon(wait) => return Ok(Action::requeue(wait)),
    };
    let secret = build::secret(&sender, &orders)?;
    let refused = match apply(&context.writer, &secret).await {
        Ok(()) => None,
        Err(ApplyError::Refused(diagnosis)) => Some(*diagnosis),
        Err(error) => return unwritten(error, context.settings.resync),
    };
    if let Some(refused) = &refused {
        context.metrics.apply_failed(refused.reason);
    }
    let findings = summarise(&sender, verdict.findings, token_finding, &orders, refused.as_ref());
    report(&context, sender.as_ref(), &findings).await?;
    match refused {
        Some(refused) => Err(ReconcileError::Refused(refused.sentence())),
        None => Ok(Action::requeue(next_look(context.settings.resync, again, Timestamp::now()))),
    }
}

/// What is done next about a Secret that was not applied, for a reason that no status tells.
fn unwritten(error: ApplyError, resync: Duration) -> Result<Action, ReconcileError> {
    match error {
        ApplyError::NamespaceGoing => Ok(Action::await_change()),
        ApplyError::NotFound => Ok(Action::requeue(spread(resync))),
        ApplyError::Refused(diagnosis) => Err(ReconcileError::Refused(diagnosis.sentence())),
        ApplyError::Unavailable(error) => Err(error.into()),
    }
}

/// All findings, the summary first: the sender is ready if it may send, has a token, and its Secret
/// says so.
fn summarise(
    sender: &MailSender,
    mut findings: Vec<Finding>,
    token: Finding,
    orders: &Orders,
    refused: Option<&Diagnosis>,
) -> Vec<Finding> {
    // a Secret that is not written comes first: what it held before may still be in force
    let trouble = match (refused, orders) {
        (Some(diagnosis), _) | (None, Orders::Refuse(diagnosis)) => Some(diagnosis),
        (None, Orders::Send(_)) => None,
    };
    let summary = match trouble {
        Some(trouble) => Finding::no(condition::READY, trouble),
        None => {
            let mailbox = &sender.spec.mailbox;
            let name = sender.name_any();
            Finding::yes(
                condition::READY,
                format!("pods labelled mail-egress.io/sender: {name} can send as {mailbox}"),
            )
        }
    };
    findings.insert(0, summary);
    findings.push(token);
    findings.extend(trouble.map(progress));
    findings
}

/// The next look at a sender: after the resync, or as soon as something dated has ended.
fn next_look(resync: Duration, dated: Option<Timestamp>, now: Timestamp) -> Duration {
    let left = dated.map(|dated| Duration::try_from(dated.duration_since(now)).unwrap_or_default());
    // a moment later, so that it surely has
    let left = left.map(|left| left + Duration::from_secs(1));
    left.into_iter().chain([spread(resync)]).min().unwrap_or(resync)
}

/// So that thousands of senders do not come at once: a tenth earlier or later.
fn spread(resync: Duration) -> Duration {
    resync.mul_f64(0.9 + 0.2 * rand::random::<f64>())
}

#[cfg(test)]
mod tests;
