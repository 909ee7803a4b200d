//! Connections to the relay are kept warm, and never beyond their use.

use std::time::Duration;

use crate::app::App;
use crate::relay::{Relay, Seen, Way};
use crate::running::{Running, sender_file, while_time_flies};

const MESSAGE: &str = "Subject: x\r\n\r\nhello\r\n";

fn count(seen: &Seen, verb: &str) -> usize {
    seen.commands.iter().filter(|line| line.starts_with(verb)).count()
}

async fn sends(sidecar: &Running, relay: &Relay) {
    let before = relay.seen().messages.len();
    let mut app = App::with_envelope(sidecar.smtp).await;
    let reply = app.send(MESSAGE).await;
    assert!(reply.starts_with("250 "), "{reply}");
    assert_eq!(relay.seen().messages.len(), before + 1);
}

#[tokio::test]
async fn messages_of_several_sessions_go_by_one_login() {
    let relay = Relay::start(Way::Good).await;
    let sidecar = Running::with(&relay).await;
    for _ in 0..3 {
        sends(&sidecar, &relay).await;
    }
    let seen = relay.seen();
    assert_eq!((count(&seen, "AUTH"), count(&seen, "RSET"), seen.messages.len()), (1, 2, 3));
    sidecar.metric("mail_egress_upstream_connects_total 1").await;
    sidecar.metric("mail_egress_upstream_reuses_total 2").await;
    sidecar.metric("mail_egress_upstream_connections 1").await;
    sidecar.metric("mail_egress_upstream_idle_connections 1").await;
}

#[tokio::test]
async fn a_warm_connection_that_the_relay_ends_is_replaced_unnoticed() {
    let relay = Relay::start(Way::EndsAfterMessage).await;
    let sidecar = Running::with(&relay).await;
    for _ in 0..3 {
        sends(&sidecar, &relay).await;
    }
    assert_eq!((count(&relay.seen(), "AUTH"), relay.seen().messages.len()), (3, 3));
}

#[tokio::test]
async fn a_421_on_a_warm_connection_is_answered_by_a_fresh_one() {
    let relay = Relay::start(Way::TiresOfSecondMessage).await;
    let sidecar = Running::with(&relay).await;
    for _ in 0..3 {
        sends(&sidecar, &relay).await;
    }
    assert_eq!(count(&relay.seen(), "AUTH"), 3);
    sidecar.metric(r#"mail_egress_messages_total{reason="Accepted",result="accepted"} 3"#).await;
}

#[tokio::test]
async fn another_configuration_ends_the_warm_connections_and_a_newer_token_does_not() {
    let relay = Relay::start(Way::Good).await;
    let file = sender_file(&relay, "ready");
    let sidecar = Running::start(Some(&file), |_| {}).await;
    sends(&sidecar, &relay).await;

    sidecar.bring(&file.replace("t0ken", "newer"));
    sidecar.until_metric(r#"mail_egress_config_loads_total{result="usable"} 2"#).await;
    sends(&sidecar, &relay).await;
    assert_eq!(count(&relay.seen(), "AUTH"), 1, "the old login lasts as long as its token");

    sidecar.bring(&file.replace("\"lab\"", "\"another\""));
    relay.until(|seen| seen.ended == 1).await;
    assert_eq!(count(&relay.seen(), "QUIT"), 1);
    sends(&sidecar, &relay).await;
    assert_eq!(count(&relay.seen(), "AUTH"), 2);

    let denied = r#"{"unready": {"reason": "SenderSuspended", "message": "suspended"}}"#;
    sidecar.bring(&file.replace("\"ready\"", denied));
    relay.until(|seen| seen.ended == 2).await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_before_the_relay_does_so() {
    let relay = Relay::start(Way::Good).await;
    let sidecar = Running::with(&relay).await;
    sends(&sidecar, &relay).await;
    assert_eq!(relay.seen().ended, 0);
    while_time_flies(Duration::from_secs(5), || {}, relay.until(|seen| seen.ended == 1)).await;
    assert_eq!(count(&relay.seen(), "QUIT"), 1);
}

#[tokio::test]
async fn the_end_closes_what_is_idle_at_once() {
    let relay = Relay::start(Way::Good).await;
    let mut sidecar = Running::with(&relay).await;
    sends(&sidecar, &relay).await;
    sidecar.terminate();
    relay.until(|seen| seen.ended == 1).await;
}
