//! The sidecar is killed at random moments while the relay fails at random. The seed is printed:
//! `MAIL_EGRESS_TEST_SEED` repeats its dice, and `MAIL_EGRESS_TEST_MESSAGES` sends more.

mod ordeal;

use anyhow::{Result, ensure};
use mail_egress_config::Delivery;

use ordeal::{arrived, report, size, stand, undergo};

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
