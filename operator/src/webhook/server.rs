//! Connections: accepted, limited, and ended in good order.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rustls::ServerConfig;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, info, warn};

use super::Webhook;
use super::answer::answer;
use crate::causes::Causes;

/// What a client may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// At once; the others wait in the kernel's queue.
    pub(super) connections: usize,
    /// For the TLS handshake.
    pub(super) handshake: Duration,
    /// From the handshake to the first request: a connection that is never used is somebody's
    /// mistake, or malice.
    pub(super) first_request: Duration,
    /// Between two requests. Longer than the 90 s after which the API server closes an idle
    /// connection, so that it is never we who close one on which a request is under way.
    pub(super) idle: Duration,
    /// One review: the API server takes objects of 3 MiB, and adds a little.
    pub(super) body_octets: usize,
    /// For the body of one.
    pub(super) body_time: Duration,
    /// For the requests in hand at the end.
    pub(super) drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            handshake: Duration::from_secs(5),
            first_request: Duration::from_secs(10),
            idle: Duration::from_secs(120),
            body_octets: 4 * 1024 * 1024,
            body_time: Duration::from_secs(5),
            drain: Duration::from_secs(5),
        }
    }
}

/// Serves reviews until `shutdown`, and then finishes the requests in hand.
///
/// An API server does not try another endpoint when one is dead: let `shutdown` come ten seconds
/// after readiness has gone. Errors of single connections are logged, and end nothing else.
pub async fn serve(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    webhook: Webhook,
    shutdown: impl Future<Output = ()>,
) {
    serve_within(listener, tls, webhook, Limits::default(), shutdown).await;
}

pub(super) async fn serve_within(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    webhook: Webhook,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) {
    let (stop, stopped) = watch::channel(false);
    let slots = Arc::new(Semaphore::new(limits.connections));
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = async {
            // never closed, so there always comes one
            let slot = slots.clone().acquire_owned().await;
            (slot, listener.accept().await)
        };
        let (slot, stream) = tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => continue,
            (slot, accepted) = accepted => match accepted {
                Ok((stream, _)) => (slot, stream),
                Err(error) => {
                    warn!(error = %Causes(&error), "a connection could not be accepted");
                    sleep(Duration::from_millis(100)).await; // out of descriptors, as a rule
                    continue;
                }
            },
        };
        let connection =
            Connection { webhook: webhook.clone(), limits, stopped: stopped.clone(), tls: tls.clone() };
        connections.spawn(async move {
            connection.serve(stream).await;
            drop(slot);
        });
    }
    drop(listener);
    stop.send_replace(true);
    let all = async { while connections.join_next().await.is_some() {} };
    if timeout(limits.drain, all).await.is_err() {
        info!(left = connections.len(), "admission requests were cut off at the end");
    }
}

struct Connection {
    webhook: Webhook,
    limits: Limits,
    stopped: watch::Receiver<bool>,
    tls: Arc<ServerConfig>,
}

impl Connection {
    async fn serve(self, stream: TcpStream) {
        let Self { webhook, limits, mut stopped, tls } = self;
        let _ = stream.set_nodelay(true); // a matter of speed only
        let stream = match timeout(limits.handshake, TlsAcceptor::from(tls).accept(stream)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                // an API server with an outdated bundle ends up here
                warn!(error = %Causes(&error), "a TLS handshake failed");
                return;
            }
            Err(_) => {
                debug!("a TLS handshake took too long");
                return;
            }
        };
        let asked = Notify::new();
        let service = service_fn(|request| {
            asked.notify_one();
            let webhook = &webhook;
            async move { Ok::<_, Infallible>(answer(webhook, &limits, request).await) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.idle)
            .max_header_size(16 * 1024)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = pin!(connection);
        let mut unused = pin!(async {
            if timeout(limits.first_request, asked.notified()).await.is_ok() {
                std::future::pending::<()>().await;
            }
        });
        let mut end = pin!(async {
            if stopped.wait_for(|stopped| *stopped).await.is_err() {
                std::future::pending::<()>().await;
            }
        });
        let mut ending = false;
        let served = loop {
            tokio::select! {
                served = &mut connection => break served,
                () = &mut unused => {
                    debug!("a connection was not used");
                    return;
                }
                () = &mut end, if !ending => {
                    ending = true;
                    connection.as_mut().graceful_shutdown();
                }
            }
        };
        if let Err(error) = served {
            debug!(error = %Causes(&error), "a connection broke");
        }
    }
}
