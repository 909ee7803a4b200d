//! How many octets of message bodies may be somewhere, in memory or on disk, all sessions together.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The octets that are free; cheap to clone.
#[derive(Debug, Clone)]
pub struct Budget {
    total: usize,
    free: Arc<AtomicUsize>,
}

/// A part of the budget, given back when dropped.
#[derive(Debug)]
pub struct Share {
    budget: Budget,
    octets: usize,
}

impl Budget {
    /// A budget of which nothing is taken.
    #[must_use]
    pub fn new(octets: usize) -> Self {
        Self { total: octets, free: Arc::new(AtomicUsize::new(octets)) }
    }

    /// The octets nobody has taken.
    #[must_use]
    pub fn free(&self) -> usize {
        self.free.load(Ordering::Relaxed)
    }

    /// All of it.
    #[must_use]
    pub fn total(&self) -> usize {
        self.total
    }

    /// The octets that are taken.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.total.saturating_sub(self.free())
    }

    /// Takes `octets`, or nothing where fewer are free.
    #[must_use]
    pub fn share(&self, octets: usize) -> Option<Share> {
        let mut share = Share { budget: self.clone(), octets: 0 };
        share.grow_to(octets).then_some(share)
    }

    fn take(&self, octets: usize) -> bool {
        let rest = |free: usize| free.checked_sub(octets);
        self.free.fetch_update(Ordering::Relaxed, Ordering::Relaxed, rest).is_ok()
    }
}

impl Share {
    /// Makes the share at least `octets` large; where that is not to be had, it stays as it is
    /// and the answer is `false`.
    #[must_use]
    pub fn grow_to(&mut self, octets: usize) -> bool {
        let more = octets.saturating_sub(self.octets);
        let taken = self.budget.take(more);
        if taken {
            self.octets += more;
        }
        taken
    }

    /// How large it is.
    #[must_use]
    pub fn octets(&self) -> usize {
        self.octets
    }

    /// Gives everything back at once.
    pub fn release(&mut self) {
        let octets = std::mem::take(&mut self.octets);
        self.budget.free.fetch_add(octets, Ordering::Relaxed);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_no_more_than_there_is_and_takes_all_back() {
        let budget = Budget::new(100);
        let mut first = budget.share(60).unwrap();
        assert!(budget.share(41).is_none());
        assert!(!first.grow_to(101));
        assert!(first.grow_to(100));
        assert_eq!((budget.free(), budget.taken()), (0, 100));
        drop(first);
        assert_eq!(budget.free(), 100);
    }
}
