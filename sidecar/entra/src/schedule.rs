//! When a token is asked for: by its expiry and by what went wrong, never by an interval.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::Retry;
use crate::backoff::Backoff;

/// A token is renewed with at least this much left, where it lives long enough: some relays refuse
/// one that is near its end (fact sheet A, "Lifetime": 501 5.5.127).
const LEAST_LEFT: SignedDuration = SignedDuration::from_mins(10);

/// However long Entra asks us to wait, it is asked again after this.
const LONGEST_WAIT: Duration = Duration::from_secs(60 * 60);

/// For what may pass by itself.
const SOON: Backoff = Backoff { first: Duration::from_secs(5), longest: Duration::from_secs(5 * 60) };

/// For what a person must mend in Entra: that is only seen by asking again, so not too rarely. A
/// credential that was changed here is another request, and asked with at once.
const WHEN_MENDED: Backoff = Backoff { first: Duration::from_secs(30), longest: Duration::from_secs(5 * 60) };

/// The life of a token that is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// When it was asked for: before the request, so that the life is never overestimated.
    pub obtained_at: Timestamp,
    /// When it ends, by the token response.
    pub expires_at: Timestamp,
    /// Whether it was obtained with the identity and credential that are valid today.
    pub by_current_request: bool,
}

/// The failures since the last success with the same request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failed {
    /// How often in a row; at least 1.
    pub times: u32,
    /// When the last one happened.
    pub at: Timestamp,
    /// When the same request may be sent again.
    pub retry: Retry,
}

/// What to do about one token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Ask Entra now.
    Ask,
    /// Nothing before this moment.
    Wait(Timestamp),
}

/// Decides when Entra is asked next.
///
/// `spread` in `0.0..1.0` is this token's own place in every interval, so that the tokens of many
/// apps, and the replicas of many clusters, do not come in step.
#[must_use]
pub fn schedule(now: Timestamp, held: Option<Life>, failed: Option<Failed>, spread: f64) -> Next {
    let wanted = match held {
        Some(life) if life.by_current_request && now < life.expires_at => renewal(life, spread),
        Some(_) | None => now,
    };
    let allowed = failed.map_or(now, |failed| retry_at(now, failed, spread));
    match wanted.max(allowed) {
        due if due <= now => Next::Ask,
        due => Next::Wait(due),
    }
}

/// About half of the life, never less than ten minutes before the end, and never before a quarter
/// of the life: a token that lives a minute is not asked for all the time.
fn renewal(life: Life, spread: f64) -> Timestamp {
    let whole = life.expires_at.duration_since(life.obtained_at);
    let about_half = whole.mul_f64(0.45 + 0.1 * spread.clamp(0.0, 1.0));
    let after = about_half.min(whole - LEAST_LEFT).max(whole / 4);
    life.obtained_at.checked_add(after).unwrap_or(life.expires_at)
}

/// A wait that lies further ahead than any we make comes from a clock that was set back since.
fn retry_at(now: Timestamp, failed: Failed, spread: f64) -> Timestamp {
    let wait = match failed.retry {
        Retry::Backoff => SOON.delay(failed.times, spread),
        Retry::WhenMended => WHEN_MENDED.delay(failed.times, spread),
        // The next request is signed anew, or has a token that was read anew: worth it once.
        Retry::OnceFresh => match failed.times {
            0 | 1 => Duration::ZERO,
            more => WHEN_MENDED.delay(more - 1, spread),
        },
        // asked to wait by Entra: later than asked by up to a tenth, never earlier
        Retry::After(asked) => {
            asked.min(LONGEST_WAIT).mul_f64(1.0 + 0.1 * spread).max(SOON.delay(failed.times, spread))
        }
    };
    let wait = SignedDuration::try_from(wait).unwrap_or(LEAST_LEFT);
    let (Ok(due), Ok(longest)) = (failed.at.checked_add(wait), now.checked_add(wait)) else { return now };
    due.min(longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: f64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs_f64(minutes * 60.0)
    }

    fn lives(minutes: f64) -> Life {
        Life { obtained_at: at(0.0), expires_at: at(minutes), by_current_request: true }
    }

    fn failed(times: u32, at_minute: f64, retry: Retry) -> Failed {
        Failed { times, at: at(at_minute), retry }
    }

    #[test]
    fn asks_when_nothing_is_held() {
        assert_eq!(schedule(at(0.0), None, None, 0.5), Next::Ask);
    }

    #[test]
    fn renews_at_about_half_of_the_life() {
        let renewed = |life: f64, spread| schedule(at(1.0), Some(lives(life)), None, spread);
        assert_eq!(renewed(60.0, 0.5), Next::Wait(at(30.0)));
        assert_eq!(renewed(60.0, 0.0), Next::Wait(at(27.0)));
        assert_eq!(renewed(60.0, 1.0), Next::Wait(at(33.0)));
        assert_eq!(renewed(24.0 * 60.0, 0.5), Next::Wait(at(12.0 * 60.0)));
        assert_eq!(schedule(at(30.0), Some(lives(60.0)), None, 0.5), Next::Ask);
    }

    #[test]
    fn renews_with_ten_minutes_left_where_the_life_is_short() {
        assert_eq!(schedule(at(1.0), Some(lives(18.0)), None, 0.5), Next::Wait(at(8.0)));
        assert_eq!(schedule(at(0.0), Some(lives(12.0)), None, 0.5), Next::Wait(at(3.0)));
        assert_eq!(schedule(at(0.0), Some(lives(1.0)), None, 0.5), Next::Wait(at(0.25)));
    }

    #[test]
    fn asks_again_when_the_token_has_ended() {
        assert_eq!(schedule(at(60.0), Some(lives(60.0)), None, 0.5), Next::Ask);
    }

    #[test]
    fn a_changed_credential_is_tried_at_once_though_the_token_is_good() {
        let life = Life { by_current_request: false, ..lives(60.0) };
        assert_eq!(schedule(at(1.0), Some(life), None, 0.5), Next::Ask);
    }

    #[test]
    fn a_failing_request_waits_longer_each_time() {
        let next = |times| schedule(at(0.0), None, Some(failed(times, 0.0, Retry::Backoff)), 0.5);
        let waits = [1, 2, 3, 20].map(next);
        assert_eq!(waits, [5.0, 10.0, 20.0, 300.0].map(|seconds| Next::Wait(at(seconds / 60.0))));
        assert_eq!(schedule(at(0.1), None, Some(failed(1, 0.0, Retry::Backoff)), 0.5), Next::Ask);
    }

    #[test]
    fn a_mendable_failure_is_tried_again_within_minutes() {
        let next = |times| schedule(at(0.0), None, Some(failed(times, 0.0, Retry::WhenMended)), 0.5);
        assert_eq!([1, 9].map(next), [Next::Wait(at(0.5)), Next::Wait(at(5.0))]);
    }

    #[test]
    fn a_stale_assertion_is_made_anew_at_once_and_then_waits_for_its_mend() {
        let next = |times| schedule(at(0.0), None, Some(failed(times, 0.0, Retry::OnceFresh)), 0.5);
        assert_eq!([1, 2, 3].map(next), [Next::Ask, Next::Wait(at(0.5)), Next::Wait(at(1.0))]);
    }

    #[test]
    fn a_renewal_that_failed_waits_though_it_is_due() {
        let next = schedule(at(40.0), Some(lives(60.0)), Some(failed(1, 40.0, Retry::Backoff)), 0.5);
        assert_eq!(next, Next::Wait(at(40.0) + SignedDuration::from_secs(5)));
    }

    #[test]
    fn retry_after_is_obeyed_up_to_an_hour() {
        let asked = |seconds| failed(1, 0.0, Retry::After(Duration::from_secs(seconds)));
        assert_eq!(schedule(at(0.0), None, Some(asked(60)), 0.0), Next::Wait(at(1.0)));
        assert_eq!(schedule(at(0.0), None, Some(asked(60)), 1.0), Next::Wait(at(1.1)));
        assert_eq!(schedule(at(0.0), None, Some(asked(1_000_000)), 0.0), Next::Wait(at(60.0)));
        assert_eq!(
            schedule(at(0.0), None, Some(asked(1)), 0.5),
            Next::Wait(at(0.0) + SignedDuration::from_secs(5))
        );
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_stop_the_retries() {
        let next = schedule(at(0.0), None, Some(failed(1, 600.0, Retry::Backoff)), 0.5);
        assert_eq!(next, Next::Wait(at(0.0) + SignedDuration::from_secs(5)));
    }
}
