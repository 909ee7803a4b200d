//! Where a sidecar gets its tokens by itself.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Where tokens come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TokenSource {
    /// Entra, asked by the sidecar itself.
    Entra(EntraSource),
}

/// What is asked of Entra, and the one credential by which. The credential itself is never in this
/// file: files hold it, which are read anew for each request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EntraSource {
    /// The login host, `https://login.microsoftonline.com`.
    #[serde(rename = "loginURL", default = "login_url")]
    pub login_url: String,
    /// The tenant: its id or a domain of it.
    pub tenant: String,
    /// The application's (client) id.
    #[serde(rename = "clientID")]
    pub client_id: String,
    /// What the token is for.
    #[serde(default = "scope")]
    pub scope: String,
    /// PEM certificates that alone are trusted; the public roots where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<String>,
    /// A file that holds the client secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_file: Option<PathBuf>,
    /// A certificate that is uploaded to the app registration, and its key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<CertificateFiles>,
    /// A file that holds a token of another issuer that Entra trusts, such as a projected Kubernetes
    /// token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub federated_token_file: Option<PathBuf>,
    /// A file that holds the refresh token of a signed-in user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token_file: Option<PathBuf>,
}

/// A certificate and its key, in files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateFiles {
    /// PEM, the certificate first.
    pub certificate_file: PathBuf,
    /// PEM.
    pub key_file: PathBuf,
    /// How the assertion is signed.
    #[serde(default)]
    pub signature_algorithm: SignatureAlgorithm,
}

/// How an assertion is signed (RFC 7518 section 3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum SignatureAlgorithm {
    /// RSASSA-PSS with SHA-256.
    #[default]
    PS256,
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    RS256,
}

/// The one credential of a source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CredentialFile<'a> {
    /// A client secret.
    ClientSecret(&'a Path),
    /// A certificate and its key.
    Certificate(&'a CertificateFiles),
    /// Another issuer's token.
    FederatedToken(&'a Path),
    /// A refresh token.
    RefreshToken(&'a Path),
}

impl EntraSource {
    /// Tokens of the global cloud for Exchange Online; the credential is still to be named.
    #[must_use]
    pub fn new(tenant: String, client_id: String) -> Self {
        Self {
            login_url: login_url(),
            tenant,
            client_id,
            scope: scope(),
            ca_bundle: None,
            client_secret_file: None,
            certificate: None,
            federated_token_file: None,
            refresh_token_file: None,
        }
    }

    /// The one credential; `None` where there is not exactly one, which the reader of the file
    /// refuses.
    #[must_use]
    pub fn credential(&self) -> Option<CredentialFile<'_>> {
        let mut all = [
            self.client_secret_file.as_deref().map(CredentialFile::ClientSecret),
            self.certificate.as_ref().map(CredentialFile::Certificate),
            self.federated_token_file.as_deref().map(CredentialFile::FederatedToken),
            self.refresh_token_file.as_deref().map(CredentialFile::RefreshToken),
        ]
        .into_iter()
        .flatten();
        let credential = all.next()?;
        all.next().is_none().then_some(credential)
    }
}

fn login_url() -> String {
    "https://login.microsoftonline.com".to_owned()
}

fn scope() -> String {
    "https://outlook.office365.com/.default".to_owned()
}
