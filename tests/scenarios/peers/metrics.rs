//! Prometheus' own judge of metrics: names, units, help texts.

use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use mail_egress_config::Rules;
use mail_egress_tests::debian::Wanted;
use mail_egress_tests::lab::{Act, DEFAULT_MAILBOX, ExchangeFault, Phase, Span};
use mail_egress_tests::stand::Stand;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Where promtool comes from.
pub(crate) const PACKAGES: &[Wanted<'static>] = &[("/usr/bin/promtool", "prometheus")];

const MESSAGE: &[u8] = b"From: billing@contoso.com\r\nSubject: x\r\n\r\nHello.\r\n";

/// What the sidecar shows once it has accepted, denied, deferred and lost sight of messages.
pub(crate) async fn promtool_has_no_objection() -> Result<()> {
    let stand = Stand::without_file().await?;
    let mut file = stand.file().await?;
    file.rules = Rules { deny_recipients: vec!["eve@example.org".to_owned()], ..Rules::default() };
    stand.configure(&file)?;
    stand.wait_until_configured().await?;
    hears(&stand, "to@example.org", 250).await?;
    hears(&stand, "eve@example.org", 550).await?;
    let exchange = stand.lab.exchange();
    for (phase, reply, code) in [
        (Phase::Rcpt, "550 5.1.10 no such user", 550),
        (Phase::AfterDot, "432 4.3.2 Concurrent connections limit exceeded.", 250),
        (Phase::Auth, "535 5.7.3 Authentication unsuccessful", 451),
    ] {
        exchange.misbehave_for(Span::Times(1), ExchangeFault::At(phase, Act::Reply(reply.to_owned())));
        exchange.misbehave_for(Span::Times(1), ExchangeFault::At(Phase::Rset, Act::Drop));
        hears(&stand, "to@example.org", code).await.with_context(|| reply.to_owned())?;
        stand.lab.behave();
    }

    let answer = stand.get("/metrics").await?;
    let (_, metrics) = answer.split_once("\r\n\r\n").context("no metrics")?;
    for series in ["messages_total", "denials_total", "throttles_total", "auth_failures_total"] {
        let counted =
            |line: &str| line.starts_with(&format!("mail_egress_{series}{{")) && !line.ends_with(" 0");
        ensure!(metrics.lines().any(counted), "the traffic left no trace in {series}:\n{metrics}");
    }
    let bad = objections("# TYPE mail_egress_sent counter\nmail_egress_sent 1\n").await?;
    ensure!(!bad.is_empty(), "promtool objects to nothing at all");
    let said = objections(metrics).await?;
    ensure!(said.is_empty(), "promtool says:\n{said}\nof:\n{metrics}");
    has_prefix_and_help(metrics)
}

async fn hears(stand: &Stand, to: &str, code: u16) -> Result<()> {
    let answer = stand.client().await?.send(DEFAULT_MAILBOX, &[to], MESSAGE).await?;
    ensure!(answer.code == code, "{to}: {answer:?}\n{}", stand.log());
    Ok(())
}

/// Everything that promtool says; nothing where it is content.
async fn objections(metrics: &str) -> Result<String> {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("promtool cannot be started")?;
    let mut input = promtool.stdin.take().context("no way in")?;
    input.write_all(metrics.as_bytes()).await?;
    drop(input);
    let done = promtool.wait_with_output().await?;
    let said = [done.stdout, done.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    ensure!(done.status.success() || !said.is_empty(), "promtool ended with {}", done.status);
    Ok(said)
}

/// promtool asks for a help text only where there is a HELP line, and for no prefix at all.
fn has_prefix_and_help(metrics: &str) -> Result<()> {
    let described = |family: &str| {
        let start = format!("# HELP {family} ");
        metrics.lines().any(|line| line.strip_prefix(&start).is_some_and(|help| !help.trim().is_empty()))
    };
    for line in metrics.lines() {
        let Some(family) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split(' ').next()) else {
            ensure!(!line.starts_with("# TYPE"), "{line}");
            continue;
        };
        let ours = family.starts_with("mail_egress_") || family.starts_with("process_");
        ensure!(ours, "{family} has no prefix of ours");
        ensure!(described(family), "{family} has no help text");
    }
    Ok(())
}
