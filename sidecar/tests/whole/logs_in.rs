//! An app that must log in.

use crate::app::App;
use crate::relay::{Relay, Way};
use crate::running::{Running, sender_file};

/// shop, s3cret
const RIGHT: &str = "AUTH PLAIN AHNob3AAczNjcmV0";
/// shop, guess
const WRONG: &str = "AUTH PLAIN AHNob3AAZ3Vlc3M=";
const MESSAGE: &str = "Subject: x\r\n\r\nhello\r\n";

async fn demanding(relay: &Relay) -> Running {
    Running::start(Some(&sender_file(relay, "ready")), |args| args.auth_dir = Some("auth".into())).await
}

async fn send(app: &mut App) -> String {
    app.say("MAIL FROM:<billing@contoso.com>").await;
    app.say("RCPT TO:<ann@example.com>").await;
    app.send(MESSAGE).await
}

#[tokio::test]
async fn the_secret_is_followed_from_its_coming_to_its_change() {
    let relay = Relay::start(Way::Good).await;
    let sidecar = demanding(&relay).await;
    let mut app = App::connect(sidecar.smtp).await;
    assert!(app.say("EHLO app").await.ends_with("AUTH PLAIN LOGIN"));
    let later = app.say(RIGHT).await;
    assert!(later.starts_with("454-4.7.0 ") || later.starts_with("454 4.7.0 "), "{later}");
    assert!(later.contains("mail-egress.io/auth-secret") && later.contains("username"), "{later}");
    sidecar.bring_auth("username", "shop");
    sidecar.bring_auth("password", "s3cret\n");
    assert_eq!(app.say(RIGHT).await, "235 2.7.0 logged in");
    assert!(send(&mut app).await.starts_with("250 "));

    sidecar.bring_auth("password", "other");
    let mut app = App::connect(sidecar.smtp).await;
    app.say("EHLO app").await;
    assert!(app.say(RIGHT).await.starts_with("535"));
    let counted = r#"mail_egress_auth_failures_total{reason="AppLoginUnreadable",stage="app"} 1"#;
    sidecar.metric(counted).await;
}

#[tokio::test]
async fn a_wrong_password_is_told_from_a_missing_one_and_neither_sends() {
    let relay = Relay::start(Way::Good).await;
    let sidecar = demanding(&relay).await;
    sidecar.bring_auth("username", "shop");
    sidecar.bring_auth("password", "s3cret");
    let mut app = App::connect(sidecar.smtp).await;
    app.say("EHLO app").await;
    assert!(app.say("MAIL FROM:<billing@contoso.com>").await.starts_with("530 5.7.0 "));
    assert!(app.say("AUTH XOAUTH2 dA==").await.starts_with("504 5.5.4 "));
    for _ in 0..3 {
        let wrong = app.say(WRONG).await;
        assert!(wrong.starts_with("535-5.7.8 ") || wrong.starts_with("535 5.7.8 "), "{wrong}");
        assert!(wrong.contains("mail-egress.io/auth-secret"), "{wrong}");
        assert!(!wrong.contains("s3cret") && !wrong.contains("guess"), "{wrong}");
    }
    assert!(app.reply().await.starts_with("421 4.7.0 "));
    assert!(app.is_closed().await);
    assert!(relay.seen().commands.is_empty());
    sidecar.metric(r#"mail_egress_auth_failures_total{reason="AppLoginWrong",stage="app"} 3"#).await;
    sidecar.metric(r#"mail_egress_auth_failures_total{reason="AppNotLoggedIn",stage="app"} 1"#).await;
    sidecar.metric(r#"mail_egress_messages_total{reason="AppNotLoggedIn",result="refused"} 1"#).await;
}

#[tokio::test]
async fn without_the_flag_any_login_is_accepted_and_none_is_needed() {
    let relay = Relay::start(Way::Good).await;
    let sidecar = Running::with(&relay).await;
    sidecar.bring_auth("username", "shop");
    sidecar.bring_auth("password", "s3cret");
    let mut app = App::connect(sidecar.smtp).await;
    app.say("EHLO app").await;
    assert!(send(&mut app).await.starts_with("250 "));
    assert!(app.say(WRONG).await.starts_with("235 2.7.0 "));
    assert!(send(&mut app).await.starts_with("250 "));
}
