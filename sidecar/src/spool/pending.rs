//! The spooled messages that wait for an attempt, in the order in which they are due: pure.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use mail_egress_spool::{Spool, Ticket};

/// One message and the folder that it lies in.
#[derive(Debug)]
pub(super) struct Job {
    pub(super) spool: Spool,
    pub(super) ticket: Ticket,
}

/// What waits, and how much is in hand.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// By the time that each is due, and by a count, so that equals keep their order.
    waiting: BTreeMap<(Timestamp, u64), Job>,
    /// When those that wait or are in hand were accepted, each with its count.
    accepted: BTreeSet<(Timestamp, u64)>,
    count: u64,
}

/// A job in hand: to be given back by [`Pending::back`] or [`Pending::over`].
#[derive(Debug)]
pub(super) struct InHand {
    pub(super) job: Job,
    number: u64,
}

impl Pending {
    pub(super) fn add(&mut self, job: Job) {
        let number = self.count;
        self.count += 1;
        self.accepted.insert((job.ticket.accepted_at, number));
        self.waiting.insert((job.ticket.due(), number), job);
    }

    /// The next one that is due.
    pub(super) fn take(&mut self, now: Timestamp) -> Option<InHand> {
        let first = self.waiting.first_entry()?;
        let (due, number) = *first.key();
        (due <= now).then(|| InHand { job: first.remove(), number })
    }

    /// Those that wait and are older than `max_age`.
    pub(super) fn take_older(&mut self, max_age: SignedDuration, now: Timestamp) -> Vec<InHand> {
        let is_older = |job: &Job| now.duration_since(job.ticket.accepted_at) >= max_age;
        let old: Vec<_> = self.waiting.iter().filter(|(_, job)| is_older(job)).map(|(key, _)| *key).collect();
        let taken =
            old.into_iter().filter_map(|key| Some(InHand { job: self.waiting.remove(&key)?, number: key.1 }));
        taken.collect()
    }

    /// It waits again, until `due`.
    pub(super) fn back(&mut self, in_hand: InHand, due: Timestamp) {
        self.waiting.insert((due, in_hand.number), in_hand.job);
    }

    /// It is through with.
    pub(super) fn over(&mut self, in_hand: &InHand) {
        self.accepted.remove(&(in_hand.job.ticket.accepted_at, in_hand.number));
    }

    /// When the next one is due.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.waiting.first_key_value().map(|((due, _), _)| *due)
    }

    /// How many wait or are in hand.
    pub(super) fn count(&self) -> usize {
        self.accepted.len()
    }

    /// When the oldest of them was accepted.
    pub(super) fn oldest(&self) -> Option<Timestamp> {
        self.accepted.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use mail_egress_spool::{Limits, Progress};

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn jobs(tickets: &[(&str, i64, Option<i64>)]) -> (tempfile::TempDir, Pending) {
        let root = tempfile::tempdir().unwrap();
        let limits = Limits { octets: 1 << 20, entries: 10 };
        let (spool, _) = Spool::open(root.path(), "pod", limits, at(0)).unwrap();
        let mut pending = Pending::default();
        for (id, accepted, due) in tickets {
            let progress =
                due.map(|due| Progress { attempts: 1, due: at(due), reason: "R".into(), uncertain: false });
            let ticket = Ticket {
                id: id.parse().unwrap(),
                accepted_at: at(*accepted),
                octets: 1,
                dotted: false,
                progress,
            };
            pending.add(Job { spool: spool.clone(), ticket });
        }
        (root, pending)
    }

    fn name(in_hand: &InHand) -> &str {
        in_hand.job.ticket.id.as_str()
    }

    #[test]
    fn the_longest_due_goes_first_and_equals_keep_their_order() {
        let (_root, mut pending) = jobs(&[("again", 0, Some(30)), ("first", 5, None), ("second", 5, None)]);
        assert_eq!(pending.next_due(), Some(at(5)));
        assert!(pending.take(at(4)).is_none());
        let taken: Vec<_> = std::iter::from_fn(|| pending.take(at(40))).collect();
        assert_eq!(taken.iter().map(name).collect::<Vec<_>>(), ["first", "second", "again"]);
    }

    #[test]
    fn what_is_in_hand_counts_until_it_is_over() {
        let (_root, mut pending) = jobs(&[("a", 1, None), ("b", 2, None)]);
        let (a, b) = (pending.take(at(9)).unwrap(), pending.take(at(9)).unwrap());
        assert_eq!((pending.count(), pending.oldest(), pending.next_due()), (2, Some(at(1)), None));
        pending.over(&a);
        pending.back(b, at(60));
        assert_eq!((pending.count(), pending.oldest(), pending.next_due()), (1, Some(at(2)), Some(at(60))));
    }

    #[test]
    fn those_that_have_reached_their_age_are_found_wherever_they_stand() {
        let (_root, mut pending) = jobs(&[("old", 0, Some(5000)), ("new", 100, None)]);
        let old = pending.take_older(SignedDuration::from_secs(90), at(110));
        assert_eq!(old.iter().map(name).collect::<Vec<_>>(), ["old"]);
        assert_eq!(name(&pending.take(at(110)).unwrap()), "new");
    }
}
