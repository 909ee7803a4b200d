//! `MailPolicy`: what the platform allows in the namespaces that it selects.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{honoured::paths_of_set, limits::Limits, selector::NamespaceSelector};

/// What the platform team allows.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "mail-egress.io",
    version = "v1alpha1",
    kind = "MailPolicy",
    plural = "mailpolicies",
    shortname = "mpolicy",
    category = "mail-egress",
    status = "MailPolicyStatus",
    derive = "PartialEq",
    doc = "What the platform allows to the MailSenders of the namespaces that it selects. Every matching policy must allow, and the lowest ceiling wins.",
    printcolumn(name = "Mode", type_ = "string", json_path = ".spec.mode"),
    printcolumn(
        name = "Supported",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Supported")].status"#,
        description = "Whether this version does what the policy says"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Supported")].reason"#,
        description = "Why, in a word"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Supported")].message"#,
        priority = 1
    )
)]
pub struct MailPolicySpec {
    /// The namespaces to which the policy applies. An empty selector selects every namespace.
    pub namespace_selector: NamespaceSelector,
    /// `Enforce` denies and caps; `Audit` neither denies nor caps: it counts and warns.
    #[schemars(schema_with = "crate::schema::choice::<PolicyMode>")]
    #[serde(default)]
    pub mode: PolicyMode,
    /// The mailboxes that senders may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mailboxes: Option<AddressRule>,
    /// The MailRoutes that senders may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routes: Option<NameRule>,
    /// The EntraApps that senders may use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entra_apps: Option<NameRule>,
    /// The recipients that senders may reach; the sidecar refuses others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipients: Option<AddressRule>,
    /// The kinds of credential by which mail may leave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential_kinds: Option<CredentialRule>,
    /// Ceilings: a sender's limits are never above these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// Dated exceptions. One suspends only rules of this policy, for the senders that it names,
    /// until it ends by itself.
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exceptions: Vec<Exception>,
}

/// Whether a policy denies, or only tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PolicyMode {
    /// Denies and caps.
    #[default]
    Enforce,
    /// Counts and warns.
    Audit,
}

/// A rule on addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.allow) || has(self.deny)")
        .message("a rule on addresses needs allow, deny or both; remove it to allow every address"),
)]
pub struct AddressRule {
    /// What none of these patterns covers is denied. Absent: everything is allowed.
    #[schemars(schema_with = "crate::schema::some_patterns")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
    /// What one of these patterns covers is denied, also if `allow` covers it.
    #[schemars(schema_with = "crate::schema::some_patterns")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<String>,
}

/// A rule on the names of objects.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.allow) || has(self.deny)")
        .message("a rule on names needs allow, deny or both; remove it to allow every name"),
)]
pub struct NameRule {
    /// What is not among these names is denied; `*` stands for every name. Absent: everything is
    /// allowed.
    #[schemars(schema_with = "crate::schema::object_names_or_any")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<String>,
    /// What is among these names is denied, also if `allow` names it; `*` stands for every name.
    #[schemars(schema_with = "crate::schema::object_names_or_any")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub deny: Vec<String>,
}

/// A rule on kinds of credential.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CredentialRule {
    /// The kinds that are allowed; any other is denied.
    #[schemars(length(min = 1, max = 16), extend("x-kubernetes-list-type" = "set"))]
    pub allow: Vec<CredentialKind>,
}

/// By what a sender proves itself to the route's server or to its token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CredentialKind {
    /// An EntraApp's client secret.
    ClientSecret,
    /// An EntraApp's certificate.
    Certificate,
    /// A Kubernetes token that Entra trusts.
    Federated,
    /// An EntraApp's refresh token.
    RefreshToken,
    /// A relay's password, which lies in the app's namespace.
    Password,
    /// The XOAUTH2 token of another provider.
    XOAuth2,
    /// A relay's or connector's client certificate, which lies in the app's namespace.
    ClientCertificate,
    /// None: the server trusts the address that the connection comes from.
    Address,
}

/// A dated exception from rules of its own policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.namespaces) || has(self.senders)")
        .message("an entry of spec.exceptions needs namespaces, senders or both"),
)]
pub struct Exception {
    /// Its name, unique in the policy; conditions, events and reports show it.
    #[schemars(schema_with = "crate::schema::label")]
    pub name: String,
    /// Why it is granted, for whoever reads the audit.
    #[schemars(length(min = 1, max = 1024))]
    pub reason: String,
    /// When it ends (RFC 3339).
    pub until: Time,
    /// The namespaces that it is for. Absent: every namespace that the policy selects.
    #[schemars(schema_with = "crate::schema::namespaces")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespaces: Option<Vec<String>>,
    /// The names of the MailSenders that it is for. Absent: every sender of those namespaces.
    #[schemars(schema_with = "crate::schema::object_names")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub senders: Option<Vec<String>>,
    /// The rules that it suspends.
    #[schemars(length(min = 1, max = 16), extend("x-kubernetes-list-type" = "set"))]
    pub rules: Vec<PolicyRule>,
}

/// A rule that an exception can suspend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PolicyRule {
    /// `spec.mailboxes`.
    Mailboxes,
    /// `spec.routes`.
    Routes,
    /// `spec.entraApps`.
    EntraApps,
    /// `spec.recipients`.
    Recipients,
    /// `spec.credentialKinds`.
    CredentialKinds,
    /// `spec.limits`.
    Limits,
    /// The rule that nothing logs in to Exchange Online by a password.
    ExchangeOnlineBasic,
}

/// What the operator says about the policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct MailPolicyStatus {
    /// The generation of the spec that the conditions speak of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Supported`: whether this version does what the policy says.
    #[schemars(schema_with = "crate::schema::conditions")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

impl MailPolicySpec {
    /// The exception from this rule that lasts longest, of those for a MailSender of that name in a
    /// namespace of that name and with those labels, which have not ended.
    pub fn exception(
        &self,
        rule: PolicyRule,
        namespace: &str,
        labels: &BTreeMap<String, String>,
        sender: &str,
        now: Timestamp,
    ) -> Option<&Exception> {
        let named = |names: &Option<Vec<String>>, name: &str| {
            names.as_ref().is_none_or(|names| names.iter().any(|it| it == name))
        };
        let meant = |it: &&Exception| {
            it.rules.contains(&rule)
                && now < it.until.0
                && named(&it.namespaces, namespace)
                && named(&it.senders, sender)
        };
        let selected = self.namespace_selector.selects(labels);
        self.exceptions.iter().filter(|_| selected).filter(meant).max_by_key(|it| it.until.0)
    }

    /// The paths of the fields that are set and that this version does not act upon: it enforces no
    /// policy, and knows one rule of its own that an exception can suspend.
    pub fn not_yet_honoured(&self) -> Vec<&'static str> {
        let known = |it: &Exception| it.rules.iter().all(|rule| *rule == PolicyRule::ExchangeOnlineBasic);
        paths_of_set([
            ("spec.mailboxes", self.mailboxes.is_some()),
            ("spec.routes", self.routes.is_some()),
            ("spec.entraApps", self.entra_apps.is_some()),
            ("spec.recipients", self.recipients.is_some()),
            ("spec.credentialKinds", self.credential_kinds.is_some()),
            ("spec.limits", self.limits.is_some()),
            ("spec.exceptions", !self.exceptions.iter().all(known)),
        ])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{MailPolicySpec, PolicyRule};

    #[test]
    fn no_policy_passes_for_enforced() {
        let spec: MailPolicySpec =
            serde_yaml::from_str("{namespaceSelector: {}, routes: {deny: [graph]}}").unwrap();
        assert_eq!(spec.not_yet_honoured(), ["spec.routes"]);
    }

    #[test]
    fn an_exception_is_for_whom_it_names_and_until_it_ends() {
        let spec: MailPolicySpec = serde_yaml::from_str(
            "{namespaceSelector: {matchLabels: {team: shop}}, exceptions: [
               {name: a, reason: r, until: '2026-12-01T00:00:00Z', senders: [scanner], rules: [ExchangeOnlineBasic]},
               {name: b, reason: r, until: '2026-12-31T00:00:00Z', namespaces: [print], rules: [ExchangeOnlineBasic]},
               {name: c, reason: r, until: '2027-12-31T00:00:00Z', rules: [Routes]}]}",
        )
        .unwrap();
        let granted = |namespace: &str, team: &str, sender: &str, now: &str| {
            let labels = BTreeMap::from([("team".to_owned(), team.to_owned())]);
            let rule = PolicyRule::ExchangeOnlineBasic;
            spec.exception(rule, namespace, &labels, sender, now.parse().unwrap()).map(|it| it.name.as_str())
        };
        assert_eq!(granted("shop", "shop", "scanner", "2026-11-30T23:59:59Z"), Some("a"));
        assert_eq!(granted("shop", "shop", "scanner", "2026-12-01T00:00:00Z"), None, "ended");
        assert_eq!(granted("shop", "shop", "billing", "2026-11-30T00:00:00Z"), None, "another sender");
        assert_eq!(granted("print", "shop", "scanner", "2026-11-30T00:00:00Z"), Some("b"), "the longer one");
        assert_eq!(granted("print", "hr", "scanner", "2026-11-30T00:00:00Z"), None, "not selected");
        assert_eq!(spec.not_yet_honoured(), ["spec.exceptions"], "because of c");
    }
}
