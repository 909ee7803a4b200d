//! Connections to the relay, counted for as long as they are open.

use std::sync::Arc;

use crate::metrics::Metrics;

/// One connection that is counted until this is dropped.
#[derive(Debug)]
pub(super) struct Open(Arc<Metrics>);

impl Open {
    pub(super) fn count(metrics: &Arc<Metrics>) -> Self {
        metrics.upstream_connections.inc();
        metrics.upstream_connects.inc();
        Self(Arc::clone(metrics))
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.upstream_connections.dec();
    }
}
