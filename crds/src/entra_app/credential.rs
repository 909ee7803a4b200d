//! How an EntraApp proves itself to Entra: exactly one way, and never by a secret in the object.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the application proves itself: exactly one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("[has(self.clientSecret), has(self.certificate), has(self.federated), has(self.refreshToken)].filter(x, x).size() == 1")
        .message("spec.credential needs exactly one of clientSecret, certificate, federated and refreshToken"),
)]
pub struct Credential {
    /// A client secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<ClientSecret>,
    /// A certificate that is uploaded to the app registration, and its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Certificate>,
    /// A Kubernetes token that Entra trusts: no secret at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub federated: Option<Federated>,
    /// A refresh token of a signed-in user: consumer mailboxes and delegated work accounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<RefreshToken>,
}

/// A client secret in a Secret of the operator's namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClientSecret {
    /// The Secret's name, in the operator's namespace. It needs the label
    /// `mail-egress.io/credential: "true"`, and may say when the client secret ends by the
    /// annotation `mail-egress.io/expires-at` (RFC 3339).
    #[schemars(schema_with = "crate::schema::object_name")]
    pub secret_name: String,
    /// The key that holds the client secret's value (not its id).
    #[schemars(schema_with = "crate::schema::secret_key")]
    #[serde(default = "client_secret_key")]
    pub key: String,
}

/// A certificate and its key in a Secret of the operator's namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Certificate {
    /// The Secret's name, in the operator's namespace: `tls.crt` and `tls.key`. It needs the label
    /// `mail-egress.io/credential: "true"`.
    #[schemars(schema_with = "crate::schema::object_name")]
    pub secret_name: String,
    /// How the assertion is signed: `PS256` (RSASSA-PSS), or `RS256` (PKCS #1) for clouds that do not
    /// know PS256 yet.
    #[schemars(schema_with = "crate::schema::choice::<SignatureAlgorithm>")]
    #[serde(default)]
    pub signature_algorithm: SignatureAlgorithm,
}

/// How an assertion is signed (RFC 7518 section 3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SignatureAlgorithm {
    /// RSASSA-PSS with SHA-256.
    #[default]
    PS256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256,
}

/// A Kubernetes token that Entra exchanges.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Federated {
    /// Whose token: the `Operator`'s own, or the `Workload`'s, which its sidecar exchanges, so that
    /// no Secret holds any token. Entra compares `system:serviceaccount:NAMESPACE:NAME` to the letter.
    #[schemars(schema_with = "crate::schema::choice::<FederatedSubject>")]
    #[serde(default)]
    pub subject: FederatedSubject,
    /// The token's audience, as the federated credential in Entra says it.
    #[schemars(length(min = 1, max = 600), pattern(r"^[\x21-\x7E]+$"))]
    #[serde(default = "federated_audience")]
    pub audience: String,
}

/// Whose Kubernetes token is exchanged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum FederatedSubject {
    /// The operator's service account.
    #[default]
    Operator,
    /// The service account of the pod that sends.
    Workload,
}

/// A refresh token in a Secret of the operator's namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefreshToken {
    /// The Secret's name, in the operator's namespace. It needs the label
    /// `mail-egress.io/credential: "true"`.
    #[schemars(schema_with = "crate::schema::object_name")]
    pub secret_name: String,
    /// The key that holds the first refresh token; its successors are kept elsewhere.
    #[schemars(schema_with = "crate::schema::secret_key")]
    #[serde(default = "refresh_token_key")]
    pub key: String,
}

/// The one credential of an EntraApp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialSource<'a> {
    /// A client secret.
    ClientSecret(&'a ClientSecret),
    /// A certificate.
    Certificate(&'a Certificate),
    /// A Kubernetes token.
    Federated(&'a Federated),
    /// A refresh token.
    RefreshToken(&'a RefreshToken),
}

impl Credential {
    /// The one credential that is set; none if there is not exactly one, which the API server
    /// refuses.
    pub fn source(&self) -> Option<CredentialSource<'_>> {
        match (&self.client_secret, &self.certificate, &self.federated, &self.refresh_token) {
            (Some(secret), None, None, None) => Some(CredentialSource::ClientSecret(secret)),
            (None, Some(certificate), None, None) => Some(CredentialSource::Certificate(certificate)),
            (None, None, Some(federated), None) => Some(CredentialSource::Federated(federated)),
            (None, None, None, Some(token)) => Some(CredentialSource::RefreshToken(token)),
            _ => None,
        }
    }
}

fn client_secret_key() -> String {
    "clientSecret".into()
}

fn refresh_token_key() -> String {
    "refreshToken".into()
}

fn federated_audience() -> String {
    "api://AzureADTokenExchange".into()
}
