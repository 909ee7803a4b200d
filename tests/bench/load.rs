//! So many sessions at once, each sending connection after connection until the time is over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::dialogue::{Dialogue, Target};

/// For opening a connection, and for each message: far more than any relay that works needs.
const PATIENCE: Duration = Duration::from_secs(120);
/// Connections that may end in a refusal before a session gives up.
const REFUSALS: usize = 3;

/// What is sent.
#[derive(Clone)]
pub(super) struct Load {
    pub(super) sessions: u32,
    /// Messages on each connection.
    pub(super) messages: u32,
    /// As DATA carries it, with the final dot.
    pub(super) content: Arc<Vec<u8>>,
    /// A session begins no connection after this, but always one.
    pub(super) time: Duration,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Each accepted message: from the reply before (or the dialling, for the first of its
    /// connection) to its 250.
    pub(super) times: Vec<Duration>,
    /// Connections that ended with something else than the reply that was due.
    pub(super) refused: usize,
    /// The first such reply.
    pub(super) refusal: Option<String>,
}

/// Sends it all.
pub(super) async fn send(target: &Target, load: &Load) -> Result<Tally> {
    let end = Instant::now() + load.time;
    let mut sessions = JoinSet::new();
    for _ in 0..load.sessions {
        sessions.spawn(session(target.clone(), load.clone(), end));
    }
    let mut all = Tally::default();
    while let Some(one) = sessions.join_next().await {
        let one = one.context("a session broke")?;
        all.times.extend(one.times);
        all.refused += one.refused;
        all.refusal = all.refusal.or(one.refusal);
    }
    Ok(all)
}

async fn session(target: Target, load: Load, end: Instant) -> Tally {
    let mut tally = Tally::default();
    loop {
        if let Err(error) = connection(&target, &load, &mut tally.times).await {
            tally.refused += 1;
            tally.refusal.get_or_insert_with(|| format!("{error:#}"));
        }
        if Instant::now() >= end || tally.refused == REFUSALS {
            return tally;
        }
    }
}

async fn connection(target: &Target, load: &Load, times: &mut Vec<Duration>) -> Result<()> {
    let mut began = Instant::now();
    let mut dialogue = timeout(PATIENCE, Dialogue::open(target)).await.context("no session in time")??;
    for _ in 0..load.messages {
        timeout(PATIENCE, dialogue.send(&load.content)).await.context("no reply in time")??;
        times.push(began.elapsed());
        began = Instant::now();
    }
    timeout(PATIENCE, dialogue.quit()).await.context("no farewell in time")?
}
