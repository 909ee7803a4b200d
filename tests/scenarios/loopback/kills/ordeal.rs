//! Apps that send, a sidecar that is killed again and again, and a relay that fails by the dice.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mail_egress_config::{Delivery, Limits};
use mail_egress_tests::client::Client;
use mail_egress_tests::lab::{self, DEFAULT_MAILBOX, ExchangeFault, LabOptions};
use mail_egress_tests::stand::{Setting, Stand};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::task::JoinSet;

/// Apps that send at the same time.
const APPS: usize = 8;
/// Between two kills, in milliseconds: from while it starts to after some dozens of messages.
const LIFE: std::ops::Range<u64> = 20..300;
/// What an app takes to write its next message, in milliseconds.
const PAUSE: std::ops::Range<u64> = 0..60;
/// How often the relay fails at a point of a dialogue, in a thousand.
const PER_MILLE: u32 = 10;

/// What an app's try to send came to, by the Message-ID, which no other try has.
#[derive(Debug, Default)]
pub(super) struct Toll {
    /// Answered 250.
    pub(super) taken: BTreeSet<String>,
    /// Answered otherwise, or not at all.
    pub(super) not_taken: usize,
    /// How often the sidecar was killed.
    pub(super) kills: usize,
}

/// A stand for an ordeal: no limits, since waiting for them is not what is tried.
pub(super) async fn stand(arguments: Vec<String>, delivery: Delivery) -> Result<Stand> {
    let lab = LabOptions { limits: lab::Limits::lifted(), ..LabOptions::default() };
    let stand = Stand::set(Setting { lab, arguments, ..Setting::default() }).await?;
    let mut file = stand.file().await?;
    let lifted = Some(1_000_000);
    file.limits = Limits { messages_per_minute: lifted, recipients_per_day: lifted, ..Limits::default() };
    file.delivery = delivery;
    stand.configure(&file)?;
    stand.wait_until_configured().await?;
    Ok(stand)
}

/// The seed of this run, and how many messages it sends: chance and `usual`, or as
/// `MAIL_EGRESS_TEST_SEED` and `MAIL_EGRESS_TEST_MESSAGES` say.
pub(super) fn size(usual: usize) -> Result<(u64, usize)> {
    let from = |name: &str| std::env::var(name).ok();
    let seed = from("MAIL_EGRESS_TEST_SEED").map_or_else(|| Ok(rand::random()), |text| text.parse())?;
    let messages = from("MAIL_EGRESS_TEST_MESSAGES").map_or(Ok(usual), |text| text.parse())?;
    Ok((seed, messages))
}

/// Sends so many messages, each tried until it is answered 250. Afterwards the sidecar lives, and
/// the relay is in good order.
pub(super) async fn undergo(stand: &mut Stand, seed: u64, messages: usize) -> Result<Toll> {
    stand.lab.exchange().misbehave(ExchangeFault::Random { seed, per_mille: PER_MILLE });
    let next = Arc::new(AtomicUsize::new(0));
    let mut apps = JoinSet::new();
    for _ in 0..APPS {
        apps.spawn(app(stand.smtp(), Arc::clone(&next), messages));
    }
    let (mut toll, mut dice) = (Toll::default(), StdRng::seed_from_u64(seed));
    while !apps.is_empty() {
        let life = Duration::from_millis(dice.random_range(LIFE));
        tokio::select! {
            Some(ended) = apps.join_next() => {
                let (taken, not_taken) = ended.context("an app broke")??;
                toll.taken.extend(taken);
                toll.not_taken += not_taken;
            }
            () = tokio::time::sleep(life) => {
                stand.kill_and_start_again().await?;
                toll.kills += 1;
            }
        }
    }
    stand.lab.behave();
    ensure!(toll.taken.len() == messages, "{} of {messages} messages were taken", toll.taken.len());
    ensure!(toll.kills > 0, "it was never killed: send more messages");
    Ok(toll)
}

/// One app: takes the next message, and tries it until it is taken.
async fn app(smtp: SocketAddr, next: Arc<AtomicUsize>, messages: usize) -> Result<(Vec<String>, usize)> {
    let (mut taken, mut not_taken) = (Vec::new(), 0);
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= messages {
            return Ok((taken, not_taken));
        }
        for attempt in 0.. {
            let id = format!("<{number}.{attempt}@shop>");
            match once(smtp, &id).await {
                Ok(250) => {
                    taken.push(id);
                    break;
                }
                Ok(_) | Err(_) => not_taken += 1,
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let pause = Duration::from_millis(rand::rng().random_range(PAUSE));
        tokio::time::sleep(pause).await;
    }
}

async fn once(smtp: SocketAddr, id: &str) -> Result<u16> {
    let mut client = Client::connect(smtp).await?;
    Ok(client.send(DEFAULT_MAILBOX, &["to@example.org"], &message(id)).await?.code)
}

fn message(id: &str) -> Vec<u8> {
    let head = format!("From: billing@contoso.com\r\nMessage-ID: {id}\r\nSubject: x\r\n\r\n");
    [head.into_bytes(), body()].concat()
}

fn body() -> Vec<u8> {
    b".Each line of this begins with a dot.\r\n".repeat(50)
}

/// How often each try has arrived; all of them whole.
pub(super) fn arrived(stand: &Stand) -> Result<BTreeMap<String, usize>> {
    let (mut arrived, body) = (BTreeMap::new(), body());
    for message in stand.lab.exchange().messages() {
        let id = message.header("Message-ID").context("a message without its Message-ID")?;
        ensure!(message.body() == body, "{id} is not what was sent: {} octets", message.body().len());
        *arrived.entry(id).or_default() += 1;
    }
    Ok(arrived)
}

/// Says something that is seen also where the test passes.
pub(super) fn report(line: &str) -> Result<()> {
    Ok(writeln!(std::io::stderr(), "{line}")?)
}
