//! What the sidecar counts: one registry, every name with its unit, every label bounded.
//!
//! Reasons are those of the diagnosis table and nothing else, so their number is known.

mod histograms;
mod label;
mod register;
mod spool;

use std::time::Duration;

use jiff::Timestamp;
use mail_egress_diagnosis::reason;
use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry, TextEncoder};

use crate::message::body::Held;
use histograms::Histograms;
use register::New;

pub use label::{AuthStage, Fate, Load, Phase};
pub use spool::Spool;

/// The content type of [`Metrics::text`].
pub const CONTENT_TYPE: &str = prometheus::TEXT_FORMAT;

/// The `reason` of a message that was accepted.
const ACCEPTED: &str = "Accepted";

/// Every metric, registered. Cheap to share behind an `Arc`.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    messages: IntCounterVec,
    recipients: IntCounterVec,
    message_bytes: IntCounterVec,
    auth_failures: IntCounterVec,
    denials: IntCounterVec,
    held_back: IntCounterVec,
    throttles: IntCounterVec,
    held: IntGauge,
    config_loads: IntCounterVec,
    token_expiry: IntGaugeVec,
    token_requests: IntCounterVec,
    token_updates: IntCounter,
    ready: IntGauge,
    histograms: Histograms,
    held_bytes: IntGaugeVec,
    /// What lies on disk in spool mode.
    pub spool: Spool,
    /// SMTP sessions that are open.
    pub sessions: IntGauge,
    /// SMTP connections turned away with 421 because too many were open.
    pub sessions_refused: IntCounter,
    /// Connections to the relay that are open.
    pub upstream_connections: IntGauge,
    /// Those of them that wait for a message.
    pub upstream_idle: IntGauge,
    /// Connections to the relay that were made.
    pub upstream_connects: IntCounter,
    /// Messages that found a warm connection.
    pub upstream_reuses: IntCounter,
}

impl Metrics {
    /// Registers everything, at zero. Fails only where two metrics share a name.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new_custom(Some("mail_egress".to_owned()), None)?;
        let all = New(&registry);
        let build = all.gauges("build_info", "The version that runs; always 1.", &["version"])?;
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let metrics = Self {
            messages: all.counters(
                "messages_total",
                "Messages that an app offered, by what it was told in the end and why.",
                &["result", "reason"],
            )?,
            recipients: all.counters(
                "recipients_total",
                "Recipients of those messages, by what the app was told in the end.",
                &["result"],
            )?,
            message_bytes: all.counters(
                "message_bytes_total",
                "Octets of those messages' content, by what the app was told in the end.",
                &["result"],
            )?,
            auth_failures: all.counters(
                "auth_failures_total",
                "Messages not sent because there was no token (stage token) or the relay refused it (relay), by \
                 reason; where the sidecar asks Entra itself, by Entra's.",
                &["stage", "reason"],
            )?,
            denials: all.counters(
                "denials_total",
                "Senders, recipients and messages that were refused by the sender's rules, by the rule.",
                &["reason"],
            )?,
            held_back: all.counters(
                "held_back_total",
                "Messages that were told to come back later, by the limit.",
                &["reason"],
            )?,
            throttles: all.counters(
                "throttles_total",
                "Times that the relay asked for less or slower mail, by its reason.",
                &["reason"],
            )?,
            held: all.gauge("held_messages", "Messages that wait for their turn.")?,
            config_loads: all.counters(
                "config_loads_total",
                "Changes of the configuration file that were seen, by what they brought.",
                &["result"],
            )?,
            token_expiry: all.gauges(
                "token_expiry_timestamp_seconds",
                "When the token in force expires, in seconds since 1970; absent without a token.",
                &[],
            )?,
            token_requests: all.counters(
                "token_requests_total",
                "Tokens that this sidecar asked Entra for by itself, by what came of it and why.",
                &["result", "reason"],
            )?,
            token_updates: all.counter(
                "token_updates_total",
                "Tokens that the configuration file brought and that differ from the one before.",
            )?,
            ready: all
                .gauge("ready", "1 while the configuration and the token allow to send, otherwise 0.")?,
            histograms: Histograms::new(&all)?,
            spool: Spool::new(&all)?,
            sessions: all.gauge("sessions", "SMTP sessions of apps that are open.")?,
            sessions_refused: all.counter(
                "sessions_refused_total",
                "SMTP connections turned away with 421 because too many were open.",
            )?,
            upstream_connections: all
                .gauge("upstream_connections", "Connections to the relay that are open.")?,
            upstream_idle: all.gauge(
                "upstream_idle_connections",
                "Connections to the relay that are open and wait for a message.",
            )?,
            upstream_connects: all
                .counter("upstream_connects_total", "Connections to the relay that were made.")?,
            upstream_reuses: all.counter(
                "upstream_reuses_total",
                "Messages that went by a connection that had carried one before.",
            )?,
            held_bytes: all.gauges(
                "held_bytes",
                "Octets taken for message bodies: of the memory budget, and of the limit on disk.",
                &["where"],
            )?,
            registry,
        };
        metrics.start_at_zero();
        Ok(metrics)
    }

    /// A series that first appears with its first event hides that event from `rate()`.
    fn start_at_zero(&self) {
        let certain = [(Fate::Accepted, ACCEPTED), (Fate::Uncertain, reason::DELIVERY_UNCERTAIN)];
        for (fate, reason) in certain {
            self.messages.with_label_values(&[fate.label(), reason]).reset();
        }
        for fate in Fate::ALL {
            self.recipients.with_label_values(&[fate.label()]).reset();
            self.message_bytes.with_label_values(&[fate.label()]).reset();
        }
        for load in [Load::Usable, Load::Unusable, Load::Missing] {
            self.config_loads.with_label_values(&[load.label()]).reset();
        }
        self.auth_failures.with_label_values(&[AuthStage::Relay.label(), "TokenRefused"]).reset();
        for phase in Phase::ALL {
            // a histogram has no reset: looking it up makes it
            let _ = self.histograms.phases.with_label_values(&[phase.label()]);
        }
    }

    /// Counts one message, once, at its end. `reason` is `None` where it was accepted.
    pub fn message(&self, fate: Fate, reason: Option<&'static str>, recipients: usize, octets: usize) {
        let reason = reason.unwrap_or(ACCEPTED);
        self.messages.with_label_values(&[fate.label(), reason]).inc();
        self.recipients.with_label_values(&[fate.label()]).inc_by(recipients as u64);
        self.message_bytes.with_label_values(&[fate.label()]).inc_by(octets as u64);
    }

    /// Counts one message, or one login of the app, that failed on authentication.
    pub fn auth_failure(&self, stage: AuthStage, reason: &'static str) {
        self.auth_failures.with_label_values(&[stage.label(), reason]).inc();
    }

    /// Counts one token request of our own; `failure` is the reason where there is no token.
    pub fn token_requested(&self, failure: Option<&'static str>) {
        let (result, reason) = failure.map_or(("success", ""), |reason| ("error", reason));
        self.token_requests.with_label_values(&[result, reason]).inc();
    }

    /// Counts one token that the configuration file brought.
    pub fn token_updated(&self) {
        self.token_updates.inc();
    }

    /// Counts one refusal by the sender's rules.
    pub fn denied(&self, reason: &'static str) {
        self.denials.with_label_values(&[reason]).inc();
    }

    /// Counts one message that was told to come back later.
    pub fn held_back(&self, reason: &'static str) {
        self.held_back.with_label_values(&[reason]).inc();
    }

    /// Counts one complaint of the relay about the pace.
    pub fn throttled(&self, reason: &'static str) {
        self.throttles.with_label_values(&[reason]).inc();
    }

    /// Says how many messages wait for their turn.
    pub fn holding(&self, messages: usize) {
        self.held.set(i64::try_from(messages).unwrap_or(i64::MAX));
    }

    /// Notes how long one message took from the final dot to the answer.
    pub fn delivered_in(&self, time: Duration) {
        self.histograms.delivery.observe(time.as_secs_f64());
    }

    /// Notes the size of one message that came as a whole.
    pub fn sized(&self, octets: usize) {
        self.histograms.size.observe(octets as f64);
    }

    /// Notes how long one message was in this phase.
    pub fn phase(&self, phase: Phase, time: Duration) {
        self.histograms.phases.with_label_values(&[phase.label()]).observe(time.as_secs_f64());
    }

    /// Counts one change of the configuration.
    pub fn config_load(&self, load: Load) {
        self.config_loads.with_label_values(&[load.label()]).inc();
    }

    /// Says until when the token in force lasts, whether mail may be sent now, and what bodies
    /// take, in octets.
    pub fn standing(&self, token: Option<Timestamp>, ready: bool, held: Held) {
        match token {
            Some(end) => self.token_expiry.with_label_values::<&str>(&[]).set(end.as_second()),
            None => self.token_expiry.reset(),
        }
        self.ready.set(i64::from(ready));
        for (place, octets) in [("memory", held.memory), ("disk", held.disk)] {
            self.held_bytes.with_label_values(&[place]).set(i64::try_from(octets).unwrap_or(i64::MAX));
        }
    }

    /// Everything in the Prometheus text format.
    pub fn text(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

#[cfg(test)]
mod tests;
