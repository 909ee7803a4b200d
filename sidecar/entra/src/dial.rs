//! From a host's name to a verified TLS connection, each step with its deadline and its own fault.

mod environment;
mod mail_exchanger;
mod proxy;
mod resolver;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub use environment::Proxies;
pub use mail_exchanger::{MailExchanger, believed};
pub use proxy::{InvalidProxy, Proxy, tunnel};
pub use resolver::Resolver;

use crate::fault::{Fault, Peer, Phase};

/// A moment until which something may take, which remembers how long that was.
#[derive(Clone, Copy, Debug)]
pub struct Deadline {
    at: Instant,
    within: Duration,
}

impl Deadline {
    /// From now on, and at most a day: no clock overflows on what a flag may say.
    #[must_use]
    pub fn after(within: Duration) -> Self {
        let within = within.min(Duration::from_secs(24 * 3600));
        Self { at: Instant::now() + within, within }
    }

    /// The earlier of both.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        if other.at < self.at { other } else { self }
    }

    /// Waits for `work`, at most until the deadline.
    pub async fn bound<T>(
        self,
        phase: Phase,
        work: impl Future<Output = Result<T, Fault>>,
    ) -> Result<T, Fault> {
        match timeout_at(self.at, work).await {
            Ok(done) => done,
            Err(_) => Err(Fault::Timeout { phase, within: self.within }),
        }
    }
}

/// Resolves the peer's name and connects to the first of its addresses that answers, IPv4 and
/// IPv6 in turn; or has the proxy do so, where there is one. Each step ends at the deadline.
pub async fn connect_through(
    resolver: &Resolver,
    peer: &Peer,
    proxy: Option<&Proxy>,
    deadline: Deadline,
) -> Result<TcpStream, Fault> {
    match proxy {
        Some(proxy) => proxy::connect(resolver, peer, proxy, deadline).await,
        None => connect(resolver, peer, deadline).await,
    }
}

/// The same without a proxy.
pub async fn connect(resolver: &Resolver, peer: &Peer, deadline: Deadline) -> Result<TcpStream, Fault> {
    let addresses = deadline.bound(Phase::Name, resolver.addresses(peer)).await?;
    first_of(&addresses, deadline).await
}

/// Connects to the first of these addresses that answers. The error is that of the first one.
pub async fn first_of(addresses: &[SocketAddr], deadline: Deadline) -> Result<TcpStream, Fault> {
    let mut first = None;
    for (index, address) in addresses.iter().enumerate() {
        let patience = share(deadline, addresses.len() - index);
        match patience.bound(Phase::Connection, open(*address)).await {
            Ok(connection) => return Ok(connection),
            Err(fault) => first = first.or(Some(fault)),
        }
    }
    // The first address is the one that whoever looks at it by hand will try.
    Err(first.unwrap_or(Fault::NameNotFound))
}

/// Completes a TLS handshake in which the peer proves its name.
pub async fn handshake<S>(
    connection: S,
    config: Arc<ClientConfig>,
    peer: &Peer,
    deadline: Deadline,
) -> Result<TlsStream<S>, Fault>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let name = ServerName::try_from(peer.host.clone())
        .map_err(|_| Fault::Tls(format!("{} is no name that a certificate can hold", peer.host)))?;
    let work = TlsConnector::from(config).connect(name, connection);
    deadline.bound(Phase::Handshake, async { work.await.map_err(|e| Fault::of_handshake(&e)) }).await
}

async fn open(address: SocketAddr) -> Result<TcpStream, Fault> {
    let connection = TcpStream::connect(address).await.map_err(|e| Fault::of_connect(&e))?;
    connection.set_nodelay(true).map_err(|e| Fault::of_connect(&e))?;
    Ok(connection)
}

/// An equal part of what is left for each address still to be tried; the last one has it all.
fn share(deadline: Deadline, left: usize) -> Deadline {
    let now = Instant::now();
    let parts = u32::try_from(left.max(1)).unwrap_or(u32::MAX);
    Deadline { at: now + deadline.at.saturating_duration_since(now) / parts, within: deadline.within }
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    #[tokio::test]
    async fn an_address_that_hangs_does_not_use_up_the_time_of_the_next() {
        let deaf = TcpSocket::new_v4().unwrap();
        deaf.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let deaf = deaf.listen(0).unwrap();
        let hangs = deaf.local_addr().unwrap();
        let _fills_the_queue = TcpStream::connect(hangs).await.unwrap();
        let listens = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listens.local_addr().unwrap();
        let deadline = Deadline::after(Duration::from_millis(400));
        let connection = first_of(&[hangs, address], deadline).await.unwrap();
        assert_eq!(connection.peer_addr().unwrap(), address);
        let timeout = Fault::Timeout { phase: Phase::Connection, within: Duration::from_millis(400) };
        assert_eq!(first_of(&[hangs], deadline).await.unwrap_err(), timeout);
    }

    #[tokio::test]
    async fn a_refused_address_is_followed_by_the_next() {
        let refuses = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let listens = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listens.local_addr().unwrap();
        let deadline = Deadline::after(Duration::from_secs(5));
        assert!(first_of(&[refuses, address], deadline).await.is_ok());
        assert_eq!(first_of(&[refuses], deadline).await.unwrap_err(), Fault::Refused);
    }
}
