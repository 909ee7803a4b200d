//! Fifty messages at once, where three connections are allowed.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
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
    has_all_without_complaint(&stand).await
}

/// Exchange's 30 messages a minute make this take more than one: its minute is what is tried.
#[tokio::test]
async fn with_the_limit_per_minute_each_is_taken_at_the_time_that_it_was_named() -> Result<()> {
    let stand = Stand::start().await?;
    let all = (0..BURST).map(|number| until_taken(&stand, number));
    let sent_away: usize = futures::future::try_join_all(all).await?.into_iter().sum();
    // what waits for less than it may be held is not sent away
    ensure!(sent_away > 0, "all went at once: the limit is not in force");
    let series = "mail_egress_held_back_total{reason=\"MessagesPerMinute\"}";
    let counted = stand.metric(series).await?;
    ensure!(counted == Some(u32::try_from(sent_away)?.into()), "{sent_away} sent away, {counted:?} counted");
    has_all_without_complaint(&stand).await?;
    let throttled = stand.lab.exchange().counters().throttled;
    ensure!(throttled == 0, "Exchange held up {throttled} messages by its own limit");
    Ok(())
}

/// Sends a message as an app with a queue does, that comes back exactly at the time it was named;
/// whether it was sent away, which may be once only.
async fn until_taken(stand: &Stand, number: usize) -> Result<usize> {
    let (code, text) = send(stand, number).await?;
    if code == 250 {
        return Ok(0);
    }
    ensure!(code == 451 && text.starts_with("4.3.2 "), "{number}: {code} {text}");
    let named = text.split_once(", at ").and_then(|(_, rest)| rest.strip_suffix(": it is taken then"));
    let at: Timestamp = named.with_context(|| format!("no time in {text}"))?.parse()?;
    let wait = Duration::try_from(at.duration_since(Timestamp::now())).unwrap_or_default();
    tokio::time::sleep(wait).await;
    let (code, again) = send(stand, number).await?;
    ensure!(code == 250, "{number} was told {text}, and then {code} {again}\n{}", stand.log());
    Ok(1)
}

async fn has_all_without_complaint(stand: &Stand) -> Result<()> {
    let exchange = stand.lab.exchange();
    ensure!(exchange.counters().messages == BURST, "Exchange has another number");
    ensure!(exchange.most_connections(DEFAULT_MAILBOX) <= 3, "more than three connections at once");
    ensure!(exchange.counters().over_connections == 0, "Exchange had to say 432");
    let accepted = "mail_egress_messages_total{reason=\"Accepted\",result=\"accepted\"}";
    let counted = stand.metric(accepted).await?;
    ensure!(counted == Some(u32::try_from(BURST)?.into()), "{counted:?} were counted");
    Ok(())
}
