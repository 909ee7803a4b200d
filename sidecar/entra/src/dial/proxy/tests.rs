//! Against proxies on loopback that answer as scripted.

use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::*;

/// A proxy that reads one request (and, for SOCKS5, its two parts) and gives these answers, and then
/// keeps the connection.
async fn scripted(answers: Vec<&'static [u8]>) -> (Peer, JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = Peer { host: "127.0.0.1".to_owned(), port: listener.local_addr().unwrap().port() };
    let heard = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        let mut heard = Vec::new();
        for answer in answers {
            connection.read_buf(&mut heard).await.unwrap();
            connection.write_all(answer).await.unwrap();
        }
        connection.shutdown().await.unwrap();
        let _ = connection.read_to_end(&mut heard).await;
        heard
    });
    (peer, heard)
}

fn relay() -> Peer {
    Peer { host: "smtp.test".to_owned(), port: 587 }
}

async fn through(proxy: &Proxy) -> Result<TcpStream, Fault> {
    let resolver = Resolver::system().unwrap();
    connect(&resolver, &relay(), proxy, Deadline::after(Duration::from_secs(10))).await
}

async fn said(connection: &mut TcpStream) -> String {
    let mut said = String::new();
    connection.read_to_string(&mut said).await.unwrap();
    said
}

#[tokio::test]
async fn a_server_that_speaks_first_is_heard_from_its_first_word() {
    let (at, heard) = scripted(vec![b"HTTP/1.1 200 OK\r\nVia: p\r\n\r\n220 relay\r\n"]).await;
    let proxy = Proxy { kind: Kind::HttpConnect, peer: at };
    let mut connection = through(&proxy).await.unwrap();
    assert_eq!(said(&mut connection).await, "220 relay\r\n");
    drop(connection);
    assert!(heard.await.unwrap().starts_with(b"CONNECT smtp.test:587 HTTP/1.1\r\n"));

    let (at, heard) = scripted(vec![&[5, 0], b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x19220 relay\r\n"]).await;
    let proxy = Proxy { kind: Kind::Socks5, peer: at };
    let mut connection = through(&proxy).await.unwrap();
    assert_eq!(said(&mut connection).await, "220 relay\r\n");
    drop(connection);
    assert!(heard.await.unwrap().ends_with(b"\x09smtp.test\x02\x4b"));
}

#[tokio::test]
async fn each_trouble_names_the_proxy_and_its_mend() {
    for (kind, answers, reason, words) in [
        (Kind::HttpConnect, vec![&b"HTTP/1.1 403 No\r\n\r\n"[..]], "ProxyRefused", "refuses: 403 No"),
        (Kind::HttpConnect, vec![b"HTTP/1.1 407 Who\r\n\r\n"], "ProxyWantsLogin", "wants a login: 407 Who"),
        (
            Kind::HttpConnect,
            vec![b"HTTP/1.1 503 No\r\n\r\n"],
            "ProxyFoundNoWay",
            "found no way there: 503 No",
        ),
        (Kind::HttpConnect, vec![b"220 relay\r\n"], "ProxyProtocol", "gave an answer that is no HTTP"),
        (
            Kind::HttpConnect,
            vec![b"HTTP/1.1 200 O"],
            "ProxyUnreachable",
            "closed before the answer of the proxy",
        ),
        (Kind::Socks5, vec![&[5, 0xff]], "ProxyWantsLogin", "SOCKS5 without authentication is not accepted"),
        (Kind::Socks5, vec![&[5, 0], &[5, 2, 0, 1, 0]], "ProxyRefused", "not allowed by its rules"),
        (Kind::Socks5, vec![&[5, 0], &[5, 5, 0, 1, 0]], "ProxyFoundNoWay", "connection refused"),
        (Kind::Socks5, vec![b"HTTP/1.1 400 Bad\r\n"], "ProxyProtocol", "that is no SOCKS5"),
        (Kind::Socks5, vec![&[5]], "ProxyUnreachable", "closed before the answer of the proxy"),
    ] {
        let (at, _heard) = scripted(answers).await;
        let proxy = Proxy { kind, peer: at };
        let fault = through(&proxy).await.unwrap_err();
        for found in [fault.relay(&relay()), fault.entra(&relay())] {
            let shown = found.sentence();
            assert_eq!(found.reason, reason, "{shown}");
            assert!(shown.contains(words) && shown.contains(&proxy.to_string()), "{shown}");
            assert!(shown.contains("smtp.test:587") && shown.contains("To mend: "), "{shown}");
        }
    }
}

#[tokio::test]
async fn a_proxy_that_is_not_there_differs_from_a_relay_that_is_not() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let fault = through(&format!("http://{free}").parse().unwrap()).await.unwrap_err();
    let found = fault.relay(&relay());
    let cause = format!(
        "the relay smtp.test:587 cannot be used: the proxy http://{free} cannot be used: connection refused"
    );
    assert_eq!((found.reason, found.cause), ("ProxyUnreachable", cause));
    let fault = through(&"socks5://proxy.invalid:1080".parse().unwrap()).await.unwrap_err();
    assert!(fault.to_string().contains("its name does not resolve"), "{fault}");
}

#[tokio::test]
async fn a_proxy_that_says_nothing_runs_into_the_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    for scheme in ["http", "socks5"] {
        let proxy: Proxy = format!("{scheme}://{}", listener.local_addr().unwrap()).parse().unwrap();
        let resolver = Resolver::system().unwrap();
        let deadline = Deadline::after(Duration::from_millis(250));
        let fault = connect(&resolver, &relay(), &proxy, deadline).await.unwrap_err();
        let shown = fault.to_string();
        assert!(shown.ends_with("no answer of the proxy within 0.25 s"), "{shown}");
    }
}

#[tokio::test]
async fn a_head_that_never_ends_is_cut_off() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy: Proxy = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        let _ = connection.write_all(b"HTTP/1.1 200 OK\r\nX: ").await;
        while connection.write_all(&[b'x'; 4096]).await.is_ok() {}
    });
    let fault = through(&proxy).await.unwrap_err();
    assert!(fault.to_string().contains("a head of more than 16 KiB"), "{fault}");
}

#[tokio::test]
async fn a_host_that_would_be_more_than_a_host_is_not_sent() {
    let (at, heard) = scripted(Vec::new()).await;
    let proxy = Proxy { kind: Kind::HttpConnect, peer: at };
    let peer = Peer { host: "a.test:25 HTTP/1.1\r\nX: ".to_owned(), port: 25 };
    let resolver = Resolver::system().unwrap();
    let fault = connect(&resolver, &peer, &proxy, Deadline::after(Duration::from_secs(10))).await;
    assert!(matches!(fault, Err(Fault::Proxy { trouble: ProxyTrouble::NoWay(_), .. })), "{fault:?}");
    assert!(heard.await.unwrap().is_empty());
}

#[test]
fn a_proxy_is_written_as_it_is_read() {
    let read = |text: &str| text.parse::<Proxy>().map(|proxy| proxy.to_string());
    for (text, shown) in [
        ("http://proxy.test:3128", "http://proxy.test:3128"),
        ("HTTP://10.0.0.1:80/", "http://10.0.0.1:80"),
        ("socks5://[2001:db8::1]:1080", "socks5://[2001:db8::1]:1080"),
        ("socks5h://proxy:1080", "socks5://proxy:1080"),
    ] {
        assert_eq!(read(text).unwrap(), shown);
    }
    for (text, why) in [
        ("proxy.test:3128", InvalidProxy::Form),
        ("", InvalidProxy::Form),
        ("http://", InvalidProxy::Form),
        ("http://proxy.test:3128/path", InvalidProxy::Form),
        ("http://pro xy:3128", InvalidProxy::Form),
        ("https://proxy.test:3128", InvalidProxy::Kind),
        ("socks4://proxy.test:1080", InvalidProxy::Kind),
        ("http://proxy.test", InvalidProxy::Port),
        ("http://proxy.test:0", InvalidProxy::Port),
        ("http://proxy.test:99999", InvalidProxy::Port),
        ("http://me:s3cret@proxy.test:3128", InvalidProxy::Credential),
    ] {
        assert_eq!(read(text), Err(why), "{text}");
        assert!(!why.to_string().contains("s3cret"));
    }
}
