//! One round of one case through one relay.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use tokio::task::JoinSet;

use super::dialogue;
use super::figures::Round;
use super::load::{self, Load};
use super::options::{Case, Options, Size};
use super::relay::Row;
use crate::lab::{ExchangeFault, Lab};

/// How often the lab's connections are counted and its messages forgotten.
const GLANCE: Duration = Duration::from_millis(20);
/// For what was accepted to arrive (a queue may hold thousands), and for connections to end.
const SETTLE: Duration = Duration::from_secs(300);

/// Starts the relay, sends one small message on each session to warm everything up, measures, and
/// ends the relay.
pub(super) async fn round(lab: &Arc<Lab>, row: Row, case: &Case, options: &Options) -> Result<Round> {
    if !case.delay.is_zero() {
        lab.exchange().misbehave(ExchangeFault::Latency(case.delay));
    }
    let relay = row.start(lab, case.sessions, options).await?;
    let warm = Load {
        sessions: case.sessions,
        messages: 1,
        content: Arc::new(dialogue::content(Size::Small.octets())),
        time: Duration::ZERO,
    };
    let counted = lab.exchange().counters().messages;
    let warmed = counted + load::send(&relay.target, &warm).await?.times.len();
    // a relay that queues has sent nothing yet by its 250
    lab.exchange().wait_until(SETTLE, |now| now.messages >= warmed).await?;

    let load = Load {
        messages: case.messages(),
        content: Arc::new(dialogue::content(case.size.octets())),
        time: options.time(),
        ..warm
    };
    let (before, counted) = (relay.usage()?, lab.exchange().counters());
    let glances = watch(lab);
    let began = Instant::now();
    let mut tally = load::send(&relay.target, &load).await?;
    let wanted = counted.messages + tally.times.len();
    let arrived = lab.exchange().wait_until(SETTLE, |now| now.messages >= wanted).await?;
    let elapsed = began.elapsed();
    let most_open = glances.end().await;
    let after = relay.usage()?;
    ensure!(
        tally.refused > 0 || arrived.messages == wanted,
        "{} were accepted and {} arrived",
        tally.times.len(),
        arrived.messages - counted.messages
    );

    relay.stop().await?;
    lab.exchange().behave();
    lab.exchange().wait_until(SETTLE, |now| now.open == 0).await?;
    lab.exchange().forget_messages();
    tally.times.sort_unstable();
    let cpu = after.zip(before).map(|(after, before)| after.cpu - before.cpu);
    Ok(Round::of(&tally, elapsed)
        .with_process(cpu, after.map(|usage| usage.peak))
        .with_upstream(most_open, arrived.connections - counted.connections))
}

/// Somebody who looks at the lab now and then.
struct Glances {
    stop: tokio::sync::oneshot::Sender<()>,
    task: JoinSet<usize>,
}

/// Keeps the lab's memory small, and sees how many connections are open at most.
fn watch(lab: &Arc<Lab>) -> Glances {
    let (stop, mut stopped) = tokio::sync::oneshot::channel();
    let (lab, mut task) = (Arc::clone(lab), JoinSet::new());
    task.spawn(async move {
        let mut most = 0;
        loop {
            most = most.max(lab.exchange().counters().open);
            lab.exchange().forget_messages();
            tokio::select! {
                _ = &mut stopped => return most,
                () = tokio::time::sleep(GLANCE) => {}
            }
        }
    });
    Glances { stop, task }
}

impl Glances {
    async fn end(mut self) -> usize {
        // it listens as long as it runs
        let _ended = self.stop.send(());
        self.task.join_next().await.and_then(Result::ok).unwrap_or_default()
    }
}
