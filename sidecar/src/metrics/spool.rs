//! What lies on disk in spool mode.

use jiff::Timestamp;
use prometheus::{IntCounterVec, IntGauge, IntGaugeVec};

use super::Fate;
use super::register::New;
use crate::spool::Standing;

/// The metrics of the spool; all there, and zero, without one.
#[derive(Debug)]
pub struct Spool {
    usable: IntGauge,
    messages: IntGaugeVec,
    bytes: IntGaugeVec,
    oldest: IntGauge,
    attempts: IntCounterVec,
}

impl Spool {
    pub(super) fn new(all: &New<'_>) -> Result<Self, prometheus::Error> {
        let it = Self {
            usable: all
                .gauge("spool_usable", "1 while the spool's folder is open; 0 too where there is none.")?,
            messages: all.gauges(
                "spool_messages",
                "Messages in the spool: those that wait to be sent, and dead letters.",
                &["state"],
            )?,
            bytes: all.gauges(
                "spool_bytes",
                "What the messages of this pod's own spool take of the disk.",
                &["state"],
            )?,
            oldest: all.gauge(
                "spool_oldest_message_age_seconds",
                "Time since the oldest message that waits was answered 250; 0 where none waits.",
            )?,
            attempts: all.counters(
                "spool_attempts_total",
                "Attempts to send a spooled message, by what came of each.",
                &["result"],
            )?,
        };
        for fate in [Fate::Accepted, Fate::Deferred, Fate::Refused, Fate::Uncertain, Fate::Expired] {
            it.attempts.with_label_values(&[fate.label()]).reset();
        }
        Ok(it)
    }

    /// Counts one attempt.
    pub fn attempted(&self, fate: Fate) {
        self.attempts.with_label_values(&[fate.label()]).inc();
    }

    /// Says how full it is.
    pub fn standing(&self, standing: &Standing, now: Timestamp) {
        let gauge = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.usable.set(i64::from(standing.usable == Some(true)));
        let rows =
            [("waiting", standing.waiting, standing.octets), ("dead", standing.dead, standing.dead_octets)];
        for (state, messages, octets) in rows {
            self.messages.with_label_values(&[state]).set(gauge(messages as u64));
            self.bytes.with_label_values(&[state]).set(gauge(octets));
        }
        let age = standing.oldest.map_or(0, |oldest| now.duration_since(oldest).as_secs().max(0));
        self.oldest.set(age);
    }
}
