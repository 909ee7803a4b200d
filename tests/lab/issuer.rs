//! What stands on the other side of a credential: an issuer of tokens like a cluster's, and client
//! certificates with their key. Both have one published key.

use anyhow::Context;
use jiff::Timestamp;
use rcgen::{CertificateParams, DnType, KeyPair};
use secrecy::SecretString;
use serde_json::{Value, json};

use super::authority::ClientCertificate;
use super::directory::{FederatedCredential, IssuerKey};
use super::stamp;
use super::token::SigningKey;

const TEST_KEY: &str = include_str!("issuer/test-key.pem");

/// The audience that Entra asks federated tokens for.
pub const FEDERATED_AUDIENCE: &str = "api://AzureADTokenExchange";

/// Issues tokens as a Kubernetes API server does: RS256, for an hour.
pub struct TokenIssuer {
    url: String,
    key: SigningKey,
}

impl TokenIssuer {
    /// An issuer of this URL.
    ///
    /// # Errors
    /// When its key cannot be read.
    pub fn new(url: &str) -> anyhow::Result<Self> {
        Ok(Self { url: url.to_owned(), key: SigningKey::read(TEST_KEY)? })
    }

    /// What an application has that trusts this issuer's token for a service account.
    ///
    /// # Errors
    /// When its key cannot be read.
    pub fn credential(&self, namespace: &str, name: &str) -> anyhow::Result<FederatedCredential> {
        Ok(FederatedCredential {
            issuer: self.url.clone(),
            subject: format!("system:serviceaccount:{namespace}:{name}"),
            audience: FEDERATED_AUDIENCE.to_owned(),
            keys: IssuerKey::of_jwks(&self.key.jwks())?,
        })
    }

    /// The claims of a service account's token for Entra, from `now` on; to be changed to taste.
    pub fn claims(&self, namespace: &str, name: &str, now: Timestamp) -> Value {
        let now = now.as_second();
        json!({
            "aud": [FEDERATED_AUDIENCE],
            "exp": now + 3600,
            "iat": now,
            "iss": self.url,
            "jti": stamp::guid(),
            "kubernetes.io": {
                "namespace": namespace,
                "serviceaccount": {"name": name, "uid": stamp::guid()},
            },
            "nbf": now,
            "sub": format!("system:serviceaccount:{namespace}:{name}"),
        })
    }

    /// A token that says this.
    ///
    /// # Errors
    /// When signing fails.
    pub fn sign(&self, claims: &Value) -> anyhow::Result<SecretString> {
        Ok(self.key.sign(claims)?.into())
    }
}

/// A client certificate for an application to be known by, which ends then, with its RSA key.
///
/// # Errors
/// When the end cannot stand in a certificate.
pub fn application_certificate(expires: Timestamp) -> anyhow::Result<ClientCertificate> {
    let key = KeyPair::from_pem(TEST_KEY).context("cannot read the test key")?;
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("mail-egress lab {}", stamp::hex_id()));
    let date = expires.to_zoned(jiff::tz::TimeZone::UTC).date();
    let (month, day) = (date.month().unsigned_abs(), date.day().unsigned_abs());
    params.not_before = rcgen::date_time_ymd(2020, 1, 1);
    params.not_after = rcgen::date_time_ymd(date.year().into(), month, day);
    let certificate = params.self_signed(&key).context("cannot make the certificate")?;
    Ok(ClientCertificate { certificate: certificate.pem(), key: TEST_KEY.into() })
}
