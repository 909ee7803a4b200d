//! What the rest of the program holds of the election: whether it leads, and proof of it.

use std::future::Future;

use tokio::sync::watch;
use tokio::time::Instant;

/// Where this replica stands; written by the campaign alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It must not write.
    Following,
    /// It may write until the deadline, which each renewal moves on.
    Leading { term: u64, until: Instant },
}

/// A view of the election, cheap to clone.
#[derive(Debug, Clone)]
pub struct Leadership {
    standing: watch::Receiver<Standing>,
}

impl Leadership {
    pub(super) fn new(standing: watch::Receiver<Standing>) -> Self {
        Self { standing }
    }

    /// Whether this replica may write at this moment.
    pub fn is_leader(&self) -> bool {
        self.term().is_some()
    }

    /// The term that this replica leads now, if it does.
    pub fn term(&self) -> Option<Term> {
        match *self.standing.borrow() {
            Standing::Leading { term, until } if Instant::now() < until => {
                Some(Term { number: term, standing: self.standing.clone() })
            }
            Standing::Leading { .. } | Standing::Following => None,
        }
    }

    /// Waits until this replica leads. Pending for ever once the campaign has ended.
    pub async fn acquired(&self) -> Term {
        let mut standing = self.standing.clone();
        loop {
            standing.mark_unchanged();
            if let Some(term) = self.term() {
                return term;
            }
            if standing.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

/// Proof that this replica was elected, good until it is lost once. Electing the same replica
/// again begins another term, so that work of the old one cannot go on unnoticed.
#[derive(Debug, Clone)]
pub struct Term {
    number: u64,
    standing: watch::Receiver<Standing>,
}

impl Term {
    /// Waits until the term is over. Does not rely on the campaign to say so: the deadline
    /// passes by itself, also where the campaign hangs or has died.
    pub async fn lost(&self) {
        let mut standing = self.standing.clone();
        loop {
            standing.mark_unchanged();
            let Some(until) = self.deadline() else { return };
            if Instant::now() >= until {
                return;
            }
            let changed = async {
                if standing.changed().await.is_err() {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                () = changed => {}
                () = tokio::time::sleep_until(until) => {}
            }
        }
    }

    /// Runs `write` while the term lasts, and drops it at the term's end.
    ///
    /// What is dropped may still reach the API server: [`super::Timing`] leaves it the time
    /// between the renew deadline and the lease's duration to do so.
    pub async fn fenced<F: Future>(&self, write: F) -> Result<F::Output, NotLeading> {
        tokio::select! {
            biased;
            () = self.lost() => Err(NotLeading),
            output = write => Ok(output),
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match *self.standing.borrow() {
            Standing::Leading { term, until } if term == self.number => Some(until),
            Standing::Leading { .. } | Standing::Following => None,
        }
    }
}

/// A write was not begun, or was cut short, because this replica does not lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("another replica leads, or the lease could not be renewed in time")]
pub struct NotLeading;
