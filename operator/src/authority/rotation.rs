//! When a CA gives way to its successor, so that nobody ever meets a certificate that is not yet,
//! or no longer, trusted.
//!
//! ```text
//!            a third of its life is left      the bundle that names it has been published long enough
//!  current ─────────────────────────────▶ current + next ─────────────────────────────▶ next becomes current,
//!     ▲                                                                                 the old one stays trusted
//!     └──────────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//! Only `current` signs. `next` is trusted before anything is signed by it; `previous` is trusted
//! until it ends by itself, long after the last certificate that it signed.

use std::time::Duration;

use jiff::Timestamp;

use super::certificate::Validity;

/// How long a new CA is published before it signs: every API server has the changed webhook
/// configuration by then, which it gets by a watch.
pub(super) const OVERLAP: Duration = Duration::from_secs(5 * 60);

/// What to do about the CAs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing.
    Keep,
    /// Make a successor and publish it beside the present one.
    Announce,
    /// Let the successor sign; the present one stays trusted.
    Promote,
    /// The present one is over: whatever it signed is worth nothing, so there is nothing to wait
    /// for.
    Replace,
}

/// Decides from the validity of both, and from how long ago the first bundle with the successor
/// in it was accepted by the API server.
pub(super) fn step(
    current: Validity,
    next: Option<Validity>,
    published: Option<Duration>,
    now: Timestamp,
) -> Step {
    let next = next.filter(|next| !next.is_over(now));
    match next {
        _ if current.is_over(now) && next.is_none() => Step::Replace,
        Some(_) if current.is_over(now) => Step::Promote,
        Some(_) if published.is_some_and(|since| since >= OVERLAP) => Step::Promote,
        Some(_) => Step::Keep,
        None if current.is_due(now) => Step::Announce,
        None => Step::Keep,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(day: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + day * 86_400).unwrap()
    }

    const HOUR: Duration = Duration::from_secs(3600);

    fn from_day(begin: i64) -> Validity {
        Validity { begin: day(begin), end: day(begin + 360) }
    }

    #[test]
    fn a_young_ca_is_kept_and_one_with_a_third_left_gets_a_successor() {
        assert_eq!(step(from_day(0), None, None, day(239)), Step::Keep);
        assert_eq!(step(from_day(0), None, None, day(240)), Step::Announce);
        assert_eq!(step(from_day(0), None, None, day(359)), Step::Announce);
    }

    #[test]
    fn a_successor_signs_only_after_it_has_been_published_long_enough() {
        let at = |published| step(from_day(0), Some(from_day(240)), published, day(241));
        assert_eq!(at(None), Step::Keep);
        assert_eq!(at(Some(OVERLAP - Duration::from_secs(1))), Step::Keep);
        assert_eq!(at(Some(OVERLAP)), Step::Promote);
        assert_eq!(at(Some(HOUR)), Step::Promote);
    }

    #[test]
    fn one_that_is_over_is_replaced_by_its_successor_or_by_a_new_one_at_once() {
        assert_eq!(step(from_day(0), None, None, day(360)), Step::Replace);
        assert_eq!(step(from_day(0), Some(from_day(240)), None, day(400)), Step::Promote);
        assert_eq!(step(from_day(0), Some(from_day(1)), None, day(2_000)), Step::Replace);
    }

    #[test]
    fn a_clock_that_is_set_back_changes_nothing() {
        assert_eq!(step(from_day(0), None, None, day(-400)), Step::Keep);
    }

    #[test]
    fn a_successor_that_is_over_gets_a_successor_itself() {
        let old = Validity { begin: day(0), end: day(300) };
        let long = Validity { begin: day(0), end: day(400) };
        assert_eq!(step(long, Some(old), Some(HOUR), day(310)), Step::Announce);
    }
}
