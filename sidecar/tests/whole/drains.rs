//! SIGTERM: nothing new is taken, what is in hand is finished.

use std::time::Duration;

use mail_egress_sidecar::args::Period;
use mail_egress_sidecar::sidecar::Ended;
use tokio::net::TcpStream;

use crate::app::App;
use crate::relay::{Relay, Way};
use crate::running::{Running, sender_file};

#[tokio::test]
async fn finishes_the_message_in_hand_and_sends_idle_sessions_away() {
    let relay = Relay::start(Way::WaitsBehindDot).await;
    let mut sidecar = Running::with(&relay).await;
    let mut idle = App::connect(sidecar.smtp).await;
    let mut app = App::with_envelope(sidecar.smtp).await;
    assert!(app.say("DATA").await.starts_with("354 "));
    app.write("Subject: x\r\n\r\nhello\r\n.\r\n").await;
    relay.until(|seen| !seen.messages.is_empty()).await;

    sidecar.terminate();
    assert!(idle.reply().await.starts_with("421 4.3.2 "));
    assert!(idle.is_closed().await);
    assert!(sidecar.ask("GET", "/readyz").await.starts_with("HTTP/1.1 503 "));
    assert!(sidecar.ask("GET", "/healthz").await.starts_with("HTTP/1.1 200 "));
    assert!(TcpStream::connect(sidecar.smtp).await.is_err(), "a new connection was taken");

    relay.answers.add_permits(1);
    assert!(app.reply().await.starts_with("250 "));
    assert!(app.reply().await.starts_with("421 4.3.2 "));
    assert_eq!(sidecar.ended().await, Ended::Drained);
}

#[tokio::test]
async fn takes_no_message_that_was_sent_ahead_of_its_turn() {
    let relay = Relay::start(Way::WaitsBehindDot).await;
    let mut sidecar = Running::with(&relay).await;
    let mut app = App::with_envelope(sidecar.smtp).await;
    assert!(app.say("DATA").await.starts_with("354 "));
    let next = "MAIL FROM:<billing@contoso.com>\r\nRCPT TO:<ann@example.com>\r\nDATA\r\n";
    app.write(&format!("Subject: x\r\n\r\nhello\r\n.\r\n{next}")).await;
    relay.until(|seen| !seen.messages.is_empty()).await;
    sidecar.terminate();
    relay.answers.add_permits(1);
    assert!(app.reply().await.starts_with("250 2.0.0 "));
    assert!(app.reply().await.starts_with("421 4.3.2 "));
    assert_eq!(sidecar.ended().await, Ended::Drained);
}

#[tokio::test]
async fn an_answer_that_does_not_come_in_time_is_uncertain() {
    let relay = Relay::start(Way::WaitsBehindDot).await;
    let file = sender_file(&relay, "ready");
    let mut sidecar =
        Running::start(Some(&file), |args| args.drain_timeout = Period(Duration::from_millis(300))).await;
    let mut app = App::with_envelope(sidecar.smtp).await;
    assert!(app.say("DATA").await.starts_with("354 "));
    app.write("Subject: x\r\n\r\nhello\r\n.\r\n").await;
    relay.until(|seen| !seen.messages.is_empty()).await;
    sidecar.terminate();
    let reply = app.reply().await;
    assert!(reply.starts_with("451 4.4.2 ") && reply.contains("may have been delivered"), "{reply}");
    assert_eq!(sidecar.ended().await, Ended::Drained);
}

#[tokio::test]
async fn an_app_that_still_sends_when_the_time_is_over_is_told_421() {
    let relay = Relay::start(Way::Good).await;
    let file = sender_file(&relay, "ready");
    let mut sidecar =
        Running::start(Some(&file), |args| args.drain_timeout = Period(Duration::from_millis(300))).await;
    let mut app = App::with_envelope(sidecar.smtp).await;
    assert!(app.say("DATA").await.starts_with("354 "));
    app.write("Subject: half\r\n").await;
    sidecar.terminate();
    assert!(app.reply().await.starts_with("421 4.3.2 "));
    assert_eq!(sidecar.ended().await, Ended::Drained);
    assert!(relay.seen().commands.is_empty());
}

#[tokio::test]
async fn ends_at_once_with_nothing_in_hand() {
    let mut sidecar = Running::start(None, |_| {}).await;
    sidecar.terminate();
    assert_eq!(sidecar.ended().await, Ended::Drained);
}
