//! From a name to verified TLS, whatever is spoken then.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use mail_egress_entra::certificate::Certificate;
use mail_egress_entra::dial::{Deadline, Proxy, Resolver, connect_through, first_of, handshake};
use mail_egress_entra::fault::{Fault, Peer, Phase as Reaching};
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::client::TlsStream;

use super::certificate;
use super::report::{Finding, Kind, Report};

pub(super) const NAME_TIME: Duration = Duration::from_secs(10);
const CONNECT_TIME: Duration = Duration::from_secs(20);
const TLS_TIME: Duration = Duration::from_secs(30);

/// By what a server is reached, and how it is judged.
pub(super) struct Reach<'a> {
    pub(super) resolver: &'a Result<Resolver, Fault>,
    pub(super) proxy: Option<&'a Proxy>,
    pub(super) tls: Arc<ClientConfig>,
}

impl Reach<'_> {
    /// A connection to the peer; `None` where there is none, and the report has the reason.
    pub(super) async fn tcp(&self, peer: &Peer, report: &mut Report<'_>) -> Option<TcpStream> {
        match self.proxy {
            Some(proxy) => {
                // the name is the proxy's to resolve
                report.add(Kind::Dns, Instant::now(), Finding::skipped("the proxy resolves the name"));
                self.connect_by(proxy, peer, report).await
            }
            None => {
                let addresses = self.name(peer, report).await?;
                connect(peer, &addresses, report).await
            }
        }
    }

    async fn name(&self, peer: &Peer, report: &mut Report<'_>) -> Option<Vec<SocketAddr>> {
        let began = Instant::now();
        let found = async {
            let resolver = self.resolver.as_ref().map_err(Fault::clone)?;
            Deadline::after(NAME_TIME).bound(Reaching::Name, resolver.addresses(peer)).await
        };
        report.settle(Kind::Dns, began, found.await.map_err(|fault| of_fault(&fault, peer)), |addresses| {
            let shown: Vec<_> = addresses.iter().map(|address| address.ip().to_string()).collect();
            Finding::ok(match peer.host.parse::<IpAddr>() {
                Ok(address) => format!("{address} is an address, so there is no name to resolve"),
                Err(_) => format!("{} is {}", peer.host, shown.join(", ")),
            })
        })
    }

    async fn connect_by(&self, proxy: &Proxy, peer: &Peer, report: &mut Report<'_>) -> Option<TcpStream> {
        let began = Instant::now();
        let dialling = async {
            let resolver = self.resolver.as_ref().map_err(Fault::clone)?;
            connect_through(resolver, peer, Some(proxy), Deadline::after(CONNECT_TIME)).await
        };
        let stream = dialling.await.map_err(|fault| of_fault(&fault, peer));
        report.settle(Kind::Tcp, began, stream, |_| Finding::ok(format!("connected through {proxy}")))
    }

    pub(super) async fn secured(
        &self,
        peer: &Peer,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>, Finding> {
        let deadline = Deadline::after(TLS_TIME);
        handshake(stream, Arc::clone(&self.tls), peer, deadline).await.map_err(|fault| of_fault(&fault, peer))
    }
}

async fn connect(peer: &Peer, addresses: &[SocketAddr], report: &mut Report<'_>) -> Option<TcpStream> {
    let began = Instant::now();
    let stream = first_of(addresses, Deadline::after(CONNECT_TIME)).await;
    report.settle(Kind::Tcp, began, stream.map_err(|fault| of_fault(&fault, peer)), |stream| {
        let address = stream.peer_addr().map(|address| address.to_string());
        Finding::ok(format!("connected to {}", address.unwrap_or_else(|_| peer.to_string())))
    })
}

pub(super) fn of_fault(fault: &Fault, peer: &Peer) -> Finding {
    Finding::failed(&fault.relay(peer))
}

/// Verified is what is here at all; a certificate that ends soon is worth a word.
pub(super) fn tls(peer: &Peer, stream: &TlsStream<TcpStream>) -> Finding {
    let (_, session) = stream.get_ref();
    let version = session.protocol_version().and_then(|version| version.as_str()).unwrap_or("TLS");
    let seen = format!("{}; the certificate is verified for {}", version.replace('_', "."), peer.host);
    let first = session.peer_certificates().and_then(|all| all.first());
    match first.and_then(|first| Certificate::read(first)) {
        Some(certificate) => certificate::told(&certificate, &seen, Timestamp::now()),
        None => Finding::ok(seen),
    }
}
