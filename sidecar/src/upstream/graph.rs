//! One message by Microsoft Graph, up to its last octets.

use std::sync::Arc;
use std::time::Duration;

use mail_egress_config::GraphRoute;
use mail_egress_entra::dial::{Deadline, Proxies, Proxy, Resolver, connect_through, handshake};
use mail_egress_entra::fault::{Fault, Peer};
use mail_egress_entra::https;
use mail_egress_graph::{Dial, Ended, Endpoint, Refused, Sender, Sending, fits};
use mail_egress_smtp::OutOfTurn;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;

use super::open::Open;
use super::{CONNECT_TIME, Handed, Times, Trouble, Upstream};
use crate::drain::Drain;
use crate::message::outgoing::Outgoing;
use crate::message::refusal::Refusal;
use crate::sender::clearance::Clearance;
use crate::upstream::accepted::Accepted;
use crate::upstream::gate::Place;

/// For the handshake, as with a relay.
const TLS_TIME: Duration = Duration::from_secs(60);

/// A request of which only the last octets are missing. Dropped, it sends nothing.
#[derive(Debug)]
pub struct Unsent {
    request: mail_egress_graph::Unsent,
    place: Place,
    open: Open,
    drain: Drain,
}

impl Upstream {
    /// As [`Self::hand_over`], by a route that is Graph's.
    pub(super) async fn hand_to_graph(
        &self,
        (cleared, route): (&Clearance, &GraphRoute),
        outgoing: &Outgoing<'_>,
        place: Place,
        times: &mut Times,
    ) -> Result<Handed, Trouble> {
        let endpoint = Endpoint::parse(&route.base_url).map_err(Trouble::BaseUrl)?;
        let token = cleared.token().ok_or(OutOfTurn)?.value.clone();
        let sender = Sender { mailbox: cleared.mailbox().to_string(), token };
        let mut drain = self.drain.clone();
        if fits(outgoing.octets() + cleared.bcc().len() as u64).is_err() {
            let drafting = self.draft((cleared, &endpoint, &sender), outgoing, place, times);
            return tokio::select! {
                handed = drafting => handed,
                () = drain.over() => Err(Trouble::Ending),
            };
        }
        let handing = async {
            let of_peer = |fault| Trouble::Fault { peer: endpoint.peer().clone(), fault };
            let dialler = self.dialler(cleared);
            let began = Instant::now();
            let stream = dialler.connect(endpoint.peer()).await.map_err(of_peer)?;
            times.connect = began.elapsed();
            let open = Open::count(&self.metrics);
            let began = Instant::now();
            let stream = dialler.secure(stream, endpoint.peer()).await;
            times.login = began.elapsed();
            let stream = stream.map_err(of_peer)?;
            let began = Instant::now();
            let sent = send(stream, (&endpoint, &sender), cleared.bcc(), outgoing).await;
            times.transfer = began.elapsed();
            match sent {
                Ok(request) => {
                    let drain = self.drain.clone();
                    Ok(Handed::Unsent(Box::new(Unsent { request, place, open, drain })))
                }
                Err(Cut::Unread(error)) => Err(Trouble::Unread(error)),
                Err(Cut::Ended(ended)) => over(ended, &endpoint),
            }
        };
        tokio::select! {
            handed = handing => handed,
            () = drain.over() => Err(Trouble::Ending),
        }
    }

    /// How Graph is dialled.
    pub(super) fn dialler(&self, cleared: &Clearance) -> Dialler {
        Dialler {
            resolver: self.resolver.clone(),
            proxies: Arc::clone(&self.proxies),
            proxy: cleared.proxy().cloned(),
            tls: Arc::new(https::alone(cleared.tls().as_ref().clone())),
        }
    }
}

/// Dials Graph, and whom it sends us to.
#[derive(Debug, Clone)]
pub(super) struct Dialler {
    resolver: Result<Resolver, Fault>,
    proxies: Arc<Proxies>,
    /// The one that the route names, in place of the environment's.
    proxy: Option<Proxy>,
    tls: Arc<ClientConfig>,
}

impl Dialler {
    async fn connect(&self, peer: &Peer) -> Result<TcpStream, Fault> {
        let resolver = self.resolver.as_ref().map_err(Fault::clone)?;
        let proxy = match &self.proxy {
            Some(proxy) => Some(proxy),
            None => self.proxies.proxy_for(peer)?,
        };
        connect_through(resolver, peer, proxy, Deadline::after(CONNECT_TIME)).await
    }

    async fn secure(&self, stream: TcpStream, peer: &Peer) -> Result<TlsStream<TcpStream>, Fault> {
        handshake(stream, Arc::clone(&self.tls), peer, Deadline::after(TLS_TIME)).await
    }
}

impl Dial for Dialler {
    type Stream = TlsStream<TcpStream>;

    async fn dial(&self, peer: &Peer) -> Result<TlsStream<TcpStream>, Fault> {
        let stream = self.connect(peer).await?;
        self.secure(stream, peer).await
    }
}

/// What has come of a message that ended before its last octets.
pub(super) fn over(ended: Ended, endpoint: &Endpoint) -> Result<Handed, Trouble> {
    match ended {
        Ended::Refused(refused) => Ok(Handed::Refused(Box::new(refusal(&refused)))),
        Ended::Fault(fault) => Err(Trouble::Fault { peer: endpoint.peer().clone(), fault }),
        Ended::Length => Err(OutOfTurn.into()),
    }
}

/// Why a request is not whole.
enum Cut {
    Unread(std::io::Error),
    Ended(Ended),
}

impl From<Ended> for Cut {
    fn from(ended: Ended) -> Self {
        Self::Ended(ended)
    }
}

async fn send(
    stream: TlsStream<TcpStream>,
    (endpoint, sender): (&Endpoint, &Sender),
    bcc: &str,
    outgoing: &Outgoing<'_>,
) -> Result<mail_egress_graph::Unsent, Cut> {
    let octets = bcc.len() as u64 + outgoing.octets();
    let mut sending = Sending::begin(stream, endpoint, sender, octets).await?;
    sending.write(bcc.as_bytes()).await?;
    sending.write(outgoing.head()).await?;
    let mut rest = outgoing.rest();
    while let Some(piece) = rest.next().await.map_err(Cut::Unread)? {
        sending.write(piece).await?;
    }
    Ok(sending.finish()?)
}

impl Unsent {
    /// Writes the last octets and waits for the answer.
    pub(super) async fn conclude(self, times: &mut Times) -> Result<Accepted, Refusal> {
        let Self { request, place, open, mut drain } = self;
        let began = Instant::now();
        place.sent();
        let concluded = request.conclude(drain.over()).await;
        times.transfer += began.elapsed();
        drop((open, place));
        concluded.map(Accepted::by_graph).map_err(|refused| refusal(&refused))
    }
}

/// Graph's refusal in the form that the app, the log and the metrics share.
#[must_use]
pub fn refusal(refused: &Refused) -> Refusal {
    let mut refusal = Refusal::from(refused.diagnosis.clone());
    refusal.by_relay = refused.status != 0;
    refusal.at_authentication = refused.is_of_the_token();
    refusal.retry_after = refused.retry_after;
    refusal
}
