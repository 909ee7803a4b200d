//! What is known of a message beside its octets.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Id;

/// The envelope as it will be said to the relay; the texts are the caller's, who has parsed them
/// and parses them again. Its `Debug` tells no address.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    /// The sender's address; empty for `<>`.
    pub from: String,
    /// The recipients, in order.
    pub to: Vec<String>,
    /// Whether BODY=8BITMIME is declared.
    #[serde(default)]
    pub eight_bit: bool,
    /// Whether SMTPUTF8 is declared.
    #[serde(default)]
    pub smtputf8: bool,
    /// DSN parameters, where there are any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dsn: Option<Dsn>,
}

impl fmt::Debug for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope").field("recipients", &self.to.len()).finish_non_exhaustive()
    }
}

/// DSN parameters (RFC 3461) as they stand on the wire.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Dsn {
    /// `RET=`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ret: Option<String>,
    /// `ENVID=`, as xtext.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub envid: Option<String>,
    /// One for each recipient, in their order.
    #[serde(default)]
    pub recipients: Vec<RecipientDsn>,
}

/// DSN parameters of one recipient.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RecipientDsn {
    /// `NOTIFY=`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify: Option<String>,
    /// `ORCPT=`, as xtext.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub orcpt: Option<String>,
}

/// What has been tried so far.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    /// Attempts that ended.
    pub attempts: u32,
    /// Not before.
    pub due: Timestamp,
    /// Why the last one failed: a reason of the diagnosis table.
    pub reason: String,
    /// Whether one of them may have delivered it.
    #[serde(default)]
    pub uncertain: bool,
}

/// One message in the queue, as far as the memory has to know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ticket {
    /// Its name.
    pub id: Id,
    /// When it was answered 250, or a little before.
    pub accepted_at: Timestamp,
    /// Its content, in octets.
    pub octets: u64,
    /// Its dot was about to be written, and nothing was noted since: it may have been delivered.
    pub dotted: bool,
    /// `None` before the first attempt has ended.
    pub progress: Option<Progress>,
}

impl Ticket {
    /// When it may be tried: at once, or when the last attempt said.
    #[must_use]
    pub fn due(&self) -> Timestamp {
        self.progress.as_ref().map_or(self.accepted_at, |progress| progress.due)
    }
}
