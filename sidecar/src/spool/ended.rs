//! How an attempt at a spooled message ended: what the spool notes of it, and who is told.

use std::time::Duration;

use jiff::Timestamp;
use mail_egress_diagnosis::{Class, reason, words};
use mail_egress_spool::{Ended, Step, Ticket, Why};

use crate::message::account::{count_authentication, count_upstream};
use crate::message::refusal::Refusal;
use crate::metrics::{Fate, Metrics};
use crate::upstream::{Accepted, Times};

/// What is told of an attempt.
#[derive(Debug)]
pub(super) struct Attempted {
    pub(super) outcome: Result<Accepted, Refusal>,
    pub(super) from: String,
    pub(super) recipients: usize,
    pub(super) message_id: String,
    pub(super) times: Times,
    /// For a place upstream.
    pub(super) wait: Duration,
}

impl Attempted {
    /// One that never came so far as an envelope.
    pub(super) fn refused(refusal: Refusal) -> Self {
        Self {
            outcome: Err(refusal),
            from: String::new(),
            recipients: 0,
            message_id: String::new(),
            times: Times::default(),
            wait: Duration::ZERO,
        }
    }

    /// For the spool.
    pub(super) fn ended(&self) -> Ended {
        let refusal = match &self.outcome {
            Ok(_) => return Ended::Accepted,
            Err(refusal) => refusal,
        };
        let why = Why { reason: refusal.reason.to_owned(), sentence: refusal.sentence.clone() };
        match refusal.class {
            Class::Permanent => Ended::Refused(why),
            Class::Uncertain => Ended::Uncertain(why),
            Class::Transient | Class::Mendable => Ended::Deferred(why, None),
        }
    }

    /// Whether the next message would fare alike, whatever it is: then there is no hurry.
    pub(super) fn is_trouble_with_the_relay(&self) -> bool {
        match &self.outcome {
            Ok(_) => false,
            Err(refusal) => match refusal.class {
                Class::Transient | Class::Mendable => !refusal.by_relay || refusal.at_authentication,
                Class::Permanent | Class::Uncertain => false,
            },
        }
    }

    /// Counts it and writes its line in the log.
    pub(super) fn tell(&self, ticket: &Ticket, step: &Step, metrics: &Metrics, now: Timestamp) {
        let said = match &self.outcome {
            Ok(accepted) => accepted.said(),
            Err(refusal) => refusal.sentence.clone(),
        };
        let reason = self.outcome.as_ref().err().map_or("", |refusal| refusal.reason);
        let age = now.duration_since(ticket.accepted_at);
        let before = ticket.progress.as_ref().map_or(0, |progress| progress.attempts);
        macro_rules! line {
            ($level:ident, $($field:tt)*) => {
                tracing::$level!(
                    id = %ticket.id,
                    from = self.from,
                    recipients = self.recipients,
                    bytes = ticket.octets,
                    message_id = self.message_id,
                    attempts = before + 1,
                    age_s = age.as_secs(),
                    wait_ms = millis(self.wait),
                    connect_ms = millis(self.times.connect),
                    login_ms = millis(self.times.login),
                    transfer_ms = millis(self.times.transfer),
                    $($field)*
                )
            };
        }
        count_upstream(metrics, self.wait, &self.times);
        if let Err(refusal) = &self.outcome {
            count_authentication(metrics, refusal);
        }
        let octets = usize::try_from(ticket.octets).unwrap_or(usize::MAX);
        let fate = fate(step);
        match (step, fate) {
            (Step::Done, _) => line!(info, reply = said, "spooled message accepted"),
            (Step::Retry(progress), _) => {
                let due = format!("{:.0}", progress.due);
                let relay = words(&self.times.greeting);
                line!(warn, reason, why = said, relay, due, "spooled message is tried again");
            }
            (Step::Bury(death), Some(fate)) => line!(
                error,
                reason = death.reason,
                why = death.sentence,
                "spooled message {}: it lies among the dead letters",
                fate.label()
            ),
            (Step::Bury(_), None) => {}
        }
        if let Some(fate) = fate {
            let reason = match step {
                Step::Bury(death) if death.reason == reason::SPOOL_EXPIRED => Some(reason::SPOOL_EXPIRED),
                Step::Bury(_) => Some(reason),
                Step::Done | Step::Retry(_) => None,
            };
            metrics.message(fate, reason, self.recipients, octets);
        }
        metrics.spool.attempted(match step {
            Step::Done => Fate::Accepted,
            Step::Retry(_) => match self.ended() {
                Ended::Uncertain(_) => Fate::Uncertain,
                _ => Fate::Deferred,
            },
            Step::Bury(_) => fate.unwrap_or(Fate::Refused),
        });
    }
}

/// The end of the message, if this is it.
fn fate(step: &Step) -> Option<Fate> {
    match step {
        Step::Done => Some(Fate::Accepted),
        Step::Retry(_) => None,
        Step::Bury(death) if death.uncertain => Some(Fate::Uncertain),
        Step::Bury(death) if death.reason == reason::SPOOL_EXPIRED => Some(Fate::Expired),
        Step::Bury(_) => Some(Fate::Refused),
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
