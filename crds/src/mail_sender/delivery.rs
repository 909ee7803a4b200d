//! When an app is told that its message is taken, and how long one is tried.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When the app is told that a message is taken, and how long one is tried.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.maxAgeSeconds) || (has(self.mode) && self.mode == 'Spool')")
        .message("spec.delivery.maxAgeSeconds belongs to mode Spool: set spec.delivery.mode to Spool, or remove it")
        .field_path(".maxAgeSeconds"),
    validation = Rule::new("!has(self.acceptLoss) || (has(self.mode) && self.mode == 'Spool')")
        .message("spec.delivery.acceptLoss belongs to mode Spool: set spec.delivery.mode to Spool, or remove it")
        .field_path(".acceptLoss"),
    validation = Rule::new("!has(self.holdSeconds) || !has(self.mode) || self.mode != 'Spool'")
        .message("spec.delivery.holdSeconds belongs to mode Direct: a spooled message is taken at once and waits on disk; remove it")
        .field_path(".holdSeconds"),
)]
pub struct Delivery {
    /// `Direct`: 250 means that the route's server has accepted the message. `Spool`: 250 means
    /// that it is synced to disk, and it is tried until `maxAgeSeconds`. Absent: `Direct`.
    #[schemars(schema_with = "crate::schema::choice::<DeliveryMode>")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<DeliveryMode>,
    /// Direct: how many seconds a message above the limits is held before the app gets 4xx. Absent:
    /// 8. An app's own time limit for DATA should be longer (RFC 5321 section 4.5.3.2 asks for 120).
    #[schemars(range(min = 0, max = 120), extend("format" = "int32"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_seconds: Option<u32>,
    /// Spool: how many seconds a message is tried before it becomes a dead letter; at most 5 days.
    #[schemars(range(min = 60, max = 432_000), extend("format" = "int32"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_seconds: Option<u32>,
    /// What is done with a message whose fate is unknown, since the connection was lost after the
    /// final dot: `AtMostOnce` never sends it again (it may be lost, never doubled); `AtLeastOnce`
    /// sends it again with the same Message-ID (it may be doubled, never lost). Absent:
    /// `AtMostOnce`.
    #[schemars(schema_with = "crate::schema::choice::<Uncertain>")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uncertain: Option<Uncertain>,
    /// Spool: must be `true` where the spool lies on the pod's own volume, which goes with the pod:
    /// what is then unsent is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept_loss: Option<bool>,
    /// What is done with a bare CR or LF in the app's message: `Normalize` makes each CRLF;
    /// `Refuse` refuses the message. Absent: `Normalize`.
    #[schemars(schema_with = "crate::schema::choice::<BareLineEndings>")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bare_line_endings: Option<BareLineEndings>,
}

/// What 250 means to the app.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeliveryMode {
    /// The route's server has accepted the message.
    #[default]
    Direct,
    /// The message is synced to disk.
    Spool,
}

/// What is done with a message whose fate is unknown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Uncertain {
    /// It is never sent again: it may be lost, never doubled.
    #[default]
    AtMostOnce,
    /// It is sent again with the same Message-ID: it may be doubled, never lost.
    AtLeastOnce,
}

/// What is done with a bare CR or LF.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum BareLineEndings {
    /// Each becomes CRLF.
    #[default]
    Normalize,
    /// The message is refused.
    Refuse,
}
