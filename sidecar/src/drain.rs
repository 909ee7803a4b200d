//! The end of the program: who is told, and how long what is in hand may still take.

use std::future;

use tokio::sync::watch;
use tokio::time::{Duration, Instant, sleep_until};

/// Starts the end; held by whoever hears the signal.
#[derive(Debug)]
pub struct DrainStart(watch::Sender<Option<Instant>>);

/// Hears of the end; cloned into everything that must react.
#[derive(Debug, Clone)]
pub struct Drain(watch::Receiver<Option<Instant>>);

/// A fresh pair; nothing is ending yet.
#[must_use]
pub fn channel() -> (DrainStart, Drain) {
    let (start, drain) = watch::channel(None);
    (DrainStart(start), Drain(drain))
}

impl DrainStart {
    /// From now on nothing new is taken, and what is in hand has `timeout` to end. Later calls
    /// change nothing.
    pub fn begin(&self, timeout: Duration) -> Instant {
        let until = Instant::now() + timeout;
        self.0.send_if_modified(|end| end.is_none() && end.replace(until).is_none());
        (*self.0.borrow()).unwrap_or(until)
    }
}

impl Drain {
    /// Whether the end has begun.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.0.borrow().is_some()
    }

    /// Waits until the end begins; for ever where it never can.
    pub async fn begun(&mut self) -> Instant {
        let end = self.0.wait_for(Option::is_some).await.map_or(None, |end| *end);
        match end {
            Some(until) => until,
            None => future::pending().await,
        }
    }

    /// Waits until the time for what is in hand is over.
    pub async fn over(&mut self) {
        let until = self.begun().await;
        sleep_until(until).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_in_hand_has_its_time() {
        let (start, drain) = channel();
        assert!(!drain.has_begun());
        let mut heard = drain.clone();
        let over = tokio::spawn(async move { heard.over().await });
        let began = Instant::now();
        start.begin(Duration::from_secs(25));
        over.await.unwrap();
        assert!(drain.has_begun());
        assert_eq!(began.elapsed().as_secs(), 25);
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_call_does_not_give_more_time() {
        let (start, mut drain) = channel();
        let until = start.begin(Duration::from_secs(1));
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!(start.begin(Duration::from_secs(100)), until);
        assert_eq!(drain.begun().await, until);
    }
}
