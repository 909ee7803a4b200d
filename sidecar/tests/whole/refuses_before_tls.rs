//! No credential before verified TLS.

use crate::app::App;
use crate::relay::{Relay, Way};
use crate::running::{Running, sender_file};

async fn told(relay: &Relay, file: &str) -> String {
    let sidecar = Running::start(Some(file), |_| {}).await;
    let reply = App::with_envelope(sidecar.smtp).await.send("Subject: x\r\n\r\nhello\r\n").await;
    let seen = relay.seen().commands.join("\n");
    assert!(!seen.contains("AUTH") && !seen.contains("MAIL"), "{seen}");
    reply.replace('\n', " ")
}

#[tokio::test]
async fn starttls_that_is_not_offered_is_451_and_no_token_is_sent() {
    let relay = Relay::start(Way::NoStartTls).await;
    let reply = told(&relay, &sender_file(&relay, "ready")).await;
    assert!(reply.starts_with("451 4.7.4 ") && reply.contains("did not offer STARTTLS"), "{reply}");
}

#[tokio::test]
async fn plaintext_behind_the_220_is_451_and_no_token_is_sent() {
    let relay = Relay::start(Way::Injects).await;
    let reply = told(&relay, &sender_file(&relay, "ready")).await;
    assert!(reply.starts_with("451 4.7.5 ") && reply.contains("plaintext"), "{reply}");
}

#[tokio::test]
async fn an_untrusted_certificate_is_451_and_no_token_is_sent() {
    let (relay, other) = (Relay::start(Way::Good).await, Relay::start(Way::Good).await);
    let file = sender_file(&relay, "ready")
        .replace(&relay.ca_bundle.replace('\n', "\\n"), &other.ca_bundle.replace('\n', "\\n"));
    let reply = told(&relay, &file).await;
    assert!(reply.starts_with("451 4.7.5 ") && reply.contains("not trusted"), "{reply}");
}

#[tokio::test]
async fn a_certificate_for_another_name_is_451_and_no_token_is_sent() {
    let relay = Relay::start(Way::Good).await;
    let file = sender_file(&relay, "ready").replace(r#""host": "127.0.0.1""#, r#""host": "localhost""#);
    let reply = told(&relay, &file).await;
    assert!(reply.starts_with("451 4.7.5 ") && reply.contains("another name"), "{reply}");
}
