//! How an application proves itself, and in which fields of the form that is said.

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

use crate::request::{InvalidRequest, sized};
use crate::signing_certificate::SigningCertificate;

/// Longest assertion and refresh token that is sent, in octets; Entra's refresh tokens are 1 to 2 KiB,
/// and Kubernetes' tokens about 1 KiB.
const MAX_OCTETS: usize = 16 * 1024;

/// How the application proves itself to Entra, or to another provider. `Debug` shows no secret.
#[derive(Clone, Debug)]
pub enum Credential {
    /// The value (not the id) of a client secret; sent in the body of the request.
    ClientSecret(SecretString),
    /// A certificate that is registered with the application: each request is made with an assertion
    /// of its own, which ends after ten minutes. The key is never sent.
    Certificate {
        /// PEM: the certificate, first, and perhaps those of its issuers, which are not looked at.
        chain: String,
        /// PEM: its RSA key, PKCS #8 or PKCS #1, not encrypted.
        key: SecretString,
        /// How the assertion is signed.
        algorithm: SignatureAlgorithm,
    },
    /// A token of another issuer, such as Kubernetes, that the application trusts. It is short-lived:
    /// the caller reads it anew for each request, and lets a change of it count for no other credential.
    Federated {
        /// The token, a JWT.
        assertion: SecretString,
    },
    /// A refresh token of somebody who signed in. Each answer brings a successor
    /// ([`Granted::refresh_token`](crate::Granted::refresh_token)), which the caller keeps; the
    /// one that was shown goes on working for as long as it would have.
    RefreshToken {
        /// The newest refresh token.
        token: SecretString,
        /// For applications that are no public client, such as Google's; Entra refuses one from those
        /// that are.
        client_secret: Option<SecretString>,
    },
}

/// How an assertion is signed (RFC 7518 section 3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SignatureAlgorithm {
    /// RSASSA-PSS with SHA-256.
    #[default]
    PS256,
    /// RSASSA-PKCS1-v1_5 with SHA-256, for clouds that do not know PS256.
    RS256,
}

impl SignatureAlgorithm {
    /// Its name in a JWT's header.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::PS256 => "PS256",
            Self::RS256 => "RS256",
        }
    }
}

impl Credential {
    /// The assertion that goes with a request to `audience`, where this kind of credential has one.
    ///
    /// # Errors
    /// When the credential cannot be sent.
    pub(crate) fn assertion(
        &self,
        client_id: &str,
        audience: &str,
        now: Timestamp,
    ) -> Result<Option<SecretString>, InvalidRequest> {
        match self {
            Self::ClientSecret(secret) => {
                is_secret(secret).then_some(None).ok_or(InvalidRequest::ClientSecret)
            }
            Self::Certificate { chain, key, algorithm } => {
                let certificate =
                    SigningCertificate::read(chain, key).map_err(InvalidRequest::Certificate)?;
                let assertion = certificate.assertion(*algorithm, client_id, audience, now);
                assertion.map(Some).map_err(InvalidRequest::Certificate)
            }
            Self::Federated { assertion } => {
                // RFC 7515 section 3.1; what it says is Entra's to judge
                let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
                let text = assertion.expose_secret();
                let jwt = sized(text, MAX_OCTETS, part) && text.split('.').count() == 3;
                jwt.then(|| Some(assertion.clone())).ok_or(InvalidRequest::Assertion)
            }
            Self::RefreshToken { token, client_secret } => {
                if !sized(token.expose_secret(), MAX_OCTETS, |c| c.is_ascii_graphic()) {
                    return Err(InvalidRequest::RefreshToken);
                }
                match client_secret {
                    Some(secret) if !is_secret(secret) => Err(InvalidRequest::ClientSecret),
                    Some(_) | None => Ok(None),
                }
            }
        }
    }

    /// The client secret that is sent, if one is.
    pub(crate) fn client_secret(&self) -> Option<&str> {
        match self {
            Self::ClientSecret(secret) => Some(secret.expose_secret()),
            Self::RefreshToken { client_secret, .. } => {
                client_secret.as_ref().map(ExposeSecret::expose_secret)
            }
            Self::Certificate { .. } | Self::Federated { .. } => None,
        }
    }

    /// The refresh token that is sent, if one is.
    pub(crate) fn refresh_token(&self) -> Option<&str> {
        match self {
            Self::RefreshToken { token, .. } => Some(token.expose_secret()),
            Self::ClientSecret(_) | Self::Certificate { .. } | Self::Federated { .. } => None,
        }
    }
}

fn is_secret(secret: &SecretString) -> bool {
    sized(secret.expose_secret(), 1024, |c| !c.is_control())
}
