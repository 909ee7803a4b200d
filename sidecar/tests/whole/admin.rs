//! The admin port: what it answers, and that the probes understand it.

use std::time::Duration;

use mail_egress_sidecar::args::Question;
use mail_egress_sidecar::probe;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::relay::{Relay, Way};
use crate::running::Running;

#[tokio::test]
async fn serves_metrics_in_prometheus_text_format() {
    let sidecar = Running::start(None, |_| {}).await;
    let answer = sidecar.ask("GET", "/metrics").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("content-type: text/plain; version=0.0.4"), "{answer}");
    assert!(answer.contains("\nmail_egress_ready 0\n"), "{answer}");
}

#[tokio::test]
async fn refuses_other_paths_and_methods() {
    let sidecar = Running::start(None, |_| {}).await;
    assert!(sidecar.ask("GET", "/debug").await.starts_with("HTTP/1.1 404 "));
    let refused = sidecar.ask("POST", "/metrics").await;
    assert!(refused.starts_with("HTTP/1.1 405 ") && refused.contains("allow: GET, HEAD"), "{refused}");
}

#[tokio::test]
async fn refuses_a_head_without_an_end() {
    let sidecar = Running::start(None, |_| {}).await;
    let mut stream = TcpStream::connect(sidecar.admin).await.unwrap();
    let _ = stream.write_all(format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(100_000)).as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP/1.1 2"), "{}", String::from_utf8_lossy(&answer));
    assert!(sidecar.ask("GET", "/healthz").await.starts_with("HTTP/1.1 200 "));
}

async fn probed(sidecar: &Running, question: Question) -> Result<String, String> {
    let admin = sidecar.admin;
    let asked = tokio::task::spawn_blocking(move || probe::ask(question, admin));
    asked.await.unwrap().map_err(|error| error.to_string())
}

#[tokio::test]
async fn idle_connections_from_elsewhere_keep_no_probe_out() {
    let sidecar = Running::start(None, |_| {}).await;
    let mut idle = Vec::new();
    for _ in 0..16 {
        idle.push(from_elsewhere(&sidecar).await);
    }
    let mut too_many = from_elsewhere(&sidecar).await;
    let closed = timeout(Duration::from_secs(3), too_many.read(&mut [0])).await.expect("not closed at once");
    assert!(matches!(closed, Ok(0) | Err(_)), "{closed:?}");
    assert_eq!(probed(&sidecar, Question::Live).await.unwrap(), "alive");
    assert_eq!(probed(&sidecar, Question::Ready).await.unwrap(), "ready");
}

/// As a mesh's proxy brings connections from other pods.
async fn from_elsewhere(sidecar: &Running) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.6:0".parse().unwrap()).unwrap();
    socket.connect(sidecar.admin).await.unwrap()
}

#[tokio::test]
async fn startup_waits_for_the_configuration_and_readiness_does_not() {
    let sidecar = Running::start(None, |_| {}).await;
    let refused = probed(&sidecar, Question::Startup).await.unwrap_err();
    assert_eq!(refused, "not started: 503 waiting for the configuration");
    assert_eq!(probed(&sidecar, Question::Ready).await.unwrap(), "ready");
    assert_eq!(probed(&sidecar, Question::Live).await.unwrap(), "alive");

    let relay = Relay::start(Way::Good).await;
    let configured = Running::with(&relay).await;
    assert_eq!(probed(&configured, Question::Startup).await.unwrap(), "configuration seen");
}

#[tokio::test]
async fn startup_passes_without_a_configuration_after_ten_seconds() {
    let sidecar = Running::start(None, |_| {}).await;
    assert!(sidecar.ask("GET", "/startupz").await.starts_with("HTTP/1.1 503 "));
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(11)).await;
    tokio::time::resume();
    let answer = sidecar.ask("GET", "/startupz").await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("no configuration yet"), "{answer}");
}
