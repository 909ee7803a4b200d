//! How many messages may be on their way to the relay at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Connections that Exchange takes from one mailbox at once (fact sheet B, "Concurrent sends").
pub const CONNECTIONS: usize = 3;

/// Lets in a few at a time, in the order in which they came.
#[derive(Debug, Clone)]
pub struct Gate(Arc<Semaphore>);

/// The right to one connection to the relay, given back when dropped.
#[derive(Debug)]
pub struct Place(#[expect(dead_code, reason = "held for its drop")] OwnedSemaphorePermit);

impl Gate {
    /// A gate with so many places.
    #[must_use]
    pub fn new(places: usize) -> Self {
        Self(Arc::new(Semaphore::new(places)))
    }

    /// Waits for a place, at most so long; `None` when the time is over. Fair: first come, first
    /// served. Dropping the future gives up the turn.
    pub async fn enter(&self, wait: Duration) -> Option<Place> {
        match tokio::time::timeout(wait, Arc::clone(&self.0).acquire_owned()).await {
            Ok(Ok(permit)) => Some(Place(permit)),
            Ok(Err(_closed)) => None,
            Err(_elapsed) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_place_given_back_goes_to_the_one_who_waits() {
        let gate = Gate::new(1);
        let first = gate.enter(Duration::ZERO).await.unwrap();
        let waiting = tokio::spawn({
            let gate = gate.clone();
            async move { gate.enter(Duration::from_secs(8)).await }
        });
        tokio::time::advance(Duration::from_secs(7)).await;
        drop(first);
        assert!(waiting.await.unwrap().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_ends() {
        let gate = Gate::new(1);
        let _first = gate.enter(Duration::ZERO).await.unwrap();
        assert!(gate.enter(Duration::from_secs(8)).await.is_none());
    }
}
