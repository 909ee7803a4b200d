//! A name server on loopback, by UDP and TCP, with a zone that the test writes.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, bail};
use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::rdata::{CNAME, MX, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;

use crate::lab::listen;

/// Longest answer by UDP; what is longer is asked for again by TCP (RFC 1035 section 4.2.1).
const UDP: usize = 512;
/// Seconds that an answer may be kept: none, so that the zone can change under a test.
const TTL: u32 = 0;

/// What stands under a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Its address, of either family.
    Address(IpAddr),
    /// Who takes its mail, and how gladly. The host `.` is the null MX (RFC 7505).
    Mx(u16, String),
    /// A text.
    Text(String),
    /// Another name of the same host.
    Alias(String),
}

/// What a name server does to every question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameFault {
    /// It says SERVFAIL.
    ServerFailure,
    /// It says nothing.
    Silence,
}

/// A running name server. Dropping it ends it.
pub struct NameServer {
    address: SocketAddr,
    inner: Arc<Inner>,
    _servers: JoinSet<()>,
}

#[derive(Default)]
struct Inner(Mutex<State>);

#[derive(Default)]
struct State {
    zone: HashMap<Name, Vec<RData>>,
    fault: Option<NameFault>,
    asked: Vec<String>,
}

impl NameServer {
    /// Listens on 127.0.0.1, on a port that is free for both; knows no name.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn start() -> anyhow::Result<Self> {
        let (tcp, udp, address) = bound().await?;
        let inner = Arc::new(Inner::default());
        let mut servers = JoinSet::new();
        servers.spawn(by_udp(Arc::clone(&inner), udp));
        servers.spawn(by_tcp(Arc::clone(&inner), tcp));
        Ok(Self { address, inner, _servers: servers })
    }

    /// Where it is asked.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Writes one more entry under a name.
    ///
    /// # Errors
    /// When a name is none.
    pub fn add(&self, name: &str, entry: &Entry) -> anyhow::Result<()> {
        let (name, data) = (absolute(name)?, entry.data()?);
        self.inner.with(|state| state.zone.entry(name).or_default().push(data));
        Ok(())
    }

    /// Removes everything under a name.
    ///
    /// # Errors
    /// When the name is none.
    pub fn forget(&self, name: &str) -> anyhow::Result<()> {
        let name = absolute(name)?;
        self.inner.with(|state| state.zone.remove(&name));
        Ok(())
    }

    /// From now on this is done to every question; `None`: they are answered.
    pub fn misbehave(&self, fault: Option<NameFault>) {
        self.inner.with(|state| state.fault = fault);
    }

    /// What it was asked, oldest first, as `MX contoso.com`.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        self.inner.with(|state| state.asked.clone())
    }
}

impl Entry {
    fn data(&self) -> anyhow::Result<RData> {
        Ok(match self {
            Self::Address(IpAddr::V4(address)) => RData::A((*address).into()),
            Self::Address(IpAddr::V6(address)) => RData::AAAA((*address).into()),
            Self::Mx(preference, host) => RData::MX(MX::new(*preference, absolute(host)?)),
            Self::Text(text) => RData::TXT(TXT::new(vec![text.clone()])),
            Self::Alias(name) => RData::CNAME(CNAME(absolute(name)?)),
        })
    }
}

impl Inner {
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The answer to a packet; none to what is no question, and under [`NameFault::Silence`].
    fn answer(&self, packet: &[u8]) -> Option<Message> {
        let question = Message::from_vec(packet).ok()?;
        let query = question.queries.first()?;
        self.with(|state| {
            let name = query.name().to_lowercase().to_ascii();
            state.asked.push(format!("{} {}", query.query_type(), name.trim_end_matches('.')));
            let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
            answer.metadata.recursion_desired = question.metadata.recursion_desired;
            answer.metadata.recursion_available = true;
            answer.add_query(query.clone());
            match state.fault {
                Some(NameFault::Silence) => return None,
                Some(NameFault::ServerFailure) => answer.metadata.response_code = ResponseCode::ServFail,
                None => state.look_up(query, &mut answer),
            }
            Some(answer)
        })
    }
}

impl State {
    /// Follows aliases, of which it puts each before what it leads to.
    fn look_up(&self, query: &Query, answer: &mut Message) {
        let mut name = query.name().to_lowercase();
        for _ in 0..8 {
            let Some(entries) = self.zone.get(&name) else {
                if answer.answers.is_empty() {
                    answer.metadata.response_code = ResponseCode::NXDomain;
                }
                return;
            };
            let of_type = entries.iter().filter(|data| data.record_type() == query.query_type());
            for data in of_type {
                answer.add_answer(Record::from_rdata(name.clone(), TTL, data.clone()));
            }
            let alias = entries
                .iter()
                .find_map(|data| if let RData::CNAME(alias) = data { Some(alias) } else { None });
            let Some(alias) = alias.filter(|_| query.query_type() != RecordType::CNAME) else { return };
            answer.add_answer(Record::from_rdata(name, TTL, RData::CNAME(alias.clone())));
            name = alias.0.to_lowercase();
        }
    }
}

/// A port that is free for both. One that is for TCP alone is tried again with another.
async fn bound() -> anyhow::Result<(TcpListener, UdpSocket, SocketAddr)> {
    const TRIES: usize = 16;
    for _ in 0..TRIES {
        let (tcp, address) = listen::bind((Ipv4Addr::LOCALHOST, 0).into()).await?;
        if let Ok(udp) = UdpSocket::bind(address).await {
            return Ok((tcp, udp, address));
        }
    }
    bail!("no port is free for TCP and UDP, of {TRIES} that were tried")
}

async fn by_udp(inner: Arc<Inner>, socket: UdpSocket) {
    let mut packet = [0; 4096];
    while let Ok((length, from)) = socket.recv_from(&mut packet).await {
        let question = packet.get(..length).unwrap_or_default();
        let Some(mut answer) = inner.answer(question) else { continue };
        let whole = answer.to_vec().unwrap_or_default();
        let sent = if whole.len() <= UDP {
            whole
        } else {
            answer.answers.clear();
            answer.metadata.truncation = true;
            answer.to_vec().unwrap_or_default()
        };
        // whoever does not get it asks again
        let _lost = socket.send_to(&sent, from).await;
    }
}

async fn by_tcp(inner: Arc<Inner>, listener: TcpListener) {
    listen::serve(listener, |stream, _| {
        let inner = Arc::clone(&inner);
        async move {
            // its end is the client's affair
            let _ended = converse(&inner, stream).await;
        }
    })
    .await;
}

async fn converse(inner: &Inner, mut stream: TcpStream) -> anyhow::Result<()> {
    loop {
        let length = stream.read_u16().await?;
        let mut packet = vec![0; length.into()];
        stream.read_exact(&mut packet).await?;
        let Some(answer) = inner.answer(&packet) else { continue };
        let answer = answer.to_vec()?;
        stream.write_u16(u16::try_from(answer.len())?).await?;
        stream.write_all(&answer).await?;
    }
}

fn absolute(name: &str) -> anyhow::Result<Name> {
    let mut name = Name::from_ascii(name).with_context(|| format!("{name} is no name"))?.to_lowercase();
    name.set_fqdn(true);
    Ok(name)
}
