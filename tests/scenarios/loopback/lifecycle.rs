//! The sidecar's own end.

use std::time::Duration;

use anyhow::{Result, ensure};
use mail_egress_tests::lab::{DEFAULT_MAILBOX, ExchangeFault};
use mail_egress_tests::stand::Stand;

#[tokio::test]
async fn on_sigterm_it_finishes_what_it_holds_and_exits_with_0() -> Result<()> {
    let mut stand = Stand::start().await?;
    stand.lab.exchange().misbehave(ExchangeFault::SlowReplies(Duration::from_millis(150)));
    let mut client = stand.client().await?;
    for line in ["EHLO app", &format!("MAIL FROM:<{DEFAULT_MAILBOX}>"), "RCPT TO:<to@example.org>", "DATA"] {
        ensure!(client.say(line).await?.code < 400, "{line}");
    }
    client.write(b"From: billing@contoso.com\r\nSubject: last\r\n\r\nHello.\r\n.\r\n").await?;
    let mut idle = stand.client().await?;
    stand.terminate()?;
    let farewell = idle.answer().await?;
    ensure!(farewell.code == 421, "an idle session hears {farewell:?}");
    let answer = client.answer().await?;
    ensure!(answer.code == 250, "the message in hand: {answer:?}\n{}", stand.log());
    let ended = stand.wait().await?;
    ensure!(ended.code() == Some(0), "it ended with {ended}");
    ensure!(stand.lab.exchange().counters().messages == 1, "Exchange has not got it");
    Ok(())
}

#[tokio::test]
async fn no_log_line_and_no_metric_shows_the_token() -> Result<()> {
    use secrecy::ExposeSecret;
    let stand = Stand::without_file().await?;
    let file = stand.file().await?;
    stand.configure(&file)?;
    stand.wait_until_configured().await?;
    let message = b"From: billing@contoso.com\r\nSubject: x\r\n\r\nHello.\r\n";
    let answer = stand.client().await?.send(DEFAULT_MAILBOX, &["to@example.org"], message).await?;
    ensure!(answer.code == 250, "{answer:?}");
    let token = file.token.as_ref().map(|token| token.value.expose_secret().to_owned()).unwrap_or_default();
    ensure!(!token.is_empty() && !stand.log().is_empty(), "there is nothing to look for, or in");
    ensure!(!stand.log().contains(&token), "the log shows it");
    ensure!(!stand.get("/metrics").await?.contains(&token), "the metrics show it");
    Ok(())
}
