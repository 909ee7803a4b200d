//! The admin port: `/healthz`, `/readyz`, `/metrics`, over HTTP.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tracing::{debug, error, warn};

use crate::{causes::Causes, metrics::Metrics};

/// Connections at one time; more wait in the kernel's queue.
const CONNECTIONS: usize = 32;

/// How long a client may take to send a request's head.
const HEAD: Duration = Duration::from_secs(5);

/// How long one connection may last: scrapers open another.
const CONNECTION: Duration = Duration::from_secs(120);

/// One thing that must be so before this replica is sent requests.
pub struct Check {
    /// What, in a word.
    pub name: &'static str,
    /// Whether it is so now; must not wait.
    pub passes: Box<dyn Fn() -> bool + Send + Sync>,
}

#[derive(Clone)]
struct Shared {
    checks: Arc<[Check]>,
    metrics: Metrics,
}

/// Serves until dropped. `/readyz` is 200 while every check passes; `/healthz` always is: a process
/// whose tasks hang is no better for a restart loop, and one whose tasks have ended exits by itself.
pub async fn serve(listener: TcpListener, checks: Vec<Check>, metrics: Metrics) {
    let router = Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(readyz))
        .route("/metrics", get(render))
        .with_state(Shared { checks: checks.into(), metrics });
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok(slot) = slots.clone().acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let router = router.clone();
                tokio::spawn(async move {
                    converse(stream, router).await;
                    drop(slot);
                });
            }
            // out of file descriptors, as a rule: give others time to end
            Err(error) => {
                warn!(error = %Causes(&error), "admin connection not accepted");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn converse(stream: TcpStream, router: Router) {
    let service = TowerToHyperService::new(router);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(16 * 1024)
        .serve_connection(TokioIo::new(stream), service);
    if let Ok(Err(error)) = timeout(CONNECTION, connection).await {
        debug!(error = %Causes(&error), "admin connection ended");
    }
}

async fn readyz(State(shared): State<Shared>) -> impl IntoResponse {
    let failing: Vec<_> =
        shared.checks.iter().filter(|check| !(check.passes)()).map(|check| check.name).collect();
    match failing.as_slice() {
        [] => (StatusCode::OK, "ok\n".to_owned()),
        names => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {}\n", names.join(", "))),
    }
}

async fn render(State(shared): State<Shared>) -> impl IntoResponse {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    match shared.metrics.render() {
        Ok(text) => (StatusCode::OK, kind, text),
        Err(error) => {
            error!(error = %Causes(&error), "metrics cannot be written");
            (StatusCode::INTERNAL_SERVER_ERROR, kind, "metrics cannot be written; see the log\n".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn ask(address: std::net::SocketAddr, path: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn is_ready_when_every_check_passes_and_names_those_that_do_not() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let synced = Arc::new(AtomicBool::new(false));
        let passes = synced.clone();
        let checks = vec![
            Check { name: "always", passes: Box::new(|| true) },
            Check { name: "watches", passes: Box::new(move || passes.load(Ordering::Relaxed)) },
        ];
        let server = tokio::spawn(serve(listener, checks, Metrics::new().unwrap()));
        let unready = ask(address, "/readyz").await;
        assert!(
            unready.starts_with("HTTP/1.1 503") && unready.ends_with("not ready: watches\n"),
            "{unready}"
        );
        synced.store(true, Ordering::Relaxed);
        assert!(ask(address, "/readyz").await.starts_with("HTTP/1.1 200"));
        assert!(ask(address, "/healthz").await.ends_with("ok\n"));
        assert!(ask(address, "/metrics").await.contains("mail_egress_operator_build_info"));
        assert!(ask(address, "/else").await.starts_with("HTTP/1.1 404"));
        server.abort();
    }
}
