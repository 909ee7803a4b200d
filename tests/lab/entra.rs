//! A token endpoint that answers as Entra's does, over HTTPS, and misbehaves when told to.

mod aadsts;
mod answer;
mod assertion;
mod fault;
mod grants;
mod judge;
mod people;
mod request;
mod serve;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use secrecy::SecretString;
use tokio::sync::{broadcast, watch};

use super::authority::Certificates;
use super::directory::Directory;
use super::event::Event;
use super::faults::{Faults, Span};
use super::token::{Claims, EXCHANGE_AUDIENCE, Form, Mint};
pub use fault::{BadAnswer, EntraFault};
pub(super) use grants::Grants;
pub(super) use serve::run;

/// The lab's Entra, as a test holds it.
pub struct Entra {
    inner: Arc<Inner>,
    address: SocketAddr,
}

/// What the handle and the connections share.
pub(super) struct Inner {
    pub(super) name: String,
    pub(super) certificates: Certificates,
    pub(super) directory: Arc<watch::Sender<Directory>>,
    pub(super) mint: Arc<Mint>,
    pub(super) events: broadcast::Sender<Event>,
    pub(super) faults: Faults<EntraFault>,
    pub(super) seen: watch::Sender<Vec<Arc<TokenAnswer>>>,
    pub(super) grants: Grants,
}

/// One request of the token endpoint and what became of it.
#[derive(Clone, Debug)]
pub struct TokenAnswer {
    /// When.
    pub time: Timestamp,
    /// The tenant in the URL.
    pub tenant: String,
    /// The client id, if the form could be read.
    pub client_id: Option<String>,
    /// The scope, if the form could be read and has one.
    pub scope: Option<String>,
    /// What the token was given for; none where it was refused.
    pub shown: Option<Shown>,
    /// What was answered.
    pub outcome: TokenOutcome,
}

/// What a client has shown for its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// A client secret.
    Secret,
    /// An assertion that a certificate of the app signed.
    Certificate,
    /// A foreign token.
    Federated,
    /// A refresh token.
    RefreshToken,
    /// A code with which somebody has signed in.
    DeviceCode,
}

/// What was answered to a token request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenOutcome {
    /// A token that lasts so many seconds.
    Issued {
        /// `expires_in`.
        seconds: i64,
    },
    /// An AADSTS error.
    Refused(u32),
    /// Something else, as ordered.
    Misbehaved(BadAnswer),
}

impl fmt::Display for TokenAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let or_dash = |value: &Option<String>| value.clone().unwrap_or_else(|| "-".to_owned());
        let (app, scope) = (or_dash(&self.client_id), or_dash(&self.scope));
        write!(f, "entra: token request, tenant {}, app {app}, scope {scope}: ", self.tenant)?;
        match &self.outcome {
            TokenOutcome::Issued { seconds } => write!(f, "issued for {seconds} s"),
            TokenOutcome::Refused(code) => write!(f, "refused, AADSTS{code}"),
            TokenOutcome::Misbehaved(fault) => write!(f, "misbehaved, {fault:?}"),
        }
    }
}

impl Entra {
    pub(super) fn new(inner: Arc<Inner>, address: SocketAddr) -> Self {
        Self { inner, address }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The login URL by name, without a slash at the end: `https://login.lab.test:8443`. The name
    /// is in the certificate; who uses it must be told its address.
    pub fn url(&self) -> String {
        format!("https://{}:{}", self.inner.name, self.address.port())
    }

    /// The login URL by address, for clients that cannot be told names.
    pub fn url_by_ip(&self) -> String {
        let ip = match self.address.ip() {
            ip if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            ip => ip,
        };
        format!("https://{}", SocketAddr::new(ip, self.address.port()))
    }

    /// The authority that signed its certificate.
    pub fn ca_pem(&self) -> &str {
        self.inner.certificates.ca_pem()
    }

    /// Misbehaves until [`behave`](Self::behave).
    pub fn misbehave(&self, fault: EntraFault) {
        self.misbehave_for(Span::UntilCleared, fault);
    }

    /// Misbehaves for so many requests ([`Span::Times`]) or connections.
    pub fn misbehave_for(&self, span: Span, fault: EntraFault) {
        self.inner.faults.order(fault, span);
    }

    /// Ends all misbehaviour; requests that hang are dropped.
    pub fn behave(&self) {
        self.inner.faults.clear();
    }

    /// Every token request so far, misbehaved ones included.
    pub fn requests(&self) -> Vec<Arc<TokenAnswer>> {
        self.inner.seen.borrow().clone()
    }

    /// Waits until there were at least `count` token requests since the start.
    ///
    /// # Errors
    /// When `timeout` passes first.
    pub async fn wait_for_requests(
        &self,
        count: usize,
        timeout: Duration,
    ) -> anyhow::Result<Vec<Arc<TokenAnswer>>> {
        let mut seen = self.inner.seen.subscribe();
        let waited = tokio::time::timeout(timeout, seen.wait_for(|seen| seen.len() >= count)).await;
        match waited {
            Ok(seen) => Ok(seen.context("the lab has ended")?.clone()),
            Err(_elapsed) => anyhow::bail!(
                "{} of {count} token requests came within {timeout:?}",
                self.inner.seen.borrow().len()
            ),
        }
    }

    /// The claims that a token of this app for Exchange has now; change them to taste and
    /// [`mint`](Self::mint) them.
    ///
    /// # Errors
    /// When there is no such app.
    pub fn claims(&self, client_id: &str) -> anyhow::Result<Claims> {
        self.claims_for(client_id, EXCHANGE_AUDIENCE)
    }

    /// The same of a token for another audience, such as [`GRAPH_AUDIENCE`](crate::lab::GRAPH_AUDIENCE).
    ///
    /// # Errors
    /// When there is no such app.
    pub fn claims_for(&self, client_id: &str, audience: &str) -> anyhow::Result<Claims> {
        let directory = self.inner.directory.borrow();
        let app = directory.app(client_id).with_context(|| format!("the lab has no app {client_id}"))?;
        Ok(Claims::of(&directory, app, audience, Timestamp::now()))
    }

    /// Makes a token without anybody having asked for one.
    ///
    /// # Errors
    /// When signing fails.
    pub fn mint(&self, claims: &Claims, form: Form) -> anyhow::Result<SecretString> {
        self.inner.mint.issue(claims, form)
    }

    /// What a server needs that checks JWTs by itself: the name (`kid`) of the key that signs them,
    /// and its public half as PEM.
    ///
    /// # Errors
    /// When the key cannot be read.
    pub fn signing_key(&self) -> anyhow::Result<(String, String)> {
        self.inner.mint.key().public()
    }

    /// Takes back every token issued until now: Exchange refuses them.
    pub fn revoke_tokens(&self) {
        self.inner.mint.revoke_all();
    }
}
