//! One line of the matrix, and how it is put to a sidecar of its own.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::StreamExt;
use mail_egress_tests::eventually::eventually;
use mail_egress_tests::lab::{DEFAULT_MAILBOX, ExchangeFault, Message, Span};
use mail_egress_tests::stand::Stand;

/// Lines that are tried at the same time: most of them wait.
const AT_ONCE: usize = 50;
/// More than socket buffers hold, so that the relay has not read it all when it stops reading.
pub(super) const LARGE: usize = 12 * 1024 * 1024;

/// What goes wrong, and what must come of it.
pub(super) struct Row {
    pub(super) fault: ExchangeFault,
    pub(super) span: Span,
    /// Of the message's body, about.
    pub(super) octets: usize,
    /// The basic code that the app gets.
    pub(super) code: u16,
    /// What the reply's text begins with: the enhanced code, or a part of it.
    pub(super) enhanced: &'static str,
    /// What the reply says, beside the fix.
    pub(super) words: String,
    /// What the reply says about the fix, where one is expected.
    pub(super) fix: &'static str,
    /// `result` in the metric.
    pub(super) result: &'static str,
    /// `reason` in the metric; `None`: whichever the table has for the server's words.
    pub(super) reason: Option<&'static str>,
    /// How many messages Exchange has.
    pub(super) arrived: usize,
    /// Whether it takes another token until mail goes on: one that was refused is not shown again
    /// for some minutes.
    pub(super) costs_token: bool,
}

impl Row {
    /// A fault until further notice, after which the app keeps the message and Exchange has nothing.
    pub(super) fn deferred(fault: ExchangeFault, words: &str) -> Self {
        Self {
            fault,
            span: Span::UntilCleared,
            octets: 100,
            code: 451,
            enhanced: "4.",
            words: words.to_owned(),
            fix: "To mend: ",
            result: "deferred",
            reason: None,
            arrived: 0,
            costs_token: false,
        }
    }

    /// A fault that leaves nobody knowing whether Exchange has the message.
    pub(super) fn uncertain(fault: ExchangeFault, arrived: usize) -> Self {
        Self {
            result: "uncertain",
            reason: Some("DeliveryUncertain"),
            enhanced: "4.4.2 ",
            arrived,
            ..Self::deferred(fault, "may have been delivered")
        }
    }

    /// A fault that the app does not notice.
    pub(super) fn unnoticed(fault: ExchangeFault, span: Span) -> Self {
        Self {
            span,
            code: 250,
            enhanced: "2.",
            fix: "",
            result: "accepted",
            reason: Some("Accepted"),
            arrived: 1,
            ..Self::deferred(fault, "")
        }
    }
}

/// Tries all lines, and says of each that fails how.
pub(super) async fn hold(rows: Vec<Row>) -> Result<()> {
    let failed: Vec<String> = futures::stream::iter(rows)
        .map(async |row| {
            let name = format!("{:?}, {:?}", row.fault, row.span);
            holds(row).await.err().map(|error| format!("{name}: {error:#}"))
        })
        .buffer_unordered(AT_ONCE)
        .filter_map(std::future::ready)
        .collect()
        .await;
    ensure!(failed.is_empty(), "{} lines of the matrix do not hold:\n{}", failed.len(), failed.join("\n\n"));
    Ok(())
}

async fn holds(row: Row) -> Result<()> {
    let stand = Stand::start().await?;
    let exchange = stand.lab.exchange();
    exchange.misbehave_for(row.span, row.fault);
    let message = message(1, row.octets);
    let answer = stand.client().await?.send(DEFAULT_MAILBOX, &["to@example.org"], &message).await?;
    let told = answer.code == row.code
        && answer.text.starts_with(row.enhanced)
        && answer.text.contains(&row.words)
        && answer.text.contains(row.fix);
    ensure!(told, "the app heard {answer:?}");
    counted(&stand, row.result, row.reason).await?;
    ensure!(exchange.counters().misbehaved > 0, "the fault did not strike");
    has(&stand, row.arrived, &message)?;

    // and it does not last
    stand.lab.behave();
    if row.costs_token {
        stand.configure(&stand.file().await?)?;
    }
    let next = self::message(2, 100);
    eventually("the next message arrives", Duration::from_secs(30), async || {
        let again = stand.client().await?.send(DEFAULT_MAILBOX, &["to@example.org"], &next).await?;
        ensure!(again.code == 250, "{again:?}");
        Ok(())
    })
    .await
    .with_context(|| stand.log())?;
    ensure!(exchange.counters().messages == row.arrived + 1, "afterwards Exchange has another number");
    ensure!(exchange.violations().is_empty(), "{:?}", exchange.violations());
    ensure!(exchange.counters().plaintext_secrets_seen == 0, "a token was sent in plaintext");
    Ok(())
}

/// One message was counted, as this.
async fn counted(stand: &Stand, result: &str, reason: Option<&str>) -> Result<()> {
    let metrics = stand.get("/metrics").await?;
    let series: Vec<&str> = metrics
        .lines()
        .filter(|line| line.starts_with("mail_egress_messages_total{") && !line.ends_with(" 0"))
        .collect();
    let [one] = series.as_slice() else { anyhow::bail!("counted as {series:?}") };
    let reason = reason.map(|reason| format!("reason=\"{reason}\"")).unwrap_or_default();
    let fits = one.contains(&format!("result=\"{result}\"")) && one.contains(&reason) && one.ends_with(" 1");
    ensure!(fits, "counted as {one}");
    Ok(())
}

/// Exchange has so many messages, each of them this one, and whole.
fn has(stand: &Stand, arrived: usize, message: &[u8]) -> Result<()> {
    let messages = stand.lab.exchange().messages();
    ensure!(messages.len() == arrived, "Exchange has {} messages", messages.len());
    let body = message.windows(4).position(|end| end == b"\r\n\r\n").map(|end| &message[end + 4..]);
    let whole = |arrived: &Message| Some(arrived.body()) == body;
    ensure!(messages.iter().all(|arrived| whole(arrived)), "what Exchange has is not what was sent");
    Ok(())
}

/// A message with a body of about so many octets.
pub(super) fn message(number: usize, octets: usize) -> Vec<u8> {
    let head = format!("From: billing@contoso.com\r\nMessage-ID: <{number}@shop>\r\nSubject: x\r\n\r\n");
    let mut message = head.into_bytes();
    let line = b".This line begins with a dot, and there are as many of it as it takes.\r\n";
    message.extend(line.repeat(octets / line.len() + 1));
    message
}
