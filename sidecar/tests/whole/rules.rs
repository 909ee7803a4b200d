//! A sender's rules, as the app meets them.

use crate::app::App;
use crate::relay::{Relay, Way};
use crate::running::{Running, sender_file};

const OWN: &str = "From: billing@contoso.com\r\nSubject: x\r\n\r\nhello\r\n";
const FOREIGN: &str = "From: Eve <eve@evil.test>\r\nSubject: x\r\n\r\nhello\r\n";

async fn with_rules(relay: &Relay, rules: &str) -> Running {
    let rules = format!(r#""rules": {rules}, "state""#);
    Running::start(Some(&sender_file(relay, "ready").replace("\"state\"", &rules)), |_| {}).await
}

#[tokio::test]
async fn the_envelope_sender_becomes_the_mailbox_unless_it_may_stay() {
    let relay = Relay::start(Way::Good).await;
    let sidecar = with_rules(&relay, r#"{"sendAs": ["*@shop.contoso.com"]}"#).await;
    for (from, leaves) in
        [("root@pod", "billing@contoso.com"), ("orders@shop.contoso.com", "orders@shop.contoso.com")]
    {
        let mut app = App::connect(sidecar.smtp).await;
        app.say("EHLO app").await;
        app.say(&format!("MAIL FROM:<{from}>")).await;
        app.say("RCPT TO:<ann@example.com>").await;
        assert!(app.send(OWN).await.starts_with("250 "));
        let commands = relay.seen().commands;
        let mail = commands.iter().rfind(|line| line.starts_with("MAIL")).unwrap();
        assert!(mail.starts_with(&format!("MAIL FROM:<{leaves}>")), "{mail}");
    }
}

#[tokio::test]
async fn a_refused_recipient_is_named_at_rcpt_and_the_others_get_the_message() {
    let relay = Relay::start(Way::Good).await;
    let sidecar = with_rules(&relay, r#"{"denyRecipients": ["*@evil.test"]}"#).await;
    let mut app = App::connect(sidecar.smtp).await;
    app.say("EHLO app").await;
    app.say("MAIL FROM:<billing@contoso.com>").await;
    let refused = app.say("RCPT TO:<eve@evil.test>").await;
    assert!(refused.starts_with("550 5.7.1 ") || refused.starts_with("550-5.7.1 "), "{refused}");
    assert!(refused.contains("spec.recipients.deny") && refused.contains("<eve@evil.test>"), "{refused}");
    assert!(app.say("RCPT TO:<ann@example.com>").await.starts_with("250 "));
    assert!(app.send(OWN).await.starts_with("250 "));
    assert!(!relay.seen().commands.iter().any(|line| line.contains("evil")));
    sidecar.metric(r#"mail_egress_denials_total{reason="RecipientDenied"} 1"#).await;
}

#[tokio::test]
async fn a_bounce_needs_to_be_allowed() {
    let relay = Relay::start(Way::Good).await;
    let sidecar = Running::with(&relay).await;
    let mut app = App::connect(sidecar.smtp).await;
    app.say("EHLO app").await;
    let refused = app.say("MAIL FROM:<>").await;
    assert!(refused.starts_with("550") && refused.contains("allowNullSender"), "{refused}");
}

#[tokio::test]
async fn a_foreign_from_is_refused_or_rewritten() {
    let relay = Relay::start(Way::Good).await;
    let sidecar = Running::with(&relay).await;
    let mut app = App::with_envelope(sidecar.smtp).await;
    let refused = app.send(FOREIGN).await;
    assert!(refused.starts_with("550") && refused.contains("spec.sendAs"), "{refused}");
    assert!(relay.seen().messages.is_empty());

    let sidecar = with_rules(&relay, r#"{"headerFrom": "rewrite"}"#).await;
    let mut app = App::with_envelope(sidecar.smtp).await;
    assert!(app.send(FOREIGN).await.starts_with("250 "));
    let message = &relay.seen().messages[0];
    assert!(message.contains("<billing@contoso.com>") && message.contains("Reply-To: "), "{message}");
    assert!(message.contains("eve@evil.test"), "{message}");
}

#[tokio::test]
async fn missing_fields_are_completed() {
    let relay = Relay::start(Way::Good).await;
    let sidecar = Running::with(&relay).await;
    let mut app = App::with_envelope(sidecar.smtp).await;
    assert!(app.send("Subject: x\r\n\r\nhello\r\n").await.starts_with("250 "));
    let message = &relay.seen().messages[0];
    let (header, body) = message.split_once("\r\n\r\n").unwrap();
    for field in ["Received: ", "From: billing@contoso.com", "Date: ", "Message-ID: <", "Subject: x"] {
        assert!(header.contains(field), "{field} is not in {header}");
    }
    assert_eq!(body, "hello\r\n");
}

#[tokio::test]
async fn rules_that_come_after_rcpt_count_too() {
    let relay = Relay::start(Way::Good).await;
    let sidecar = Running::start(None, |_| {}).await;
    let mut app = App::with_envelope(sidecar.smtp).await;
    let rules = r#""rules": {"denyRecipients": ["ann@example.com"]}, "state""#;
    sidecar.bring(&sender_file(&relay, "ready").replace("\"state\"", rules));
    sidecar.until_metric(r#"mail_egress_config_loads_total{result="usable"} 1"#).await;
    let refused = app.send(OWN).await;
    assert!(refused.starts_with("550") && refused.contains("spec.recipients.deny"), "{refused}");
    assert!(relay.seen().messages.is_empty());
}
