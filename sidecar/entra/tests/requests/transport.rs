//! Everything that can go wrong before there is an answer, each with its own cause and fix.

use mail_egress_entra::{Retry, TokenError};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use crate::server::{Script, Server, Shown, ask, ask_within, at, brief_answer, brief_connect, json};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";

/// All of these may come right without a change of the request.
fn assert_says(error: &TokenError, reason: &str, words: &str) {
    assert_eq!((error.diagnosis.reason, error.retry), (reason, Retry::Backoff), "{error}");
    let shown = error.to_string();
    assert!(shown.contains(words) && shown.contains("To mend: "), "{words} is not in: {shown}");
}

#[tokio::test]
async fn an_endless_body_is_cut_off() {
    let more = "x".repeat(4096);
    let server = Server::start(Script::Endless(format!("{OK}\r\n"), more)).await;
    assert_says(&server.ask().await.unwrap_err(), "TokenUnusable", "longer than 64 KiB");
}

#[tokio::test]
async fn an_endless_head_is_cut_off() {
    for more in ["X-More: and more\r\n", "x"] {
        let server = Server::start(Script::Endless(OK.to_owned(), more.repeat(64))).await;
        assert_says(&server.ask().await.unwrap_err(), "TokenUnusable", "has a head of more than 32 KiB");
    }
}

#[tokio::test]
async fn a_body_that_stops_halfway_runs_into_the_deadline() {
    let server = Server::start(Script::Stall(format!("{OK}Content-Length: 100\r\n\r\n{{\"access"))).await;
    let error = ask_within(&server.request(), brief_answer()).await.unwrap_err();
    assert_says(&error, "EntraTimeout", "no whole answer within 1 s");
}

#[tokio::test]
async fn an_answer_that_never_begins_runs_into_the_deadline() {
    let server = Server::start(Script::Stall(String::new())).await;
    let error = ask_within(&server.request(), brief_answer()).await.unwrap_err();
    assert_says(&error, "EntraTimeout", &format!("the login host {}", server.address));
}

#[tokio::test]
async fn a_connection_that_ends_early_is_no_answer() {
    for text in [String::new(), format!("{OK}Content-Length: 100\r\n\r\n{{")] {
        let server = Server::start(Script::Answer(text)).await;
        let error = server.ask().await.unwrap_err();
        assert_says(&error, "EntraUnreachable", "closed before the whole answer");
    }
}

#[tokio::test]
async fn what_is_no_http_is_called_so() {
    let server = Server::start(Script::Answer("220 mail ESMTP\r\n\r\n".to_owned())).await;
    assert_says(&server.ask().await.unwrap_err(), "TokenUnusable", "its answer is no HTTP");
}

#[tokio::test]
async fn nobody_who_listens_is_a_refused_connection() {
    let server = Server::start(json("200 OK", "{}")).await;
    let mut request = server.request();
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    request.endpoint = at(format!("https://{free}"));
    let error = ask(&request).await.unwrap_err();
    assert_says(
        &error,
        "EntraUnreachable",
        &format!("the login host {free} cannot be used: connection refused"),
    );
}

#[tokio::test]
async fn a_connection_that_hangs_runs_into_the_connect_deadline() {
    // A full accept queue drops further SYNs.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(0).unwrap();
    let address = listener.local_addr().unwrap();
    let _fills_the_queue = TcpStream::connect(address).await.unwrap();
    let server = Server::start(json("200 OK", "{}")).await;
    let mut request = server.request();
    request.endpoint = at(format!("https://{address}"));
    let error = ask_within(&request, brief_connect()).await.unwrap_err();
    assert_says(&error, "EntraTimeout", "no TCP connection within 0.25 s");
}

#[tokio::test]
async fn a_handshake_that_hangs_runs_into_the_connect_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Server::start(json("200 OK", "{}")).await;
    let mut request = server.request();
    request.endpoint = at(format!("https://{}", listener.local_addr().unwrap()));
    let error = ask_within(&request, brief_connect()).await.unwrap_err();
    assert_says(&error, "EntraTimeout", "no TLS handshake within 0.25 s");
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_is_not_told_the_secret() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut request = Server::start(json("200 OK", "{}")).await.request();
    request.endpoint = at(format!("https://{}", listener.local_addr().unwrap()));
    let plain = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        connection.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        let mut read = Vec::new();
        let _ = connection.read_to_end(&mut read).await;
        read
    });
    assert_says(&ask(&request).await.unwrap_err(), "EntraTlsFailed", "TLS failed: ");
    let read = plain.await.unwrap();
    assert!(!read.windows(4).any(|w| w == b"POST"), "{read:?}");
}

#[tokio::test]
async fn a_certificate_that_proves_nothing_ends_the_attempt_before_the_secret_is_sent() {
    for (shown, words) in [
        (Shown::WrongName, "is for another name: elsewhere.test. To mend: set spec.endpoint.loginURL"),
        (Shown::Expired, "its certificate has expired. To mend: renew the certificate"),
        (Shown::NotYetValid, "its certificate is not valid yet. To mend: renew the certificate"),
    ] {
        let mut server = Server::with_certificate(shown, json("200 OK", "{}")).await;
        assert_says(&server.ask().await.unwrap_err(), "EntraTlsFailed", words);
        assert!(server.requests().is_empty());
    }
}

#[tokio::test]
async fn a_certificate_of_an_unknown_issuer_is_not_believed() {
    let other = Server::start(json("200 OK", "{}")).await;
    for bundle in [None, Some(other.ca.clone())] {
        let mut server = Server::start(json("200 OK", "{}")).await;
        let mut request = server.request();
        request.ca_bundle = bundle;
        assert_says(&ask(&request).await.unwrap_err(), "EntraTlsFailed", "an issuer that is not trusted");
        assert!(server.requests().is_empty());
    }
}

#[tokio::test]
async fn a_bundle_that_cannot_be_used_is_said_before_anybody_is_asked() {
    let mut server = Server::start(json("200 OK", "{}")).await;
    let mut request = server.request();
    request.ca_bundle = Some(String::new());
    let error = ask(&request).await.unwrap_err();
    assert_eq!((error.diagnosis.reason, error.retry), ("CaBundleInvalid", Retry::WhenMended));
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_name_that_cannot_exist_does_not_resolve() {
    // RFC 6761 section 6.4: no resolver asks the network for .invalid
    let mut request = Server::start(json("200 OK", "{}")).await.request();
    request.endpoint = at("https://login.invalid".to_owned());
    let error = ask(&request).await.unwrap_err();
    assert_says(&error, "EntraNameNotFound", "login.invalid:443 cannot be used: its name does not resolve");
}
