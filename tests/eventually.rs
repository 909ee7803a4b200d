//! Waiting for what others do in their own time: no sleep that hopes, but a question and a limit.

use std::time::{Duration, Instant};

use anyhow::Result;

/// Tries until it succeeds; after `limit` the last error says what was still missing.
///
/// # Errors
/// The last one, when the time is up.
pub async fn eventually<T>(
    what: &str,
    limit: Duration,
    mut attempt: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    let end = Instant::now() + limit;
    loop {
        match attempt().await {
            Ok(done) => return Ok(done),
            Err(error) if Instant::now() >= end => {
                return Err(error.context(format!("{what}: not within {} s", limit.as_secs())));
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
}
