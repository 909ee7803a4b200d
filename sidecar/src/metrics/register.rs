//! Makes each metric and puts it into the registry, in one step.

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};

/// Makes metrics and registers them.
pub(super) struct New<'a>(pub(super) &'a Registry);

impl New<'_> {
    pub(super) fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntCounterVec, prometheus::Error> {
        let it = IntCounterVec::new(Opts::new(name, help), labels)?;
        self.0.register(Box::new(it.clone()))?;
        Ok(it)
    }

    pub(super) fn counter(&self, name: &str, help: &str) -> Result<IntCounter, prometheus::Error> {
        let it = IntCounter::new(name, help)?;
        self.0.register(Box::new(it.clone()))?;
        Ok(it)
    }

    pub(super) fn gauges(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> Result<IntGaugeVec, prometheus::Error> {
        let it = IntGaugeVec::new(Opts::new(name, help), labels)?;
        self.0.register(Box::new(it.clone()))?;
        Ok(it)
    }

    pub(super) fn gauge(&self, name: &str, help: &str) -> Result<IntGauge, prometheus::Error> {
        let it = IntGauge::new(name, help)?;
        self.0.register(Box::new(it.clone()))?;
        Ok(it)
    }

    pub(super) fn histograms(
        &self,
        name: &str,
        help: &str,
        label: &str,
        bounds: &[f64],
    ) -> Result<HistogramVec, prometheus::Error> {
        let it = HistogramVec::new(HistogramOpts::new(name, help).buckets(bounds.to_vec()), &[label])?;
        self.0.register(Box::new(it.clone()))?;
        Ok(it)
    }

    pub(super) fn histogram(
        &self,
        name: &str,
        help: &str,
        bounds: &[f64],
    ) -> Result<Histogram, prometheus::Error> {
        let it = Histogram::with_opts(HistogramOpts::new(name, help).buckets(bounds.to_vec()))?;
        self.0.register(Box::new(it.clone()))?;
        Ok(it)
    }
}
