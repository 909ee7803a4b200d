//! How full a limit is over the time to come, and when there is room.

use std::time::{Duration, Instant};

/// What is taken of a limit at each instant from now on.
#[derive(Debug, Default)]
pub(crate) struct Profile {
    /// What begins and what ends, in no order.
    changes: Vec<(Instant, i64)>,
}

impl Profile {
    /// So much is taken from `from` until before `until`.
    pub(crate) fn add(&mut self, from: Instant, until: Instant, amount: u64) {
        if from < until {
            let amount = i64::try_from(amount).unwrap_or(i64::MAX / 4096);
            self.changes.push((from, amount));
            self.changes.push((until, -amount));
        }
    }

    /// All changes are in.
    pub(crate) fn finish(mut self) -> Self {
        self.changes.sort_unstable();
        self
    }

    /// The first instant, not before `from`, from which for so long never more than `room` is
    /// taken. There always is one, since all that is taken ends.
    pub(crate) fn earliest(&self, from: Instant, length: Duration, room: u64) -> Instant {
        let room = i64::try_from(room).unwrap_or(i64::MAX);
        let mut start = from;
        let mut taken = 0;
        let mut changes = self.changes.iter().peekable();
        while let Some((at, _)) = changes.peek() {
            // what was taken until here
            if *at > start {
                if taken > room {
                    start = *at;
                } else if *at >= start + length {
                    return start;
                }
            }
            let at = *at;
            while let Some((_, amount)) = changes.next_if(|(next, _)| *next == at) {
                taken += amount;
            }
        }
        start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn room_must_last_as_long_as_is_asked() {
        let now = Instant::now();
        let mut profile = Profile::default();
        profile.add(now, now + s(10), 2);
        profile.add(now + s(15), now + s(30), 1);
        profile.add(now + s(15), now + s(20), 1);
        let profile = profile.finish();
        assert_eq!(profile.earliest(now, s(5), 2), now);
        assert_eq!(profile.earliest(now, s(5), 1), now + s(10));
        assert_eq!(profile.earliest(now, s(6), 1), now + s(20));
        assert_eq!(profile.earliest(now, s(6), 0), now + s(30));
        assert_eq!(profile.earliest(now + s(12), s(3), 0), now + s(12));
    }

    #[test]
    fn one_that_begins_as_another_ends_needs_no_room_of_its_own() {
        let now = Instant::now();
        let mut profile = Profile::default();
        profile.add(now, now + s(10), 1);
        profile.add(now + s(10), now + s(20), 1);
        assert_eq!(profile.finish().earliest(now, s(20), 1), now);
    }
}
