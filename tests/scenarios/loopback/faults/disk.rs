//! The disk for large messages is full: by the sidecar's own count, before the kubelet would evict
//! the pod; and really.

use std::fs;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use mail_egress_tests::lab::DEFAULT_MAILBOX;
use mail_egress_tests::stand::{Setting, Stand};

use super::row::message;

#[tokio::test]
async fn a_message_beyond_the_limit_is_temporary_and_smaller_ones_go_on() -> Result<()> {
    let arguments = vec!["--spill-limit".to_owned(), "1Mi".to_owned()];
    let stand = Stand::set(Setting { arguments, ..Setting::default() }).await?;
    stand.configure(&stand.file().await?)?;
    stand.configure(&stand.file().await?)?;
    stand.wait_until_configured().await?;
    let (to, large) = (["to@example.org"], message(1, 3_000_000));
    for _ in 0..2 {
        let answer = stand.client().await?.send(DEFAULT_MAILBOX, &to, &large).await?;
        let told = answer.code == 452 && answer.text.starts_with("4.3.1 ");
        ensure!(told && answer.text.contains("on disk") && answer.text.contains("To mend: "), "{answer:?}");
    }
    let counted =
        stand.metric("mail_egress_messages_total{reason=\"SpillLimit\",result=\"deferred\"}").await?;
    ensure!(counted == Some(2.0), "it was counted {counted:?}:\n{}", stand.get("/metrics").await?);
    for number in 2..4 {
        let answer = stand.client().await?.send(DEFAULT_MAILBOX, &to, &message(number, 900_000)).await?;
        ensure!(answer.code == 250, "what was refused still takes room: {answer:?}");
    }
    ensure!(stand.lab.exchange().counters().messages == 2, "Exchange has another number");
    Ok(())
}

/// Makes a disk of a megabyte of `$1`, which only the sidecar sees.
const SMALL_DISK: &str = r#"mount -t tmpfs -o size=1m,mode=0700 small "$1" && shift && exec "$@""#;

/// As root, for the mount namespace.
#[tokio::test]
async fn a_full_disk_is_temporary_and_mail_goes_on_when_there_is_room() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let place = folder.path().display().to_string();
    let words = ["unshare", "--mount", "--propagation", "private", "sh", "-c", SMALL_DISK, "sh", &place];
    let within = words.map(str::to_owned).to_vec();
    // no limit of its own, so that it is the disk that says no
    let arguments = ["--spill-limit", "0", "--spill-dir", &place].map(str::to_owned).to_vec();
    let stand = Stand::set(Setting { arguments, within, ..Setting::default() }).await?;
    stand.configure(&stand.file().await?)?;
    stand.configure(&stand.file().await?)?;
    stand.wait_until_configured().await?;

    // the folder as the sidecar sees it
    let filler = PathBuf::from(format!("/proc/{}/root{place}/filler", stand.process()?));
    fs::write(&filler, vec![b'x'; 700 * 1024])?;
    let (to, fits) = (["to@example.org"], message(1, 900_000));
    for large in [&fits, &message(1, 3_000_000)] {
        let answer = stand.client().await?.send(DEFAULT_MAILBOX, &to, large).await?;
        let told = answer.code == 452 && answer.text.starts_with("4.3.1 ");
        ensure!(told && answer.text.contains("full") && answer.text.contains("--spill-dir"), "{answer:?}");
    }
    let counted =
        stand.metric("mail_egress_messages_total{reason=\"SpillDiskFailed\",result=\"deferred\"}").await?;
    ensure!(counted == Some(2.0), "it was counted {counted:?}:\n{}", stand.get("/metrics").await?);
    let small = stand.client().await?.send(DEFAULT_MAILBOX, &to, &message(2, 100)).await?;
    ensure!(small.code == 250, "what needs no disk is not taken: {small:?}");

    fs::remove_file(&filler)?;
    let answer = stand.client().await?.send(DEFAULT_MAILBOX, &to, &fits).await?;
    ensure!(answer.code == 250, "there is room now: {answer:?}\n{}", stand.log());
    let arrived = stand.lab.exchange().messages();
    let ids: Vec<_> = arrived.iter().filter_map(|message| message.header("Message-ID")).collect();
    ensure!(ids == ["<2@shop>", "<1@shop>"], "Exchange has {ids:?}");
    Ok(())
}
