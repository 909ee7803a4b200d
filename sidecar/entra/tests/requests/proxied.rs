//! Token requests through the proxy that `HTTPS_PROXY` names.

use std::net::SocketAddr;

use mail_egress_entra::dial::{Proxies, Resolver};
use mail_egress_entra::{Limits, Retry, Token, TokenClient, TokenError};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::server::{Server, at, json, now};

const GRANTED: &str = r#"{"token_type":"Bearer","expires_in":3599,"access_token":"at"}"#;

/// Takes one connection, answers its CONNECT with this and, where that is a 200, leads to the server.
async fn proxy(answer: &'static str, server: SocketAddr) -> (SocketAddr, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let asked = tokio::spawn(async move {
        let (mut near, _) = listener.accept().await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            near.read_buf(&mut head).await.unwrap();
        }
        near.write_all(answer.as_bytes()).await.unwrap();
        if answer.starts_with("HTTP/1.1 200") {
            let mut far = TcpStream::connect(server).await.unwrap();
            let _ = copy_bidirectional(&mut near, &mut far).await;
        }
        String::from_utf8(head).unwrap()
    });
    (address, asked)
}

async fn ask(server: &Server, host: &str, https_proxy: &str) -> Result<Token, TokenError> {
    let mut request = server.request();
    request.endpoint = at(format!("https://{host}"));
    let proxies = Proxies::of(|name| (name == "HTTPS_PROXY").then(|| https_proxy.to_owned()));
    let client = TokenClient::new(Resolver::system().unwrap(), Limits::default()).through(proxies);
    client.request(&request, now()).await.map(|granted| granted.token)
}

#[tokio::test]
async fn the_proxy_is_told_a_name_and_sees_no_secret() {
    let mut server = Server::start(json("200 OK", GRANTED)).await;
    let (proxy, asked) = proxy("HTTP/1.1 200 OK\r\n\r\n", server.address).await;
    ask(&server, "login.test", &format!("http://{proxy}")).await.unwrap();
    assert_eq!(asked.await.unwrap(), "CONNECT login.test:443 HTTP/1.1\r\nHost: login.test:443\r\n\r\n");
    let requests = server.requests();
    assert!(requests.len() == 1 && requests[0].contains("\r\nhost: login.test\r\n"), "{requests:?}");
}

#[tokio::test]
async fn a_proxy_that_refuses_is_named_with_its_words() {
    let server = Server::start(json("200 OK", GRANTED)).await;
    for (answer, reason, words) in [
        ("HTTP/1.1 403 Forbidden\r\n\r\n", "ProxyRefused", "refuses: 403 Forbidden"),
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\n\r\n",
            "ProxyWantsLogin",
            "admit the pod by its address",
        ),
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", "ProxyFoundNoWay", "found no way there: 502 Bad Gateway"),
    ] {
        let (proxy, _asked) = proxy(answer, server.address).await;
        let error = ask(&server, "login.test", &format!("http://{proxy}")).await.unwrap_err();
        let shown = error.to_string();
        assert_eq!((error.diagnosis.reason, error.retry), (reason, Retry::Backoff), "{shown}");
        let named = format!("the login host login.test:443 cannot be used: the proxy http://{proxy} ");
        assert!(shown.starts_with(&named) && shown.contains(words), "{shown}");
    }
}

#[tokio::test]
async fn what_a_proxy_puts_before_the_handshake_is_not_believed() {
    let server = Server::start(json("200 OK", GRANTED)).await;
    let (proxy, _asked) = proxy("HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n{}", server.address).await;
    let error = ask(&server, "login.test", &format!("http://{proxy}")).await.unwrap_err();
    assert_eq!(error.diagnosis.reason, "EntraTlsFailed", "{error}");
}

#[tokio::test]
async fn loopback_is_asked_without_the_proxy() {
    let server = Server::start(json("200 OK", GRANTED)).await;
    ask(&server, &server.address.to_string(), "http://127.0.0.1:1").await.unwrap();
}

#[tokio::test]
async fn a_variable_that_names_no_proxy_ends_it_before_anybody_is_asked() {
    let mut server = Server::start(json("200 OK", GRANTED)).await;
    let error = ask(&server, "login.test", "http://me:s3cret@proxy:3128").await.unwrap_err();
    let shown = format!("{error} {error:?}");
    assert_eq!((error.diagnosis.reason, error.retry), ("ProxyInvalid", Retry::WhenMended), "{shown}");
    assert!(shown.contains("HTTPS_PROXY holds a user name or password"), "{shown}");
    assert!(!shown.contains("s3cret") && server.requests().is_empty(), "{shown}");
}
