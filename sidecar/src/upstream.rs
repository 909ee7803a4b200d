//! One message to the relay: dial, TLS, sign in, send, and what came of it.
//!
//! In two steps, since only the first can be taken back: [`Upstream::hand_over`] goes up to the
//! end of the body, and dropping it sends nothing; [`Handed::conclude`] writes the final dot.
//!
//! A connection carries one message and is then closed. A pool of warm ones goes in here, between
//! [`Upstream::hand_over`] and `connection`.

mod connection;
pub mod gate;
mod judge;
mod line;

use std::sync::Arc;
use std::time::Duration;

use mail_egress_entra::dial::{Deadline, Resolver, connect};
use mail_egress_entra::fault::{Fault, Peer};
use mail_egress_smtp::OutOfTurn;
use mail_egress_smtp::client::{Attempt, Message};
use tokio::time::{Instant, timeout};

pub use judge::{judge, troubled};

use crate::drain::Drain;
use crate::message::body::Body;
use crate::metrics::Metrics;
use crate::sender::clearance::Clearance;
use crate::upstream::gate::Place;
use connection::Connection;

/// For the relay's name and a connection to one of its addresses.
const CONNECT_TIME: Duration = Duration::from_secs(20);
/// For everything before the final dot: each step has its own limit, but a relay that uses up
/// every one of them (60 s for each of 500 recipients) would hold app and place for hours.
const BEFORE_DOT: Duration = Duration::from_secs(5 * 60);

/// The way to the relay; cheap to clone.
#[derive(Debug, Clone)]
pub struct Upstream {
    resolver: Result<Resolver, Fault>,
    metrics: Arc<Metrics>,
    drain: Drain,
}

/// Why there was no dialogue to its end. The relay has nothing of the message in any case.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// No verified connection came about, or it ended without a reason.
    #[error("{peer}: {fault}")]
    Fault {
        /// The relay.
        peer: Peer,
        /// What was wrong.
        fault: Fault,
    },
    /// Every step came in time, and all together did not.
    #[error("the message was not handed over within {} s", BEFORE_DOT.as_secs())]
    Slow,
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
    pub connect: Duration,
    /// Greeting, TLS and AUTH.
    pub login: Duration,
    /// Envelope, content and the last reply.
    pub transfer: Duration,
}

/// A message that the relay has up to its final dot, or that ended before.
#[derive(Debug)]
pub enum Handed {
    /// It ended before the dot: it was not sent.
    Over(Attempt),
    /// Only the dot is missing.
    Undotted(Box<Undotted>),
}

/// A connection on which only the final dot is missing. Dropped, it sends nothing.
#[derive(Debug)]
pub struct Undotted {
    connection: Connection,
    open: Open,
}

impl Upstream {
    /// Nothing is dialled yet.
    #[must_use]
    pub fn new(metrics: Arc<Metrics>, drain: Drain) -> Self {
        Self { resolver: Resolver::system(), metrics, drain }
    }

    /// Sends one message, to all of its recipients or to none, up to its final dot.
    ///
    /// Every wait has a deadline, and so has the whole; when the time to drain is over, it ends at
    /// once. The place is given back when the connection is closed, which may be a little after
    /// this returns. Dropping the future closes the connection: nothing was sent.
    pub async fn hand_over(
        &self,
        cleared: &Clearance,
        message: Message,
        body: &Body,
        place: Place,
        times: &mut Times,
    ) -> Result<Handed, Trouble> {
        let handing = self.handed(cleared, message, body, place, times);
        timeout(BEFORE_DOT, handing).await.unwrap_or(Err(Trouble::Slow))
    }

    async fn handed(
        &self,
        cleared: &Clearance,
        message: Message,
        body: &Body,
        place: Place,
        times: &mut Times,
    ) -> Result<Handed, Trouble> {
        let peer = peer(&cleared.route().host, cleared.route().port);
        let mut drain = self.drain.clone();
        let began = Instant::now();
        let dialled = tokio::select! {
            dialled = self.dial(&peer) => dialled,
            () = drain.over() => return Err(Trouble::Ending),
        };
        let stream = dialled.map_err(|fault| Trouble::Fault { peer: peer.clone(), fault })?;
        times.connect = began.elapsed();

        let open = Open::count(&self.metrics, place);
        let began = Instant::now();
        let connection = Connection::open(stream, peer, cleared, drain).await;
        times.login = began.elapsed();
        let mut connection = match connection? {
            Ok(connection) => connection,
            Err(attempt) => return Ok(Handed::Over(attempt)),
        };

        let began = Instant::now();
        let ended = connection.send_undotted(message, body).await;
        times.transfer = began.elapsed();
        match ended {
            Ok(None) => Ok(Handed::Undotted(Box::new(Undotted { connection, open }))),
            Ok(Some(attempt)) => {
                part(connection, open);
                Ok(Handed::Over(attempt))
            }
            Err(trouble) => {
                part(connection, open);
                Err(trouble)
            }
        }
    }

    async fn dial(&self, peer: &Peer) -> Result<tokio::net::TcpStream, Fault> {
        let resolver = self.resolver.as_ref().map_err(Fault::clone)?;
        connect(resolver, peer, Deadline::after(CONNECT_TIME)).await
    }
}

impl Handed {
    /// Writes the final dot where it is still missing, and waits for the relay's answer.
    ///
    /// To be awaited to its end: from here on a lost answer is an uncertain outcome.
    pub async fn conclude(self, times: &mut Times) -> Result<Attempt, Trouble> {
        let Undotted { mut connection, open } = match self {
            Self::Over(attempt) => return Ok(attempt),
            Self::Undotted(undotted) => *undotted,
        };
        let began = Instant::now();
        let attempt = connection.dot().await;
        times.transfer += began.elapsed();
        part(connection, open);
        attempt
    }
}

/// The app need not wait for our farewell.
fn part(connection: Connection, open: Open) {
    tokio::spawn(async move {
        connection.farewell().await;
        drop(open);
    });
}

/// The host as DNS and certificates write it.
fn peer(host: &str, port: u16) -> Peer {
    Peer { host: host.trim_matches(['[', ']']).trim_end_matches('.').to_owned(), port }
}

/// A connection that is counted, and its place, for as long as it is open.
#[derive(Debug)]
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_named_as_dns_and_certificates_do() {
        let named = |host| peer(host, 587).to_string();
        assert_eq!(named("relay.test."), "relay.test:587");
        assert_eq!(named("[2001:db8::1]"), "[2001:db8::1]:587");
    }
}
