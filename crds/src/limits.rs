//! Limits on what a sender may send: defaults on a route, stricter ones on a sender, ceilings in a
//! policy; the lowest wins.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Limits on what is sent. One that is absent does not limit; of several, the lowest counts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Messages a minute, for the whole mailbox. Exchange Online allows 30.
    #[schemars(range(min = 1, max = 1_000_000), extend("format" = "int32"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages_per_minute: Option<u32>,
    /// Messages an hour, for the whole mailbox. Azure Communication Services allows 100.
    #[schemars(range(min = 1, max = 1_000_000), extend("format" = "int32"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages_per_hour: Option<u32>,
    /// Recipients in any 24 hours, for the whole mailbox. Exchange Online allows 10000.
    #[schemars(range(min = 1, max = 1_000_000_000), extend("format" = "int32"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipients_per_day: Option<u32>,
    /// Connections at once, for the whole mailbox. Exchange Online allows 3.
    #[schemars(range(min = 1, max = 1000), extend("format" = "int32"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<u32>,
    /// Recipients of one message. Exchange Online allows 500 unless the tenant says otherwise.
    #[schemars(range(min = 1, max = 10_000), extend("format" = "int32"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipients_per_message: Option<u32>,
    /// Bytes of one message as the app sends it, attachments encoded; announced to the app as SIZE.
    /// Exchange Online takes 35 MB unless the tenant says otherwise, and never more than 150 MiB.
    #[schemars(range(min = 1024, max = 157_286_400), extend("format" = "int64"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_bytes: Option<u64>,
}
