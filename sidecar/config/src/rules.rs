//! What the file says about a sender's freedom: as whom, to whom, how much, how long.

use serde::{Deserialize, Serialize};

/// Who the app may send as, and to.
///
/// A pattern is `*` (everybody) or `LOCAL@DOMAIN`, where `LOCAL` may be `*` and `DOMAIN` may begin
/// with `*.` (subdomains at any depth, not the domain itself); letter case (ASCII) is ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rules {
    /// Patterns of senders, in the envelope and in the header, that are kept as the app gives them;
    /// the mailbox always is. Any other envelope sender becomes the mailbox.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub send_as: Vec<String>,
    /// What is done with a From header that is neither the mailbox nor covered by `sendAs`.
    #[serde(default)]
    pub header_from: ForeignFrom,
    /// Whether `MAIL FROM:<>` is taken.
    #[serde(default)]
    pub allow_null_sender: bool,
    /// Whoever none of these patterns covers is refused; empty: everybody is allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow_recipients: Vec<String>,
    /// Whoever one of these patterns covers is refused, also if he is allowed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny_recipients: Vec<String>,
}

/// What is done with a From header that the sender does not own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ForeignFrom {
    /// The message is refused.
    #[default]
    Refuse,
    /// From becomes the mailbox, and the original goes to Reply-To; signed messages are refused.
    Rewrite,
}

/// What this sidecar may send; what is absent is the route's usual limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Messages in any minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages_per_minute: Option<u32>,
    /// Messages in any hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub messages_per_hour: Option<u32>,
    /// Recipients in any 24 hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipients_per_day: Option<u32>,
    /// Connections to the relay at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connections: Option<u32>,
    /// Recipients of one message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipients_per_message: Option<u32>,
}

impl Limits {
    /// What Exchange Online allows to one mailbox (fact sheet B, "Limits").
    pub const EXCHANGE_ONLINE: Self = Self {
        messages_per_minute: Some(30),
        messages_per_hour: None,
        recipients_per_day: Some(10_000),
        connections: Some(3),
        recipients_per_message: Some(500),
    };

    /// What Exchange Online allows to one mailbox by Graph (fact sheet D, "Graph": four requests at
    /// once; its other limits still apply).
    pub const GRAPH: Self = Self { connections: Some(4), ..Self::EXCHANGE_ONLINE };
    /// What Azure Communication Services allows to a custom domain (fact sheet D, "ACS").
    pub const AZURE_COMMUNICATION_SERVICES: Self = Self {
        messages_per_minute: Some(30),
        messages_per_hour: Some(100),
        recipients_per_day: None,
        connections: Some(3),
        recipients_per_message: Some(50),
    };
    /// Where nothing is published: no rate, and few connections, as a guest.
    pub const UNKNOWN: Self = Self {
        messages_per_minute: None,
        messages_per_hour: None,
        recipients_per_day: None,
        connections: Some(5),
        recipients_per_message: None,
    };

    /// These limits, and where one is absent that of `usual`.
    #[must_use]
    pub fn or(self, usual: Self) -> Self {
        Self {
            messages_per_minute: self.messages_per_minute.or(usual.messages_per_minute),
            messages_per_hour: self.messages_per_hour.or(usual.messages_per_hour),
            recipients_per_day: self.recipients_per_day.or(usual.recipients_per_day),
            connections: self.connections.or(usual.connections),
            recipients_per_message: self.recipients_per_message.or(usual.recipients_per_message),
        }
    }
}

/// When the app is told that a message is taken, and how long one is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// What 250 means.
    #[serde(default)]
    pub mode: Mode,
    /// Direct: how long a message above the limits is held before the app gets 4xx, in seconds.
    #[serde(default = "hold_seconds")]
    pub hold_seconds: u32,
    /// Spool: how long a message is tried before it becomes a dead letter, in seconds.
    #[serde(default = "max_age_seconds")]
    pub max_age_seconds: u32,
    /// What is done with a message whose fate is unknown.
    #[serde(default)]
    pub uncertain: Uncertain,
    /// Spool: `true` where it may lie on a volume that goes with the pod.
    #[serde(default)]
    pub accept_loss: bool,
    /// What is done with a bare CR or LF.
    #[serde(default)]
    pub bare_line_endings: BareLineEndings,
}

fn hold_seconds() -> u32 {
    8
}

fn max_age_seconds() -> u32 {
    2 * 24 * 60 * 60
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            mode: Mode::Direct,
            hold_seconds: hold_seconds(),
            max_age_seconds: max_age_seconds(),
            uncertain: Uncertain::AtMostOnce,
            accept_loss: false,
            bare_line_endings: BareLineEndings::Normalize,
        }
    }
}

/// What 250 means to the app.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// The route's server has accepted the message.
    #[default]
    Direct,
    /// The message is synced to disk.
    Spool,
}

/// What is done with a message whose fate is unknown, since the connection was lost behind its
/// final dot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Uncertain {
    /// It is never sent again: it may be lost, never doubled.
    #[default]
    AtMostOnce,
    /// It is sent again with the same Message-ID: it may be doubled, never lost.
    AtLeastOnce,
}

/// What is done with a bare CR or LF.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum BareLineEndings {
    /// Each becomes CRLF.
    #[default]
    Normalize,
    /// The message is refused.
    Refuse,
}
