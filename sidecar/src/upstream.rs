//! One message to the relay: dial, TLS, sign in, send, and what came of it.
//!
//! In two steps, since only the first can be taken back: [`Upstream::hand_over`] goes up to the
//! end of the body, and dropping it sends nothing; [`Handed::conclude`] writes the final dot.
//!
//! A connection that is sound afterwards goes back to the pool and carries further messages. One
//! from the pool that turns out dead before the relay had the message is replaced by a fresh one,
//! once, and nobody notices.

mod accepted;
mod connection;
mod draft;
pub mod gate;
mod graph;
mod judge;
mod line;
mod open;
mod pool;
pub mod signal;

use std::sync::Arc;
use std::time::Duration;

use mail_egress_config::{Route, SmtpRoute};
use mail_egress_entra::dial::{Deadline, Proxies, Proxy, Resolver, believed, connect_through};
use mail_egress_entra::fault::{self, Fault, Peer};
use mail_egress_smtp::OutOfTurn;
use mail_egress_smtp::client::{Attempt, Failure, Lost, Phase};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

pub use accepted::Accepted;
pub use graph::refusal as refused_by_graph;
pub use judge::{judge, troubled};

use crate::drain::Drain;
use crate::message::body::Store;
use crate::message::outgoing::Outgoing;
use crate::message::refusal::Refusal;
use crate::metrics::Metrics;
use crate::sender::clearance::Clearance;
use crate::sender::follow::Current;
use crate::upstream::gate::Place;
use connection::Connection;
use open::Open;
use pool::{Carrier, Pool};

/// For the relay's name and a connection to one of its addresses.
const CONNECT_TIME: Duration = Duration::from_secs(20);
/// For everything before the final dot: each step has its own limit, but a relay that uses up
/// every one of them (60 s for each of 500 recipients) would hold app and place for hours.
const BEFORE_DOT: Duration = Duration::from_secs(5 * 60);

/// The way to the relay; cheap to clone.
#[derive(Debug, Clone)]
pub struct Upstream {
    resolver: Result<Resolver, Fault>,
    /// Those of the environment, for HTTPS alone.
    proxies: Arc<Proxies>,
    /// Where a message finds room that must be taken apart.
    store: Store,
    pool: Pool,
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
    /// The message cannot be read from where it is held: no dot is written.
    #[error("the message cannot be read again: {0}")]
    Unread(#[source] std::io::Error),
    /// There is no memory to take the message apart.
    #[error("a draft of {0} octets takes twice as much in memory")]
    NoRoom(u64),
    /// There never is.
    #[error(
        "a draft of {0} octets takes twice as much in memory and 7 MB more, which is more than --memory-budget"
    )]
    NeverRoom(u64),
    /// Where Graph is said to be is no place.
    #[error("baseURL of the route {0}")]
    BaseUrl(&'static str),
    /// A defect of ours.
    #[error(transparent)]
    OutOfTurn(#[from] OutOfTurn),
}

/// How long each part took, and who was at the other end.
#[derive(Debug, Default, Clone)]
pub struct Times {
    /// Name and TCP.
    pub connect: Duration,
    /// Greeting, TLS and AUTH.
    pub login: Duration,
    /// Envelope, content and the last reply.
    pub transfer: Duration,
    /// What the relay greeted with; empty where it did not.
    pub greeting: String,
}

/// A message that the relay has up to its final dot, or that ended before.
#[derive(Debug)]
pub enum Handed {
    /// It ended before the dot: it was not sent.
    Over(Attempt),
    /// Graph has refused it before it had the whole message.
    Refused(Box<Refusal>),
    /// Only the dot is missing.
    Undotted(Box<Undotted>),
    /// Only the last octets of a request to Graph are missing.
    Unsent(Box<graph::Unsent>),
    /// Only the sending of a draft is missing.
    Drafted(Box<draft::Drafted>),
}

/// A connection on which only the final dot is missing. Dropped, it sends nothing.
#[derive(Debug)]
pub struct Undotted {
    carrier: Carrier,
    place: Place,
    pool: Pool,
}

impl Upstream {
    /// Nothing is dialled yet. Without a resolver, every attempt to dial says why there is none.
    #[must_use]
    pub fn new(resolver: Result<Resolver, Fault>, store: Store, metrics: Arc<Metrics>, drain: Drain) -> Self {
        let (proxies, pool) = (Arc::new(Proxies::of_environment()), Pool::new(Arc::clone(&metrics)));
        Self { resolver, proxies, store, pool, metrics, drain }
    }

    /// Looks after the warm connections until the drain begins: closes those that have waited long
    /// enough or that are for a configuration no longer in force. Without it none are kept.
    pub async fn tend(self, current: watch::Receiver<Current>) {
        self.pool.tend(current, self.drain).await;
    }

    /// Sends one message, to all of its recipients or to none, up to its final dot.
    ///
    /// Every wait has a deadline, and so has the whole; when the time to drain is over, it ends at
    /// once. The place is given back when the connection is closed, which may be a little after
    /// this returns. Dropping the future closes the connection: nothing was sent.
    pub async fn hand_over(
        &self,
        cleared: &Clearance,
        outgoing: &Outgoing<'_>,
        place: Place,
        times: &mut Times,
    ) -> Result<Handed, Trouble> {
        let handing = self.handed(cleared, outgoing, place, times);
        timeout(BEFORE_DOT, handing).await.unwrap_or(Err(Trouble::Slow))
    }

    async fn handed(
        &self,
        cleared: &Clearance,
        outgoing: &Outgoing<'_>,
        place: Place,
        times: &mut Times,
    ) -> Result<Handed, Trouble> {
        *times = Times::default();
        let route = match cleared.route().map(Route::by_smtp) {
            Some(Ok(route)) => route,
            Some(Err(graph)) => {
                return self.hand_to_graph((cleared, graph), outgoing, place, times).await;
            }
            None => return Err(OutOfTurn.into()),
        };
        let warm = self.pool.take(cleared.generation()).await;
        if let Some(mut carrier) = warm {
            times.greeting = carrier.connection.greeting().to_owned();
            let began = Instant::now();
            let ended = carrier.connection.send_undotted(outgoing).await;
            times.transfer = began.elapsed();
            if !is_dead(&ended) {
                return self.handed_over(ended, carrier, place);
            }
            // closed at once: its place is needed now
            drop(carrier);
            tracing::debug!("a warm connection was dead; the message goes by a fresh one");
        }
        let mut carrier = match self.fresh(cleared, route, times).await? {
            Ok(carrier) => carrier,
            Err(attempt) => return Ok(Handed::Over(attempt)),
        };
        let began = Instant::now();
        let ended = carrier.connection.send_undotted(outgoing).await;
        times.transfer = began.elapsed();
        self.handed_over(ended, carrier, place)
    }

    /// What has come of a message on this connection, which is kept, or closed in the background.
    fn handed_over(
        &self,
        ended: Result<Option<Attempt>, Trouble>,
        carrier: Carrier,
        place: Place,
    ) -> Result<Handed, Trouble> {
        match ended {
            Ok(None) => Ok(Handed::Undotted(Box::new(Undotted { carrier, place, pool: self.pool.clone() }))),
            Ok(Some(attempt)) => {
                let wary = signs_in_anew(&attempt);
                part(carrier, place, (!wary).then_some(&self.pool));
                Ok(Handed::Over(attempt))
            }
            Err(trouble) => {
                part(carrier, place, None);
                Err(trouble)
            }
        }
    }

    /// A new connection, signed in; or what the relay said against it.
    async fn fresh(
        &self,
        cleared: &Clearance,
        route: &SmtpRoute,
        times: &mut Times,
    ) -> Result<Result<Carrier, Attempt>, Trouble> {
        let mut drain = self.drain.clone();
        let began = Instant::now();
        let dialled = tokio::select! {
            dialled = self.dial(route, cleared.proxy()) => dialled,
            () = drain.over() => return Err(Trouble::Ending),
        };
        let (stream, peer) = dialled?;
        times.connect = began.elapsed();

        let open = Open::count(&self.metrics);
        let began = Instant::now();
        let way = (route, cleared);
        let connection = Connection::open(stream, peer, way, drain, &mut times.greeting).await;
        times.login = began.elapsed();
        let (key, token_end) = (cleared.generation().clone(), cleared.token_end());
        Ok(connection?.map(|connection| Carrier::new(connection, open, key, token_end)))
    }

    /// A connection to the relay, and who that is: where the route names a domain, its MX.
    async fn dial(&self, route: &SmtpRoute, proxy: Option<&Proxy>) -> Result<(TcpStream, Peer), Trouble> {
        let deadline = Deadline::after(CONNECT_TIME);
        let mut peer = peer(&route.host, route.port);
        let dialling = async {
            let resolver = self.resolver.as_ref().map_err(Fault::clone)?;
            if route.mx {
                peer.host = relay_of(resolver, &route.host, deadline).await?;
            }
            connect_through(resolver, &peer, proxy, deadline).await
        };
        match dialling.await {
            Ok(stream) => Ok((stream, peer)),
            Err(fault) => Err(Trouble::Fault { peer, fault }),
        }
    }
}

impl Handed {
    /// Whether something is to be written yet, after which it cannot be taken back.
    #[must_use]
    pub fn can_be_taken_back(&self) -> bool {
        match self {
            Self::Over(_) | Self::Refused(_) => false,
            Self::Undotted(_) | Self::Unsent(_) | Self::Drafted(_) => true,
        }
    }

    /// Writes the final dot, or the last octets, where they are still missing, and waits for the answer.
    ///
    /// To be awaited to its end: from here on a lost answer is an uncertain outcome.
    pub async fn conclude(self, times: &mut Times) -> Result<Accepted, Refusal> {
        let Undotted { mut carrier, place, pool } = match self {
            Self::Over(attempt) => return judge(Ok(attempt)).map(Accepted::by_relay),
            Self::Refused(refusal) => return Err(*refusal),
            Self::Drafted(drafted) => return drafted.conclude(times).await,
            Self::Unsent(unsent) => return unsent.conclude(times).await,
            Self::Undotted(undotted) => *undotted,
        };
        let began = Instant::now();
        place.sent();
        let attempt = carrier.connection.dot().await;
        times.transfer += began.elapsed();
        part(carrier, place, attempt.is_ok().then_some(&pool));
        judge(attempt).map(Accepted::by_relay)
    }
}

/// Keeps the connection where it is fit for another message, and gives its place back; else closes
/// it, for which the app need not wait, and then gives the place back.
fn part(carrier: Carrier, place: Place, pool: Option<&Pool>) {
    let unkept = match pool {
        Some(pool) => pool.keep(carrier),
        None => Some(carrier),
    };
    if let Some(Carrier { connection, open, .. }) = unkept {
        tokio::spawn(async move {
            connection.farewell().await;
            drop((open, place));
        });
    }
}

/// Whether a warm connection was lost before the relay had the message, so that a fresh one does
/// what it was to do: closed, not answering the RSET, or 421.
fn is_dead(ended: &Result<Option<Attempt>, Trouble>) -> bool {
    match ended {
        Ok(Some(Attempt::Failed(Failure::Lost(lost)))) => {
            matches!(lost, Lost::Closed(_) | Lost::TimedOut(Phase::Reset))
        }
        Ok(Some(Attempt::Refused(refusal))) => refusal.phase == Phase::Reset || refusal.reply.code == 421,
        Err(Trouble::Fault { fault, .. }) => matches!(fault, Fault::Closed(_)),
        Ok(None | Some(Attempt::Accepted(_) | Attempt::Unsendable(_) | Attempt::Uncertain(_)))
        | Ok(Some(Attempt::Failed(_)))
        | Err(
            Trouble::Slow
            | Trouble::Ending
            | Trouble::Unread(_)
            | Trouble::NoRoom(_)
            | Trouble::NeverRoom(_)
            | Trouble::BaseUrl(_)
            | Trouble::OutOfTurn(_),
        ) => false,
    }
}

/// Whether the relay no longer believes who we are: the next message signs in anew.
fn signs_in_anew(attempt: &Attempt) -> bool {
    matches!(attempt, Attempt::Refused(refusal) if matches!(refusal.reply.code, 530 | 535))
}

/// Where Microsoft takes the mail of this domain, by its MX records.
pub(crate) async fn relay_of(resolver: &Resolver, domain: &str, deadline: Deadline) -> Result<String, Fault> {
    let found = deadline.bound(fault::Phase::Name, resolver.mail_exchangers(domain)).await?;
    believed(&found).map(str::to_owned)
}

/// The host as DNS and certificates write it.
pub(crate) fn peer(host: &str, port: u16) -> Peer {
    Peer { host: host.trim_matches(['[', ']']).trim_end_matches('.').to_owned(), port }
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
