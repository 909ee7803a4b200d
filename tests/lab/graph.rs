//! Microsoft Graph as far as mail is sent by it: it really checks the token and what it allows, decodes
//! what it is given, keeps what it takes, and misbehaves when told to.

mod access;
mod answer;
mod draft;
mod fault;
mod message;
mod serve;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use tokio::sync::{broadcast, watch};

use super::authority::Certificates;
use super::directory::Directory;
use super::event::Event;
use super::faults::{Faults, Span};
use super::token::Mint;
pub use draft::{Attachment, Draft};
pub use fault::{GraphAct, GraphFault, Step};
pub use message::GraphMessage;
pub(super) use serve::run;

/// Requests that one mailbox may have open at once (fact sheet D, "Graph").
const AT_ONCE: u32 = 4;

/// The lab's Graph, as a test holds it.
pub struct Graph {
    inner: Arc<Inner>,
    address: SocketAddr,
}

/// What the handle and the connections share.
pub(super) struct Inner {
    certificates: Certificates,
    directory: Arc<watch::Sender<Directory>>,
    mint: Arc<Mint>,
    events: broadcast::Sender<Event>,
    faults: Faults<GraphFault>,
    seen: watch::Sender<Seen>,
    /// Requests that are being served, by mailbox.
    open: Mutex<HashMap<String, u32>>,
    drafts: Mutex<draft::Drafts>,
}

/// Everything that is kept for tests to look at.
#[derive(Debug, Default)]
struct Seen {
    messages: Vec<Arc<GraphMessage>>,
    counters: GraphCounters,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GraphCounters {
    /// Requests whose head was read.
    pub requests: usize,
    /// The most that were open at once for one mailbox.
    pub most_at_once: u32,
    /// Requests refused because of that.
    pub over_concurrency: usize,
    /// Requests whose token did not hold, or did not suffice.
    pub not_admitted: usize,
    /// Acts that a fault ordered and that were done.
    pub misbehaved: usize,
    /// Requests to an upload URL that showed a token. Must be 0.
    pub tokens_at_upload: usize,
    /// Drafts that were deleted.
    pub drafts_deleted: usize,
}

impl Inner {
    pub(super) fn new(
        certificates: Certificates,
        directory: Arc<watch::Sender<Directory>>,
        mint: Arc<Mint>,
        events: broadcast::Sender<Event>,
    ) -> Self {
        Self {
            certificates,
            directory,
            mint,
            events,
            faults: Faults::new(),
            seen: watch::Sender::new(Seen::default()),
            open: Mutex::default(),
            drafts: Mutex::default(),
        }
    }

    fn count(&self, count: impl FnOnce(&mut GraphCounters)) {
        self.seen.send_modify(|seen| count(&mut seen.counters));
    }

    /// Keeps a message and tells whoever watches.
    fn take(&self, mut message: GraphMessage) {
        let mut taken = None;
        self.seen.send_modify(|seen| {
            message.number = seen.messages.len() + 1;
            let message = Arc::new(message);
            seen.messages.push(Arc::clone(&message));
            taken = Some(message);
        });
        if let Some(message) = taken {
            // nobody need be watching
            let _unwatched = self.events.send(Event::MailSent(message));
        }
    }
}

/// A lock whose holder panicked is still good for what the lab keeps behind it.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Graph {
    pub(super) fn new(inner: Arc<Inner>, address: SocketAddr) -> Self {
        Self { inner, address }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its base URL by address, without a slash at the end.
    pub fn url_by_ip(&self) -> String {
        let ip = match self.address.ip() {
            ip if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            ip => ip,
        };
        format!("https://{}", SocketAddr::new(ip, self.address.port()))
    }

    /// The authority that signed its certificate; neither Entra's nor Exchange's.
    pub fn ca_pem(&self) -> &str {
        self.inner.certificates.ca_pem()
    }

    /// Misbehaves until [`behave`](Self::behave).
    pub fn misbehave(&self, fault: GraphFault) {
        self.misbehave_for(Span::UntilCleared, fault);
    }

    /// Misbehaves for so many requests ([`Span::Times`]) or connections.
    pub fn misbehave_for(&self, span: Span, fault: GraphFault) {
        self.inner.faults.order(fault, span);
    }

    /// Ends all misbehaviour; requests that are held are answered.
    pub fn behave(&self) {
        self.inner.faults.clear();
    }

    /// The messages taken so far, in order.
    pub fn messages(&self) -> Vec<Arc<GraphMessage>> {
        self.inner.seen.borrow().messages.clone()
    }

    /// What was counted so far.
    pub fn counters(&self) -> GraphCounters {
        self.inner.seen.borrow().counters
    }

    /// Drafts that were neither sent nor deleted.
    pub fn drafts(&self) -> usize {
        locked(&self.inner.drafts).len()
    }

    /// Waits until the counters are as `condition` wants them.
    ///
    /// # Errors
    /// When `timeout` passes first.
    pub async fn wait_until(
        &self,
        timeout: Duration,
        condition: impl Fn(&GraphCounters) -> bool,
    ) -> anyhow::Result<GraphCounters> {
        let mut seen = self.inner.seen.subscribe();
        let waited = tokio::time::timeout(timeout, seen.wait_for(|seen| condition(&seen.counters))).await;
        match waited {
            Ok(seen) => Ok(seen.context("the lab has ended")?.counters),
            Err(_elapsed) => anyhow::bail!("within {timeout:?} it came to {:?} only", self.counters()),
        }
    }
}
