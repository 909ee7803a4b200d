//! What is asked of Entra: one application, one scope, one credential.

use oauth2::TokenUrl;
use secrecy::{ExposeSecret, SecretString};

use crate::fault::Peer;
use crate::https;

/// One token to be asked for. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    /// Where Entra is, without the tenant: `https://login.microsoftonline.com`. A path is kept.
    pub login_url: String,
    /// The tenant's domain or GUID.
    pub tenant: String,
    /// The application's (client) id.
    pub client_id: String,
    /// Exactly one scope, as `https://outlook.office365.com/.default`.
    pub scope: String,
    /// How the application proves itself.
    pub credential: Credential,
    /// PEM; where given, only these roots are trusted for `login_url`.
    pub ca_bundle: Option<String>,
}

/// How the application proves itself to Entra.
#[derive(Clone, Debug)]
pub enum Credential {
    /// The value (not the id) of a client secret; sent in the body of the request.
    ClientSecret(SecretString),
}

/// Why a request was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRequest {
    /// `login_url` is not usable, for the reason given.
    #[error("the login URL {0}")]
    LoginUrl(&'static str),
    /// `tenant` is neither a domain nor a GUID.
    #[error("the tenant is neither a domain name nor a GUID")]
    Tenant,
    /// `client_id` is empty, too long or holds spaces or control characters.
    #[error("the client id is not 1 to 128 visible characters")]
    ClientId,
    /// `scope` is not one scope.
    #[error("the scope is not exactly one scope of at most 512 visible characters")]
    Scope,
    /// The secret is empty, too long or holds control characters, such as a final line feed.
    #[error("the client secret is not 1 to 1024 characters on one line")]
    ClientSecret,
}

/// Where a request that can be sent goes.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) url: TokenUrl,
    pub(crate) peer: Peer,
}

impl TokenRequest {
    pub(crate) fn validate(&self) -> Result<Endpoint, InvalidRequest> {
        let tenant = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '.';
        if !sized(&self.tenant, 253, tenant) || self.tenant.starts_with('.') || self.tenant.contains("..") {
            return Err(InvalidRequest::Tenant);
        }
        if !sized(&self.client_id, 128, |c| c.is_ascii_graphic()) {
            return Err(InvalidRequest::ClientId);
        }
        // RFC 6749 section 3.3: scope-token
        if !sized(&self.scope, 512, |c| c.is_ascii_graphic() && c != '"' && c != '\\') {
            return Err(InvalidRequest::Scope);
        }
        match &self.credential {
            Credential::ClientSecret(secret) => {
                if !sized(secret.expose_secret(), 1024, |c| !c.is_control()) {
                    return Err(InvalidRequest::ClientSecret);
                }
            }
        }
        let (url, peer) = token_url(&self.login_url, &self.tenant).map_err(InvalidRequest::LoginUrl)?;
        Ok(Endpoint { url, peer })
    }
}

fn sized(text: &str, most: usize, fits: impl Fn(char) -> bool) -> bool {
    !text.is_empty() && text.len() <= most && text.chars().all(fits)
}

fn token_url(login_url: &str, tenant: &str) -> Result<(TokenUrl, Peer), &'static str> {
    let (mut url, peer) = https::base(login_url)?;
    url.path_segments_mut()
        .map_err(|()| "cannot hold a path")?
        .pop_if_empty()
        .extend([tenant, "oauth2", "v2.0", "token"]);
    Ok((TokenUrl::from_url(url), peer))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> TokenRequest {
        TokenRequest {
            login_url: "https://login.microsoftonline.com".to_owned(),
            tenant: "contoso.onmicrosoft.com".to_owned(),
            client_id: "00000000-0000-0000-0000-000000000001".to_owned(),
            scope: "https://outlook.office365.com/.default".to_owned(),
            credential: Credential::ClientSecret("s3cr~et".into()),
            ca_bundle: None,
        }
    }

    fn refusal(change: impl FnOnce(&mut TokenRequest)) -> Option<InvalidRequest> {
        let mut request = request();
        change(&mut request);
        request.validate().err()
    }

    #[test]
    fn asks_at_the_tenants_v2_endpoint() {
        for (login, url, host, port) in [
            ("https://login.test", "https://login.test/t/oauth2/v2.0/token", "login.test", 443),
            ("https://login.test:8443/", "https://login.test:8443/t/oauth2/v2.0/token", "login.test", 8443),
            ("https://127.0.0.1:1", "https://127.0.0.1:1/t/oauth2/v2.0/token", "127.0.0.1", 1),
            ("https://[::1]:1/lab/", "https://[::1]:1/lab/t/oauth2/v2.0/token", "::1", 1),
        ] {
            let (found, peer) = token_url(login, "t").unwrap();
            assert_eq!((found.as_str(), peer.host.as_str(), peer.port), (url, host, port));
        }
    }

    #[test]
    fn refuses_a_login_url_that_is_not_plain_https() {
        for (url, why) in [
            ("http://login.test", "does not begin with https://"),
            ("https://user@login.test", "holds a user name or password"),
            ("https://:pw@login.test", "holds a user name or password"),
            ("https://login.test/?a=b", "holds a query or a fragment"),
            ("https://login.test/#a", "holds a query or a fragment"),
            ("https://", "is no URL"),
            ("login.test", "is no URL"),
            ("https://login.test:0", "has no port"),
            ("", "is no URL"),
        ] {
            assert_eq!(
                refusal(|r| r.login_url = url.to_owned()),
                Some(InvalidRequest::LoginUrl(why)),
                "{url}"
            );
        }
    }

    #[test]
    fn refuses_a_tenant_that_would_change_the_path() {
        for tenant in ["", ".", "..", "a/b", "a%2fb", "a?b", "a b", "contoso..com"] {
            assert_eq!(refusal(|r| r.tenant = tenant.to_owned()), Some(InvalidRequest::Tenant), "{tenant}");
        }
    }

    #[test]
    fn refuses_more_than_one_scope() {
        assert_eq!(refusal(|r| r.scope = "a b".to_owned()), Some(InvalidRequest::Scope));
        assert_eq!(refusal(|r| r.scope.clear()), Some(InvalidRequest::Scope));
    }

    #[test]
    fn refuses_a_secret_with_a_line_feed_at_its_end() {
        let secret = |s: &str| Credential::ClientSecret(s.into());
        assert_eq!(refusal(|r| r.credential = secret("s3cret\n")), Some(InvalidRequest::ClientSecret));
        assert_eq!(refusal(|r| r.credential = secret("")), Some(InvalidRequest::ClientSecret));
        assert_eq!(refusal(|_| ()), None);
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!("{:?}", request());
        assert!(shown.contains("ClientSecret") && !shown.contains("s3cr"), "{shown}");
    }
}
