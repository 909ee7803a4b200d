//! Runs one kind's reconciliations: each object one at a time, several objects at once, a failing
//! one ever more rarely.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use futures::{FutureExt, Stream, StreamExt, future::BoxFuture};
use kube::{
    Resource,
    runtime::{
        applier,
        controller::{Action, Config, Error},
        reflector::{ObjectRef, Store},
    },
};
use mail_egress_entra::backoff::Backoff;
use tracing::warn;

use super::{Context, ReconcileError};
use crate::{causes::Causes, metrics::Outcome};

/// Between two attempts at an object whose reconciliation fails.
const AGAIN: Backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(120) };

/// When the cache should have caught up with a write that came between.
const STALE: Duration = Duration::from_millis(500);

/// What one reconciliation is to become.
pub(super) type Reconciliation = BoxFuture<'static, Result<Action, ReconcileError>>;

/// Reconciles whatever `queue` names, at most `workers` at one time; never returns while the queue
/// lasts. An object that is named while it is being reconciled is reconciled once more after it.
pub(super) async fn drive<K>(
    controller: &'static str,
    workers: u16,
    store: Store<K>,
    queue: impl Stream<Item = ObjectRef<K>> + Send,
    reconcile: fn(Arc<K>, Arc<Context>) -> Reconciliation,
    context: Arc<Context>,
) where
    K: Resource<DynamicType = ()> + Clone + Send + Sync + 'static,
{
    let failures = Failures::default();
    let counted = failures.clone();
    let measured = move |object: Arc<K>, context: Arc<Context>| {
        let counted = counted.clone();
        async move {
            let _active = context.metrics.reconciling(controller, workers);
            let begun = Instant::now();
            let reference = ObjectRef::from_obj(object.as_ref());
            let result = settle(reconcile(object, context.clone()).await);
            if result.is_ok() {
                counted.forget(&reference);
            }
            context.metrics.reconciled(controller, outcome(&result), begun.elapsed());
            result
        }
        .boxed()
    };
    let known = store.clone();
    let again = move |object: Arc<K>, error: &ReconcileError, _: Arc<Context>| {
        let reference = ObjectRef::from_obj(object.as_ref());
        let times = failures.count(&reference, known.len());
        warn!(controller, object = %reference, times, error = %Causes(error), "reconciliation failed");
        Action::requeue(AGAIN.delay(times, rand::random()))
    };
    applier(
        measured,
        again,
        context,
        store,
        queue.map(Ok::<_, Infallible>),
        Config::default().concurrency(workers),
    )
    .for_each(|result| async move {
        match result {
            // a failure was logged with its count; an object that is gone needs nothing
            Ok(_) | Err(Error::ReconcilerFailed(..) | Error::ObjectNotFound(_)) => {}
            Err(error @ (Error::QueueError(_) | Error::RunnerError(_))) => {
                warn!(controller, error = %Causes(&error), "controller failed");
            }
        }
    })
    .await;
}

/// Turns what is no failure into what is to be done next.
fn settle(result: Result<Action, ReconcileError>) -> Result<Action, ReconcileError> {
    match result {
        Err(ReconcileError::Stale) => Ok(Action::requeue(STALE)),
        Err(ReconcileError::Gone) => Ok(Action::await_change()),
        Ok(action) => Ok(action),
        Err(error @ (ReconcileError::Write(_) | ReconcileError::Refused(_) | ReconcileError::File(_))) => {
            Err(error)
        }
    }
}

fn outcome(result: &Result<Action, ReconcileError>) -> Outcome {
    match result {
        Ok(action) if *action == Action::await_change() => Outcome::Success,
        Ok(_) => Outcome::RequeueAfter,
        Err(_) => Outcome::Error,
    }
}

/// How often each object has failed in a row.
#[derive(Debug)]
struct Failures<K: Resource<DynamicType = ()> + 'static>(Arc<Mutex<HashMap<ObjectRef<K>, u32>>>);

impl<K: Resource<DynamicType = ()> + 'static> Clone for Failures<K> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: Resource<DynamicType = ()> + 'static> Default for Failures<K> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<K: Resource<DynamicType = ()> + Clone + 'static> Failures<K> {
    /// Counts one more. `objects` is how many there are: counts of objects that are gone are
    /// dropped before there are twice as many.
    fn count(&self, object: &ObjectRef<K>, objects: usize) -> u32 {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() > 2 * objects + 16 {
            all.clear();
        }
        let times = all.entry(object.clone()).or_default();
        *times = times.saturating_add(1);
        *times
    }

    fn forget(&self, object: &ObjectRef<K>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(object);
    }
}

#[cfg(test)]
mod tests {
    use mail_egress_crds::MailSender;

    use super::*;

    #[test]
    fn failures_are_counted_in_a_row_and_do_not_pile_up() {
        let failures = Failures::<MailSender>::default();
        let billing = ObjectRef::new("billing").within("shop");
        assert_eq!([failures.count(&billing, 1), failures.count(&billing, 1)], [1, 2]);
        failures.forget(&billing);
        assert_eq!(failures.count(&billing, 1), 1);
        for n in 0..1000 {
            failures.count(&ObjectRef::new(&n.to_string()).within("shop"), 1);
        }
        assert!(failures.0.lock().unwrap().len() <= 20);
    }

    #[test]
    fn a_stale_object_is_looked_at_again_without_counting_as_an_error() {
        assert_eq!(outcome(&settle(Err(ReconcileError::Stale))), Outcome::RequeueAfter);
        assert_eq!(outcome(&settle(Err(ReconcileError::Gone))), Outcome::Success);
        assert_eq!(outcome(&settle(Err(ReconcileError::Refused("no".into())))), Outcome::Error);
    }
}
