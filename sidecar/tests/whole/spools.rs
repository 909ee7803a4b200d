//! Spool mode: 250 once the message is on disk, and then it is sent, whatever ends meanwhile.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mail_egress_sidecar::args::{Bytes, Period, RunArgs};
use mail_egress_sidecar::sidecar::Ended;

use crate::app::App;
use crate::relay::{Relay, Way};
use crate::running::{Running, sender_file};

const MESSAGE: &str = "From: billing@contoso.com\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\nSubject: x\r\n\r\nhello\r\n..a dot\r\n";

/// The sender's file, in spool mode.
fn spooling(relay: &Relay, more: &str) -> String {
    let delivery = format!(r#""delivery": {{"mode": "spool"{more}}}, "state""#);
    sender_file(relay, "ready").replacen(r#""state""#, &delivery, 1)
}

/// The same before its token has come: what is kept waits.
fn without_token(file: &str) -> String {
    file.replacen(r#""token""#, r#""formerToken""#, 1)
}

/// With a volume that outlives the pod `name`.
fn on_volume(folder: &Path, name: &'static str) -> impl FnOnce(&mut RunArgs) {
    let folder = folder.to_owned();
    move |args| {
        args.spool_dir = Some(folder);
        args.spool_lasting = true;
        args.spool_name = name.to_owned();
        args.spool_retry = Period(Duration::from_millis(10));
    }
}

fn pods_folder(volume: &Path, name: &str) -> PathBuf {
    volume.join("shop_billing").join(name)
}

async fn sends(sidecar: &Running) -> String {
    App::with_envelope(sidecar.smtp).await.send(MESSAGE).await
}

#[tokio::test]
async fn a_message_is_kept_and_then_sent_as_it_would_have_been_at_once() {
    let (relay, volume) = (Relay::start(Way::Good).await, tempfile::tempdir().unwrap());
    let sidecar = Running::start(Some(&spooling(&relay, "")), on_volume(volume.path(), "pod")).await;
    let reply = sends(&sidecar).await;
    assert!(reply.starts_with("250 2.0.0 kept on disk as "), "{reply}");
    relay.until(|seen| seen.messages.len() == 1).await;
    let message = &relay.seen().messages[0];
    assert!(message.starts_with("Received: from localhost by mail-egress"), "{message}");
    assert!(message.contains("\r\nMessage-ID: <"), "{message}");
    assert!(message.ends_with("\r\n\r\nhello\r\n..a dot\r\n"), "{message}");

    sidecar.until_metric(r#"mail_egress_messages_total{reason="Accepted",result="accepted"} 1"#).await;
    sidecar.metric(r#"mail_egress_messages_total{reason="Accepted",result="spooled"} 1"#).await;
    sidecar.metric(r#"mail_egress_spool_attempts_total{result="accepted"} 1"#).await;
    sidecar.until_metric(r#"mail_egress_spool_messages{state="waiting"} 0"#).await;
    sidecar.metric("mail_egress_spool_usable 1").await;
}

#[tokio::test]
async fn a_large_message_is_kept_octet_for_octet() {
    let (relay, volume) = (Relay::start(Way::Good).await, tempfile::tempdir().unwrap());
    let sidecar = Running::start(Some(&spooling(&relay, "")), on_volume(volume.path(), "pod")).await;
    let body: String =
        (0..12_000).map(|line| format!("line {line} of a message that goes by the disk\r\n")).collect();
    let reply = App::with_envelope(sidecar.smtp).await.send(&format!("{MESSAGE}{body}")).await;
    assert!(reply.starts_with("250 "), "{reply}");
    relay.until(|seen| seen.messages.len() == 1).await;
    assert!(relay.seen().messages[0].ends_with(&body));
}

#[tokio::test]
async fn what_is_kept_waits_for_a_token() {
    let (relay, volume) = (Relay::start(Way::Good).await, tempfile::tempdir().unwrap());
    let file = spooling(&relay, "");
    let sidecar = Running::start(Some(&without_token(&file)), on_volume(volume.path(), "pod")).await;
    assert!(sends(&sidecar).await.starts_with("250 "));
    sidecar.metric(r#"mail_egress_spool_messages{state="waiting"} 1"#).await;
    sidecar.bring(&file);
    relay.until(|seen| seen.messages.len() == 1).await;
}

#[tokio::test]
async fn what_a_restarted_sidecar_finds_it_sends() {
    let (relay, volume) = (Relay::start(Way::Good).await, tempfile::tempdir().unwrap());
    let file = spooling(&relay, "");
    let mut first = Running::start(Some(&without_token(&file)), on_volume(volume.path(), "pod")).await;
    for _ in 0..3 {
        assert!(sends(&first).await.starts_with("250 "));
    }
    first.terminate();
    assert_eq!(first.ended().await, Ended::Drained);
    let _second = Running::start(Some(&file), on_volume(volume.path(), "pod")).await;
    relay.until(|seen| seen.messages.len() == 3).await;
}

#[tokio::test]
async fn what_a_pod_that_is_gone_has_left_another_one_sends() {
    let (relay, volume) = (Relay::start(Way::Good).await, tempfile::tempdir().unwrap());
    let file = spooling(&relay, "");
    let mut gone = Running::start(Some(&without_token(&file)), on_volume(volume.path(), "gone")).await;
    assert!(sends(&gone).await.starts_with("250 "));
    gone.terminate();
    gone.ended().await;
    let other = Running::start(Some(&file), on_volume(volume.path(), "other")).await;
    relay.until(|seen| seen.messages.len() == 1).await;
    other.until_metric(r#"mail_egress_spool_messages{state="waiting"} 0"#).await;
}

#[tokio::test]
async fn a_pod_that_lives_keeps_its_own() {
    let (relay, volume) = (Relay::start(Way::Good).await, tempfile::tempdir().unwrap());
    let file = spooling(&relay, "");
    let lives = Running::start(Some(&without_token(&file)), on_volume(volume.path(), "lives")).await;
    assert!(sends(&lives).await.starts_with("250 "));
    // by the same name: as when another pod is not through with a folder that it took over
    let twin = Running::start(Some(&file), on_volume(volume.path(), "lives")).await;
    assert!(sends(&twin).await.starts_with("250 "));
    relay.until(|seen| seen.messages.len() == 1).await;
    lives.metric(r#"mail_egress_spool_messages{state="waiting"} 1"#).await;
    assert!(pods_folder(volume.path(), "lives.2").is_dir());
}

#[tokio::test]
async fn what_can_never_be_sent_lies_among_the_dead_letters_with_its_reason() {
    let (relay, volume) = (Relay::start(Way::RefusesRecipients).await, tempfile::tempdir().unwrap());
    let sidecar = Running::start(Some(&spooling(&relay, "")), on_volume(volume.path(), "pod")).await;
    assert!(sends(&sidecar).await.starts_with("250 "));
    sidecar.until_metric(r#"mail_egress_spool_messages{state="dead"} 1"#).await;
    sidecar.until_metric(r#"mail_egress_spool_messages{state="waiting"} 0"#).await;
    sidecar.metric(r#"mail_egress_messages_total{reason="BadRecipient",result="refused"} 1"#).await;
    let dead = std::fs::read_dir(pods_folder(volume.path(), "pod").join("dead")).unwrap();
    let mut paths: Vec<_> = dead.map(|item| item.unwrap().path()).collect();
    paths.sort();
    let [verdict, message] = paths.as_slice() else { panic!("{paths:?}") };
    let verdict: serde_json::Value = serde_json::from_slice(&std::fs::read(verdict).unwrap()).unwrap();
    assert_eq!(verdict["reason"], "BadRecipient");
    assert!(verdict["sentence"].as_str().unwrap().contains("550 5.1.1 nobody of that name"), "{verdict}");
    assert!(String::from_utf8(std::fs::read(message).unwrap()).unwrap().contains("\r\n\r\nhello\r\n"));
}

#[tokio::test]
async fn without_a_place_that_lasts_nothing_is_kept_unless_loss_is_accepted() {
    let (relay, volume) = (Relay::start(Way::Good).await, tempfile::tempdir().unwrap());
    let file = spooling(&relay, "");
    let none = Running::start(Some(&file), |_| {}).await;
    let reply = sends(&none).await;
    assert!(reply.starts_with("451") && reply.contains("mail-egress.io/spool-volume"), "{reply}");
    none.metric(r#"mail_egress_messages_total{reason="SpoolMissing",result="deferred"} 1"#).await;

    let folder = volume.path().to_owned();
    let brief = Running::start(Some(&file), |args| args.spool_dir = Some(folder)).await;
    let reply = sends(&brief).await;
    assert!(reply.starts_with("451") && reply.contains("spec.delivery.acceptLoss"), "{reply}");
    brief.bring(&spooling(&relay, r#", "acceptLoss": true"#));
    brief.until_metric(r#"mail_egress_config_loads_total{result="usable"} 2"#).await;
    assert!(sends(&brief).await.starts_with("250 2.0.0 kept on disk as "));
    relay.until(|seen| seen.messages.len() == 1).await;
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_explained_and_tried_again() {
    let (relay, volume) = (Relay::start(Way::Good).await, tempfile::tempdir().unwrap());
    let folder = volume.path().join("mounted-later");
    let sidecar = Running::start(Some(&spooling(&relay, "")), on_volume(&folder, "pod")).await;
    let reply = sends(&sidecar).await;
    assert!(reply.starts_with("451") && reply.contains("mount a volume there"), "{reply}");
    sidecar.metric("mail_egress_spool_usable 0").await;
    std::fs::create_dir(&folder).unwrap();
    sidecar.until_metric("mail_egress_spool_usable 1").await;
    assert!(sends(&sidecar).await.starts_with("250 "));
}

#[tokio::test]
async fn a_full_spool_is_452_before_anything_is_taken() {
    let (relay, volume) = (Relay::start(Way::Good).await, tempfile::tempdir().unwrap());
    let file = without_token(&spooling(&relay, ""));
    let sidecar = Running::start(Some(&file), |args| {
        on_volume(volume.path(), "pod")(args);
        args.spool_limit = Bytes(20 * 1024);
    })
    .await;
    let mut replies = Vec::new();
    for _ in 0..4 {
        replies.push(sends(&sidecar).await);
    }
    assert!(replies[0].starts_with("250 "), "{replies:?}");
    let last = replies.last().unwrap();
    assert!(last.starts_with("452") && last.contains("spool holds"), "{last}");
}

#[tokio::test]
async fn a_sender_that_may_not_send_keeps_nothing() {
    let (relay, volume) = (Relay::start(Way::Good).await, tempfile::tempdir().unwrap());
    let ready = spooling(&relay, "");
    let unready = ready.replacen(
        r#""state": "ready""#,
        r#""state": {"unready": {"reason": "SenderSuspended", "message": "the MailSender is suspended"}}"#,
        1,
    );
    let sidecar = Running::start(Some(&unready), on_volume(volume.path(), "pod")).await;
    let reply = sends(&sidecar).await;
    assert!(reply.starts_with("451") && reply.contains("suspended"), "{reply}");
    sidecar.metric(r#"mail_egress_spool_messages{state="waiting"} 0"#).await;
}
