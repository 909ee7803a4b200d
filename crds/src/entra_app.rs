//! `EntraApp`: an application of Microsoft Entra ID, its one credential, and who may use it.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

pub use self::credential::*;

use crate::{
    allowed::{Admission, AllowedMailboxes},
    cloud::Cloud,
};

mod credential;

/// What the platform team says about the application.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "mail-egress.io",
    version = "v1alpha1",
    kind = "EntraApp",
    plural = "entraapps",
    shortname = "eapp",
    category = "mail-egress",
    status = "EntraAppStatus",
    derive = "PartialEq",
    doc = "An application of Microsoft Entra ID in whose name senders get tokens: tenant, client id, one credential, and the namespaces and mailboxes that may use it (by default none).",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#,
        description = "Whether senders can get tokens by it"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#,
        description = "Why, in a word"
    ),
    printcolumn(name = "Tenant", type_ = "string", json_path = ".spec.tenant"),
    printcolumn(name = "Client ID", type_ = "string", json_path = ".spec.clientID"),
    printcolumn(name = "Suspended", type_ = "boolean", json_path = ".spec.suspend"),
    printcolumn(
        name = "Since",
        type_ = "date",
        json_path = r#".status.conditions[?(@.type=="Ready")].lastTransitionTime"#,
        description = "When Ready last changed"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Cloud", type_ = "string", json_path = ".spec.cloud", priority = 1),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].message"#,
        priority = 1
    )
)]
#[x_kube(
    validation = Rule::new("self.tenant.lowerAscii() != 'consumers' || has(self.credential.refreshToken)")
        .message("spec.tenant consumers has mailboxes but no applications of its own: it works with spec.credential.refreshToken only")
        .field_path(".tenant"),
    validation = Rule::new("!has(self.credential.refreshToken) || !has(self.allowedNamespaces) || self.allowedNamespaces.all(e, e.mailboxes.size() == 1 && !e.mailboxes[0].contains('*') && e.mailboxes[0].lowerAscii() == self.allowedNamespaces[0].mailboxes[0].lowerAscii())")
        .message("spec.credential.refreshToken is good for the one mailbox that was signed in to: name that one, and no pattern, in every entry of spec.allowedNamespaces")
        .field_path(".allowedNamespaces"),
)]
pub struct EntraAppSpec {
    /// The tenant: its id (a GUID) or one of its domains, such as `contoso.onmicrosoft.com`;
    /// `consumers` for Outlook.com mailboxes. Immutable: create another EntraApp instead.
    #[schemars(length(min = 1, max = 253), pattern(r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$"))]
    #[x_kube(
        validation = Rule::new("self == oldSelf")
            .message("spec.tenant is immutable: create another EntraApp and let the senders name it"),
        validation = Rule::new("!(self.lowerAscii() in ['common', 'organizations'])")
            .message("spec.tenant must name one tenant, by its id or a domain of it: common and organizations name none"),
    )]
    pub tenant: String,

    /// The application (client) id, a GUID, from the app registration's overview page. Not the
    /// object id, and not the id of a secret. Immutable: create another EntraApp instead.
    #[schemars(length(max = 64))]
    #[x_kube(
        validation = Rule::new("self == oldSelf")
            .message("spec.clientID is immutable: create another EntraApp and let the senders name it"),
        validation = Rule::new("self.matches('^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$')")
            .message("spec.clientID must be the application (client) id of the app registration, a GUID such as 00000000-0000-0000-0000-000000000000"),
    )]
    #[serde(rename = "clientID")]
    pub client_id: String,

    /// The Microsoft cloud in which the tenant lives: `Global` (GCC too), `USGovernment` (GCC High),
    /// `USGovernmentDoD`, `China` (21Vianet). It decides the login host and the scopes; `endpoint`
    /// overrides them.
    #[schemars(schema_with = "crate::schema::choice::<Cloud>")]
    #[serde(default)]
    pub cloud: Cloud,

    /// Hosts and scopes other than the cloud's: private clouds, labs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Endpoint>,

    /// How the application proves itself to Entra: exactly one way. Secrets lie in the operator's
    /// namespace, labelled `mail-egress.io/credential: "true"`; never in this object.
    pub credential: Credential,

    /// Who may use the application, and for which mailboxes. By default nobody.
    #[schemars(length(max = 200))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_namespaces: Vec<AllowedMailboxes>,

    /// Stops every sender that uses the application: apps then get 451 with that reason.
    #[serde(default)]
    pub suspend: bool,
}

/// Hosts and scopes other than the cloud's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// The base of the token endpoint, such as `https://login.lab.test:8443`; the tenant and
    /// `/oauth2/v2.0/token` are appended. HTTPS only.
    #[schemars(schema_with = "crate::schema::https_url")]
    #[serde(default, rename = "loginURL", skip_serializing_if = "Option::is_none")]
    pub login_url: Option<String>,
    /// Certificates (PEM) that replace the public roots when the token endpoint is dialled.
    #[schemars(schema_with = "crate::schema::ca_bundle")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<String>,
    /// The scope of tokens for SMTP submission, in place of the cloud's.
    #[schemars(schema_with = "crate::schema::scope")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange_scope: Option<String>,
    /// The scope of tokens for Microsoft Graph, in place of the cloud's.
    #[schemars(schema_with = "crate::schema::scope")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graph_scope: Option<String>,
}

/// What the operator says about the application.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct EntraAppStatus {
    /// The generation of the spec that the conditions speak of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Accepted`, `CredentialReady`, `Supported`, and their summary `Ready`.
    #[schemars(schema_with = "crate::schema::conditions")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

impl EntraAppSpec {
    /// The base of the token endpoint, without a slash at its end: the endpoint's, else the cloud's.
    pub fn login_url(&self) -> &str {
        self.endpoint
            .as_ref()
            .and_then(|endpoint| endpoint.login_url.as_deref())
            .map_or(self.cloud.login_url(), |url| url.trim_end_matches('/'))
    }

    /// The certificates that replace the public roots when the token endpoint is dialled.
    pub fn login_ca_bundle(&self) -> Option<&str> {
        self.endpoint.as_ref()?.ca_bundle.as_deref()
    }

    /// The scope of tokens for SMTP submission: the endpoint's, else the cloud's; by a refresh token
    /// that of the signed-in user.
    pub fn exchange_scope(&self) -> &str {
        let usual = if self.is_delegated() {
            self.cloud.delegated_exchange_scope()
        } else {
            self.cloud.exchange_scope()
        };
        self.endpoint.as_ref().and_then(|endpoint| endpoint.exchange_scope.as_deref()).unwrap_or(usual)
    }

    /// The scope of tokens for Microsoft Graph: the endpoint's, else the cloud's; by a refresh token
    /// that of the signed-in user.
    pub fn graph_scope(&self) -> &str {
        let usual =
            if self.is_delegated() { self.cloud.delegated_graph_scope() } else { self.cloud.graph_scope() };
        self.endpoint.as_ref().and_then(|endpoint| endpoint.graph_scope.as_deref()).unwrap_or(usual)
    }

    /// Tells whether its tokens are those of a signed-in user, by a refresh token.
    pub fn is_delegated(&self) -> bool {
        matches!(self.credential.source(), Some(CredentialSource::RefreshToken(_)))
    }

    /// The one mailbox that all entries admit; none where they admit several, or a pattern.
    pub fn only_mailbox(&self) -> Option<&str> {
        let mut mailboxes = self.allowed_namespaces.iter().flat_map(|entry| &entry.mailboxes);
        let first = mailboxes.next().filter(|mailbox| !mailbox.contains('*'))?;
        mailboxes.all(|mailbox| mailbox.eq_ignore_ascii_case(first)).then_some(first)
    }

    /// Judges whether a namespace of that name and with those labels may use the application for
    /// that mailbox. `suspend` is not looked at.
    pub fn admission(&self, namespace: &str, labels: &BTreeMap<String, String>, mailbox: &str) -> Admission {
        Admission::judge(&self.allowed_namespaces, namespace, labels, mailbox)
    }
}

#[cfg(test)]
mod tests {
    use super::{CredentialSource, EntraAppSpec};

    fn spec(more: &str) -> EntraAppSpec {
        let yaml = format!("{{tenant: contoso.com, clientID: 11111111-2222-3333-4444-555555555555, {more}}}");
        serde_yaml::from_str(&yaml).unwrap()
    }

    #[test]
    fn hosts_and_scopes_come_from_the_cloud() {
        let spec = spec("cloud: USGovernment, credential: {clientSecret: {secretName: a}}");
        assert_eq!(spec.login_url(), "https://login.microsoftonline.us");
        assert_eq!(spec.exchange_scope(), "https://outlook.office365.us/.default");
        assert_eq!(spec.graph_scope(), "https://graph.microsoft.us/.default");
        assert_eq!(spec.login_ca_bundle(), None);
    }

    #[test]
    fn the_endpoint_overrides_the_cloud() {
        let spec = spec(
            "credential: {federated: {}}, endpoint: {loginURL: 'https://login.lab.test:8443/', \
             caBundle: PEM, exchangeScope: a/.default, graphScope: b/.default}",
        );
        assert_eq!(spec.login_url(), "https://login.lab.test:8443");
        assert_eq!(spec.login_ca_bundle(), Some("PEM"));
        assert_eq!(spec.exchange_scope(), "a/.default");
        assert_eq!(spec.graph_scope(), "b/.default");
    }

    #[test]
    fn a_refresh_token_asks_for_what_its_user_may() {
        let spec = spec("credential: {refreshToken: {secretName: a}}, cloud: China");
        assert_eq!(spec.exchange_scope(), "https://partner.outlook.cn/SMTP.Send");
        assert_eq!(spec.graph_scope(), "https://microsoftgraph.chinacloudapi.cn/Mail.Send");
    }

    #[test]
    fn one_mailbox_is_one_however_often_it_is_named() {
        let only = |mailboxes: [&str; 2]| {
            let entry = |mailbox: &str| format!("{{namespaces: [shop], mailboxes: ['{mailbox}']}}");
            let [one, other] = mailboxes.map(entry);
            let spec = spec(&format!("credential: {{federated: {{}}}}, allowedNamespaces: [{one}, {other}]"));
            spec.only_mailbox().map(str::to_owned)
        };
        assert_eq!(only(["me@outlook.com", "Me@Outlook.com"]).as_deref(), Some("me@outlook.com"));
        assert_eq!(only(["me@outlook.com", "you@outlook.com"]), None);
        assert_eq!(only(["*@outlook.com", "*@outlook.com"]), None);
    }

    #[test]
    fn a_secret_is_looked_for_under_the_usual_key() {
        let spec = spec("credential: {clientSecret: {secretName: contoso}}");
        let Some(CredentialSource::ClientSecret(secret)) = spec.credential.source() else {
            panic!("not a client secret");
        };
        assert_eq!((&*secret.secret_name, &*secret.key), ("contoso", "clientSecret"));
    }

    #[test]
    fn two_credentials_that_got_past_the_rules_are_none() {
        let spec = spec("credential: {clientSecret: {secretName: a}, federated: {}}");
        assert_eq!(spec.credential.source(), None);
    }
}
