//! What is asked for: one application, one credential, and the scope that the token is for.

use std::borrow::Cow;

use oauth2::TokenUrl;

use crate::credential::Credential;
use crate::fault::Peer;
use crate::https::{self, Url};
use crate::signing_certificate::BadCertificate;

/// One token to be asked for. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    /// Who is asked.
    pub endpoint: Endpoint,
    /// The application's (client) id.
    pub client_id: String,
    /// What the token is for, as `https://outlook.office365.com/.default`: exactly one scope, but with
    /// a refresh token one to eight, with a space between each two; `offline_access` is added for Entra.
    pub scope: String,
    /// How the application proves itself.
    pub credential: Credential,
    /// PEM; where given, only these roots are trusted for the endpoint.
    pub ca_bundle: Option<String>,
}

/// Who is asked for tokens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// Microsoft Entra, for one tenant.
    Entra {
        /// Where Entra is, without the tenant: `https://login.microsoftonline.com`. A path is kept.
        login_url: String,
        /// The tenant's domain or GUID.
        tenant: String,
    },
    /// The token endpoint of another provider, as `https://oauth2.googleapis.com/token`. What it refuses
    /// is not explained in Entra's terms.
    Url(String),
}

/// Why a request was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRequest {
    /// `login_url` is not usable, for the reason given.
    #[error("the login URL {0}")]
    LoginUrl(&'static str),
    /// The URL of another provider is not usable, for the reason given.
    #[error("the token URL {0}")]
    TokenUrl(&'static str),
    /// `tenant` is neither a domain nor a GUID.
    #[error("the tenant is neither a domain name nor a GUID")]
    Tenant,
    /// `client_id` is empty, too long or holds spaces or control characters.
    #[error("the client id is not 1 to 128 visible characters")]
    ClientId,
    /// `scope` is not one scope.
    #[error("the scope is not exactly one scope of at most 512 visible characters")]
    Scope,
    /// `scope` is not a list of scopes, where it may be one.
    #[error("the scope is not 1 to 8 scopes of at most 512 visible characters, one space between each two")]
    Scopes,
    /// The secret is empty, too long or holds control characters, such as a final line feed.
    #[error("the client secret is not 1 to 1024 characters on one line")]
    ClientSecret,
    /// Certificate and key cannot be used, for the reason given.
    #[error("the certificate and its key cannot be used: {0}")]
    Certificate(BadCertificate),
    /// The token of another issuer is none by its form.
    #[error("the federated token is no JWT of at most 16 KiB on one line")]
    Assertion,
    /// The refresh token is empty, too long or holds whitespace or control characters.
    #[error("the refresh token is not 1 to 16384 visible characters on one line")]
    RefreshToken,
}

/// Whose words an answer is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Issuer {
    Entra,
    Other,
}

impl Issuer {
    /// What its host is called in a sentence.
    pub(crate) fn host(self) -> &'static str {
        match self {
            Self::Entra => "login host",
            Self::Other => "token host",
        }
    }
}

/// Where a request that can be sent goes.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) url: Url,
    pub(crate) peer: Peer,
    pub(crate) issuer: Issuer,
}

impl Endpoint {
    pub(crate) fn issuer(&self) -> Issuer {
        match self {
            Self::Entra { .. } => Issuer::Entra,
            Self::Url(_) => Issuer::Other,
        }
    }
}

impl TokenRequest {
    /// Checks all but the credential.
    pub(crate) fn target(&self) -> Result<Target, InvalidRequest> {
        is_client_id(&self.client_id)?;
        match self.credential {
            Credential::RefreshToken { .. } => are_scopes(&self.scope)?,
            Credential::ClientSecret(_) | Credential::Certificate { .. } | Credential::Federated { .. } => {
                is_scope(&self.scope).then_some(()).ok_or(InvalidRequest::Scope)?;
            }
        }
        match &self.endpoint {
            Endpoint::Entra { login_url, tenant } => entra(login_url, tenant, "token"),
            Endpoint::Url(url) => {
                let (url, peer) = https::base(url).map_err(InvalidRequest::TokenUrl)?;
                Ok(Target { url, peer, issuer: self.endpoint.issuer() })
            }
        }
    }
}

/// Entra gives a refresh token only to those who ask for this, and so perhaps a successor, too.
const OFFLINE: &str = "offline_access";

impl TokenRequest {
    /// The scope as it is sent. To a refresh token of Entra's belongs `offline_access`, without which
    /// there would have been none; other providers refuse what they do not know.
    pub(crate) fn asked_scope(&self) -> Cow<'_, str> {
        let refreshes = matches!(self.credential, Credential::RefreshToken { .. });
        match self.endpoint.issuer() {
            Issuer::Entra if refreshes && !self.scope.split(' ').any(|one| one == OFFLINE) => {
                format!("{} {OFFLINE}", self.scope).into()
            }
            Issuer::Entra | Issuer::Other => self.scope.as_str().into(),
        }
    }
}

impl Target {
    pub(crate) fn token_url(&self) -> TokenUrl {
        TokenUrl::from_url(self.url.clone())
    }
}

/// Entra's endpoint of that name for a tenant.
pub(crate) fn entra(login_url: &str, tenant: &str, name: &str) -> Result<Target, InvalidRequest> {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
    if !sized(tenant, 253, fits) || tenant.starts_with('.') || tenant.contains("..") {
        return Err(InvalidRequest::Tenant);
    }
    let (mut url, peer) = https::base(login_url).map_err(InvalidRequest::LoginUrl)?;
    url.path_segments_mut()
        .map_err(|()| InvalidRequest::LoginUrl("cannot hold a path"))?
        .pop_if_empty()
        .extend([tenant, "oauth2", "v2.0", name]);
    Ok(Target { url, peer, issuer: Issuer::Entra })
}

pub(crate) fn is_client_id(text: &str) -> Result<(), InvalidRequest> {
    sized(text, 128, |c| c.is_ascii_graphic()).then_some(()).ok_or(InvalidRequest::ClientId)
}

/// RFC 6749 section 3.3: scope-tokens with a space between.
pub(crate) fn are_scopes(text: &str) -> Result<(), InvalidRequest> {
    let listed = text.split(' ').count() <= 8 && text.split(' ').all(is_scope);
    listed.then_some(()).ok_or(InvalidRequest::Scopes)
}

fn is_scope(text: &str) -> bool {
    sized(text, 512, |c| c.is_ascii_graphic() && c != '"' && c != '\\')
}

pub(crate) fn sized(text: &str, most: usize, fits: impl Fn(char) -> bool) -> bool {
    !text.is_empty() && text.len() <= most && text.chars().all(fits)
}

#[cfg(test)]
mod tests;
