//! What a client asks the token endpoint for, and whether it may have it.

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use super::aadsts::{About, Refusal};
use crate::lab::directory::{App, Directory};
use crate::lab::token::{EXCHANGE_AUDIENCE, GRAPH_AUDIENCE};

/// A token request (RFC 6749 section 4.4.2) as its form says it.
#[derive(Debug)]
pub(super) struct TokenRequest {
    /// The tenant in the URL.
    pub(super) tenant: String,
    /// The client id.
    pub(super) client_id: String,
    /// The scope.
    pub(super) scope: String,
    proof: Proof,
}

/// How the client shows that it is the application.
#[derive(Debug)]
enum Proof {
    Secret(SecretString),
    /// A certificate's or a foreign issuer's JWT. No app of the lab has one registered.
    Assertion,
}

/// What the endpoint is about to promise.
#[derive(Debug)]
pub(super) struct Granted<'a> {
    pub(super) app: &'a App,
    pub(super) audience: String,
}

impl TokenRequest {
    /// Reads the form that was posted to this tenant's endpoint.
    pub(super) fn parse(tenant: &str, body: &[u8]) -> Result<Self, Refusal> {
        let form: Vec<(String, String)> = form_urlencoded::parse(body).into_owned().collect();
        let field = |name: &str| form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
        let required = |name: &'static str| {
            field(name)
                .filter(|value| !value.is_empty())
                .ok_or_else(|| Refusal::new(900144, &About { field: name, ..About::default() }))
        };
        let grant = required("grant_type")?;
        if grant != "client_credentials" {
            return Err(Refusal::new(70003, &About { field: grant, ..About::default() }));
        }
        let client_id = required("client_id")?.to_owned();
        let scope = required("scope")?.to_owned();
        let proof = match (field("client_secret"), field("client_assertion")) {
            (Some(secret), _) => Proof::Secret(secret.into()),
            (None, Some(_)) => Proof::Assertion,
            (None, None) => return Err(Refusal::new(7000218, &About::default())),
        };
        Ok(Self { tenant: tenant.to_owned(), client_id, scope, proof })
    }

    /// Checks tenant, app, proof and scope, in the order in which Entra complains.
    pub(super) fn judge<'a>(&self, directory: &'a Directory, now: Timestamp) -> Result<Granted<'a>, Refusal> {
        let about =
            About { app: &self.client_id, tenant: &self.tenant, scope: &self.scope, ..About::default() };
        let refuse = |code| Refusal::new(code, &about);
        if ["common", "consumers"].contains(&self.tenant.as_str()) {
            return Err(refuse(9001023));
        }
        if !directory.is_tenant(&self.tenant) {
            return Err(refuse(90002));
        }
        let named = About { tenant: &directory.tenant.name, ..about.clone() };
        let app = directory.app(&self.client_id).ok_or_else(|| Refusal::new(700016, &named))?;
        if !app.enabled {
            return Err(refuse(7000112));
        }
        self.check_proof(app, now).map_err(refuse)?;
        let audience = audience(&self.scope).map_err(refuse)?;
        if ![EXCHANGE_AUDIENCE, GRAPH_AUDIENCE].contains(&audience) {
            return Err(Refusal::new(500011, &About { scope: audience, ..named }));
        }
        Ok(Granted { app, audience: audience.to_owned() })
    }

    fn check_proof(&self, app: &App, now: Timestamp) -> Result<(), u32> {
        let Proof::Secret(given) = &self.proof else { return Err(700027) };
        let known = app.secrets.iter().find(|known| known.value.expose_secret() == given.expose_secret());
        match known {
            None => Err(7000215),
            Some(secret) if secret.expires.is_some_and(|end| end <= now) => Err(7000222),
            Some(_) => Ok(()),
        }
    }
}

/// The resource of a `.default` scope; the error is an AADSTS code.
fn audience(scope: &str) -> Result<&str, u32> {
    match scope.split_whitespace().collect::<Vec<_>>().as_slice() {
        [one] => one.strip_suffix("/.default").ok_or(70011),
        _ => Err(700022),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{DEFAULT_CLIENT_ID, DEFAULT_SECRET, LabOptions};

    const SCOPE: &str = "https%3A%2F%2Foutlook.office365.com%2F.default";

    fn good() -> String {
        format!(
            "grant_type=client_credentials&client_id={DEFAULT_CLIENT_ID}&client_secret={DEFAULT_SECRET}&scope={SCOPE}"
        )
    }

    fn code(tenant: &str, form: &str) -> Option<u32> {
        let mut directory = LabOptions::default().directory;
        directory.apps[0].secrets.push(crate::lab::AppSecret {
            value: "old".into(),
            expires: Some("2020-01-01T00:00:00Z".parse().unwrap()),
        });
        TokenRequest::parse(tenant, form.as_bytes())
            .and_then(|request| request.judge(&directory, Timestamp::now()).map(|_| ()))
            .err()
            .map(|refusal| refusal.code)
    }

    #[test]
    fn grants_what_is_right() {
        assert_eq!(code("contoso.example", &good()), None);
        assert_eq!(code(&LabOptions::default().directory.tenant.id, &good()), None);
    }

    #[test]
    fn refuses_each_mistake_with_its_own_code() {
        let changed = |from: &str, to: &str| {
            assert!(good().contains(from), "{from}");
            code("contoso.example", &good().replace(from, to))
        };
        assert_eq!(code("elsewhere.example", &good()), Some(90002));
        assert_eq!(code("consumers", &good()), Some(9001023));
        assert_eq!(changed(DEFAULT_CLIENT_ID, "another"), Some(700016));
        assert_eq!(changed(DEFAULT_SECRET, "wrong"), Some(7000215));
        assert_eq!(changed(DEFAULT_SECRET, "old"), Some(7000222));
        assert_eq!(changed("client_secret", "secret"), Some(7000218));
        assert_eq!(changed("client_secret", "client_assertion"), Some(700027));
        assert_eq!(changed("scope", "score"), Some(900144));
        assert_eq!(changed("%2F.default", "%2FSMTP.Send"), Some(70011));
        assert_eq!(changed("%2F.default", "%2F.default%20x%2F.default"), Some(700022));
        assert_eq!(changed("outlook", "inlook"), Some(500011));
        assert_eq!(changed("client_credentials", "password"), Some(70003));
        assert_eq!(code("contoso.example", ""), Some(900144));
    }
}
