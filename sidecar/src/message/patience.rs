//! Whether a message that the relay did not take is tried once more while its app waits: pure.

use std::time::{Duration, Instant};

use mail_egress_config::Uncertain;
use mail_egress_diagnosis::{Class, Retry};

use super::refusal::Refusal;

/// From the app's dot: an app waits for its answer for minutes (RFC 5321 section 4.5.3.2.6), but
/// half a minute is what common clients allow.
const MOST: Duration = Duration::from_secs(30);
/// Before the second attempt; doubled before each further one.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// How long one message is tried while its app waits.
#[derive(Debug)]
pub struct Patience {
    until: Instant,
    pause: Duration,
    token_changed: bool,
    uncertain: Uncertain,
}

/// When a message is tried once more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// After this time.
    After(Duration),
    /// As soon as there is a token other than the one that was refused.
    WithAnotherToken,
}

impl Patience {
    /// Begins with the app's dot.
    #[must_use]
    pub fn new(dot: Instant, uncertain: Uncertain) -> Self {
        Self { until: dot + MOST, pause: FIRST_PAUSE, token_changed: false, uncertain }
    }

    /// What to wait for before the next attempt; `None`: the app is to be told now.
    ///
    /// Repeated is what the relay itself refused for the moment, since an app without a queue would
    /// lose its message over it; not what no answer was received to (it may stay away, and the app
    /// should hear so), nor what a person must mend. A refused token is tried against once, with another.
    /// What may have been delivered is sent again only where the sender chose that.
    pub fn another(&mut self, refusal: &Refusal, now: Instant) -> Option<Again> {
        match (refusal.class, refusal.retry) {
            (_, Retry::OnceFresh) if refusal.at_authentication && !self.token_changed => {
                self.token_changed = true;
                Some(Again::WithAnotherToken)
            }
            (Class::Transient, Retry::BackOff) if refusal.by_relay => self.later(now),
            (Class::Uncertain, _) if self.uncertain == Uncertain::AtLeastOnce => self.later(now),
            _ => None,
        }
    }

    fn later(&mut self, now: Instant) -> Option<Again> {
        let pause = self.pause;
        self.pause *= 2;
        (now + pause < self.until).then_some(Again::After(pause))
    }
}

#[cfg(test)]
mod tests {
    use mail_egress_diagnosis::{At, Smtp, local, reason, smtp};

    use super::*;

    fn relay(code: u16, enhanced: &str) -> Refusal {
        let diagnosis = smtp(Smtp { code, enhanced, text: "", at: At::Message });
        let mut refusal = Refusal::from(diagnosis);
        refusal.by_relay = true;
        refusal
    }

    #[test]
    fn a_passing_refusal_is_tried_for_half_a_minute_with_growing_pauses() {
        let dot = Instant::now();
        let (mut patience, mut now, mut pauses) =
            (Patience::new(dot, Uncertain::AtMostOnce), dot, Vec::new());
        while let Some(Again::After(pause)) = patience.another(&relay(432, "4.3.2"), now) {
            now += pause;
            pauses.push(pause.as_secs());
        }
        assert_eq!(pauses, [1, 2, 4, 8]);
    }

    #[test]
    fn a_refused_token_is_tried_once_more_by_another() {
        let mut patience = Patience::new(Instant::now(), Uncertain::AtMostOnce);
        let mut refused = relay(535, "5.7.3");
        refused.at_authentication = true;
        assert_eq!(patience.another(&refused, Instant::now()), Some(Again::WithAnotherToken));
        assert_eq!(patience.another(&refused, Instant::now()), None);
    }

    #[test]
    fn what_repeating_does_not_help_is_told_at_once() {
        let mut patience = Patience::new(Instant::now(), Uncertain::AtMostOnce);
        let ours = Refusal::from(local(reason::UPSTREAM_UNREACHABLE));
        for refusal in [relay(550, "5.1.1"), relay(554, "5.2.252"), relay(451, "4.7.600"), ours] {
            assert_eq!(patience.another(&refusal, Instant::now()), None, "{}", refusal.reason);
        }
    }

    #[test]
    fn what_may_have_been_delivered_is_sent_again_only_where_the_sender_chose_that() {
        let uncertain = Refusal::from(local(reason::DELIVERY_UNCERTAIN));
        for (chosen, again) in
            [(Uncertain::AtMostOnce, None), (Uncertain::AtLeastOnce, Some(Again::After(FIRST_PAUSE)))]
        {
            let mut patience = Patience::new(Instant::now(), chosen);
            assert_eq!(patience.another(&uncertain, Instant::now()), again);
        }
    }
}
