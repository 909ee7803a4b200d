//! `MailSender`: what an app team writes to send as one mailbox.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::delivery::*;

use crate::{honoured::paths_of_set, limits::Limits};

mod delivery;

/// What the app team says about the sender.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "mail-egress.io",
    version = "v1alpha1",
    kind = "MailSender",
    plural = "mailsenders",
    namespaced,
    shortname = "msender",
    category = "mail-egress",
    status = "MailSenderStatus",
    derive = "PartialEq",
    doc = "Lets the pods of its namespace that bear the label mail-egress.io/sender: NAME send mail as one mailbox, by plain SMTP to localhost.",
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#, description = "Whether its pods can send"),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#, description = "Why, in a word"),
    printcolumn(name = "Mailbox", type_ = "string", json_path = ".spec.mailbox"),
    printcolumn(name = "Route", type_ = "string", json_path = ".spec.route"),
    printcolumn(name = "App", type_ = "string", json_path = ".spec.entraApp", description = "The EntraApp"),
    printcolumn(name = "Since", type_ = "date", json_path = r#".status.conditions[?(@.type=="Ready")].lastTransitionTime"#, description = "When Ready last changed"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Suspended", type_ = "boolean", json_path = ".spec.suspend", priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].message"#, priority = 1),
    validation = Rule::new("self.metadata.name.size() <= 50")
        .message("metadata.name of a MailSender must be at most 50 characters: the name of its Secret and the label of its pods are made from it"),
)]
#[x_kube(
    validation = Rule::new("!has(self.fallbackRoute) || self.fallbackRoute != self.route")
        .message("spec.fallbackRoute must be another route than spec.route: name another, or remove it")
        .field_path(".fallbackRoute"),
)]
pub struct MailSenderSpec {
    /// The EntraApp in whose name tokens are asked for; needed where the route uses one.
    #[schemars(schema_with = "crate::schema::object_name")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entra_app: Option<String>,

    /// The mailbox that is sent as, such as `billing@contoso.com`: one plain ASCII address. It is
    /// the user of the SMTP login, and the envelope sender of what leaves.
    #[schemars(schema_with = "crate::schema::mailbox")]
    pub mailbox: String,

    /// The MailRoute by which mail leaves, such as `exchange-online`.
    #[schemars(schema_with = "crate::schema::object_name")]
    pub route: String,

    /// The MailRoute for messages that the first one cannot carry, such as those too large for
    /// Graph.
    #[schemars(schema_with = "crate::schema::object_name")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback_route: Option<String>,

    /// Which addresses the app may send as, besides the mailbox.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub send_as: Option<SendAs>,

    /// To whom the app may send. By default to everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipients: Option<Recipients>,

    /// Limits of this sender, within those of the route and of policies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,

    /// When the app is told that a message is taken, and how long one is tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<Delivery>,

    /// Stops this sender: apps then get 451 with that reason.
    #[serde(default)]
    pub suspend: bool,
}

/// Which addresses the app may send as.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SendAs {
    /// Envelope senders that are kept as the app gives them; any other becomes the mailbox. The
    /// mailbox needs SendAs on them in Exchange.
    #[schemars(schema_with = "crate::schema::patterns")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub envelope_from: Vec<String>,
    /// What is done with a From header that is neither the mailbox nor among `envelopeFrom`:
    /// `Refuse` refuses the message; `Rewrite` makes From the mailbox and moves the original to
    /// Reply-To (a signed message is refused instead). Absent: `Refuse`.
    #[schemars(schema_with = "crate::schema::choice::<ForeignFrom>")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header_from: Option<ForeignFrom>,
    /// Whether `MAIL FROM:<>` (a bounce) may be sent. Absent: no.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_null_sender: Option<bool>,
}

/// What is done with a From header that the sender does not own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ForeignFrom {
    /// The message is refused.
    #[default]
    Refuse,
    /// From becomes the mailbox, and the original goes to Reply-To; signed messages are refused.
    Rewrite,
}

/// To whom the app may send.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.allow) || has(self.deny)")
        .message("spec.recipients needs allow, deny or both; remove it to allow everybody"),
)]
pub struct Recipients {
    /// Whoever none of these patterns covers is refused. Absent: everybody is allowed.
    #[schemars(schema_with = "crate::schema::some_patterns")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
    /// Whoever one of these patterns covers is refused, also if `allow` covers it.
    #[schemars(schema_with = "crate::schema::some_patterns")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<String>,
}

/// What the operator says about the sender.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct MailSenderStatus {
    /// The generation of the spec that the conditions speak of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Accepted`, `ResolvedRefs`, `TokenReady`, `Supported`, and their summary `Ready`;
    /// `FallbackReady` where there is a fallback route, and `LongLivedCredential` where a credential
    /// that does not end by itself lies in the namespace; `Stalled` and `Reconciling` for tools that
    /// read kstatus.
    #[schemars(schema_with = "crate::schema::conditions")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

impl MailSenderSpec {
    /// The paths of the fields that are set and that this version does not act upon. A value that
    /// asks for just what this version does is not named.
    pub fn not_yet_honoured(&self) -> Vec<&'static str> {
        paths_of_set([])
    }
}

#[cfg(test)]
mod tests {
    use super::MailSenderSpec;

    fn not_yet_honoured(more: &str) -> Vec<&'static str> {
        let yaml = format!("{{entraApp: a, mailbox: a@contoso.com, route: b, {more}}}");
        serde_yaml::from_str::<MailSenderSpec>(&yaml).unwrap().not_yet_honoured()
    }

    #[test]
    fn what_this_version_does_anyway_is_not_named() {
        let anyway = "suspend: true, delivery: {mode: Direct, uncertain: AtMostOnce}";
        assert_eq!(not_yet_honoured(anyway), Vec::<&str>::new());
    }

    #[test]
    fn every_field_is_honoured() {
        let everything = "
            fallbackRoute: c,
            sendAs: {envelopeFrom: ['*'], headerFrom: Refuse, allowNullSender: false},
            recipients: {allow: ['*'], deny: ['*']},
            limits: {messagesPerMinute: 1, recipientsPerDay: 1, connections: 1, recipientsPerMessage: 1, messageBytes: 4096},
            delivery: {mode: Spool, holdSeconds: 1, maxAgeSeconds: 60, uncertain: AtLeastOnce, acceptLoss: true, bareLineEndings: Refuse}";
        assert_eq!(not_yet_honoured(everything), Vec::<&str>::new());
    }
}
