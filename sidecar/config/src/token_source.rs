//! Where a sidecar without an operator gets its tokens.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where tokens come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TokenSource {
    /// Entra, asked by the sidecar itself.
    Entra(EntraSource),
}

/// What is asked of Entra. The secret itself is never in this file.
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
    /// A file that holds the client secret; read anew for each request.
    pub client_secret_file: PathBuf,
}

fn login_url() -> String {
    "https://login.microsoftonline.com".to_owned()
}

fn scope() -> String {
    "https://outlook.office365.com/.default".to_owned()
}
