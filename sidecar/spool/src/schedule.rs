//! When a message is tried again.

use jiff::{SignedDuration, Timestamp};
use rand::Rng;

/// Growing intervals with jitter, up to an age.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The interval behind the first attempt; each further one is twice as long.
    pub first: SignedDuration,
    /// No interval is longer.
    pub longest: SignedDuration,
    /// Since a message was accepted; then it is given up.
    pub max_age: SignedDuration,
}

/// What [`Schedule::next`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Not before this time.
    At(Timestamp),
    /// Its age is reached, or would be before it may be tried again.
    Expired,
}

impl Schedule {
    /// 30 s, 1 min, 2 min … 30 min.
    #[must_use]
    pub fn usual(max_age: SignedDuration) -> Self {
        Self { first: SignedDuration::from_secs(30), longest: SignedDuration::from_mins(30), max_age }
    }

    /// When the attempt behind number `attempts` (from 1) is due. `not_before` is the time that the
    /// other side named: never earlier than that.
    ///
    /// The interval is taken between 80 % and 120 %, so that what failed together does not come
    /// back together. The last attempt is made when the age is reached, if it may be made then.
    pub fn next(
        &self,
        accepted_at: Timestamp,
        attempts: u32,
        now: Timestamp,
        not_before: Option<Timestamp>,
        rng: &mut impl Rng,
    ) -> Next {
        let end = accepted_at.saturating_add(self.max_age).unwrap_or(Timestamp::MAX);
        if now >= end || not_before.is_some_and(|named| named > end) {
            return Next::Expired;
        }
        let doublings = attempts.saturating_sub(1).min(20);
        let interval = self.first.saturating_mul(1 << doublings).min(self.longest);
        let interval = interval.mul_f64(rng.random_range(0.8..=1.2));
        let at = now.saturating_add(interval).unwrap_or(end).min(end);
        Next::At(not_before.map_or(at, |named| at.max(named)))
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn hour() -> Schedule {
        Schedule::usual(SignedDuration::from_hours(1))
    }

    fn wait(attempts: u32, rng: &mut StdRng) -> f64 {
        match Schedule::usual(SignedDuration::from_hours(1000)).next(at(0), attempts, at(0), None, rng) {
            Next::At(due) => due.duration_since(at(0)).as_secs_f64(),
            Next::Expired => panic!("expired"),
        }
    }

    #[test]
    fn intervals_double_up_to_the_longest_and_none_is_like_another() {
        let mut rng = StdRng::seed_from_u64(7);
        for (attempts, usual) in [(1, 30.0), (2, 60.0), (4, 240.0), (7, 1800.0), (u32::MAX, 1800.0)] {
            for _ in 0..100 {
                let wait = wait(attempts, &mut rng);
                assert!((usual * 0.8 - 0.001..=usual * 1.2 + 0.001).contains(&wait), "{attempts}: {wait}");
            }
        }
        assert!((wait(3, &mut rng) - wait(3, &mut rng)).abs() > 1e-9);
    }

    #[test]
    fn a_named_time_is_a_minimum() {
        let mut rng = StdRng::seed_from_u64(7);
        assert_eq!(hour().next(at(0), 1, at(0), Some(at(600)), &mut rng), Next::At(at(600)));
        let Next::At(due) = hour().next(at(0), 1, at(0), Some(at(1)), &mut rng) else { panic!() };
        assert!(due >= at(24));
    }

    #[test]
    fn the_last_attempt_is_at_the_end_of_the_age_and_then_it_is_given_up() {
        let mut rng = StdRng::seed_from_u64(7);
        assert_eq!(hour().next(at(0), 9, at(3590), None, &mut rng), Next::At(at(3600)));
        assert_eq!(hour().next(at(0), 9, at(3600), None, &mut rng), Next::Expired);
        assert_eq!(hour().next(at(0), 1, at(0), Some(at(3601)), &mut rng), Next::Expired);
    }
}
