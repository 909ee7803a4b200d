//! What arrives is what was sent.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mail_egress_tests::lab::{Body, DEFAULT_MAILBOX};
use mail_egress_tests::stand::Stand;

/// How each message here begins.
const FIRST: &[u8] = b"From: billing@contoso.com\r\nTo: ";
const SOON: Duration = Duration::from_secs(30);

/// Sends a message and returns what Exchange received behind the trace header.
async fn arrives(message: &[u8]) -> Result<(Vec<u8>, Body)> {
    let stand = Stand::start().await?;
    let answer = stand.client().await?.send(DEFAULT_MAILBOX, &["to@example.org"], message).await?;
    ensure!(answer.code == 250, "{answer:?}\n{}", stand.log());
    let received = stand.lab.exchange().wait_for_messages(1, SOON).await?;
    let received = received.first().context("Exchange has nothing")?;
    let content = &received.content;
    ensure!(content.starts_with(b"Received: "), "no trace header: {}", String::from_utf8_lossy(content));
    // what is put before it: the trace, and the fields that it lacks
    let at = content.windows(FIRST.len()).position(|octets| octets == FIRST);
    let rest = &content[at.context("the message's own first field is gone")?..];
    Ok((rest.to_vec(), received.envelope.body))
}

async fn arrives_unchanged(message: &[u8]) -> Result<Body> {
    let (received, body) = arrives(message).await?;
    ensure!(received.len() == message.len(), "{} octets became {}", message.len(), received.len());
    let differs = received.iter().zip(message).position(|(a, b)| a != b);
    ensure!(differs.is_none(), "octet {differs:?} differs");
    Ok(body)
}

fn message(body: &[u8]) -> Vec<u8> {
    let mut message = b"From: billing@contoso.com\r\nTo: to@example.org\r\nSubject: test\r\n\r\n".to_vec();
    message.extend_from_slice(body);
    message
}

#[tokio::test]
async fn eight_bit_text_arrives_and_is_declared() -> Result<()> {
    let body = arrives_unchanged(&message("Gr\u{fc}\u{df}e, \u{4f60}\u{597d}\r\n".as_bytes())).await?;
    ensure!(body == Body::EightBitMime, "it was declared as {body:?}");
    Ok(())
}

#[tokio::test]
async fn lines_of_two_thousand_octets_arrive() -> Result<()> {
    let line = [vec![b'x'; 1998], b"\r\n".to_vec()].concat();
    arrives_unchanged(&message(&line.repeat(20))).await.map(drop)
}

#[tokio::test]
async fn leading_dots_arrive() -> Result<()> {
    arrives_unchanged(&message(b".\r\n..\r\n...\r\n.a\r\n\r\n.\r\nlast\r\n.\r\n")).await.map(drop)
}

#[tokio::test]
async fn an_empty_body_and_a_blank_last_line_arrive() -> Result<()> {
    arrives_unchanged(&message(b"")).await?;
    arrives_unchanged(&message(b"text\r\n\r\n\r\n")).await.map(drop)
}

#[tokio::test]
async fn an_attachment_of_a_megabyte_arrives() -> Result<()> {
    let line = [vec![b'Q'; 76], b"\r\n".to_vec()].concat();
    let attachment = line.repeat(1024 * 1024 / line.len() + 1);
    let body = arrives_unchanged(&message(&attachment)).await?;
    ensure!(body == Body::SevenBit, "it was declared as {body:?}");
    Ok(())
}

/// Everything at once, as the issue words it.
#[tokio::test]
async fn a_message_of_all_kinds_arrives_byte_for_byte() -> Result<()> {
    let mut body = "\u{e4}\u{f6}\u{fc}\r\n.dots\r\n..\r\n".repeat(100).into_bytes();
    body.extend_from_slice(&[&[b'y'; 2000][..], b"\r\n"].concat());
    body.extend_from_slice(&[&[b'A'; 76][..], b"\r\n"].concat().repeat(14_000));
    arrives_unchanged(&message(&body)).await.map(drop)
}

#[tokio::test]
async fn bare_line_feeds_cannot_end_the_message() -> Result<()> {
    let stand = Stand::start().await?;
    let mut client = stand.client().await?;
    let smuggled = message(b"one\n.\nMAIL FROM:<evil@example.org>\r\n\n.\r\nRCPT TO:<x@example.org>\r\n");
    let answer = client.send(DEFAULT_MAILBOX, &["to@example.org"], &smuggled).await?;
    ensure!(answer.code == 250, "{answer:?}");
    let received = stand.lab.exchange().wait_for_messages(1, SOON).await?;
    ensure!(received.len() == 1, "it became {} messages", received.len());
    let content = &received.first().context("nothing")?.content;
    let bare = content.iter().enumerate().any(|(at, byte)| {
        *byte == b'\n' && at.checked_sub(1).is_none_or(|before| content.get(before) != Some(&b'\r'))
    });
    ensure!(!bare, "bare line feeds went out");
    let quit = client.say("QUIT").await?;
    ensure!(quit.code == 221, "{quit:?}");
    Ok(())
}
