//! What is too much is refused clearly, and the rest goes on.

use std::time::Duration;

use crate::app::App;
use crate::relay::{Relay, Way};
use crate::running::{Running, budget, sender_file};

const PIECE: usize = 64 * 1024;

#[tokio::test]
async fn a_message_that_memory_cannot_hold_now_is_452_before_it_is_sent() {
    let relay = Relay::start(Way::WaitsBehindDot).await;
    let sidecar = Running::start(Some(&sender_file(&relay, "ready")), budget(2 * PIECE)).await;
    let mut first = App::with_envelope(sidecar.smtp).await;
    assert!(first.say("DATA").await.starts_with("354 "));

    let mut second = App::connect(sidecar.smtp).await;
    second.say("EHLO app").await;
    second.say(&format!("MAIL FROM:<billing@contoso.com> SIZE={}", PIECE + 1)).await;
    second.say("RCPT TO:<ann@example.com>").await;
    let reply = second.say("DATA").await;
    assert!(reply.starts_with("452 4.3.1 "), "{reply}");

    first.write(".\r\n").await;
    relay.until(|seen| !seen.messages.is_empty()).await;
    relay.answers.add_permits(1);
    assert!(first.reply().await.starts_with("250 "));
    sidecar.metric("mail_egress_held_bytes 0").await;
}

#[tokio::test]
async fn a_message_that_grows_beyond_memory_is_452_and_the_session_goes_on() {
    let relay = Relay::start(Way::Good).await;
    let sidecar = Running::start(Some(&sender_file(&relay, "ready")), budget(2 * PIECE)).await;
    let mut holder = App::with_envelope(sidecar.smtp).await;
    assert!(holder.say("DATA").await.starts_with("354 "));

    let mut app = App::with_envelope(sidecar.smtp).await;
    let large = "0123456789\r\n".repeat(8_000);
    let reply = app.send(&large).await;
    assert!(reply.starts_with("452 4.3.1 "), "{reply}");
    app.say("MAIL FROM:<billing@contoso.com>").await;
    app.say("RCPT TO:<ann@example.com>").await;
    assert!(app.send("Subject: x\r\n\r\nsmall\r\n").await.starts_with("250 "));
}

#[tokio::test]
async fn what_can_never_be_held_is_said_in_ehlo_and_refused_for_good() {
    let relay = Relay::start(Way::Good).await;
    let sidecar = Running::start(Some(&sender_file(&relay, "ready")), budget(2 * PIECE)).await;
    let mut app = App::connect(sidecar.smtp).await;
    assert!(app.say("EHLO app").await.contains("SIZE 131072"));
    let reply = app.say("MAIL FROM:<billing@contoso.com> SIZE=131073").await;
    assert!(reply.starts_with("552 5.3.4 "), "{reply}");
}

#[tokio::test]
async fn one_session_too_many_is_told_421() {
    let sidecar = Running::start(None, |args| args.max_sessions = 1).await;
    let _first = App::connect(sidecar.smtp).await;
    let mut second = App::connect_unheard(sidecar.smtp).await;
    assert!(second.reply().await.starts_with("421 4.3.2 "));
    assert!(second.is_closed().await);
    sidecar.metric("mail_egress_sessions_refused_total 1").await;
}

/// Three messages that wait for the relay's answer.
async fn three_in_hand(relay: &Relay, sidecar: &Running) -> Vec<App> {
    let mut apps = Vec::new();
    for _ in 0..3 {
        let mut app = App::with_envelope(sidecar.smtp).await;
        assert!(app.say("DATA").await.starts_with("354 "));
        app.write("Subject: x\r\n\r\nhello\r\n.\r\n").await;
        apps.push(app);
    }
    relay.until(|seen| seen.messages.len() == 3).await;
    apps
}

#[tokio::test]
async fn a_fourth_message_waits_for_one_of_three_connections() {
    let relay = Relay::start(Way::WaitsBehindDot).await;
    let sidecar = Running::with(&relay).await;
    let _three = three_in_hand(&relay, &sidecar).await;
    let mut fourth = App::with_envelope(sidecar.smtp).await;
    fourth.write("DATA\r\n").await;
    sidecar.metric("mail_egress_upstream_connections 3").await;
    relay.answers.add_permits(1);
    assert!(fourth.reply().await.starts_with("354 "));
    assert_eq!(relay.seen().messages.len(), 3);
}

#[tokio::test]
async fn a_fourth_message_is_451_when_no_connection_comes_free() {
    let relay = Relay::start(Way::WaitsBehindDot).await;
    let sidecar = Running::with(&relay).await;
    let _three = three_in_hand(&relay, &sidecar).await;
    let mut fourth = App::with_envelope(sidecar.smtp).await;
    fourth.write("DATA\r\n").await;
    let reply = while_time_flies(fourth.reply()).await;
    assert!(reply.starts_with("451 4.4.5 ") && reply.contains("in use"), "{reply}");
}

#[tokio::test]
async fn slow_apps_hold_no_connection_from_others() {
    let relay = Relay::start(Way::Good).await;
    let sidecar = Running::with(&relay).await;
    let mut slow = Vec::new();
    for _ in 0..3 {
        let mut app = App::with_envelope(sidecar.smtp).await;
        assert!(app.say("DATA").await.starts_with("354 "));
        slow.push(app);
    }
    let mut fourth = App::with_envelope(sidecar.smtp).await;
    fourth.write("DATA\r\n").await;
    assert!(while_time_flies(fourth.reply()).await.starts_with("354 "));
    fourth.write("Subject: x\r\n\r\nhello\r\n.\r\n").await;
    assert!(fourth.reply().await.starts_with("250 "));
    slow[0].write("Subject: slow\r\n\r\nhello\r\n.\r\n").await;
    assert!(slow[0].reply().await.starts_with("250 "), "the slow one is sent all the same");
}

/// Waits, with the clock set forward a little again and again.
async fn while_time_flies<T>(event: impl Future<Output = T>) -> T {
    let mut event = std::pin::pin!(event);
    loop {
        tokio::select! {
            result = &mut event => return result,
            () = tokio::time::sleep(Duration::from_millis(20)) => {
                tokio::time::pause();
                tokio::time::advance(Duration::from_millis(500)).await;
                tokio::time::resume();
            }
        }
    }
}
