//! What a token is for, and by what request it was obtained.

use std::fmt;

use mail_egress_entra::{Credential, Endpoint, SignatureAlgorithm, TokenRequest};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

/// What a token is for: one application, one scope. All senders of both share the token.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// The EntraApp's name.
    pub app: String,
    /// The scope, as `https://outlook.office365.com/.default`.
    pub scope: String,
}

impl Key {
    /// The name of the Secret that keeps the token; names of EntraApps can be as long as Secrets'.
    #[must_use]
    pub fn secret_name(&self) -> String {
        let digest = digest([self.app.as_bytes(), self.scope.as_bytes()]);
        format!("mail-egress-token-{}", digest.get(..20).unwrap_or(&digest))
    }

    /// This token's own place in every interval, in `0.0..1.0`; the same after a restart.
    #[must_use]
    pub fn spread(&self) -> f64 {
        let digest = digest([self.app.as_bytes(), self.scope.as_bytes()]);
        let first = u32::from_str_radix(digest.get(..8).unwrap_or("0"), 16).unwrap_or(0);
        f64::from(first) / (f64::from(u32::MAX) + 1.0)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} for {}", self.app, self.scope)
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
    /// The fingerprint of a request.
    #[must_use]
    pub fn of(request: &TokenRequest) -> Self {
        let (host, tenant) = match &request.endpoint {
            Endpoint::Entra { login_url, tenant } => (login_url, tenant.as_str()),
            Endpoint::Url(url) => (url, ""),
        };
        let identity = identity(host, tenant, &request.client_id, &request.scope);
        let credential = match &request.credential {
            Credential::ClientSecret(value) => ["secret", value.expose_secret(), ""],
            Credential::Certificate { chain, key, algorithm: SignatureAlgorithm::PS256 } => {
                ["PS256", chain, key.expose_secret()]
            }
            Credential::Certificate { chain, key, algorithm: SignatureAlgorithm::RS256 } => {
                ["RS256", chain, key.expose_secret()]
            }
            // Read anew for each request: another one is no other credential.
            Credential::Federated { .. } => ["federated", "", ""],
            // Each answer brings another token: that is no reason to ask again.
            Credential::RefreshToken { client_secret, .. } => {
                ["refresh", client_secret.as_ref().map_or("", |secret| secret.expose_secret()), ""]
            }
        };
        let whole = digest([
            identity.as_bytes(),
            credential[0].as_bytes(),
            credential[1].as_bytes(),
            credential[2].as_bytes(),
            request.ca_bundle.as_deref().unwrap_or_default().as_bytes(),
        ]);
        Self { identity, request: whole }
    }
}

/// The fingerprint of who asks whom for what; see [`Fingerprint::identity`].
pub(super) fn identity(login_url: &str, tenant: &str, client_id: &str, scope: &str) -> String {
    digest([login_url, tenant, client_id, scope].map(str::as_bytes))
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

    fn entra(tenant: &str) -> Endpoint {
        Endpoint::Entra { login_url: "https://login.microsoftonline.com".into(), tenant: tenant.into() }
    }

    fn request() -> TokenRequest {
        TokenRequest {
            endpoint: entra("contoso.onmicrosoft.com"),
            client_id: "00000000-0000-0000-0000-000000000001".into(),
            scope: "https://outlook.office365.com/.default".into(),
            credential: Credential::ClientSecret(SecretString::from("one")),
            ca_bundle: None,
        }
    }

    #[test]
    fn a_changed_credential_keeps_the_identity() {
        let old = Fingerprint::of(&request());
        let credential = Credential::ClientSecret(SecretString::from("two"));
        let new = Fingerprint::of(&TokenRequest { credential, ..request() });
        assert_eq!(old.identity, new.identity);
        assert_ne!(old.request, new.request);
        assert_eq!(old, Fingerprint::of(&request()));
    }

    #[test]
    fn a_changed_tenant_is_another_identity() {
        let old = Fingerprint::of(&request());
        let new = Fingerprint::of(&TokenRequest { endpoint: entra("fabrikam.com"), ..request() });
        assert_ne!(old.identity, new.identity);
    }

    #[test]
    fn parts_that_run_into_each_other_differ() {
        assert_ne!(digest([&b"ab"[..], b"c"]), digest([&b"a"[..], b"bc"]));
    }

    #[test]
    fn each_app_and_scope_has_its_own_secret_with_a_valid_name() {
        let key = |app: &str, scope: &str| Key { app: app.into(), scope: scope.into() };
        let name = key("contoso", "a").secret_name();
        assert_ne!(name, key("contoso", "b").secret_name());
        assert_ne!(name, key("fabrikam", "a").secret_name());
        assert!(name.len() <= 63 && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-'), "{name}");
        assert!((0.0..1.0).contains(&key("contoso", "a").spread()));
    }
}
