//! A message is held back for as long as it can be when its app has left or the relay is too slow.

use std::time::Duration;

use crate::app::App;
use crate::relay::{Relay, Way};
use crate::running::{Running, while_time_flies};

const ABANDONED: &str = r#"mail_egress_messages_total{reason="AppLeft",result="abandoned"} 1"#;
const ACCEPTED: &str = r#"mail_egress_messages_total{reason="Accepted",result="accepted"} 1"#;

/// A whole message whose recipient the relay has not answered yet.
async fn in_hand(relay: &Relay, sidecar: &Running, behind: &str) -> App {
    let mut app = App::with_envelope(sidecar.smtp).await;
    assert!(app.say("DATA").await.starts_with("354 "));
    app.write(&format!("Subject: x\r\n\r\nhello\r\n.\r\n{behind}")).await;
    relay.until(|seen| seen.commands.iter().any(|it| it.starts_with("RCPT"))).await;
    app
}

async fn nothing_is_sent(relay: &Relay, sidecar: &Running) {
    sidecar.until_metric(ABANDONED).await;
    relay.answers.add_permits(1);
    relay.until(|seen| seen.ended == 1).await;
    assert!(relay.seen().messages.is_empty());
    sidecar.metric(r#"mail_egress_held_bytes{where="memory"} 0"#).await;
}

#[tokio::test]
async fn an_app_that_leaves_before_the_final_dot_sends_nothing() {
    let relay = Relay::start(Way::WaitsAtRcpt).await;
    let sidecar = Running::with(&relay).await;
    drop(in_hand(&relay, &sidecar, "").await);
    nothing_is_sent(&relay, &sidecar).await;
}

#[tokio::test]
async fn an_app_that_closes_its_sending_half_has_left() {
    let relay = Relay::start(Way::WaitsAtRcpt).await;
    let sidecar = Running::with(&relay).await;
    let mut app = in_hand(&relay, &sidecar, "QUIT\r\n").await;
    app.close_half().await;
    nothing_is_sent(&relay, &sidecar).await;
    assert!(app.is_closed().await);
}

#[tokio::test]
async fn what_the_app_sends_meanwhile_is_not_lost() {
    let relay = Relay::start(Way::WaitsAtRcpt).await;
    let sidecar = Running::with(&relay).await;
    let mut app = in_hand(&relay, &sidecar, "NO").await;
    app.write("OP\r\n").await;
    // a request and its answer: by then the octets above have been read
    sidecar.metric("mail_egress_upstream_connections 1").await;
    app.write("QUIT\r\n").await;
    relay.answers.add_permits(1);
    assert!(app.reply().await.starts_with("250 2.0.0 OK <1@relay>"));
    assert_eq!(app.reply().await, "250 2.0.0 OK");
    assert_eq!(app.reply().await, "221 2.0.0 bye");
}

#[tokio::test]
async fn an_app_that_sends_on_without_end_is_not_held_in_memory() {
    let relay = Relay::start(Way::WaitsAtRcpt).await;
    let sidecar = Running::with(&relay).await;
    let mut app = in_hand(&relay, &sidecar, &"NOOP\r\n".repeat(20_000)).await;
    relay.answers.add_permits(1);
    assert!(app.reply().await.starts_with("250 2.0.0 OK <1@relay>"));
    for _ in 0..20_000 {
        assert_eq!(app.reply().await, "250 2.0.0 OK");
    }
}

#[tokio::test]
async fn behind_the_final_dot_it_is_too_late_to_leave() {
    let relay = Relay::start(Way::WaitsBehindDot).await;
    let sidecar = Running::with(&relay).await;
    let app = in_hand(&relay, &sidecar, "").await;
    relay.until(|seen| !seen.messages.is_empty()).await;
    drop(app);
    relay.answers.add_permits(1);
    sidecar.until_metric(ACCEPTED).await;
}

#[tokio::test]
async fn a_relay_that_is_slow_with_every_recipient_is_given_up() {
    let relay = Relay::start(Way::WaitsAtRcpt).await;
    let sidecar = Running::with(&relay).await;
    let mut app = App::with_envelope(sidecar.smtp).await;
    for _ in 1..64 {
        app.say("RCPT TO:<ann@example.com>").await;
    }
    assert!(app.say("DATA").await.starts_with("354 "));
    app.write("Subject: x\r\n\r\nhello\r\n.\r\n").await;
    relay.until(|seen| seen.commands.iter().any(|it| it.starts_with("RCPT"))).await;
    let answering = || relay.answers.add_permits(1);
    let reply = while_time_flies(Duration::from_secs(5), answering, app.reply_some_day()).await;
    assert!(reply.starts_with("451 4.4.1 ") && reply.contains("not handed over within 300 s"), "{reply}");
    assert!(relay.seen().messages.is_empty());
}
