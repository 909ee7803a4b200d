//! Messages: what is kept is what was sent, and what may not be sent is refused.

use std::time::Duration;

use super::client::Client;
use super::{PATIENCE, lab};
use crate::lab::{Body, DEFAULT_CLIENT_ID, DEFAULT_MAILBOX, Limits, Transfer};

const HEADER: &str =
    "From: Billing <billing@contoso.com>\r\nMessage-ID: <1@contoso.com>\r\nSubject: x\r\n\r\n";

#[tokio::test]
async fn keeps_eight_bit_text_dots_and_long_lines_byte_for_byte() {
    let lab = lab().await;
    let mut client = Client::signed_in(&lab).await;
    let mut content = HEADER.as_bytes().to_vec();
    content.extend_from_slice(b"\xff\xfe\x00 \xc3\xa9\r\n.\t\r\n..two\r\n. one\r\n\r\n");
    content.extend_from_slice(&[b'y'; 2000]);
    content.extend_from_slice(b"\r\n");
    content.extend(std::iter::repeat_n(&b"attachment attachment\r\n"[..], 50_000).flatten());
    let stuffed: Vec<u8> = content
        .split_inclusive(|&b| b == b'\n')
        .flat_map(|line| [if line[0] == b'.' { &b"."[..] } else { b"" }, line].concat())
        .collect();

    let reply = client.send(&stuffed).await;
    assert_eq!(reply, "250 2.0.0 OK <1@contoso.com> [Hostname=LABP000CA0001.smtp.lab.test]");
    let message = lab.exchange().wait_for_messages(1, PATIENCE).await.unwrap().remove(0);
    assert_eq!(message.content, content);
    assert_eq!((message.tls, message.client_id.as_str()), ("TLSv1.3", DEFAULT_CLIENT_ID));
    assert_eq!(message.recipients(), ["a@example.net"]);
    assert_eq!(message.envelope.sender.as_deref(), Some(DEFAULT_MAILBOX));
    assert_eq!((message.envelope.body, message.transfer), (Body::EightBitMime, Transfer::Data));
    assert_eq!(message.header("subject").as_deref(), Some("x"));
    assert_eq!(message.number, 1);
}

#[tokio::test]
async fn a_pipelined_group_is_answered_and_its_message_kept() {
    let lab = lab().await;
    let mut client = Client::signed_in(&lab).await;
    client
        .say(format!("MAIL FROM:<{DEFAULT_MAILBOX}>\r\nRCPT TO:<a@x.test>\r\nRCPT TO:<b@x.test>\r\nDATA\r\n"))
        .await;
    let mut codes = Vec::new();
    for _ in 0..4 {
        codes.push(client.hear().await.unwrap()[..3].to_owned());
    }
    assert_eq!(codes, ["250", "250", "250", "354"]);
    client.say(format!("{HEADER}.\r\n")).await;
    assert!(client.hear().await.unwrap().starts_with("250 "));
    assert_eq!(lab.exchange().messages()[0].recipients(), ["a@x.test", "b@x.test"]);
    assert_eq!(lab.exchange().violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_client_that_does_not_await_the_354_is_noticed() {
    let lab = lab().await;
    let mut client = Client::signed_in(&lab).await;
    client.envelope(&["a@x.test"]).await;
    client.say(format!("DATA\r\n{HEADER}.\r\n")).await;
    client.hear().await.unwrap();
    client.hear().await.unwrap();
    assert_eq!(lab.exchange().violations().len(), 1);
}

#[tokio::test]
async fn chunks_are_put_together_and_binary_is_taken() {
    let lab = lab().await;
    let mut client = Client::signed_in(&lab).await;
    client.ask(&format!("MAIL FROM:<{DEFAULT_MAILBOX}> BODY=BINARYMIME")).await;
    client.ask("RCPT TO:<a@x.test> NOTIFY=NEVER ORCPT=rfc822;a@x.test").await;
    client.say(format!("BDAT {}\r\n{HEADER}", HEADER.len())).await;
    assert_eq!(client.hear().await.unwrap(), format!("250 2.6.0 CHUNK received OK, {} octets", HEADER.len()));
    assert!(client.ask("DATA").await.starts_with("503 "), "DATA and BDAT do not mix");
    client.say(b"BDAT 8 LAST\r\n.\r\n\n\r\0\xff.").await;
    assert!(client.hear().await.unwrap().starts_with("250 2.0.0 OK <1@contoso.com> "));
    let message = lab.exchange().messages().remove(0);
    assert_eq!(message.body(), b".\r\n\n\r\0\xff.");
    assert_eq!((message.envelope.body, message.transfer), (Body::BinaryMime, Transfer::Bdat(2)));
    assert_eq!(message.envelope.recipients[0].notify.as_deref(), Some("NEVER"));
}

#[tokio::test]
async fn a_chunk_out_of_turn_is_read_and_refused() {
    let lab = lab().await;
    let mut client = Client::signed_in(&lab).await;
    client.say("BDAT 6 LAST\r\nQUIT\r\n").await;
    assert_eq!(client.hear().await.unwrap(), "503 5.5.2 Need mail command");
    assert_eq!(client.ask("NOOP").await, "250 2.0.0 OK");
}

#[tokio::test]
async fn refuses_a_sender_that_is_not_the_mailbox() {
    let lab = lab().await;
    let mut client = Client::signed_in(&lab).await;
    let foreign = HEADER.replace("billing@contoso.com", "boss@contoso.com");
    let denied = client.send(foreign.as_bytes()).await;
    assert!(
        denied.starts_with(
            "554 5.2.252 SendAsDenied; billing@contoso.com not allowed to send as boss@contoso.com; "
        ),
        "{denied}"
    );
    client.ask("MAIL FROM:<boss@contoso.com>").await;
    client.ask("RCPT TO:<a@x.test>").await;
    client.ask("DATA").await;
    client.say(HEADER).await;
    assert!(client.ask(".").await.starts_with("550 5.7.60 "));
    lab.administer(|directory| directory.mailboxes[0].may_send_as.push("boss@contoso.com".to_owned()));
    assert!(client.send(foreign.as_bytes()).await.starts_with("250 "));
    assert_eq!(lab.exchange().messages().len(), 1);
}

#[tokio::test]
async fn refuses_what_is_too_large_and_goes_on() {
    let lab = lab().await;
    lab.exchange().set_limits(Limits {
        message_bytes: 1000,
        recipients_per_message: Some(1),
        ..Limits::default()
    });
    let mut client = Client::signed_in(&lab).await;
    assert!(client.ask("EHLO client.test").await.contains("\n250-SIZE 1000\n"));
    let declared = client.ask(&format!("MAIL FROM:<{DEFAULT_MAILBOX}> SIZE=1001")).await;
    assert!(declared.starts_with("552 5.3.4 "), "{declared}");
    let large = format!("{HEADER}{}\r\n", "z".repeat(100_000));
    assert!(client.send(large.as_bytes()).await.starts_with("552 5.3.4 "));
    client.envelope(&["a@x.test"]).await;
    assert_eq!(client.ask("RCPT TO:<b@x.test>").await, "452 4.5.3 Too many recipients");
    assert_eq!(client.ask("RSET").await, "250 2.0.0 Resetting");
    assert!(client.send(HEADER.as_bytes()).await.starts_with("250 "));
}

#[tokio::test]
async fn refuses_a_bare_line_feed() {
    let lab = lab().await;
    let mut client = Client::signed_in(&lab).await;
    assert!(client.send(format!("{HEADER}a\nb\r\n").as_bytes()).await.starts_with("550 5.6.11 "));
}

#[tokio::test]
async fn a_fourth_connection_of_a_mailbox_cannot_send() {
    let lab = lab().await;
    let mut clients = Vec::new();
    for _ in 0..4 {
        clients.push(Client::signed_in(&lab).await);
    }
    let reply = clients[3].send(HEADER.as_bytes()).await;
    assert!(
        reply.starts_with(
            "432 4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending"
        ),
        "{reply}"
    );
    drop(clients.remove(0));
    lab.exchange().wait_until(PATIENCE, |counters| counters.open == 3).await.unwrap();
    assert!(clients[2].send(HEADER.as_bytes()).await.starts_with("250 "));
    assert_eq!(lab.exchange().most_connections(DEFAULT_MAILBOX), 4);
    assert_eq!(lab.exchange().counters().over_connections, 1);
}

#[tokio::test]
async fn the_message_above_the_limit_per_minute_waits() {
    let lab = lab().await;
    lab.exchange().set_limits(Limits { messages_per_minute: Some(1), ..Limits::default() });
    let mut client = Client::signed_in(&lab).await;
    assert!(client.send(HEADER.as_bytes()).await.starts_with("250 "));
    client.envelope(&["a@x.test"]).await;
    client.ask("DATA").await;
    client.say(format!("{HEADER}.\r\n")).await;
    lab.exchange().wait_until(PATIENCE, |counters| counters.throttled == 1).await.unwrap();
    assert_eq!(lab.exchange().counters().messages, 1);
}

#[tokio::test]
async fn a_silent_client_is_told_and_closed() {
    let lab = lab().await;
    lab.exchange().set_idle_timeout(Duration::from_millis(50));
    let mut client = Client::dial(&lab).await;
    client.hear().await.unwrap();
    assert_eq!(client.hear().await.unwrap(), "421 4.4.1 Connection timed out");
    assert!(client.hear().await.is_err());
}

#[tokio::test]
async fn dropping_the_lab_closes_its_connections_and_ports() {
    let lab = lab().await;
    let address = lab.exchange().address();
    let mut client = Client::signed_in(&lab).await;
    drop(lab);
    assert!(client.hear().await.is_err());
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
