//! The admin port: metrics for Prometheus, health for the probes.
//!
//! Reachable from outside the pod, so nothing here shows mail, addresses or tokens, and nobody
//! can hold it: few connections, one request each, limits on size and time. The probes of this pod
//! need no place among those connections, or any other pod could have the sidecar restarted.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{ALLOW, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

use crate::app::listen::rest_after;
use crate::message::submission::Submissions;
use crate::metrics;
use crate::sender::follow::Current;

/// Connections from elsewhere served at once; a further one is closed.
const CONNECTIONS: usize = 16;
/// For the request's head.
const HEAD_TIME: Duration = Duration::from_secs(5);
/// For a connection as a whole.
const CONNECTION_TIME: Duration = Duration::from_secs(10);
/// The least that hyper takes.
const HEAD_OCTETS: usize = 8 * 1024;
const HEAD_FIELDS: usize = 64;
/// How long the startup probe waits for a configuration. Passing it makes the kubelet look at the
/// mount again, and a pod is never held hostage by Entra, policy or order of creation.
const STARTUP_PATIENCE: Duration = Duration::from_secs(10);

/// What the admin port speaks about.
#[derive(Debug, Clone)]
pub struct Admin {
    submissions: Arc<Submissions>,
    started: Instant,
}

impl Admin {
    /// Begins to count the start's time from now.
    #[must_use]
    pub fn new(submissions: Arc<Submissions>) -> Self {
        Self { submissions, started: Instant::now() }
    }

    /// Answers for as long as the future lives, also while draining.
    pub async fn serve(self, listener: TcpListener) {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let (stream, peer) = match listener.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    rest_after(&error, "admin").await;
                    continue;
                }
            };
            let place = match Arc::clone(&places).try_acquire_owned() {
                Ok(place) => Some(place),
                Err(_) if is_probe(peer.ip()) => None,
                Err(_) => {
                    tracing::debug!(%peer, "an admin connection too many was closed");
                    continue;
                }
            };
            let admin = self.clone();
            tokio::spawn(async move {
                admin.connection(stream).await;
                drop(place);
            });
        }
    }

    async fn connection(self, stream: TcpStream) {
        let answer = service_fn(|request: Request<Incoming>| {
            let response = self.answer(request.method(), request.uri().path());
            async move { Ok::<_, Infallible>(response) }
        });
        let serving = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIME)
            .max_buf_size(HEAD_OCTETS)
            .max_headers(HEAD_FIELDS)
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), answer);
        match timeout(CONNECTION_TIME, serving).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "admin connection ended"),
            Err(_) => tracing::debug!("admin connection took too long"),
        }
    }

    fn answer(&self, method: &Method, path: &str) -> Response<Full<Bytes>> {
        let handler = match path {
            "/metrics" => Self::metrics,
            "/healthz" => Self::health,
            "/readyz" => Self::readiness,
            "/startupz" => Self::startup,
            _ => return plain(StatusCode::NOT_FOUND, "try /metrics, /healthz, /readyz or /startupz\n"),
        };
        if method == Method::GET || method == Method::HEAD {
            return handler(self);
        }
        let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        response.headers_mut().insert(ALLOW, hyper::header::HeaderValue::from_static("GET, HEAD"));
        response
    }

    fn metrics(&self) -> Response<Full<Bytes>> {
        match self.submissions.metrics_text() {
            Ok(text) => respond(StatusCode::OK, metrics::CONTENT_TYPE, text),
            Err(error) => plain(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
        }
    }

    /// The event loop turns, or nobody would read this. Nothing else: a restart mends nothing
    /// that lies outside this process.
    fn health(&self) -> Response<Full<Bytes>> {
        plain(StatusCode::OK, "alive\n")
    }

    /// The listeners are bound before this port answers; what is left is the end.
    fn readiness(&self) -> Response<Full<Bytes>> {
        if self.submissions.drain.has_begun() {
            return plain(StatusCode::SERVICE_UNAVAILABLE, "ending: nothing new is taken\n");
        }
        plain(StatusCode::OK, "ready\n")
    }

    fn startup(&self) -> Response<Full<Bytes>> {
        if matches!(&*self.submissions.current.borrow(), Current::Usable(_)) {
            return plain(StatusCode::OK, "configuration seen\n");
        }
        if self.started.elapsed() >= STARTUP_PATIENCE {
            return plain(StatusCode::OK, "no configuration yet: mail is answered 451 until it comes\n");
        }
        plain(StatusCode::SERVICE_UNAVAILABLE, "waiting for the configuration\n")
    }
}

/// Whether the connection comes from this pod, as the probes' do. Only the two addresses that they
/// come from: a mesh's proxy brings connections from elsewhere by others, as Istio's by 127.0.0.6.
fn is_probe(peer: IpAddr) -> bool {
    let peer = peer.to_canonical();
    peer == IpAddr::V4(Ipv4Addr::LOCALHOST) || peer == IpAddr::V6(Ipv6Addr::LOCALHOST)
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    respond(status, "text/plain; charset=utf-8", text)
}

fn respond(status: StatusCode, content_type: &'static str, text: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(text.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(content_type));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_comes_from_this_pod_needs_no_place() {
        let probes = |ip: &str| is_probe(ip.parse().unwrap());
        assert!(probes("127.0.0.1") && probes("::1") && probes("::ffff:127.0.0.1"));
        assert!(!probes("127.0.0.6") && !probes("10.0.0.7") && !probes("::ffff:10.0.0.7"));
    }
}
