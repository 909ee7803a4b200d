//! A proxy on loopback, for HTTP CONNECT or SOCKS5, that knows whom it was asked for and can refuse.
//!
//! It leads only where the test says that a name leads: what a client resolves by itself, and asks for
//! by its address, is refused like any other name that nobody gave it.

mod negotiation;

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncWriteExt, copy_bidirectional};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::lab::faults::{Faults, Span};
use crate::lab::listen;
use negotiation::Refusal;

/// What a proxy speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyKind {
    /// HTTP's CONNECT.
    HttpConnect,
    /// SOCKS5, without authentication.
    Socks5,
}

/// How a proxy misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyFault {
    /// Its rules forbid it: 403, or the reply 2.
    Refuse,
    /// It wants to know who asks: 407, or no acceptable method.
    WantLogin,
    /// It says that it cannot get there: 502, or the reply 4.
    NoWay,
    /// It closes before it says anything.
    Drop,
    /// It hears the request and says nothing.
    Hang,
    /// It is some other server: it greets as a mail server does.
    Greet,
}

/// A connection that a proxy was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// `HOST:PORT`, as it was asked for.
    pub target: String,
    /// Whether the way was opened.
    pub opened: bool,
}

/// A running proxy. Dropping it ends it, and what passes through it.
pub struct Proxy {
    kind: ProxyKind,
    address: SocketAddr,
    inner: Arc<Inner>,
    _server: JoinSet<()>,
}

struct Inner {
    kind: ProxyKind,
    faults: Faults<ProxyFault>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    ways: HashMap<String, SocketAddr>,
    asked: Vec<Asked>,
    /// Octets that have passed, in both directions together, on connections that have ended.
    octets: u64,
}

impl Proxy {
    /// Listens on a free port of 127.0.0.1; leads nowhere.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start(kind: ProxyKind) -> anyhow::Result<Self> {
        let (listener, address) = listen::bind((Ipv4Addr::LOCALHOST, 0).into()).await?;
        let inner = Arc::new(Inner { kind, faults: Faults::new(), state: Mutex::default() });
        let mut server = JoinSet::new();
        let serving = Arc::clone(&inner);
        server.spawn(async move {
            listen::serve(listener, |stream, number| connection(Arc::clone(&serving), stream, number)).await;
        });
        Ok(Self { kind, address, inner, _server: server })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// As it stands in a configuration.
    #[must_use]
    pub fn url(&self) -> String {
        match self.kind {
            ProxyKind::HttpConnect => format!("http://{}", self.address),
            ProxyKind::Socks5 => format!("socks5://{}", self.address),
        }
    }

    /// From now on `target` (`HOST:PORT`) leads to this address.
    pub fn lead(&self, target: &str, to: SocketAddr) {
        self.inner.with(|state| state.ways.insert(target.to_owned(), to));
    }

    /// Misbehaves until [`behave`](Self::behave).
    pub fn misbehave(&self, fault: ProxyFault) {
        self.inner.faults.order(fault, Span::UntilCleared);
    }

    /// Ends all misbehaviour; what hangs is closed.
    pub fn behave(&self) {
        self.inner.faults.clear();
    }

    /// Whom it was asked for, oldest first.
    #[must_use]
    pub fn asked(&self) -> Vec<Asked> {
        self.inner.with(|state| state.asked.clone())
    }

    /// How many octets have passed, in both directions together, on connections that have ended.
    #[must_use]
    pub fn octets(&self) -> u64 {
        self.inner.with(|state| state.octets)
    }
}

impl Inner {
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn connection(inner: Arc<Inner>, mut near: TcpStream, number: u64) {
    // its errors are the client's affair
    let _ended = pass(&inner, &mut near, number).await;
}

async fn pass(inner: &Inner, near: &mut TcpStream, number: u64) -> anyhow::Result<()> {
    let before = inner.faults.times_cleared();
    let fault = inner.faults.strike(number, |fault| Some(*fault));
    match fault {
        Some(ProxyFault::Drop) => return Ok(()),
        Some(ProxyFault::Greet) => {
            near.write_all(b"220 mail.lab.test ESMTP\r\n").await?;
            inner.faults.cleared(before).await;
            return Ok(());
        }
        Some(ProxyFault::WantLogin) if inner.kind == ProxyKind::Socks5 => {
            return negotiation::want_login(near).await;
        }
        Some(_) | None => {}
    }
    let target = match inner.kind {
        ProxyKind::HttpConnect => negotiation::hear_connect(near).await?,
        ProxyKind::Socks5 => negotiation::hear_socks5(near).await?,
    };
    let way = inner.with(|state| state.ways.get(&target).copied());
    let refusal = match fault {
        Some(ProxyFault::Refuse) => Some(Refusal::Forbidden),
        Some(ProxyFault::WantLogin) => Some(Refusal::Login),
        Some(ProxyFault::NoWay) => Some(Refusal::NoWay),
        _ => None,
    };
    let opened = refusal.is_none() && fault != Some(ProxyFault::Hang) && way.is_some();
    inner.with(|state| state.asked.push(Asked { target, opened }));
    if fault == Some(ProxyFault::Hang) {
        inner.faults.cleared(before).await;
        return Ok(());
    }
    let far = match (refusal, way) {
        (None, Some(way)) => TcpStream::connect(way).await.map_err(|_| Refusal::NoWay),
        (Some(refusal), _) => Err(refusal),
        (None, None) => Err(Refusal::NoWay),
    };
    match far {
        Ok(mut far) => {
            negotiation::open(near, inner.kind).await?;
            far.set_nodelay(true)?;
            let (up, down) = copy_bidirectional(near, &mut far).await?;
            inner.with(|state| state.octets += up + down);
            Ok(())
        }
        Err(refusal) => negotiation::refuse(near, inner.kind, refusal).await,
    }
}
