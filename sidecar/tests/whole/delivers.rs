//! What the app sends arrives, and only then is it told 250.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use crate::app::App;
use crate::relay::{Relay, Way};
use crate::running::{Running, sender_file};

#[tokio::test]
async fn carries_a_message_to_the_relay_unchanged_but_for_the_trace() {
    let relay = Relay::start(Way::Good).await;
    let sidecar = Running::with(&relay).await;
    let mut app = App::with_envelope(sidecar.smtp).await;
    const FIELDS: &str = "From: billing@contoso.com\r\nDate: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@contoso.com>\r\n";
    let reply = app.send(&format!("{FIELDS}Subject: x\r\n\r\nhello\r\n..a dot\r\n")).await;
    assert_eq!(reply, "250 2.0.0 OK <1@relay> [Hostname=relay]");

    let message = &relay.seen().messages[0];
    let (trace, rest) = message.split_at(message.find("From:").unwrap());
    assert!(trace.starts_with("Received: from localhost by mail-egress with ESMTP id "), "{trace}");
    assert_eq!(trace.lines().count(), 2);
    assert_eq!(rest, format!("{FIELDS}Subject: x\r\n\r\nhello\r\n..a dot\r\n"));
    sidecar.metric(r#"mail_egress_messages_total{reason="Accepted",result="accepted"} 1"#).await;
    sidecar.metric("mail_egress_sessions 1").await;
    assert_eq!(app.say("QUIT").await, "221 2.0.0 bye");
}

#[tokio::test]
async fn takes_a_message_in_chunks() {
    let relay = Relay::start(Way::Good).await;
    let sidecar = Running::with(&relay).await;
    let mut app = App::with_envelope(sidecar.smtp).await;
    let head = "Subject: x\r\n\r\n";
    assert_eq!(app.say(&format!("BDAT {}\r\n{}", head.len() + 2, head)).await, "250 2.0.0 chunk taken");
    assert_eq!(app.say("BDAT 7\r\n.\r\nhi").await, "250 2.0.0 chunk taken");
    assert_eq!(app.say("BDAT 0 LAST").await, "250 2.0.0 OK <1@relay> [Hostname=relay]");
    let message = &relay.seen().messages[0];
    assert!(message.ends_with("\r\n\r\n\r\n..\r\nhi\r\n"), "{message}");
    assert_eq!(app.say("QUIT").await, "221 2.0.0 bye");
}

#[tokio::test]
async fn the_postmaster_without_a_domain_is_that_of_the_mailboxs() {
    let relay = Relay::start(Way::Good).await;
    let sidecar = Running::with(&relay).await;
    let mut app = App::connect(sidecar.smtp).await;
    app.say("EHLO app").await;
    app.say("MAIL FROM:<billing@contoso.com>").await;
    assert_eq!(app.say("RCPT TO:<Postmaster>").await, "250 2.1.5 recipient taken");
    assert!(app.send("Subject: x\r\n\r\nhello\r\n").await.starts_with("250 "));
    assert!(relay.seen().commands.contains(&"RCPT TO:<Postmaster@contoso.com>".to_owned()));
}

#[tokio::test]
async fn says_451_until_the_configuration_comes_then_delivers_on_the_same_session() {
    let relay = Relay::start(Way::Good).await;
    let sidecar = Running::start(None, |_| {}).await;
    let mut app = App::connect(sidecar.smtp).await;
    app.say("EHLO app").await;
    let refused = attempt(&mut app).await;
    assert!(refused.starts_with("451 4.3.5 no MailSender shop/billing"), "{refused}");

    sidecar.bring(&sender_file(&relay, "ready"));
    until(&mut app, "250 ").await;
    sidecar.take_away();
    until(&mut app, "451 4.3.5 no MailSender shop/billing").await;
}

#[tokio::test]
async fn an_unparsable_file_leaves_the_last_good_one_in_force() {
    let relay = Relay::start(Way::Good).await;
    let sidecar = Running::with(&relay).await;
    sidecar.bring("{");
    let began = Instant::now();
    while !sidecar.ask("GET", "/metrics").await.contains(r#"config_loads_total{result="unusable"} 1"#) {
        assert!(began.elapsed() < Duration::from_secs(10), "the file was not looked at");
        sleep(Duration::from_millis(50)).await;
    }
    let mut app = App::connect(sidecar.smtp).await;
    app.say("EHLO app").await;
    assert!(attempt(&mut app).await.starts_with("250 "));
}

#[tokio::test]
async fn an_app_that_leaves_in_the_middle_of_its_message_sends_nothing() {
    let relay = Relay::start(Way::Good).await;
    let sidecar = Running::with(&relay).await;
    let mut app = App::with_envelope(sidecar.smtp).await;
    assert!(app.say("DATA").await.starts_with("354 "));
    app.write("Subject: half\r\n\r\nhalf of").await;
    drop(app);
    let began = Instant::now();
    let counted = r#"mail_egress_messages_total{reason="AppLeft",result="abandoned"} 1"#;
    while !sidecar.ask("GET", "/metrics").await.contains(counted) {
        assert!(began.elapsed() < Duration::from_secs(10), "not counted");
        sleep(Duration::from_millis(20)).await;
    }
    assert!(relay.seen().commands.is_empty());
}

#[tokio::test]
async fn a_relay_that_refuses_in_the_middle_of_a_message_is_heard() {
    let relay = Relay::start(Way::RefusesInBody).await;
    let sidecar = Running::with(&relay).await;
    let mut app = App::with_envelope(sidecar.smtp).await;
    let large = format!("Subject: x\r\n\r\n{}", "0123456789\r\n".repeat(80_000));
    let reply = app.send(&large).await;
    assert!(reply.starts_with("451") && reply.contains("no more of this"), "{reply}");
}

#[tokio::test]
async fn a_relay_that_is_tls_from_the_first_octet_is_not_asked_for_starttls() {
    let relay = Relay::start(Way::ImplicitTls).await;
    let file = sender_file(&relay, "ready")
        .replace(r#""maxMessageBytes""#, r#""security": "implicitTls", "maxMessageBytes""#);
    let sidecar = Running::start(Some(&file), |_| {}).await;
    let mut app = App::with_envelope(sidecar.smtp).await;
    assert!(app.send("Subject: x\r\n\r\nhello\r\n").await.starts_with("250 "));
    assert!(!relay.seen().commands.iter().any(|line| line == "STARTTLS"));
}

async fn attempt(app: &mut App) -> String {
    app.say("MAIL FROM:<billing@contoso.com>").await;
    app.say("RCPT TO:<ann@example.com>").await;
    app.send("Subject: x\r\n\r\nhello\r\n").await
}

/// Tries again and again until the reply begins so.
async fn until(app: &mut App, start: &str) {
    let began = Instant::now();
    loop {
        let reply = attempt(app).await;
        if reply.starts_with(start) {
            return;
        }
        assert!(began.elapsed() < Duration::from_secs(10), "still {reply}");
        sleep(Duration::from_millis(100)).await;
    }
}
