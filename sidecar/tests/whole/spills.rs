//! Messages that memory does not hold go by the disk, whole or not at all.

use std::fs::{self, OpenOptions};

use mail_egress_sidecar::args::Limit;

use crate::app::App;
use crate::relay::{Relay, Way};
use crate::running::{Running, sender_file};

/// Of which 256 KiB stay in memory.
const LARGE: usize = 900_000;

/// Lines that differ, some of which begin with a dot; as it is written, dots doubled.
fn message(octets: usize) -> String {
    let lines = (0..).map(|count| format!("{}{count:072}\r\n", if count % 7 == 0 { ".." } else { "" }));
    let mut text = "Subject: large\r\n\r\n".to_owned();
    lines
        .take_while(|line| {
            text.push_str(line);
            text.len() < octets
        })
        .for_each(drop);
    text
}

/// Cuts short every file of this process that has lost its name in this folder.
fn truncate_spilled(folder: &str) -> usize {
    let open = fs::read_dir("/proc/self/fd").unwrap().flatten();
    open.filter(|entry| fs::read_link(entry.path()).is_ok_and(|file| file.starts_with(folder)))
        .map(|entry| OpenOptions::new().write(true).open(entry.path()).unwrap().set_len(1_000).unwrap())
        .count()
}

#[tokio::test]
async fn a_message_of_25_mb_arrives_byte_for_byte() {
    let relay = Relay::start(Way::Good).await;
    let file = sender_file(&relay, "ready").replace("1000000", "30000000");
    let sidecar = Running::start(Some(&file), |_| {}).await;
    let text = message(25_000_000);
    let mut app = App::with_envelope(sidecar.smtp).await;
    assert!(app.send(&text).await.starts_with("250 "));
    assert!(relay.seen().messages[0].ends_with(&text));
    sidecar.metric(r#"mail_egress_held_bytes{where="disk"} 0"#).await;
}

#[tokio::test]
async fn beyond_the_limit_it_is_452_and_others_go_on() {
    let relay = Relay::start(Way::Good).await;
    let file = sender_file(&relay, "ready");
    let sidecar = Running::start(Some(&file), |args| args.spill_limit = Limit(Some(700_000))).await;
    let mut first = App::with_envelope(sidecar.smtp).await;
    assert!(first.say("DATA").await.starts_with("354 "));
    first.write(&message(500_000)).await;
    // 256 KiB of it, once they have come
    sidecar.until_metric(r#"mail_egress_held_bytes{where="disk"} 262144"#).await;

    let mut second = App::with_envelope(sidecar.smtp).await;
    let reply = second.send(&message(780_000)).await;
    assert!(
        reply.starts_with("452") && reply.contains("4.3.1") && reply.contains("--spill-limit"),
        "{reply}"
    );
    first.write(".\r\n").await;
    assert!(first.reply().await.starts_with("250 "));
}

#[tokio::test]
async fn without_a_folder_the_reply_names_the_flag() {
    let relay = Relay::start(Way::Good).await;
    let file = sender_file(&relay, "ready");
    let sidecar = Running::start(Some(&file), |args| {
        args.spill_dir = "/nowhere/to/spill".into();
        args.memory_budget.0 = 512 * 1024;
    })
    .await;
    let mut app = App::with_envelope(sidecar.smtp).await;
    let reply = app.send(&message(LARGE)).await;
    assert!(reply.starts_with("452") && reply.contains("4.3.1") && reply.contains("--spill-dir"), "{reply}");
    app.say("MAIL FROM:<billing@contoso.com>").await;
    app.say("RCPT TO:<ann@example.com>").await;
    assert!(app.send("Subject: x\r\n\r\nsmall\r\n").await.starts_with("250 "));
}

#[tokio::test]
async fn a_file_that_loses_octets_never_ends_in_a_dot() {
    let relay = Relay::start(Way::WaitsAtRcpt).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_owned();
    let sidecar = Running::start(Some(&sender_file(&relay, "ready")), |args| args.spill_dir = path).await;
    let mut app = App::with_envelope(sidecar.smtp).await;
    assert!(app.say("DATA").await.starts_with("354 "));
    app.write(&format!("{}.\r\n", message(LARGE))).await;
    relay.until(|seen| seen.commands.iter().any(|it| it.starts_with("RCPT"))).await;
    assert_eq!(truncate_spilled(folder.path().to_str().unwrap()), 1);
    relay.answers.add_permits(1);
    let reply = app.reply().await;
    assert!(reply.starts_with("452") && reply.contains("4.3.1"), "{reply}");
    relay.until(|seen| seen.ended > 0).await;
    assert!(relay.seen().messages.is_empty());
}
