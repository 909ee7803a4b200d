//! A relay that falls silent: the app hears so after the patience for that phase, and is told the
//! truth about its message.

use std::time::Duration;

use crate::app::App;
use crate::relay::{Relay, Way};
use crate::running::{Running, sender_file, while_time_flies};

const MESSAGE: &str = "Subject: x\r\n\r\nhello\r\n.\r\n";

/// What an app hears whose relay does this, with the clock set forward as long as it takes.
async fn told(way: Way) -> (String, Relay, Running) {
    let relay = Relay::start(way).await;
    let sidecar = Running::with(&relay).await;
    let mut app = App::with_envelope(sidecar.smtp).await;
    assert!(app.say("DATA").await.starts_with("354 "));
    app.write(MESSAGE).await;
    // not before: on a busy machine the time would be up in an earlier phase
    relay.until(|seen| seen.silent).await;
    let reply = while_time_flies(Duration::from_secs(10), || {}, app.reply_some_day()).await;
    (reply, relay, sidecar)
}

#[tokio::test]
async fn before_the_dot_nothing_was_sent_and_it_is_temporary() {
    for (point, words) in [
        ("greeting", "before its greeting"),
        ("EHLO", "after EHLO"),
        ("STARTTLS", "after STARTTLS"),
        ("handshake", "handshake"),
        ("EHLO in TLS", "after EHLO"),
        ("AUTH", "after AUTH"),
        ("MAIL", "after MAIL"),
        ("RCPT", "after RCPT"),
        ("DATA", "after DATA"),
    ] {
        let (reply, relay, sidecar) = told(Way::StallsAt(point)).await;
        assert!(reply.starts_with("451 4.4.1 ") || reply.starts_with("451-4.4.1 "), "{point}: {reply}");
        assert!(reply.contains(words) && reply.contains("To mend: "), "{point}: {reply}");
        sidecar.metric(r#"mail_egress_messages_total{reason="UpstreamTimeout",result="deferred"} 1"#).await;
        assert!(relay.seen().messages.is_empty(), "{point}");
    }
}

#[tokio::test]
async fn behind_the_dot_it_may_have_been_delivered() {
    let (reply, relay, sidecar) = told(Way::WaitsBehindDot).await;
    assert!(reply.starts_with("451") && reply.contains("may have been delivered"), "{reply}");
    sidecar.metric(r#"mail_egress_messages_total{reason="DeliveryUncertain",result="uncertain"} 1"#).await;
    assert_eq!(relay.seen().messages.len(), 1);
}

#[tokio::test]
async fn within_the_message_nothing_was_sent_and_it_is_temporary() {
    let relay = Relay::start(Way::StallsAt("message")).await;
    let file = sender_file(&relay, "ready").replace("1000000", "40000000");
    let sidecar = Running::start(Some(&file), |_| {}).await;
    let mut app = App::with_envelope(sidecar.smtp).await;
    assert!(app.say("DATA").await.starts_with("354 "));
    // more than the sockets between sidecar and relay hold
    app.write(&format!("Subject: x\r\n\r\n{}.\r\n", "a line of many\r\n".repeat(1_000_000))).await;
    let reply = while_time_flies(Duration::from_secs(10), || {}, app.reply_some_day()).await;
    assert!(reply.starts_with("451 4.4.1 ") || reply.starts_with("451-4.4.1 "), "{reply}");
    assert!(reply.contains("within the message") && reply.contains("To mend: "), "{reply}");
    sidecar.metric(r#"mail_egress_messages_total{reason="UpstreamTimeout",result="deferred"} 1"#).await;
    assert!(relay.seen().messages.is_empty());
}
