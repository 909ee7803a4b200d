//! Fifty messages at once, where three connections are allowed.

use anyhow::{Result, ensure};
use mail_egress_config::Limits;
use mail_egress_tests::lab::{self, DEFAULT_MAILBOX, LabOptions};
use mail_egress_tests::stand::{Setting, Stand};

use super::row::message;

const BURST: usize = 50;

/// One message; its code and what was said with it.
async fn send(stand: &Stand, number: usize) -> Result<(u16, String)> {
    let message = message(number, 2000);
    let answer = stand.client().await?.send(DEFAULT_MAILBOX, &["to@example.org"], &message).await?;
    Ok((answer.code, answer.text))
}

#[tokio::test]
async fn with_the_limit_per_minute_lifted_all_arrive_by_three_connections() -> Result<()> {
    let limits = lab::Limits { messages_per_minute: None, ..lab::Limits::default() };
    let lab = LabOptions { limits, ..LabOptions::default() };
    let stand = Stand::set(Setting { lab, ..Setting::default() }).await?;
    let mut file = stand.file().await?;
    file.limits = Limits { messages_per_minute: Some(1_000_000), ..Limits::default() };
    stand.configure(&file)?;
    stand.wait_until_configured().await?;

    let all = (0..BURST).map(|number| send(&stand, number));
    for (code, text) in futures::future::try_join_all(all).await? {
        ensure!(code == 250, "{code} {text}\n{}", stand.log());
    }
    let exchange = stand.lab.exchange();
    ensure!(exchange.counters().messages == BURST, "Exchange has another number");
    ensure!(exchange.most_connections(DEFAULT_MAILBOX) <= 3, "more than three connections at once");
    ensure!(exchange.counters().over_connections == 0, "Exchange had to say 432");
    Ok(())
}
