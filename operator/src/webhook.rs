//! The admission server: HTTPS in, an AdmissionReview answered from memory out.
//!
//! Everything that comes in has a limit in size and in time; an answer needs no other server, so
//! that pods can be created while everything else is down.

mod answer;
mod metrics;
mod review;
mod server;

use std::sync::Arc;

use prometheus::Registry;

pub use server::serve;

use crate::inject;
use metrics::Metrics;

/// The webhook's name in the MutatingWebhookConfiguration.
pub const WEBHOOK_NAME: &str = "inject.mail-egress.io";
/// The path at which the API server asks.
pub const MUTATE_PATH: &str = "/mutate";

/// What answers: the settings of the injection, and the counts. Cheap to clone.
#[derive(Clone)]
pub struct Webhook {
    settings: Arc<inject::Settings>,
    metrics: Metrics,
}

impl Webhook {
    /// Registers its metrics in `registry`.
    pub fn new(settings: inject::Settings, registry: &Registry) -> Result<Self, prometheus::Error> {
        Ok(Self { settings: Arc::new(settings), metrics: Metrics::register(registry)? })
    }
}

#[cfg(test)]
mod tests;
