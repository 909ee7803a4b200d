//! A way through a proxy: HTTP CONNECT (RFC 9110 section 9.3.6) or SOCKS5 (RFC 1928).
//!
//! The proxy is told the peer's name and resolves it itself. It is believed no more than any router
//! on the way: TLS is with the peer, behind it.

mod http_connect;
mod socks5;

use std::fmt;
use std::io;
use std::str::FromStr;

use http::uri::Authority;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Deadline, Resolver};
use crate::fault::{Fault, Peer, Phase, ProxyTrouble};
use http_connect::HttpConnect;
use socks5::Socks5;

/// A proxy; `Display` is `http://HOST:PORT` or `socks5://HOST:PORT`, as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    kind: Kind,
    peer: Peer,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    HttpConnect,
    Socks5,
}

/// Why a text names no proxy that can be used. Repeats nothing of it: a password may stand there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidProxy {
    /// Another form.
    #[error("is not of the form http://HOST:PORT or socks5://HOST:PORT")]
    Form,
    /// `https://`, or anything else that we do not speak.
    #[error("is of a kind that mail-egress does not speak: only http:// and socks5:// are")]
    Kind,
    /// curl would take 1080, and Go 80.
    #[error("names no port from 1 to 65535")]
    Port,
    /// It would go out without TLS.
    #[error(
        "holds a user name or password, which would be sent in plain text: let the proxy admit by address"
    )]
    Credential,
}

impl FromStr for Proxy {
    type Err = InvalidProxy;

    fn from_str(text: &str) -> Result<Self, InvalidProxy> {
        let (scheme, rest) = text.split_once("://").ok_or(InvalidProxy::Form)?;
        let kind = match scheme.to_ascii_lowercase().as_str() {
            "http" => Kind::HttpConnect,
            // curl's name for leaving names to the proxy, which is done here in any case
            "socks5" | "socks5h" => Kind::Socks5,
            _ => return Err(InvalidProxy::Kind),
        };
        if rest.contains('@') {
            return Err(InvalidProxy::Credential);
        }
        let authority: Authority =
            rest.strip_suffix('/').unwrap_or(rest).parse().map_err(|_| InvalidProxy::Form)?;
        let host = authority.host().trim_matches(['[', ']']).trim_end_matches('.').to_owned();
        let port = authority.port_u16().filter(|port| *port != 0).ok_or(InvalidProxy::Port)?;
        if !is_written_plainly(&host) {
            return Err(InvalidProxy::Form);
        }
        Ok(Self { kind, peer: Peer { host, port } })
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.kind {
            Kind::HttpConnect => "http",
            Kind::Socks5 => "socks5",
        };
        write!(f, "{scheme}://{}", self.peer)
    }
}

impl Proxy {
    /// Where it listens.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    fn fault(&self, trouble: ProxyTrouble) -> Fault {
        Fault::Proxy { proxy: self.clone(), trouble }
    }
}

/// Connects to the proxy and asks it for a way to `peer`.
pub(super) async fn connect(
    resolver: &Resolver,
    peer: &Peer,
    proxy: &Proxy,
    deadline: Deadline,
) -> Result<TcpStream, Fault> {
    let connection = super::connect(resolver, &proxy.peer, deadline)
        .await
        .map_err(|fault| proxy.fault(ProxyTrouble::Unusable(Box::new(fault))))?;
    tunnel(connection, proxy, peer, deadline).await
}

/// Asks the proxy at the other end of `connection` for a way to `peer`. What comes out is as if it had
/// been dialled: not an octet behind the proxy's answer is read, so that a server that speaks first is
/// heard from its first word.
///
/// # Errors
/// A [`Fault::Proxy`] in every case.
pub async fn tunnel(
    mut connection: TcpStream,
    proxy: &Proxy,
    peer: &Peer,
    deadline: Deadline,
) -> Result<TcpStream, Fault> {
    let answered = async { Ok(opened(&mut connection, proxy, peer).await) };
    let opened = match deadline.bound(Phase::Proxy, answered).await {
        Ok(opened) => opened,
        Err(late) => Err(ProxyTrouble::Unusable(Box::new(late))),
    };
    opened.map(|()| connection).map_err(|trouble| proxy.fault(trouble))
}

/// What is said to the proxy, and what it answers, without the connection.
enum Talk {
    HttpConnect(HttpConnect),
    Socks5(Socks5),
}

/// Where the talk stands.
#[derive(Debug, PartialEq, Eq)]
enum Heard {
    /// The proxy has more to say.
    More,
    /// The way is open, and what follows is the peer's.
    Open,
}

impl Talk {
    fn new(proxy: &Proxy, peer: &Peer) -> Result<Self, ProxyTrouble> {
        if !is_written_plainly(&peer.host) {
            return Err(ProxyTrouble::NoWay("the name can be none of DNS".to_owned()));
        }
        Ok(match proxy.kind {
            Kind::HttpConnect => Self::HttpConnect(HttpConnect::new(peer)),
            Kind::Socks5 => Self::Socks5(Socks5::new(peer)),
        })
    }

    fn take_output(&mut self) -> Vec<u8> {
        match self {
            Self::HttpConnect(talk) => talk.take_output(),
            Self::Socks5(talk) => talk.take_output(),
        }
    }

    /// Takes what it needs of what was heard; says how many octets that were.
    fn feed(&mut self, heard: &[u8]) -> Result<(usize, Heard), ProxyTrouble> {
        match self {
            Self::HttpConnect(talk) => talk.feed(heard),
            Self::Socks5(talk) => talk.feed(heard),
        }
    }
}

async fn opened(connection: &mut TcpStream, proxy: &Proxy, peer: &Peer) -> Result<(), ProxyTrouble> {
    let mut talk = Talk::new(proxy, peer)?;
    let mut seen = [0; 1024];
    loop {
        connection.write_all(&talk.take_output()).await.map_err(|e| lost(&e))?;
        // looked at before it is taken: what stands behind the answer is not ours to read
        let ready = connection.peek(&mut seen).await.map_err(|e| lost(&e))?;
        if ready == 0 {
            return Err(closed());
        }
        let (taken, heard) = talk.feed(seen.get(..ready).unwrap_or_default())?;
        let taken = seen.get_mut(..taken).unwrap_or_default();
        connection.read_exact(taken).await.map_err(|e| lost(&e))?;
        if heard == Heard::Open {
            return Ok(());
        }
    }
}

fn lost(error: &io::Error) -> ProxyTrouble {
    match error.kind() {
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe => closed(),
        _ => ProxyTrouble::Unusable(Box::new(Fault::Unreachable(error.to_string()))),
    }
}

fn closed() -> ProxyTrouble {
    ProxyTrouble::Unusable(Box::new(Fault::Closed(Phase::Proxy)))
}

/// Whether a host holds nothing but what names and addresses are made of, and fits into one of
/// SOCKS5's octets: it goes into a request as it is.
fn is_written_plainly(host: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b':');
    !host.is_empty() && host.len() <= 255 && host.bytes().all(plain)
}

#[cfg(test)]
mod tests;
