//! The sidecar's clock is wrong by an hour. Debian's libfaketime sets it; the lab's stays right.

use anyhow::{Result, ensure};
use jiff::{SignedDuration, Timestamp};
use mail_egress_tests::client::Answer;
use mail_egress_tests::faketime::clock_off_by;
use mail_egress_tests::lab::{DEFAULT_CLIENT_ID, DEFAULT_MAILBOX, Form};
use mail_egress_tests::stand::{Setting, Stand};

use super::row::message;

/// What an app hears from a sidecar whose clock is off by this, with a token of this remaining life,
/// and how many messages Exchange has. The metric must name this reason.
async fn with_a_clock_off(by: &str, left: SignedDuration, reason: &str) -> Result<(Answer, usize)> {
    let stand = Stand::set(Setting { environment: clock_off_by(by)?, ..Setting::default() }).await?;
    let mut file = stand.file().await?;
    let mut claims = stand.lab.entra().claims(DEFAULT_CLIENT_ID)?;
    let end = Timestamp::now() + left;
    claims.exp = end.as_second();
    if let Some(token) = &mut file.token {
        (token.value, token.expires_at) = (stand.lab.entra().mint(&claims, Form::Jwt)?, end);
    }
    stand.configure(&file)?;
    stand.wait_until_configured().await?;
    let answer = stand.client().await?.send(DEFAULT_MAILBOX, &["to@example.org"], &message(1, 100)).await?;
    let arrived = stand.lab.exchange().counters().messages;
    ensure!(arrived == usize::from(answer.code == 250), "Exchange has {arrived}, the app heard {answer:?}");
    let result = if answer.code == 250 { "accepted" } else { "deferred" };
    let series = format!("mail_egress_messages_total{{reason=\"{reason}\",result=\"{result}\"}}");
    ensure!(stand.metric(&series).await? == Some(1.0), "{}", stand.get("/metrics").await?);
    Ok((answer, arrived))
}

#[tokio::test]
async fn an_hour_ahead_a_token_that_seems_expired_is_explained_by_the_clock() -> Result<()> {
    let (answer, _) = with_a_clock_off("+3600s", SignedDuration::from_mins(50), "TokenExpired").await?;
    ensure!(answer.code == 451 && answer.text.contains("clock"), "{answer:?}");
    ensure!(answer.text.contains("expired") && answer.text.contains("To mend: "), "{answer:?}");
    Ok(())
}

#[tokio::test]
async fn an_hour_ahead_a_token_that_outlasts_it_is_used() -> Result<()> {
    let (answer, arrived) = with_a_clock_off("+3600s", SignedDuration::from_mins(80), "Accepted").await?;
    ensure!(answer.code == 250 && arrived == 1, "{answer:?}");
    Ok(())
}

#[tokio::test]
async fn an_hour_behind_a_good_token_is_used() -> Result<()> {
    let (answer, arrived) = with_a_clock_off("-3600s", SignedDuration::from_mins(50), "Accepted").await?;
    ensure!(answer.code == 250 && arrived == 1, "{answer:?}");
    Ok(())
}

#[tokio::test]
async fn an_hour_behind_a_token_that_has_expired_is_refused_by_exchange_and_that_is_explained() -> Result<()>
{
    let (answer, _) = with_a_clock_off("-3600s", SignedDuration::from_mins(-5), "TokenRefused").await?;
    ensure!(answer.code == 451 && answer.text.contains("535 5.7.3"), "{answer:?}");
    ensure!(answer.text.contains("To mend: "), "{answer:?}");
    Ok(())
}
