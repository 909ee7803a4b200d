//! What a token is for, and by what request it was obtained.

use std::fmt;

use mail_egress_entra::{Endpoint, SignatureAlgorithm};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::request::{Proof, Request};

/// Whose token it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Owner {
    /// The EntraApp of this name.
    App(String),
    /// The MailRoute of this name, whose relay has a token endpoint of its own.
    Route(String),
}

/// What a token is for: one application, one scope. All senders of both share the token.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Whose it is.
    pub owner: Owner,
    /// The scope, as `https://outlook.office365.com/.default`.
    pub scope: String,
}

/// For logs, metrics and names; no EntraApp's name has a slash.
impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::App(name) => f.write_str(name),
            Self::Route(name) => write!(f, "mailroute/{name}"),
        }
    }
}

impl Owner {
    /// The name of the Secret that keeps the newest refresh token.
    #[must_use]
    pub fn refresh_secret_name(&self) -> String {
        let digest = digest([self.to_string().as_bytes()]);
        format!("mail-egress-refresh-{}", digest.get(..20).unwrap_or(&digest))
    }
}

impl Key {
    /// The name of the Secret that keeps the token; names of EntraApps can be as long as Secrets'.
    #[must_use]
    pub fn secret_name(&self) -> String {
        let digest = self.digest();
        format!("mail-egress-token-{}", digest.get(..20).unwrap_or(&digest))
    }

    /// This token's own place in every interval, in `0.0..1.0`; the same after a restart.
    #[must_use]
    pub fn spread(&self) -> f64 {
        let first = u32::from_str_radix(self.digest().get(..8).unwrap_or("0"), 16).unwrap_or(0);
        f64::from(first) / (f64::from(u32::MAX) + 1.0)
    }

    fn digest(&self) -> String {
        digest([self.owner.to_string().as_bytes(), self.scope.as_bytes()])
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} for {}", self.owner, self.scope)
    }
}

/// Tells apart the requests by which tokens were obtained, without keeping their credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    /// Of who asks whom for what: a token with another identity is not ours to use.
    pub identity: String,
    /// Of the identity and the credential and CA as well: a token with another one is still good,
    /// yet the new credential is tried at once.
    pub request: String,
}

impl Fingerprint {
    /// The fingerprint of a request with this [`identity`]. What changes with each sending, an
    /// assertion or the newest refresh token, does not count.
    #[must_use]
    pub fn of(identity: &str, request: &Request) -> Self {
        let proof = match &request.proof {
            Proof::ClientSecret(value) => vec!["secret", value.expose_secret()],
            Proof::Certificate { chain, key, algorithm } => {
                let algorithm = match algorithm {
                    SignatureAlgorithm::PS256 => "PS256",
                    SignatureAlgorithm::RS256 => "RS256",
                };
                vec!["certificate", chain, key.expose_secret(), algorithm]
            }
            Proof::OwnToken { audience } => vec!["own token", audience],
            Proof::RefreshToken { first, client_secret } => {
                let secret = client_secret.as_ref().map_or("", |secret| secret.expose_secret());
                vec!["refresh token", first.expose_secret(), secret]
            }
        };
        let ca_bundle = request.ca_bundle.as_deref().unwrap_or_default();
        let parts = [identity].into_iter().chain(proof).chain([ca_bundle]);
        Self { identity: identity.to_owned(), request: digest(parts.map(str::as_bytes)) }
    }
}

/// The fingerprint of who asks whom for what; see [`Fingerprint::identity`]. `mailbox` is that of the
/// signed-in user, where there is one.
pub(super) fn identity(endpoint: &Endpoint, client_id: &str, scope: &str, mailbox: Option<&str>) -> String {
    let whom = match endpoint {
        Endpoint::Entra { login_url, tenant } => vec![login_url.as_str(), tenant],
        Endpoint::Url(url) => vec![url.as_str()],
    };
    let parts = whom.into_iter().chain([client_id, scope]).chain(mailbox);
    digest(parts.map(str::as_bytes))
}

/// Tells a first refresh token from another, without keeping it.
#[must_use]
pub(super) fn of_first(token: &str) -> String {
    digest([token.as_bytes()])
}

/// SHA-256 in hex over the parts, each with its length, so that no two lists of parts look alike.
fn digest<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part);
    }
    format!("{:x}", hash.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::SecretString;

    fn of(tenant: &str, proof: Proof) -> Fingerprint {
        let endpoint =
            Endpoint::Entra { login_url: "https://login.microsoftonline.com".into(), tenant: tenant.into() };
        let (client_id, scope) =
            ("00000000-0000-0000-0000-000000000001", "https://outlook.office365.com/.default");
        let identity = identity(&endpoint, client_id, scope, None);
        let (client_id, scope) = (client_id.into(), scope.into());
        Fingerprint::of(&identity, &Request { endpoint, client_id, scope, proof, ca_bundle: None })
    }

    fn secret(value: &str) -> Proof {
        Proof::ClientSecret(SecretString::from(value))
    }

    #[test]
    fn a_changed_credential_keeps_the_identity() {
        let old = of("contoso.com", secret("one"));
        let new = of("contoso.com", secret("two"));
        assert_eq!(old.identity, new.identity);
        assert_ne!(old.request, new.request);
        assert_eq!(old, of("contoso.com", secret("one")));
        let first = Proof::RefreshToken { first: SecretString::from("one"), client_secret: None };
        assert_ne!(of("contoso.com", first).request, old.request, "another kind with the same value");
    }

    #[test]
    fn a_changed_tenant_is_another_identity() {
        assert_ne!(of("contoso.com", secret("one")).identity, of("fabrikam.com", secret("one")).identity);
    }

    #[test]
    fn parts_that_run_into_each_other_differ() {
        assert_ne!(digest([&b"ab"[..], b"c"]), digest([&b"a"[..], b"bc"]));
    }

    #[test]
    fn each_app_and_scope_has_its_own_secret_with_a_valid_name() {
        let key = |app: &str, scope: &str| Key { owner: Owner::App(app.into()), scope: scope.into() };
        let name = key("contoso", "a").secret_name();
        assert_ne!(name, key("contoso", "b").secret_name());
        assert_ne!(name, key("fabrikam", "a").secret_name());
        let of_route = Key { owner: Owner::Route("contoso".into()), scope: "a".into() };
        assert_ne!(name, of_route.secret_name());
        assert!(name.len() <= 63 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "{name}");
        assert!((0.0..1.0).contains(&key("contoso", "a").spread()));
    }
}
