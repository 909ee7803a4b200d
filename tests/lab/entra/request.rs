//! What a client asks the token endpoint for, as its form says it.

use secrecy::SecretString;

use super::aadsts::{About, Refusal};

/// The grant of RFC 8628.
const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// A token request (RFC 6749 section 4.4.2 and 6, RFC 8628 section 3.4).
#[derive(Debug)]
pub(super) struct TokenRequest {
    /// The tenant in the URL.
    pub(super) tenant: String,
    /// The client id.
    pub(super) client_id: String,
    /// The scope; with a device code it was said before.
    pub(super) scope: Option<String>,
    /// By what right.
    pub(super) grant: Grant,
    /// How the client shows that it is the application, if it does.
    pub(super) proof: Option<Proof>,
}

/// By what right a token is asked for.
#[derive(Debug)]
pub(super) enum Grant {
    /// The application's own.
    ClientCredentials,
    /// That of somebody who signed in before.
    RefreshToken(String),
    /// That of somebody who signs in now.
    DeviceCode(String),
}

/// How the client shows that it is the application.
#[derive(Debug)]
pub(super) enum Proof {
    /// A client secret.
    Secret(SecretString),
    /// A JWT that a certificate or a foreign issuer signed.
    Assertion(String),
}

impl TokenRequest {
    /// Reads the form that was posted to this tenant's endpoint.
    pub(super) fn parse(tenant: &str, body: &[u8]) -> Result<Self, Refusal> {
        let form = Form::parse(body);
        let grant = match form.required("grant_type")? {
            "client_credentials" => Grant::ClientCredentials,
            "refresh_token" => Grant::RefreshToken(form.required("refresh_token")?.to_owned()),
            DEVICE_CODE => Grant::DeviceCode(form.required("device_code")?.to_owned()),
            other => return Err(Refusal::new(70003, &About { field: other, ..About::default() })),
        };
        let client_id = form.required("client_id")?.to_owned();
        let scope = match grant {
            Grant::ClientCredentials => Some(form.required("scope")?.to_owned()),
            Grant::RefreshToken(_) | Grant::DeviceCode(_) => form.field("scope").map(str::to_owned),
        };
        let proof = match (form.field("client_secret"), form.field("client_assertion")) {
            (Some(secret), _) => Some(Proof::Secret(secret.into())),
            (None, Some(assertion)) => Some(Proof::Assertion(assertion.to_owned())),
            (None, None) => None,
        };
        Ok(Self { tenant: tenant.to_owned(), client_id, scope, grant, proof })
    }
}

/// A form as it was posted.
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    pub(super) fn parse(body: &[u8]) -> Self {
        Self(form_urlencoded::parse(body).into_owned().collect())
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn required(&self, name: &str) -> Result<&str, Refusal> {
        self.field(name)
            .filter(|value| !value.is_empty())
            .ok_or_else(|| Refusal::new(900144, &About { field: name, ..About::default() }))
    }
}
