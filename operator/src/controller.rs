//! The controllers: what the leader does about each kind when something changes.
//!
//! | step | file | asks the cluster | can fail |
//! |---|---|---|---|
//! | gather | `gather.rs` | no: reads the stores | no |
//! | validate | `validate.rs`, `admission.rs`, `way.rs` | no: pure | no |
//! | token | `token.rs` | no: asks [`Tokens`] what is at hand | no |
//! | build | `build.rs` | no: pure | no |
//! | apply | `apply.rs` | writes the Secret | yes |
//! | status | `status.rs` | writes the status, sends events | yes |

mod admission;
mod app;
mod apply;
mod build;
mod condition;
mod default_route;
mod dependants;
mod drive;
#[cfg(test)]
mod fixtures;
mod gather;
mod life;
mod policy;
mod references;
mod route;
mod sender;
mod status;
mod token;
mod validate;
mod way;

use std::{sync::Arc, time::Duration};

use crate::{
    events::Events,
    metrics::Metrics,
    tokens::Tokens,
    watches::{Changes, Stores},
    writer::{WriteError, Writer},
};

/// What every reconciliation works with.
pub struct Context {
    /// Writes to the cluster, as the leader.
    pub writer: Writer,
    /// What is known of the cluster.
    pub stores: Stores,
    /// The tokens.
    pub tokens: Arc<Tokens>,
    /// Tells people what happened.
    pub events: Events,
    /// Tells Prometheus.
    pub metrics: Metrics,
    /// What was set at the start.
    pub settings: Settings,
}

/// What was set at the start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The operator's own namespace, where credentials and tokens lie.
    pub namespace: String,
    /// Each MailSender is looked at again after this, so that a Secret deleted by hand comes back.
    pub resync: Duration,
    /// Whether the usual MailRoutes are created where they are absent.
    pub create_default_routes: bool,
}

/// Why a reconciliation did not come to its end; by what is done next.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The object has changed since it was read: its change brings it here again.
    #[error("the object has changed meanwhile")]
    Stale,
    /// The object is gone: nothing more to do.
    #[error("the object is gone")]
    Gone,
    /// Try again, later each time.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Try again, later each time: the Secret was refused, and the status says why.
    #[error("the sender's Secret was refused: {0}")]
    Refused(String),
    /// A defect: the file cannot be written as JSON.
    #[error("the sender's file cannot be written")]
    File(#[from] serde_json::Error),
}

impl ReconcileError {
    /// From a write to the status of an object that was read before.
    fn of_status(error: WriteError) -> Self {
        match error {
            WriteError::Api(kube::Error::Api(status)) if status.is_conflict() => Self::Stale,
            WriteError::Api(kube::Error::Api(status)) if status.is_not_found() => Self::Gone,
            error @ (WriteError::NotLeading(_) | WriteError::TimedOut | WriteError::Api(_)) => {
                Self::Write(error)
            }
        }
    }
}

/// Runs all controllers; never returns. Call it once the stores are filled and the kept tokens
/// are read; dropped, it writes nothing more.
pub async fn run(context: Arc<Context>, changes: &Changes) {
    tokio::join!(
        sender::run(context.clone(), changes),
        app::run(context.clone(), changes),
        route::run(context.clone(), changes),
        policy::run(context.clone(), changes),
        default_route::run(&context, changes),
    );
}
