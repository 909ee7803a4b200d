//! The clock that the sans-IO parts are driven by: the runtime's own, so that tests can stop it.

use std::future;
use std::time::Instant;

/// The time.
#[must_use]
pub fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Waits until the deadline has passed; for ever where there is none.
pub async fn past(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
        None => future::pending().await,
    }
}
