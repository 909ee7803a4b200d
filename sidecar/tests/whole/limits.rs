//! What is too much is refused clearly, and the rest goes on.

use std::time::Duration;

use crate::app::App;
use crate::relay::{Relay, Way};
use crate::running::{Running, budget, sender_file, while_time_flies};

const PIECE: usize = 16 * 1024;
const STEP: Duration = Duration::from_millis(500);

/// With the trace header, a message of a piece takes two.
async fn announcing(sidecar: &Running, size: usize) -> App {
    let mut app = App::connect(sidecar.smtp).await;
    app.say("EHLO app").await;
    app.say(&format!("MAIL FROM:<billing@contoso.com> SIZE={size}")).await;
    app.say("RCPT TO:<ann@example.com>").await;
    app
}

#[tokio::test]
async fn a_message_that_memory_cannot_hold_now_is_452_before_it_is_sent() {
    let relay = Relay::start(Way::WaitsBehindDot).await;
    let sidecar = Running::start(Some(&sender_file(&relay, "ready")), budget(3 * PIECE)).await;
    let mut first = announcing(&sidecar, PIECE).await;
    assert!(first.say("DATA").await.starts_with("354 "));

    let mut second = announcing(&sidecar, PIECE).await;
    let reply = second.say("DATA").await;
    assert!(reply.starts_with("452 4.3.1 "), "{reply}");

    first.write(".\r\n").await;
    relay.until(|seen| !seen.messages.is_empty()).await;
    relay.answers.add_permits(1);
    assert!(first.reply().await.starts_with("250 "));
    sidecar.metric(r#"mail_egress_held_bytes{where="memory"} 0"#).await;
}

#[tokio::test]
async fn a_message_that_grows_beyond_memory_is_452_and_the_session_goes_on() {
    let relay = Relay::start(Way::Good).await;
    let sidecar = Running::start(Some(&sender_file(&relay, "ready")), budget(3 * PIECE)).await;
    let mut holder = announcing(&sidecar, PIECE).await;
    assert!(holder.say("DATA").await.starts_with("354 "));

    let mut app = App::with_envelope(sidecar.smtp).await;
    let large = "0123456789\r\n".repeat(2_500);
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
    assert!(app.say("EHLO app").await.contains("\n250-SIZE 14336\n"));
    let reply = app.say("MAIL FROM:<billing@contoso.com> SIZE=16129").await;
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
    let reply = while_time_flies(STEP, || {}, fourth.reply()).await;
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
    assert!(while_time_flies(STEP, || {}, fourth.reply()).await.starts_with("354 "));
    fourth.write("Subject: x\r\n\r\nhello\r\n.\r\n").await;
    assert!(fourth.reply().await.starts_with("250 "));
    slow[0].write("Subject: slow\r\n\r\nhello\r\n.\r\n").await;
    assert!(slow[0].reply().await.starts_with("250 "), "the slow one is sent all the same");
}

#[tokio::test]
async fn a_body_sent_blindly_behind_data_is_not_read_as_commands() {
    let relay = Relay::start(Way::WaitsBehindDot).await;
    let sidecar = Running::with(&relay).await;
    let _three = three_in_hand(&relay, &sidecar).await;
    let mut fourth = App::with_envelope(sidecar.smtp).await;
    fourth.write("DATA\r\n").await;
    // a request and its answer: by then the DATA above has been read
    sidecar.metric("mail_egress_upstream_connections 3").await;
    fourth.write("MAIL FROM:<body@contoso.com>\r\nNOOP\r\n.\r\n").await;
    let reply = while_time_flies(STEP, || {}, fourth.reply()).await;
    assert!(reply.starts_with("451 4.4.5 "), "{reply}");
    let reply = fourth.reply().await;
    assert!(reply.starts_with("421 4.5.1 "), "{reply}");
    assert!(fourth.is_closed().await);
}

#[tokio::test]
async fn a_body_sent_in_spite_of_a_refused_data_is_not_read_as_commands() {
    let relay = Relay::start(Way::Good).await;
    let sidecar = Running::start(None, |_| {}).await;
    let mut app = App::with_envelope(sidecar.smtp).await;
    assert!(app.say("DATA").await.starts_with("451"));
    sidecar.bring(&sender_file(&relay, "ready"));
    sidecar.until_metric(r#"mail_egress_config_loads_total{result="usable"} 1"#).await;
    app.write("Subject: x\r\n\r\nRSET\r\nMAIL FROM:<eve@contoso.com>\r\nRCPT TO:<eve@evil.test>\r\n").await;
    app.write("DATA\r\nSubject: smuggled\r\n\r\n.\r\n").await;
    let reply = app.reply().await;
    assert!(reply.starts_with("421 4.5.1 "), "{reply}");
    assert!(app.is_closed().await);
    assert!(relay.seen().commands.is_empty(), "{:?}", relay.seen().commands);
}

#[tokio::test]
async fn a_line_of_more_than_a_mebibyte_is_refused_and_counted() {
    let relay = Relay::start(Way::Good).await;
    let file = sender_file(&relay, "ready").replace("1000000", "9000000");
    let sidecar = Running::start(Some(&file), |_| {}).await;
    let mut app = App::with_envelope(sidecar.smtp).await;
    let line = "x".repeat(1024 * 1024);
    let reply = app.send(&format!("Subject: x\r\n\r\n{line}x\r\n")).await;
    assert!(reply.starts_with("550 5.6.0 ") && reply.contains("1048576 octets"), "{reply}");
    let counted = r#"mail_egress_messages_total{reason="TextLineTooLong",result="refused"} 1"#;
    sidecar.metric(counted).await;
    assert!(relay.seen().messages.is_empty());

    app.say("MAIL FROM:<billing@contoso.com>").await;
    app.say("RCPT TO:<ann@example.com>").await;
    assert!(app.send(&format!("Subject: x\r\n\r\n{line}\r\n")).await.starts_with("250 "));
    assert!(relay.seen().messages[0].ends_with(&format!("\r\n\r\n{line}\r\n")));
    // the table says the same number
    let cause = mail_egress_diagnosis::local(mail_egress_diagnosis::reason::TEXT_LINE_TOO_LONG).cause;
    assert!(cause.contains("1048576"), "{cause}");
}

#[tokio::test]
async fn a_message_of_exactly_the_announced_size_is_sent() {
    let relay = Relay::start(Way::Good).await;
    let sidecar = Running::start(Some(&sender_file(&relay, "ready")), budget(3 * PIECE)).await;
    let mut app = App::connect(sidecar.smtp).await;
    let hello = app.say("EHLO app").await;
    let size = hello.lines().find_map(|line| line.strip_prefix("250-SIZE ")).unwrap();
    app.say(&format!("MAIL FROM:<billing@contoso.com> SIZE={size}")).await;
    app.say("RCPT TO:<ann@example.com>").await;
    let message = format!("Subject: x\r\n\r\n{}", "0123456789ABCD\r\n".repeat(20_000));
    let size = size.parse::<usize>().unwrap();
    let reply = app.send(&format!("{}\r\n", &message[..size - 2])).await;
    assert!(reply.starts_with("250 "), "{reply}");
}

#[tokio::test]
async fn a_message_announced_as_too_large_is_counted() {
    let relay = Relay::start(Way::Good).await;
    let sidecar = Running::with(&relay).await;
    let mut app = App::connect(sidecar.smtp).await;
    app.say("EHLO app").await;
    let reply = app.say("MAIL FROM:<billing@contoso.com> SIZE=1000001").await;
    assert!(reply.starts_with("552 5.3.4 "), "{reply}");
    sidecar.metric(r#"mail_egress_messages_total{reason="MessageTooLarge",result="refused"} 1"#).await;
}
