//! One line for each message, whatever became of it, and no address where none is to be shown.

use anyhow::{Context, Result, ensure};
use mail_egress_tests::lab::{Act, DEFAULT_MAILBOX, ExchangeFault, Phase, Span};
use mail_egress_tests::stand::{Setting, Stand};
use serde_json::Value;

const MESSAGE: &[u8] =
    b"From: billing@contoso.com\r\nTo: jane.roe@example.org\r\nMessage-ID: <1@shop>\r\nSubject: x\r\n\r\nHello.\r\n";
const TO: &[&str] = &["jane.roe@example.org", "john.doe@example.net"];
/// The times of every line about a message that came as a whole.
const TIMES: [&str; 6] = ["hold_ms", "receive_ms", "wait_ms", "connect_ms", "login_ms", "transfer_ms"];

async fn stand(flags: &[&str]) -> Result<Stand> {
    let arguments = [&["--log-format", "json"], flags].concat().into_iter().map(str::to_owned).collect();
    let stand = Stand::set(Setting { arguments, ..Setting::default() }).await?;
    stand.configure(&stand.file().await?)?;
    stand.wait_until_configured().await?;
    Ok(stand)
}

/// Sends one message under this fault, and gives the line about it.
async fn line(stand: &Stand, fault: Option<(Phase, Act)>, code: u16) -> Result<Value> {
    let before = lines(stand)?.len();
    if let Some((phase, act)) = fault {
        stand.lab.exchange().misbehave_for(Span::Times(1), ExchangeFault::At(phase, act));
    }
    let answer = stand.client().await?.send(DEFAULT_MAILBOX, TO, MESSAGE).await?;
    ensure!(answer.code == code, "{answer:?}\n{}", stand.log());
    let lines = lines(stand)?;
    let mut about = lines.into_iter().skip(before).filter(|line| line["id"].is_string());
    let line = about.next().with_context(|| format!("no line about it:\n{}", stand.log()))?;
    ensure!(about.next().is_none(), "two lines about one message:\n{}", stand.log());
    Ok(line)
}

fn lines(stand: &Stand) -> Result<Vec<Value>> {
    let log = stand.log();
    log.lines().map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
}

#[tokio::test]
async fn every_message_has_one_line_with_its_size_its_times_and_the_relays_words() -> Result<()> {
    let stand = stand(&[]).await?;
    let refuse = |text: &str| Act::Reply(text.to_owned());
    let cases = [
        (None, 250, "message accepted", "reply", "[Hostname="),
        (
            Some((Phase::AfterDot, refuse("554 5.6.0 Corrupt message content [HOST.PROD 2026 08DE]"))),
            554,
            "message refused",
            "why",
            "[HOST.PROD 2026 08DE]",
        ),
        (Some((Phase::Mail, refuse("451 4.7.650 later [HOST]"))), 451, "message deferred", "why", "[HOST]"),
        (
            Some((Phase::AfterDotAccepted, Act::Drop)),
            451,
            "message uncertain",
            "why",
            "may have been delivered",
        ),
    ];
    for (fault, code, message, field, words) in cases {
        let line = line(&stand, fault, code).await?;
        ensure!(line["message"] == message, "{line:#}");
        ensure!(line[field].as_str().is_some_and(|text| text.contains(words)), "{words}: {line:#}");
        ensure!(line["from"] == DEFAULT_MAILBOX && line["recipients"] == 2, "{line:#}");
        ensure!(line["bytes"] == MESSAGE.len() && line["message_id"] == "<1@shop>", "{line:#}");
        for field in TIMES {
            ensure!(line[field].is_u64(), "{field}: {line:#}");
        }
        // by it Microsoft finds the connection
        let banner = line["relay"].as_str().unwrap_or_default();
        ensure!((code == 250) == banner.is_empty() && (code == 250 || banner.contains('[')), "{line:#}");
    }
    Ok(())
}

#[tokio::test]
async fn where_none_is_to_be_shown_no_address_is_in_any_line() -> Result<()> {
    let stand = stand(&["--log-addresses", "none"]).await?;
    line(&stand, None, 250).await?;
    let words =
        "550 5.1.10 RESOLVER.ADR.RecipientNotFound; john.doe@example.net not found by billing@contoso.com";
    let refused = line(&stand, Some((Phase::Rcpt, Act::Reply(words.to_owned()))), 550).await?;
    ensure!(
        refused["why"].as_str().is_some_and(|why| why.contains("[address] not found by [address]")),
        "{refused:#}"
    );
    ensure!(refused["message_id"] == "<1@***>" && refused["from"] == "[address]", "{refused:#}");
    let mut file = stand.file().await?;
    file.rules.deny_recipients = vec!["john.doe@example.net".to_owned()];
    stand.configure(&file)?;
    mail_egress_tests::eventually::eventually(
        "the rule is obeyed",
        std::time::Duration::from_secs(20),
        async || {
            let answer = stand.client().await?.send(DEFAULT_MAILBOX, TO, MESSAGE).await?;
            // the app is told of addresses
            ensure!(answer.code == 550 && answer.text.contains("john.doe@example.net"), "{answer:?}");
            Ok(())
        },
    )
    .await?;
    let log = stand.log();
    for part in ["billing@", "contoso.com", "jane", "john", "example."] {
        ensure!(!log.contains(part), "{part} is in the log:\n{log}");
    }
    Ok(())
}

#[tokio::test]
async fn the_domains_alone_can_be_shown() -> Result<()> {
    let stand = stand(&["--log-addresses", "domain"]).await?;
    let accepted = line(&stand, None, 250).await?;
    ensure!(accepted["from"] == "***@contoso.com" && accepted["message_id"] == "<1@shop>", "{accepted:#}");
    Ok(())
}
