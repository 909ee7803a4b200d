//! What a container's limit on memory allows.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use futures::future::try_join_all;
use mail_egress_config::Limits;
use mail_egress_tests::lab::{self, DEFAULT_MAILBOX, LabOptions};
use mail_egress_tests::memory_limit::MemoryLimit;
use mail_egress_tests::stand::{Setting, Stand};

const LIMIT: usize = 40 * 1024 * 1024;
const SENDERS: usize = 10;
const LARGE: usize = 25_000_000;

/// What does not stay in memory goes to a disk: on a tmpfs it would count as memory.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_messages_of_25_mb_at_once_fit_into_a_container_of_40_mib() -> Result<()> {
    let limit = MemoryLimit::of(LIMIT)?;
    let disk = tempfile::tempdir_in(Path::new(env!("CARGO_TARGET_TMPDIR")))?;
    let arguments = vec!["--spill-dir".to_owned(), disk.path().display().to_string()];
    let lab = LabOptions { limits: lab::Limits::lifted(), ..LabOptions::default() };
    let stand = Stand::set(Setting { lab, arguments, within: limit.within(), ..Setting::default() }).await?;
    let mut file = stand.file().await?;
    let lifted = Some(1_000_000);
    file.limits = Limits {
        messages_per_minute: lifted,
        recipients_per_day: lifted,
        connections: Some(u32::try_from(SENDERS)?),
        ..Limits::default()
    };
    stand.configure(&file)?;
    stand.wait_until_configured().await?;

    let message = message();
    let send = async || -> Result<()> {
        let answer = stand.client().await?.send(DEFAULT_MAILBOX, &["to@example.org"], &message).await;
        let answer = answer.with_context(|| format!("{} killed\n{}", kills(&limit), stand.log()))?;
        ensure!(answer.code == 250, "{answer:?}\n{}", stand.log());
        Ok(())
    };
    try_join_all((0..SENDERS).map(|_| send())).await?;
    ensure!(limit.kills()? == 0, "the kernel killed {} processes", limit.kills()?);
    let arrived = stand.lab.exchange().messages();
    let whole = arrived.iter().filter(|arrived| arrived.content.ends_with(&message)).count();
    ensure!(whole == SENDERS && arrived.len() == SENDERS, "{whole} of {} are whole", arrived.len());
    Ok(())
}

fn kills(limit: &MemoryLimit) -> String {
    limit.kills().map_or_else(|error| error.to_string(), |kills| kills.to_string())
}

fn message() -> Vec<u8> {
    let head = b"From: billing@contoso.com\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\n\
                 Message-ID: <1@shop>\r\nSubject: large\r\n\r\n";
    let line = b"Line after line, as an attachment has them, until it is as large as one may be.\r\n";
    [head.as_slice(), &line.repeat(LARGE / line.len() + 1)].concat()
}
