//! The shape of the file.

use std::fmt;

use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::route::Route;
use crate::rules::{Delivery, Limits, Rules};
use crate::token_source::TokenSource;
use crate::written::{expose, is_default};

/// The format that this version writes, and the newest that it reads.
pub const FORMAT: u32 = 1;

/// Everything a sidecar needs to send for one MailSender, or why it may not.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SenderFile {
    /// See [`FORMAT`].
    pub format: u32,
    /// The MailSender that this was made from.
    pub sender: SenderRef,
    /// The mailbox that is signed in as, and sent from.
    pub mailbox: String,
    /// Whether mail may be sent at all.
    pub state: State,
    /// The way out; absent only while [`State::Unready`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<Route>,
    /// The token for the route, where it uses one and there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Token>,
    /// The way for messages that the first one cannot carry, such as those too large for Graph.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Fallback>,
    /// Where the sidecar gets its tokens by itself, in place of `token`: without Kubernetes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_source: Option<TokenSource>,
    /// Who the app may send as, and to.
    #[serde(default, skip_serializing_if = "is_default")]
    pub rules: Rules,
    /// What this sidecar may send; what is absent is the route's usual limit.
    #[serde(default, skip_serializing_if = "is_default")]
    pub limits: Limits,
    /// When the app is told that a message is taken, and how long one is tried.
    #[serde(default, skip_serializing_if = "is_default")]
    pub delivery: Delivery,
}

impl SenderFile {
    /// A file that says this much, and otherwise what is usual.
    #[must_use]
    pub fn new(sender: SenderRef, mailbox: String, state: State) -> Self {
        Self {
            format: FORMAT,
            sender,
            mailbox,
            state,
            route: None,
            token: None,
            fallback: None,
            token_source: None,
            rules: Rules::default(),
            limits: Limits::default(),
            delivery: Delivery::default(),
        }
    }
}

/// Names a MailSender; displays as `namespace/name`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SenderRef {
    /// The namespace, which is also the pod's.
    pub namespace: String,
    /// The name, which is also the pod's label.
    pub name: String,
}

impl fmt::Display for SenderRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl std::str::FromStr for SenderRef {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.split_once('/') {
            Some((namespace, name)) if !namespace.is_empty() && !name.is_empty() && !name.contains('/') => {
                Ok(Self { namespace: namespace.to_owned(), name: name.to_owned() })
            }
            Some(_) | None => Err("write it as NAMESPACE/NAME"),
        }
    }
}

/// Whether mail may be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum State {
    /// It may, as far as the operator knows.
    Ready,
    /// It may not: every message is answered 451 with this reason.
    Unready(Unready),
}

/// Why mail may not be sent, in the words that the MailSender's condition has too.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unready {
    /// The condition's reason: bounded, CamelCase.
    pub reason: String,
    /// The whole sentence, with what to do about it.
    pub message: String,
}

/// An access token. `Debug` hides its value.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Token {
    /// Opaque to us.
    #[serde(serialize_with = "expose")]
    pub value: SecretString,
    /// Its end, from the token response.
    pub expires_at: Timestamp,
}

/// Another way out, with a token of its own.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fallback {
    /// The way.
    pub route: Route,
    /// The token for it, where it uses one and there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<Token>,
}
