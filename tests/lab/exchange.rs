//! A server that speaks as Exchange Online does on port 587, or as another way in, really checks what it is
//! shown, keeps what it takes, and misbehaves when told to.

mod access;
mod attribution;
mod command;
mod fault;
mod framing;
mod kind;
mod limits;
mod message;
mod reply;
mod seen;
mod session;
mod submission;
mod transcript;
mod wire;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use tokio::net::TcpListener;
use tokio::sync::{broadcast, watch};

use super::authority::{Certificates, Clients};
use super::directory::Directory;
use super::event::Event;
use super::faults::{Faults, Span};
use super::listen;
use super::token::Mint;
pub use access::Refused;
pub use fault::{Act, ExchangeFault, Phase};
pub use kind::Kind;
pub use limits::Limits;
pub use message::{Body, Envelope, Message, Recipient, Transfer};
pub use seen::{Counters, SignIn};
pub use transcript::{Line, Transcript};

/// Longer than any session lasts, where nothing else was said: the fact sheet knows of no limit.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Transcripts that are kept.
const TRANSCRIPTS: usize = 100;

/// The lab's Exchange, as a test holds it.
pub struct Exchange {
    inner: Arc<Inner>,
    address: SocketAddr,
    tls_address: SocketAddr,
}

/// What the handle and the connections share.
pub(super) struct Inner {
    pub(super) kind: Kind,
    pub(super) name: String,
    pub(super) clients: Arc<Clients>,
    pub(super) certificates: Certificates,
    pub(super) directory: Arc<watch::Sender<Directory>>,
    pub(super) mint: Arc<Mint>,
    pub(super) events: broadcast::Sender<Event>,
    faults: Faults<ExchangeFault>,
    settings: watch::Sender<Settings>,
    connections: AtomicU64,
    seen: watch::Sender<seen::Seen>,
    usage: Mutex<HashMap<String, limits::Usage>>,
    transcripts: Mutex<VecDeque<Arc<Mutex<Transcript>>>>,
}

#[derive(Clone, Copy, Debug)]
struct Settings {
    limits: Limits,
    idle: Duration,
    session: Duration,
}

impl Inner {
    pub(super) fn new(
        kind: Kind,
        name: String,
        (clients, certificates): (Arc<Clients>, Certificates),
        directory: Arc<watch::Sender<Directory>>,
        mint: Arc<Mint>,
        events: broadcast::Sender<Event>,
        limits: Limits,
    ) -> Self {
        Self {
            kind,
            name,
            clients,
            certificates,
            directory,
            mint,
            events,
            faults: Faults::new(),
            settings: watch::Sender::new(Settings {
                limits,
                // RFC 5321 section 4.5.3.2.7
                idle: Duration::from_secs(300),
                session: DAY,
            }),
            connections: AtomicU64::new(0),
            seen: watch::Sender::new(seen::Seen::default()),
            usage: Mutex::default(),
            transcripts: Mutex::default(),
        }
    }

    /// Connections are numbered from 1, over both ports.
    fn next_connection(&self) -> u64 {
        self.connections.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn settings(&self) -> Settings {
        *self.settings.borrow()
    }

    fn usage(&self) -> MutexGuard<'_, HashMap<String, limits::Usage>> {
        locked(&self.usage)
    }

    fn tell(&self, event: Event) {
        // nobody need be watching
        let _unwatched = self.events.send(event);
    }

    fn new_transcript(&self, connection: u64) -> Arc<Mutex<Transcript>> {
        let transcript = Arc::new(Mutex::new(Transcript { connection, lines: Vec::new() }));
        let mut kept = locked(&self.transcripts);
        if kept.len() == TRANSCRIPTS {
            kept.pop_front();
        }
        kept.push_back(Arc::clone(&transcript));
        transcript
    }
}

/// A lock whose holder panicked is still good for what the lab keeps behind it.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Serves until dropped: with STARTTLS, or in TLS from the first octet.
pub(super) async fn run(inner: Arc<Inner>, listener: TcpListener, implicit_tls: bool) {
    listen::serve(listener, |stream, _number| session::run(Arc::clone(&inner), stream, implicit_tls)).await;
}

impl Exchange {
    pub(super) fn new(inner: Arc<Inner>, address: SocketAddr, tls_address: SocketAddr) -> Self {
        Self { inner, address, tls_address }
    }

    /// Where it listens, with STARTTLS.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens with TLS from the first octet (RFC 8314), as other relays do on port 465;
    /// Exchange Online does not.
    pub fn tls_address(&self) -> SocketAddr {
        self.tls_address
    }

    /// The name in its certificate, beside its address.
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The authority that signed its certificate; not Entra's.
    pub fn ca_pem(&self) -> &str {
        self.inner.certificates.ca_pem()
    }

    /// Misbehaves until [`behave`](Self::behave), also on connections that are open already.
    pub fn misbehave(&self, fault: ExchangeFault) {
        self.misbehave_for(Span::UntilCleared, fault);
    }

    /// Misbehaves on so many connections, or so many times.
    pub fn misbehave_for(&self, span: Span, fault: ExchangeFault) {
        self.inner.faults.order(fault, span);
    }

    /// Ends all misbehaviour; connections that stall are closed.
    pub fn behave(&self) {
        self.inner.faults.clear();
    }

    /// Changes the limits, from now on.
    pub fn set_limits(&self, limits: Limits) {
        self.inner.settings.send_modify(|settings| settings.limits = limits);
    }

    /// Changes how long new connections may be silent (300 s at first) before they get 421.
    pub fn set_idle_timeout(&self, idle: Duration) {
        self.inner.settings.send_modify(|settings| settings.idle = idle);
    }

    /// Changes how long new connections may last, busy or not, before they get 421.
    pub fn set_session_timeout(&self, session: Duration) {
        self.inner.settings.send_modify(|settings| settings.session = session);
    }

    /// The messages accepted so far, in order.
    pub fn messages(&self) -> Vec<Arc<Message>> {
        self.inner.seen.borrow().messages.clone()
    }

    /// Forgets the messages kept so far, to free their memory; the counters stay.
    pub fn forget_messages(&self) {
        self.inner.seen.send_modify(|seen| seen.messages.clear());
    }

    /// Waits until at least `count` messages are kept.
    ///
    /// # Errors
    /// When `timeout` passes first; the error says how many came, and how the last dialogue went.
    pub async fn wait_for_messages(
        &self,
        count: usize,
        timeout: Duration,
    ) -> anyhow::Result<Vec<Arc<Message>>> {
        let mut seen = self.inner.seen.subscribe();
        let waited = tokio::time::timeout(timeout, seen.wait_for(|seen| seen.messages.len() >= count)).await;
        match waited {
            Ok(seen) => Ok(seen.context("the lab has ended")?.messages.clone()),
            Err(_elapsed) => anyhow::bail!(
                "{} of {count} messages came within {timeout:?}; the last dialogue: {}",
                self.messages().len(),
                self.transcripts().last().map_or_else(|| "none".to_owned(), Transcript::to_string)
            ),
        }
    }

    /// Waits until the counters are as `condition` wants them.
    ///
    /// # Errors
    /// When `timeout` passes first.
    pub async fn wait_until(
        &self,
        timeout: Duration,
        condition: impl Fn(&Counters) -> bool,
    ) -> anyhow::Result<Counters> {
        let mut seen = self.inner.seen.subscribe();
        let waited = tokio::time::timeout(timeout, seen.wait_for(|seen| condition(&seen.counters))).await;
        match waited {
            Ok(seen) => Ok(seen.context("the lab has ended")?.counters),
            Err(_elapsed) => anyhow::bail!("within {timeout:?} it came to {:?} only", self.counters()),
        }
    }

    /// What was counted so far.
    pub fn counters(&self) -> Counters {
        self.inner.seen.borrow().counters
    }

    /// The most connections that were ever signed in to this mailbox at the same time.
    pub fn most_connections(&self, mailbox: &str) -> u32 {
        self.inner.usage().get(mailbox).map_or(0, |usage| usage.most_connections)
    }

    /// Every attempt to sign in, with the reason that a refused client was not told.
    pub fn sign_ins(&self) -> Vec<Arc<SignIn>> {
        self.inner.seen.borrow().sign_ins.clone()
    }

    /// Why TLS handshakes failed.
    pub fn handshake_failures(&self) -> Vec<String> {
        self.inner.seen.borrow().handshake_failures.clone()
    }

    /// What clients did against the RFCs, beyond what a reply told them.
    pub fn violations(&self) -> Vec<String> {
        self.inner.seen.borrow().violations.clone()
    }

    /// The dialogues of the last connections, open ones included, the oldest first. They hold
    /// neither tokens nor message content.
    pub fn transcripts(&self) -> Vec<Transcript> {
        locked(&self.inner.transcripts).iter().map(|transcript| locked(transcript).clone()).collect()
    }
}
