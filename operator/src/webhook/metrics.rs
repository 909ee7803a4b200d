//! What the webhook counts; where controller-runtime has the same, by its names.

use std::time::Duration;

use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry};

use super::MUTATE_PATH;

/// Seconds of an answer: from memory, up to the API server's patience.
const BUCKETS: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];

#[derive(Clone)]
pub(super) struct Metrics {
    requests: IntCounterVec,
    latency: HistogramVec,
    in_flight: IntGaugeVec,
    injections: IntCounterVec,
}

impl Metrics {
    pub(super) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let metrics = Self {
            requests: IntCounterVec::new(
                Opts::new(
                    "controller_runtime_webhook_requests_total",
                    "Admission requests, by webhook and HTTP status.",
                ),
                &["webhook", "code"],
            )?,
            latency: HistogramVec::new(
                HistogramOpts::new(
                    "controller_runtime_webhook_latency_seconds",
                    "How long an admission request took, from its headers to its answer.",
                )
                .buckets(BUCKETS.to_vec()),
                &["webhook"],
            )?,
            in_flight: IntGaugeVec::new(
                Opts::new(
                    "controller_runtime_webhook_requests_in_flight",
                    "Admission requests that are being answered.",
                ),
                &["webhook"],
            )?,
            injections: IntCounterVec::new(
                Opts::new(
                    "mail_egress_injections_total",
                    "Pods that asked for a sidecar, by decision and reason; each once, however often admission asks.",
                ),
                &["decision", "reason"],
            )?,
        };
        registry.register(Box::new(metrics.requests.clone()))?;
        registry.register(Box::new(metrics.latency.clone()))?;
        registry.register(Box::new(metrics.in_flight.clone()))?;
        registry.register(Box::new(metrics.injections.clone()))?;
        Ok(metrics)
    }

    pub(super) fn begun(&self) {
        self.in_flight.with_label_values(&[MUTATE_PATH]).inc();
    }

    pub(super) fn ended(&self, code: u16, took: Duration) {
        self.in_flight.with_label_values(&[MUTATE_PATH]).dec();
        self.requests.with_label_values(&[MUTATE_PATH, &code.to_string()]).inc();
        self.latency.with_label_values(&[MUTATE_PATH]).observe(took.as_secs_f64());
    }

    pub(super) fn decided(&self, decision: &str, reason: &str) {
        self.injections.with_label_values(&[decision, reason]).inc();
    }
}
