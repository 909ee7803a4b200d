//! Writes a status where it differs, and an event where the summary's reason does.

use std::fmt::Debug;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams},
};
use mail_egress_crds::{EntraApp, MailPolicy, MailRoute, MailSender, names};
use serde::de::DeserializeOwned;
use serde_json::json;
use tracing::info;

use super::{
    Context, ReconcileError,
    condition::{Finding, Status, merge},
};

/// A kind whose status we write: the generation observed, and conditions.
pub(super) trait Reported:
    Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static
{
    /// What the status says now.
    fn reported(&self) -> (Option<i64>, &[Condition]);

    /// Where objects of this kind are written.
    fn api(&self, client: kube::Client) -> Api<Self>;
}

macro_rules! reported {
    ($kind:ty, $api:expr) => {
        impl Reported for $kind {
            fn reported(&self) -> (Option<i64>, &[Condition]) {
                self.status
                    .as_ref()
                    .map_or((None, &[]), |status| (status.observed_generation, &status.conditions))
            }

            fn api(&self, client: kube::Client) -> Api<Self> {
                let api: fn(&Self, kube::Client) -> Api<Self> = $api;
                api(self, client)
            }
        }
    };
}

reported!(MailSender, |object, client| Api::namespaced(client, &object.namespace().unwrap_or_default()));
reported!(EntraApp, |_, client| Api::all(client));
reported!(MailRoute, |_, client| Api::all(client));
reported!(MailPolicy, |_, client| Api::all(client));

/// Reports the findings on an object. The first finding is the summary: when its status or reason
/// changes, an event says so, once.
///
/// The write holds only for the object as it was read (its resourceVersion), so that no event is
/// sent twice and no newer status is undone; where it was changed meanwhile, the caller gets
/// [`ReconcileError::Stale`] and looks again.
pub(super) async fn report<K: Reported>(
    context: &Context,
    object: &K,
    findings: &[Finding],
) -> Result<(), ReconcileError> {
    let (observed, current) = object.reported();
    let generation = object.meta().generation;
    let next = merge(current, findings, generation, Timestamp::now());
    if observed == generation && next == current {
        return Ok(());
    }
    let patch = json!({
        "metadata": {"resourceVersion": object.resource_version()},
        "status": {"observedGeneration": generation, "conditions": next},
    });
    let api = object.api(context.writer.client());
    let params =
        PatchParams { field_manager: Some(names::FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    context
        .writer
        .write(api.patch_status(&object.name_any(), &params, &Patch::Merge(patch)))
        .await
        .map_err(ReconcileError::of_status)?;
    match findings.first() {
        Some(summary) if is_news(current, summary) => announce(context, object, summary).await,
        Some(_) | None => {}
    }
    Ok(())
}

/// Whether the summary's status or reason differs from what was said before.
fn is_news(current: &[Condition], summary: &Finding) -> bool {
    let before = current.iter().find(|condition| condition.type_ == summary.type_);
    before.is_none_or(|before| before.status != summary.status.as_str() || before.reason != summary.reason)
}

async fn announce<K: Reported>(context: &Context, object: &K, summary: &Finding) {
    let Finding { type_, status, reason, message } = summary;
    info!(
        kind = %K::kind(&()),
        namespace = object.namespace(),
        name = object.name_any(),
        condition = type_,
        status = status.as_str(),
        reason,
        "{message}"
    );
    let warns = match status {
        Status::True => false,
        Status::False | Status::Unknown => true,
    };
    context.events.publish(&context.writer, &object.object_ref(&()), warns, reason, message).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_change_of_the_summarys_status_or_reason_is_news() {
        let ready = Finding::yes("Ready", "it can send");
        assert!(is_news(&[], &ready));
        let current = merge(&[], std::slice::from_ref(&ready), Some(1), Timestamp::UNIX_EPOCH);
        assert!(!is_news(&current, &Finding::yes("Ready", "it can send as before")));
        assert!(is_news(&current, &Finding { reason: "Other", ..ready.clone() }));
        assert!(is_news(&current, &Finding { status: Status::False, ..ready }));
    }
}
