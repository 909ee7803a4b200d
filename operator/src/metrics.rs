//! What Prometheus reads. Names that controller-runtime has too are used as it uses them.

mod state;

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use prometheus::{
    Error, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder,
    core::{Collector, MetricVec, MetricVecBuilder},
};

pub use state::State;

/// Seconds of a reconciliation: from a no-op to a slow API server.
const RECONCILE_BUCKETS: &[f64] = &[0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// All metrics of the operator's own doing; [`State`] adds what the objects say. Cheap to clone.
///
/// Every label's values are bounded by the objects that exist and by the table of diagnoses; the
/// series of an object that is gone are removed.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    inner: Arc<Inner>,
}

struct Inner {
    token_requests: IntCounterVec,
    token_expiry: GaugeVec,
    reconciles: IntCounterVec,
    reconcile_errors: IntCounterVec,
    reconcile_seconds: HistogramVec,
    active_workers: IntGaugeVec,
    most_workers: IntGaugeVec,
    watch_errors: IntCounterVec,
    watch_synced: IntGaugeVec,
    secret_conflicts: IntCounterVec,
    leading: IntGaugeVec,
}

/// How a reconciliation ended, in controller-runtime's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing more to do until something changes.
    Success,
    /// All is done; it will be looked at again.
    RequeueAfter,
    /// It failed and will be tried again.
    Error,
}

impl Metrics {
    /// Registers everything in a registry of its own.
    pub fn new() -> Result<Self, Error> {
        let registry = Registry::new();
        let counter = |name: &str, help: &str, labels: &[&str]| {
            register(&registry, IntCounterVec::new(Opts::new(name, help), labels))
        };
        let gauge = |name: &str, help: &str, labels: &[&str]| {
            register(&registry, IntGaugeVec::new(Opts::new(name, help), labels))
        };
        let inner = Inner {
            token_requests: counter(
                "mail_egress_token_requests_total",
                "Token requests, by app (mailroute/NAME for a relay's own), scope and result; the reason of a failure is that of the conditions.",
                &["app", "scope", "result", "reason"],
            )?,
            token_expiry: register(
                &registry,
                GaugeVec::new(
                    Opts::new(
                        "mail_egress_token_expiry_timestamp_seconds",
                        "When the token that is held ends, in seconds since the epoch.",
                    ),
                    &["app", "scope"],
                ),
            )?,
            reconciles: counter(
                "controller_runtime_reconcile_total",
                "Reconciliations, by controller and result.",
                &["controller", "result"],
            )?,
            reconcile_errors: counter(
                "controller_runtime_reconcile_errors_total",
                "Reconciliations that failed, by controller.",
                &["controller"],
            )?,
            reconcile_seconds: register(
                &registry,
                HistogramVec::new(
                    HistogramOpts::new(
                        "controller_runtime_reconcile_time_seconds",
                        "How long a reconciliation took, by controller.",
                    )
                    .buckets(RECONCILE_BUCKETS.to_vec()),
                    &["controller"],
                ),
            )?,
            active_workers: gauge(
                "controller_runtime_active_workers",
                "Reconciliations under way, by controller.",
                &["controller"],
            )?,
            most_workers: gauge(
                "controller_runtime_max_concurrent_reconciles",
                "Most reconciliations at one time, by controller.",
                &["controller"],
            )?,
            watch_errors: counter(
                "mail_egress_watch_errors_total",
                "Watches that were interrupted by an error, by kind.",
                &["kind"],
            )?,
            watch_synced: gauge(
                "mail_egress_watch_synced",
                "1 once a watch has listed all there is, by kind; no replica leads before all have.",
                &["kind"],
            )?,
            secret_conflicts: counter(
                "mail_egress_secret_apply_failures_total",
                "Sender Secrets that could not be applied, by reason.",
                &["reason"],
            )?,
            leading: gauge("leader_election_master_status", "1 if this replica leads, by lease.", &["name"])?,
        };
        let build =
            gauge("mail_egress_operator_build_info", "The version that runs; always 1.", &["version"])?;
        if let Ok(build) = build.get_metric_with_label_values(&[env!("CARGO_PKG_VERSION")]) {
            build.set(1);
        }
        Ok(Self { registry, inner: Arc::new(inner) })
    }

    /// The registry, for whoever counts more.
    #[must_use]
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// Everything in the text format (version 0.0.4).
    pub fn render(&self) -> Result<String, Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }

    /// Entra was asked, and gave a token, or did not for this reason.
    pub fn token_requested(&self, app: &str, scope: &str, failure: Option<&'static str>) {
        let (result, reason) = failure.map_or(("success", ""), |reason| ("error", reason));
        if let Ok(counter) =
            self.inner.token_requests.get_metric_with_label_values(&[app, scope, result, reason])
        {
            counter.inc();
        }
    }

    /// A token is held until then.
    pub fn token_held(&self, app: &str, scope: &str, until: Timestamp) {
        if let Ok(gauge) = self.inner.token_expiry.get_metric_with_label_values(&[app, scope]) {
            gauge.set(until.as_duration().as_secs_f64());
        }
    }

    /// A token is no longer held.
    pub fn token_forgotten(&self, app: &str, scope: &str) {
        // absent where no token was ever held
        let _ = self.inner.token_expiry.remove_label_values(&[app, scope]);
        remove(&self.inner.token_requests, &[("app", app), ("scope", scope)]);
    }

    /// A reconciliation begins; it ends when the guard is dropped.
    pub fn reconciling(&self, controller: &'static str, most: u16) -> impl Drop + use<> {
        if let Ok(gauge) = self.inner.most_workers.get_metric_with_label_values(&[controller]) {
            gauge.set(most.into());
        }
        Active::new(self.inner.active_workers.get_metric_with_label_values(&[controller]).ok())
    }

    /// A reconciliation has ended.
    pub fn reconciled(&self, controller: &'static str, outcome: Outcome, took: Duration) {
        let result = match outcome {
            Outcome::Success => "success",
            Outcome::RequeueAfter => "requeue_after",
            Outcome::Error => "error",
        };
        if let Ok(counter) = self.inner.reconciles.get_metric_with_label_values(&[controller, result]) {
            counter.inc();
        }
        if let Ok(counter) = self.inner.reconcile_errors.get_metric_with_label_values(&[controller]) {
            counter.inc_by(u64::from(outcome == Outcome::Error));
        }
        if let Ok(histogram) = self.inner.reconcile_seconds.get_metric_with_label_values(&[controller]) {
            histogram.observe(took.as_secs_f64());
        }
    }

    /// A watch was interrupted.
    pub fn watch_failed(&self, kind: &'static str) {
        if let Ok(counter) = self.inner.watch_errors.get_metric_with_label_values(&[kind]) {
            counter.inc();
        }
    }

    /// Whether a watch has listed all there is.
    pub fn watch_synced(&self, kind: &'static str, synced: bool) {
        if let Ok(gauge) = self.inner.watch_synced.get_metric_with_label_values(&[kind]) {
            gauge.set(synced.into());
        }
    }

    /// A sender's Secret could not be applied.
    pub fn apply_failed(&self, reason: &'static str) {
        if let Ok(counter) = self.inner.secret_conflicts.get_metric_with_label_values(&[reason]) {
            counter.inc();
        }
    }

    /// Whether this replica holds the lease.
    pub fn leading(&self, lease: &str, leads: bool) {
        if let Ok(gauge) = self.inner.leading.get_metric_with_label_values(&[lease]) {
            gauge.set(leads.into());
        }
    }
}

/// One reconciliation under way.
struct Active(Option<prometheus::IntGauge>);

impl Active {
    fn new(gauge: Option<prometheus::IntGauge>) -> Self {
        if let Some(gauge) = &gauge {
            gauge.inc();
        }
        Self(gauge)
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        if let Some(gauge) = &self.0 {
            gauge.dec();
        }
    }
}

fn register<C: Collector + Clone + 'static>(registry: &Registry, made: Result<C, Error>) -> Result<C, Error> {
    let collector = made?;
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}

/// Removes every series that bears these labels, whatever its others are.
fn remove<B: MetricVecBuilder>(vec: &MetricVec<B>, labels: &[(&str, &str)]) {
    let families = vec.collect();
    for metric in families.iter().flat_map(|family| family.get_metric()) {
        let all: std::collections::HashMap<&str, &str> =
            metric.get_label().iter().map(|pair| (pair.name(), pair.value())).collect();
        if labels.iter().all(|(name, value)| all.get(name) == Some(value)) {
            // gone already where another did the same
            let _ = vec.remove(&all);
        }
    }
}

#[cfg(test)]
mod tests;
