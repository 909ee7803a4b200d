//! The sidecar is killed at random moments while the relay fails at random. The seed is printed:
//! `MAIL_EGRESS_TEST_SEED` repeats its dice, and `MAIL_EGRESS_TEST_MESSAGES` sends more.

mod dead;
mod ordeal;

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Result, ensure};
use mail_egress_config::{Delivery, Mode, Uncertain};
use mail_egress_tests::eventually::eventually;
use mail_egress_tests::stand::Stand;
use tempfile::TempDir;

use ordeal::{Toll, arrived, report, size, stand, undergo};

/// For what is left when the last app has been answered: a few attempts each, the relay in order.
const EMPTIED: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn direct_what_was_answered_250_has_arrived_and_no_try_arrives_twice() -> Result<()> {
    let (seed, messages) = size(500)?;
    let mut stand = stand(Vec::new(), Delivery::default()).await?;
    let toll = undergo(&mut stand, seed, messages).await?;
    let arrived = arrived(&stand)?;
    let unanswered = arrived.keys().filter(|id| !toll.taken.contains(*id)).count();
    report(&format!(
        "direct, seed {seed}: {messages} messages, {} kills, {} tries not answered 250, of which {unanswered} \
         arrived all the same",
        toll.kills, toll.not_taken
    ))?;
    let lost: Vec<_> = toll.taken.iter().filter(|id| !arrived.contains_key(*id)).collect();
    ensure!(lost.is_empty(), "seed {seed}: answered 250 and not arrived: {lost:?}");
    let twice: Vec<_> = arrived.iter().filter(|(_, times)| **times > 1).collect();
    ensure!(twice.is_empty(), "seed {seed}: arrived more than once: {twice:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spooled_at_least_once_everything_answered_250_arrives() -> Result<()> {
    let ordeal = Ordeal::undergone(Uncertain::AtLeastOnce).await?;
    ensure!(ordeal.dead.is_empty(), "seed {}: among the dead letters: {:?}", ordeal.seed, ordeal.dead);
    let lost: Vec<_> = ordeal.toll.taken.iter().filter(|id| !ordeal.arrived.contains_key(*id)).collect();
    ensure!(lost.is_empty(), "seed {}: answered 250 and not arrived: {lost:?}", ordeal.seed);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn spooled_at_most_once_everything_answered_250_arrives_once_or_is_a_dead_letter() -> Result<()> {
    let Ordeal { seed, toll, arrived, dead } = Ordeal::undergone(Uncertain::AtMostOnce).await?;
    let twice: Vec<_> = arrived.iter().filter(|(_, times)| **times > 1).collect();
    ensure!(twice.is_empty(), "seed {seed}: arrived more than once: {twice:?}");
    let other: Vec<_> = dead.iter().filter(|(_, uncertain)| !**uncertain).collect();
    ensure!(other.is_empty(), "seed {seed}: dead for another reason than that it is uncertain: {other:?}");
    let lost: Vec<_> =
        toll.taken.iter().filter(|id| !arrived.contains_key(*id) && !dead.contains_key(*id)).collect();
    ensure!(lost.is_empty(), "seed {seed}: answered 250, not arrived and no dead letter: {lost:?}");
    Ok(())
}

/// What came of an ordeal in spool mode, the spool being empty at its end.
struct Ordeal {
    seed: u64,
    toll: Toll,
    /// How often each try arrived.
    arrived: BTreeMap<String, usize>,
    /// The dead letters, and whether each is marked uncertain.
    dead: BTreeMap<String, bool>,
}

impl Ordeal {
    async fn undergone(uncertain: Uncertain) -> Result<Self> {
        let (seed, messages) = size(400)?;
        // what a killed process leaves is the same on any file system; here nobody waits for a disk
        let volume = TempDir::new_in("/dev/shm").or_else(|_| TempDir::new())?;
        let folder = volume.path().display().to_string();
        let arguments = ["--spool-dir", &folder, "--spool-lasting", "--spool-retry", "50ms"];
        let delivery = Delivery { mode: Mode::Spool, uncertain, ..Delivery::default() };
        let mut stand = stand(arguments.map(str::to_owned).into(), delivery).await?;
        let toll = undergo(&mut stand, seed, messages).await?;
        eventually("the spool is empty", EMPTIED, async || is_empty(&stand).await).await?;
        let (arrived, dead) = (arrived(&stand)?, dead::letters(volume.path())?);
        let copies: usize = arrived.values().map(|times| times - 1).sum();
        let unanswered = arrived.keys().filter(|id| !toll.taken.contains(*id)).count();
        report(&format!(
            "spool, {uncertain:?}, seed {seed}: {messages} messages, {} kills, {} tries not answered 250, of \
             which {unanswered} arrived all the same; {copies} copies, {} dead letters",
            toll.kills,
            toll.not_taken,
            dead.len()
        ))?;
        Ok(Self { seed, toll, arrived, dead })
    }
}

async fn is_empty(stand: &Stand) -> Result<()> {
    let waiting = stand.metric("mail_egress_spool_messages{state=\"waiting\"}").await?;
    ensure!(waiting == Some(0.0), "{waiting:?} wait");
    Ok(())
}
