//! The lab as a relay far away, short of time, or unlucky.

use std::time::{Duration, Instant};

use super::client::{Client, usual_response};
use super::{PATIENCE, lab};
use crate::lab::{DEFAULT_MAILBOX, ExchangeFault, Lab, Limits};

const MAIL: &str = "From: billing@contoso.com\r\n\r\nx\r\n";

#[tokio::test]
async fn tls_from_the_first_octet_has_a_port_of_its_own() {
    let lab = lab().await;
    let client = Client::dial_at(lab.exchange().tls_address()).await;
    let mut client = client.start_tls(&lab, "smtp.lab.test").await.unwrap();
    assert!(client.hear().await.unwrap().starts_with("220 "));
    let list = client.ask("EHLO c.test").await;
    assert!(list.contains("AUTH LOGIN XOAUTH2") && !list.contains("STARTTLS"), "{list}");
    let reply = client.ask(&format!("AUTH XOAUTH2 {}", usual_response(&lab))).await;
    assert_eq!(reply, "235 2.7.0 Authentication successful");
    assert!(client.send(MAIL.as_bytes()).await.starts_with("250 "));
    let mut plain = Client::dial_at(lab.exchange().tls_address()).await;
    assert!(plain.try_ask("EHLO c.test").await.is_err());
    assert_eq!(lab.exchange().counters().failed_handshakes, 1);
}

#[tokio::test]
async fn one_connection_carries_many_messages_and_its_resets_are_counted() {
    let lab = lab().await;
    let mut client = Client::signed_in(&lab).await;
    for _ in 0..3 {
        assert!(client.send(MAIL.as_bytes()).await.starts_with("250 "));
        client.ask("RSET").await;
    }
    let counters = lab.exchange().counters();
    assert_eq!((counters.messages, counters.resets, counters.connections), (3, 3, 1));
}

#[tokio::test]
async fn what_was_said_meanwhile_is_not_answered_later_for_it() {
    let (lab, delay) = (lab().await, Duration::from_millis(200));
    let mut client = Client::signed_in(&lab).await;
    lab.exchange().misbehave(ExchangeFault::Latency(delay));
    let start = Instant::now();
    client.say(format!("MAIL FROM:<{DEFAULT_MAILBOX}>\r\n")).await;
    // half-way to the reply
    tokio::time::sleep(delay / 2).await;
    client.say("RCPT TO:<a@x.test>\r\n").await;
    client.hear().await.unwrap();
    let first = start.elapsed();
    client.hear().await.unwrap();
    let both = start.elapsed();
    assert!(first >= delay && both >= delay * 3 / 2, "{first:?}, {both:?}");
}

#[tokio::test]
async fn a_session_that_lasts_too_long_is_told_however_busy() {
    let lab = lab().await;
    lab.exchange().set_session_timeout(Duration::from_millis(100));
    let mut client = Client::dial(&lab).await;
    client.hear().await.unwrap();
    let told = tokio::time::timeout(PATIENCE, async {
        loop {
            let reply = client.ask("NOOP").await;
            if !reply.starts_with("250 ") {
                break reply;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    assert_eq!(told.await.unwrap(), "421 4.4.1 Connection timed out");
}

#[tokio::test]
async fn what_was_not_offered_and_is_used_is_held_against_the_client() {
    let lab = lab().await;
    for extension in ["DSN", "PIPELINING"] {
        lab.exchange().misbehave(ExchangeFault::Without(extension.to_owned()));
    }
    let mut client = Client::signed_in(&lab).await;
    let mail = format!("MAIL FROM:<{DEFAULT_MAILBOX}>");
    assert_eq!(client.ask(&format!("{mail} RET=HDRS")).await, "501 5.5.4 Invalid arguments");
    client.ask(&mail).await;
    assert_eq!(client.ask("RCPT TO:<a@x.test> NOTIFY=NEVER").await, "501 5.5.4 Invalid arguments");
    client.say("RCPT TO:<a@x.test>\r\nRCPT TO:<b@x.test>\r\n").await;
    client.hear().await.unwrap();
    client.hear().await.unwrap();
    assert_eq!(lab.exchange().violations().len(), 3, "{:?}", lab.exchange().violations());
}

/// What befalls connections that each try one message: the replies, or where they ended.
async fn fates(lab: &Lab) -> Vec<String> {
    let mut fates = Vec::new();
    for _ in 0..20 {
        let mut client = Client::dial(lab).await;
        let mut said = String::new();
        for line in ["", "EHLO c.test", "NOOP", "RSET", "MAIL FROM:<a@b.c>", "QUIT"] {
            let reply = if line.is_empty() { client.hear().await } else { client.try_ask(line).await };
            said.push_str(reply.as_deref().map_or("gone", |reply| &reply[..3]));
            if reply.is_err() {
                break;
            }
        }
        fates.push(said);
    }
    fates
}

#[tokio::test]
async fn chance_follows_from_its_seed() {
    let mut seen = Vec::new();
    for seed in [1, 1, 2] {
        let lab = lab().await;
        lab.exchange().set_limits(Limits::lifted());
        lab.exchange().misbehave(ExchangeFault::Random { seed, per_mille: 200 });
        seen.push(fates(&lab).await);
    }
    assert_eq!(seen[0], seen[1]);
    assert_ne!(seen[0], seen[2]);
    let all = seen[0].join(" ");
    assert!(["gone", "421", "451", "221"].iter().all(|fate| all.contains(fate)), "{all}");
}
