//! One request, octet by octet, against a server that does what each test wants.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy.toml allows it in test functions, not in what they call"
)]

use std::future::pending;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mail_egress_diagnosis::Class;
use mail_egress_graph::{Ended, Endpoint, Sender, Sending, Unsent};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

const ACCEPTED: &[u8] = b"HTTP/1.1 202 Accepted\r\nrequest-id: r-1\r\ncontent-length: 0\r\n\r\n";

async fn begun(octets: u64) -> (Sending, DuplexStream) {
    let (ours, graphs) = duplex(8 * 1024);
    let endpoint = Endpoint::parse("https://graph.test").unwrap();
    let sender = Sender { mailbox: "billing@contoso.com".to_owned(), token: "s3cret".into() };
    (Sending::begin(ours, &endpoint, &sender, octets).await.unwrap(), graphs)
}

/// A message that is written but for its last octets; and all that Graph has of it.
async fn unsent(message: &[u8]) -> (Unsent, DuplexStream, Vec<u8>) {
    let (mut sending, mut graphs) = begun(message.len() as u64).await;
    let mut got = Vec::new();
    let writing = async {
        for piece in message.chunks(10_000) {
            sending.write(piece).await.unwrap();
        }
        sending.finish().unwrap()
    };
    let reading = async { while graphs.read_buf(&mut got).await.unwrap() > 0 {} };
    let unsent = tokio::select! {
        unsent = writing => unsent,
        () = reading => panic!("the connection ended"),
    };
    (unsent, graphs, got)
}

fn message(octets: usize) -> Vec<u8> {
    b"Subject: x\r\n\r\n".iter().copied().chain((0..).map(|n| (n % 251) as u8)).take(octets).collect()
}

/// Reads until there is a whole request; gives its head and its body.
async fn request(graphs: &mut DuplexStream, mut got: Vec<u8>) -> (String, Vec<u8>) {
    loop {
        let text = String::from_utf8_lossy(&got);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            if body.len() == length.parse::<usize>().unwrap() {
                return (head.to_owned(), STANDARD.decode(body).unwrap());
            }
        }
        assert!(graphs.read_buf(&mut got).await.unwrap() > 0, "the request is not whole");
    }
}

#[tokio::test]
async fn the_request_is_what_graph_wants_and_the_message_arrives_as_it_is() {
    for octets in [1, 2, 3, 14, 12_284, 12_285, 12_286, 100_000] {
        let message = message(octets);
        let (unsent, mut graphs, got) = unsent(&message).await;
        let serving = async {
            let request = request(&mut graphs, got).await;
            graphs.write_all(ACCEPTED).await.unwrap();
            request
        };
        let (accepted, (head, body)) = tokio::join!(unsent.conclude(pending()), serving);
        assert_eq!(accepted.unwrap().request_id(), "r-1");
        assert!(body == message, "{octets} octets became {}", body.len());
        let mut lines: Vec<_> = head.lines().collect();
        assert_eq!(lines.remove(0), "POST /v1.0/users/billing@contoso.com/sendMail HTTP/1.1");
        for field in ["authorization: Bearer s3cret", "content-type: text/plain", "host: graph.test"] {
            assert!(lines.contains(&field), "{field} is not in {head}");
        }
    }
}

#[tokio::test]
async fn what_is_dropped_before_the_end_is_never_a_whole_request() {
    for octets in [14, 100_000] {
        let (unsent, mut graphs, mut got) = unsent(&message(octets)).await;
        drop(unsent);
        graphs.read_to_end(&mut got).await.unwrap();
        let text = String::from_utf8_lossy(&got);
        let body = text.split_once("\r\n\r\n").map_or(0, |(_, body)| body.len());
        assert!(body < octets.div_ceil(3) * 4, "{body} octets of {octets} as base64");
    }
}

#[tokio::test]
async fn who_answers_early_is_heard_and_nothing_was_sent() {
    let (mut sending, mut graphs) = begun(1_000_000).await;
    let writing = async {
        loop {
            if let Err(ended) = sending.write(&[b'x'; 10_000]).await {
                return ended;
            }
        }
    };
    let refusing = async {
        graphs.read_exact(&mut [0; 2_000]).await.unwrap();
        graphs.write_all(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        graphs
    };
    let (ended, _graphs) = tokio::join!(writing, refusing);
    let Ended::Refused(refused) = ended else { panic!("{ended:?}") };
    assert_eq!((refused.status, refused.diagnosis.reason), (413, "MessageTooLarge"));
}

#[tokio::test(start_paused = true)]
async fn an_early_answer_to_a_message_of_one_block_is_no_uncertain_outcome() {
    let (unsent, mut graphs, mut got) = unsent(&message(100)).await;
    // hyper has written the head and waits for the body
    while !got.ends_with(b"\r\n\r\n") {
        assert!(graphs.read_buf(&mut got).await.unwrap() > 0, "it is gone");
    }
    graphs.write_all(b"HTTP/1.1 504 Gateway Timeout\r\ncontent-length: 0\r\n\r\n").await.unwrap();
    // the clock goes on once everybody waits: the answer has been read then
    tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    let refused = unsent.conclude(pending()).await.unwrap_err();
    assert_eq!((refused.status, refused.diagnosis.class), (504, Class::Transient));
}

#[tokio::test]
async fn a_connection_that_ends_in_the_middle_is_none_that_sent_anything() {
    let (mut sending, mut graphs) = begun(1_000_000).await;
    graphs.read_exact(&mut [0; 100]).await.unwrap();
    drop(graphs);
    let ended = loop {
        if let Err(ended) = sending.write(&[b'x'; 10_000]).await {
            break ended;
        }
    };
    assert!(matches!(ended, Ended::Fault(_)), "{ended:?}");
}

#[tokio::test]
async fn an_answer_that_is_lost_is_an_uncertain_outcome() {
    for answer in
        [&b""[..], b"HTTP/1.1 20", b"no HTTP\r\n\r\n", b"HTTP/1.1 504 x\r\ncontent-length: 0\r\n\r\n"]
    {
        let (unsent, mut graphs, got) = unsent(&message(20_000)).await;
        let serving = async {
            request(&mut graphs, got).await;
            graphs.write_all(answer).await.unwrap();
            drop(graphs);
        };
        let (outcome, ()) = tokio::join!(unsent.conclude(pending()), serving);
        assert_eq!(outcome.unwrap_err().diagnosis.class, Class::Uncertain, "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn silence_is_an_uncertain_outcome_after_five_minutes() {
    let (unsent, mut graphs, got) = unsent(&message(20_000)).await;
    let serving = async {
        request(&mut graphs, got).await;
        graphs
    };
    let (outcome, _graphs) = tokio::join!(unsent.conclude(pending()), serving);
    let refused = outcome.unwrap_err();
    assert_eq!(refused.diagnosis.class, Class::Uncertain);
    assert!(refused.diagnosis.sentence().contains("no answer within 300 s"), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn a_status_counts_though_its_body_never_ends() {
    let (unsent, mut graphs, got) = unsent(&message(20_000)).await;
    let serving = async {
        request(&mut graphs, got).await;
        let head = b"HTTP/1.1 429 x\r\nretry-after: 7\r\ncontent-length: 100\r\n\r\n{";
        graphs.write_all(head).await.unwrap();
        graphs
    };
    let (outcome, _graphs) = tokio::join!(unsent.conclude(pending()), serving);
    let refused = outcome.unwrap_err();
    assert_eq!((refused.status, refused.retry_after.unwrap().as_secs()), (429, 7));
}

#[tokio::test]
async fn a_message_of_another_length_than_was_said_is_not_sent() {
    let (mut sending, _graphs) = begun(10).await;
    assert!(matches!(sending.write(&[0; 11]).await, Err(Ended::Length)));
    let (mut sending, _graphs) = begun(10).await;
    sending.write(&[0; 9]).await.unwrap();
    assert!(matches!(sending.finish(), Err(Ended::Length)));
    let (sending, _graphs) = begun(0).await;
    assert!(matches!(sending.finish(), Err(Ended::Length)));
}
