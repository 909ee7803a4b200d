//! The only way by which the controllers write to the cluster: as the leader, within a time limit.

use std::{future::Future, time::Duration};

use kube::Client;
use tokio::time::timeout;

use crate::leader::{NotLeading, Term};

/// How long one write may take; less than the renew deadline of the lease.
const WRITE_LIMIT: Duration = Duration::from_secs(8);

/// Writes while one term of leadership lasts, and never after.
#[derive(Clone)]
pub struct Writer {
    client: Client,
    term: Term,
}

/// Why a write was not confirmed. It may have happened all the same, except for `NotLeading`
/// before it began.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Nothing more may be written: the process is about to end.
    #[error(transparent)]
    NotLeading(#[from] NotLeading),
    /// The API server did not answer in time.
    #[error("the API server did not answer within {} s", WRITE_LIMIT.as_secs())]
    TimedOut,
    /// The API server refused, or could not be reached.
    #[error(transparent)]
    Api(#[from] kube::Error),
}

impl Writer {
    /// A writer for this term.
    #[must_use]
    pub fn new(client: Client, term: Term) -> Self {
        Self { client, term }
    }

    /// The client to make requests with; they are to be run by [`Writer::write`].
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Runs one request to the API server; drops it when the term ends or it takes too long.
    pub async fn write<T>(
        &self,
        request: impl Future<Output = Result<T, kube::Error>>,
    ) -> Result<T, WriteError> {
        match self.term.fenced(timeout(WRITE_LIMIT, request)).await? {
            Ok(answer) => answer.map_err(WriteError::Api),
            Err(_elapsed) => Err(WriteError::TimedOut),
        }
    }
}
