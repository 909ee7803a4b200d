//! What the app is told of the limits: that its message may not go yet, and when it may. Pure.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use mail_egress_diagnosis::{local, reason};
use mail_egress_pacing::{Later, Why};
use mail_egress_smtp::Envelope;

use super::refusal::Refusal;
use crate::upstream::gate::NotNow;

/// By what a message that comes back is known: its sender, its recipients and its announced size.
#[must_use]
pub fn whom(envelope: &Envelope) -> u64 {
    let mut hasher = DefaultHasher::new();
    envelope.from.to_string().hash(&mut hasher);
    envelope.to.iter().for_each(|to| to.address.as_str().hash(&mut hasher));
    envelope.size.hash(&mut hasher);
    hasher.finish()
}

/// The same for a message that has a name of its own, and comes back under it.
#[must_use]
pub fn whom_named(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

/// Why it may not go, and when it may; `now` and `clock` are the same instant.
#[must_use]
pub fn refusal(not_now: NotNow, now: Instant, clock: Timestamp) -> Refusal {
    match not_now {
        NotNow::Never { limit } => {
            let words = format!("at most {limit} recipients in 24 hours");
            local(reason::RECIPIENTS_BEYOND_A_DAY).with_words(&words).into()
        }
        NotNow::Later(later) => local(by(later.why)).with_fix(&when(&later, now, clock)).into(),
    }
}

fn by(why: Why) -> &'static str {
    match why {
        Why::MessagesPerMinute => reason::MESSAGES_PER_MINUTE,
        Why::MessagesPerHour => reason::MESSAGES_PER_HOUR,
        Why::RecipientsPerDay => reason::RECIPIENTS_PER_DAY,
        Why::Connections => reason::UPSTREAM_SLOTS_BUSY,
        Why::SlowedDown => reason::SLOWED_DOWN,
        Why::Paused => reason::PAUSED_BY_RELAY,
    }
}

fn when(later: &Later, now: Instant, clock: Timestamp) -> String {
    let left = later.at.saturating_duration_since(now);
    // whole seconds, so that nobody comes too early
    let seconds = left.as_secs() + u64::from(left.subsec_nanos() > 0);
    let at = clock.saturating_add(Duration::from_secs(seconds)).unwrap_or(clock);
    if later.promised {
        format!("try again in {seconds} s, at {at:.0}: it is taken then")
    } else {
        format!("try again in about {seconds} s, at {at:.0}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_the_time_at_which_the_message_is_taken() {
        let now = Instant::now();
        let at = now + Duration::from_millis(22_001);
        let later = Later { at, promised: true, why: Why::MessagesPerMinute };
        let clock = "2026-11-23T12:00:00Z".parse().unwrap();
        let reply = refusal(NotNow::Later(later), now, clock).reply().as_reply().to_string();
        assert!(reply.starts_with("451 4.3.2 ") || reply.starts_with("451-4.3.2 "), "{reply}");
        assert!(reply.contains("try again in 23 s, at 2026-11-23T12:00:23Z: it is taken then"), "{reply}");
    }

    #[test]
    fn what_can_never_go_is_refused_for_good() {
        let never = refusal(NotNow::Never { limit: 5 }, Instant::now(), Timestamp::UNIX_EPOCH);
        assert!(never.reply().as_reply().to_string().starts_with("55"), "{}", never.sentence);
    }
}
