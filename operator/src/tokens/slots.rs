//! How many requests are under way at one time: over all, and to each login host, so that one which
//! does not answer holds up its own apps only.

use std::{collections::HashMap, sync::Arc};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Requests to one login host; each is limited in time by the client.
const PER_HOST: usize = 4;

/// Requests to all hosts together. Many hosts have to fail at once before this is reached: there is
/// one for each cloud, and a few of private ones.
const OVER_ALL: usize = 32;

/// The slots of all hosts that are in use.
pub(super) struct Slots {
    all: Arc<Semaphore>,
    hosts: HashMap<String, Arc<Semaphore>>,
}

/// One request's place, until it is dropped.
pub(super) struct Slot(#[expect(dead_code, reason = "held, not read")] [Option<OwnedSemaphorePermit>; 2]);

impl Default for Slots {
    fn default() -> Self {
        Self { all: Arc::new(Semaphore::new(OVER_ALL)), hosts: HashMap::new() }
    }
}

impl Slots {
    /// Waits for a place among the requests to this host.
    pub(super) fn slot(&mut self, host: &str) -> impl Future<Output = Slot> + Send + use<> {
        // whoever waits for a place, or has one, holds its host's semaphore too
        self.hosts.retain(|_, slots| Arc::strong_count(slots) > 1);
        let of_host = self.hosts.entry(host.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(PER_HOST)));
        let (of_host, all) = (of_host.clone(), self.all.clone());
        async move {
            // neither is ever closed; the host's comes first, so that nobody waits with one of all
            let of_host = of_host.acquire_owned().await.ok();
            Slot([of_host, all.acquire_owned().await.ok()])
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn a_host_that_does_not_answer_holds_up_no_other() {
        let mut slots = Slots::default();
        let hung: Vec<_> = (0..PER_HOST).filter_map(|_| slots.slot("dark.test").now_or_never()).collect();
        assert_eq!(hung.len(), PER_HOST);
        let mut waiting = Box::pin(slots.slot("dark.test"));
        assert!((&mut waiting).now_or_never().is_none());
        assert!(slots.slot("login.test").now_or_never().is_some());
        drop(hung);
        assert!(waiting.now_or_never().is_some());
    }

    #[test]
    fn hosts_that_are_not_asked_any_more_are_forgotten() {
        let mut slots = Slots::default();
        for n in 0..100 {
            drop(slots.slot(&format!("{n}.test")));
        }
        let kept = slots.slot("kept.test").now_or_never();
        drop(slots.slot("last.test"));
        assert!(kept.is_some() && slots.hosts.len() <= 2, "{}", slots.hosts.len());
    }
}
