//! One message to the relay: dial, TLS, sign in, send, and what came of it.
//!
//! A connection carries one message and is then closed. A pool of warm ones goes in here, between
//! [`Upstream::send`] and `connection`.

mod connection;
mod dial;
mod judge;
mod line;
mod resolve;

use std::sync::Arc;

use mail_egress_smtp::OutOfTurn;
use mail_egress_smtp::client::{Attempt, Message};
use tokio::time::Instant;

pub use judge::judge;
pub use resolve::{Names, ResolveError};

use crate::body::Body;
use crate::delivery::Clearance;
use crate::drain::Drain;
use crate::gate::Place;
use crate::metrics::Metrics;
use connection::Connection;

/// The way to the relay; cheap to clone.
#[derive(Debug, Clone)]
pub struct Upstream {
    names: Names,
    metrics: Arc<Metrics>,
    drain: Drain,
}

/// Why there was no dialogue to its end. The relay has nothing of the message in any case.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The relay's name gives no address.
    #[error("{host}: {cause}")]
    Name {
        /// The name.
        host: String,
        /// What the resolver said.
        cause: ResolveError,
    },
    /// No address of the relay takes a connection.
    #[error("{0}")]
    Connect(String),
    /// No address of the relay answered in time.
    #[error("no connection to {0} in time")]
    ConnectTimeout(String),
    /// The route's host can be no name in a certificate.
    #[error("{0} is neither a host name nor an address")]
    HostName(String),
    /// The handshake failed; most often the certificate.
    #[error("{0}")]
    Tls(rustls::Error),
    /// The time to drain is over.
    #[error("the sidecar is ending")]
    Ending,
    /// A defect of ours.
    #[error(transparent)]
    OutOfTurn(#[from] OutOfTurn),
}

/// How long each part took.
#[derive(Debug, Default, Clone, Copy)]
pub struct Times {
    /// Name and TCP.
    pub connect: std::time::Duration,
    /// Greeting, TLS and AUTH.
    pub login: std::time::Duration,
    /// Envelope, content and the last reply.
    pub transfer: std::time::Duration,
}

impl Upstream {
    /// Nothing is dialled yet.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>, drain: Drain) -> Self {
        Self { names: Names::default(), metrics, drain }
    }

    /// Sends one message to all of its recipients or to none, and says how long it took.
    ///
    /// Every wait has a deadline; when the time to drain is over, it ends at once. The place is
    /// given back when the connection is closed, which may be a little after this returns.
    pub async fn send(
        &self,
        cleared: &Clearance,
        message: Message,
        body: &Body,
        place: Place,
    ) -> (Result<Attempt, Trouble>, Times) {
        let mut times = Times::default();
        let attempt = self.attempt(cleared, message, body, place, &mut times).await;
        (attempt, times)
    }

    async fn attempt(
        &self,
        cleared: &Clearance,
        message: Message,
        body: &Body,
        place: Place,
        times: &mut Times,
    ) -> Result<Attempt, Trouble> {
        let mut drain = self.drain.clone();
        let began = Instant::now();
        let stream = tokio::select! {
            dialled = dial::dial(&self.names, &cleared.route().host, cleared.route().port) => dialled?,
            () = drain.over() => return Err(Trouble::Ending),
        };
        times.connect = began.elapsed();

        let open = Open::count(&self.metrics, place);
        let began = Instant::now();
        let connection = Connection::open(stream, cleared, drain).await;
        times.login = began.elapsed();
        let mut connection = match connection? {
            Ok(connection) => connection,
            Err(attempt) => return Ok(attempt),
        };

        let began = Instant::now();
        let attempt = connection.send(message, body).await;
        times.transfer = began.elapsed();
        // the app need not wait for our farewell
        tokio::spawn(async move {
            connection.farewell().await;
            drop(open);
        });
        attempt
    }
}

/// A connection that is counted, and its place, for as long as it is open.
struct Open {
    metrics: Arc<Metrics>,
    _place: Place,
}

impl Open {
    fn count(metrics: &Arc<Metrics>, place: Place) -> Self {
        metrics.upstream_connections.inc();
        Self { metrics: Arc::clone(metrics), _place: place }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.metrics.upstream_connections.dec();
    }
}
