//! How much memory a relay needs: idle, with large messages, and with many idle sessions.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Serialize;
use tokio::time::timeout;

use super::dialogue::{self, Dialogue, Target};
use super::load::{self, Load};
use super::options::Options;
use super::process::Usage;
use super::relay::{Relay, Row};
use crate::lab::Lab;

/// How long a process that was just started may still be tidying up.
const REST: Duration = Duration::from_secs(2);
const LARGE: usize = 25 * 1024 * 1024;
const LARGE_SESSIONS: u32 = 10;
const IDLE_SESSIONS: usize = 1000;
/// For a greeting.
const GREETING: Duration = Duration::from_secs(5);

/// Octets of one relay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Memory {
    pub(super) relay: &'static str,
    /// Resident soon after the start.
    pub(super) idle: u64,
    /// The peak, of ten sessions that send 25 MB each at the same time.
    pub(super) large_peak: u64,
    /// Of these ten, the ones that were accepted.
    pub(super) large_accepted: usize,
    /// What was heard in place of the first 250 that did not come.
    pub(super) large_refusal: Option<String>,
    /// Resident while a thousand sessions are open and say nothing.
    pub(super) sessions: u64,
    /// How many were greeted before one had to wait for longer than 5 s.
    pub(super) sessions_greeted: usize,
}

/// Measures each on a process of its own.
pub(super) async fn measured(lab: &Lab, row: Row, options: &Options) -> Result<Memory> {
    let start = async || row.start(lab, LARGE_SESSIONS, options).await;
    let relay = start().await?;
    tokio::time::sleep(REST).await;
    let idle = used(&relay)?.resident;
    relay.stop().await?;

    let relay = start().await?;
    let load = Load {
        sessions: LARGE_SESSIONS,
        messages: 1,
        content: Arc::new(dialogue::content(LARGE)),
        time: Duration::ZERO,
    };
    let tally = load::send(&relay.target, &load).await?;
    let large_peak = used(&relay)?.peak;
    relay.stop().await?;
    lab.exchange().forget_messages();

    let relay = start().await?;
    let Target::Relay { address, .. } = relay.target else { anyhow::bail!("the direct path has no process") };
    let mut open = Vec::new();
    // the first one that is not greeted is not the last
    while open.len() < IDLE_SESSIONS
        && let Ok(Ok(session)) = timeout(GREETING, Dialogue::greeted(address)).await
    {
        open.push(session);
    }
    let (sessions, sessions_greeted) = (used(&relay)?.resident, open.len());
    relay.stop().await?;
    Ok(Memory {
        relay: row.name(),
        idle,
        large_peak,
        large_accepted: tally.times.len(),
        large_refusal: tally.refusal,
        sessions,
        sessions_greeted,
    })
}

fn used(relay: &Relay) -> Result<Usage> {
    relay.usage()?.context("the relay is no process")
}
