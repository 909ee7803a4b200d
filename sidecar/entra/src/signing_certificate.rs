//! A certificate with its key, and the assertion that it signs (fact sheet A, "JWT").

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use rustls::sign::{CertifiedKey, SigningKey};
use rustls::{Error, InconsistentKeys, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::certificate::Certificate;
use crate::credential::SignatureAlgorithm;
use crate::tls;

/// Entra takes an assertion for at most this long after its beginning.
const LIFE_SECONDS: i64 = 10 * 60;

/// Shorter keys are refused by Entra, and by what signs here.
const LEAST_BITS: usize = 2048;

/// A client certificate whose key was proved to be its own. `Debug` shows no key.
pub struct SigningCertificate {
    key: Arc<dyn SigningKey>,
    thumbprint: String,
    expires_at: Timestamp,
}

/// Why a certificate and a key cannot be used. Nothing of their content is repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCertificate {
    /// The text holds no certificate.
    #[error("there is no certificate in it (no -----BEGIN CERTIFICATE-----)")]
    NoCertificate,
    /// The first certificate is damaged.
    #[error("the certificate cannot be read")]
    Unreadable,
    /// Entra takes assertions of RSA keys only.
    #[error("the certificate's key is not RSA, which is all that Entra takes")]
    NotRsa,
    /// The key is shorter than 2048 bits.
    #[error("the certificate's key is shorter than {LEAST_BITS} bits")]
    TooShort,
    /// The text holds no private key.
    #[error("there is no private key (no -----BEGIN PRIVATE KEY----- or -----BEGIN RSA PRIVATE KEY-----)")]
    NoKey,
    /// The private key needs a password.
    #[error("the private key is encrypted, and must not be")]
    KeyEncrypted,
    /// The private key is damaged, not RSA, or of another length.
    #[error("the private key cannot be read, or is no RSA key of {LEAST_BITS} to 4096 bits")]
    KeyUnreadable,
    /// The private key is another certificate's.
    #[error("the private key does not belong to the certificate (to the first one, where there are several)")]
    KeyOfAnother,
}

impl SigningCertificate {
    /// Reads the first certificate of `chain` and its key, both PEM.
    ///
    /// # Errors
    /// Says what is wrong with which of both.
    pub fn read(chain: &str, key: &SecretString) -> Result<Self, BadCertificate> {
        let leaf = CertificateDer::pem_slice_iter(chain.as_bytes())
            .next()
            .ok_or(BadCertificate::NoCertificate)?
            .map_err(|_| BadCertificate::Unreadable)?;
        let told = Certificate::read(&leaf).ok_or(BadCertificate::Unreadable)?;
        if told.rsa_bits.ok_or(BadCertificate::NotRsa)? < LEAST_BITS {
            return Err(BadCertificate::TooShort);
        }
        let key = tls::provider()
            .key_provider
            .load_private_key(private_key(key.expose_secret())?)
            .map_err(|_| BadCertificate::KeyUnreadable)?;
        let thumbprint = URL_SAFE_NO_PAD.encode(Sha256::digest(&leaf));
        match CertifiedKey::new(vec![leaf], Arc::clone(&key)).keys_match() {
            Ok(()) => Ok(Self { key, thumbprint, expires_at: told.expires_at }),
            Err(Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => Err(BadCertificate::KeyOfAnother),
            Err(_) => Err(BadCertificate::Unreadable),
        }
    }

    /// When it ends; Entra refuses it from then on.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    /// A JWT for one request to the token endpoint `audience`, valid from `now` for ten minutes.
    pub(crate) fn assertion(
        &self,
        algorithm: SignatureAlgorithm,
        client_id: &str,
        audience: &str,
        now: Timestamp,
    ) -> Result<SecretString, BadCertificate> {
        let header = json!({"alg": algorithm.name(), "typ": "JWT", "x5t#S256": self.thumbprint});
        let now = now.as_second();
        let claims = json!({
            "aud": audience,
            "iss": client_id,
            "sub": client_id,
            "jti": guid().ok_or(BadCertificate::KeyUnreadable)?,
            "nbf": now,
            "iat": now,
            "exp": now + LIFE_SECONDS,
        });
        let part = |value: &serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", part(&header), part(&claims));
        let scheme = match algorithm {
            SignatureAlgorithm::PS256 => SignatureScheme::RSA_PSS_SHA256,
            SignatureAlgorithm::RS256 => SignatureScheme::RSA_PKCS1_SHA256,
        };
        let signer = self.key.choose_scheme(&[scheme]).ok_or(BadCertificate::KeyUnreadable)?;
        let signature = signer.sign(signed.as_bytes()).map_err(|_| BadCertificate::KeyUnreadable)?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)).into())
    }
}

impl fmt::Debug for SigningCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningCertificate")
            .field("thumbprint", &self.thumbprint)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

fn private_key(pem: &str) -> Result<PrivateKeyDer<'static>, BadCertificate> {
    use rustls_pki_types::pem::Error;
    match PrivateKeyDer::from_pem_slice(pem.as_bytes()) {
        Ok(key) => Ok(key),
        Err(Error::NoItemsFound) if pem.contains("-----BEGIN ENCRYPTED PRIVATE KEY-----") => {
            Err(BadCertificate::KeyEncrypted)
        }
        Err(Error::NoItemsFound) => Err(BadCertificate::NoKey),
        // OpenSSL's older form says so inside the section, so that it is no base64
        Err(_) if pem.contains("Proc-Type: 4,ENCRYPTED") => Err(BadCertificate::KeyEncrypted),
        Err(_) => Err(BadCertificate::KeyUnreadable),
    }
}

/// A random one (RFC 9562 section 5.4); `None` where the system gives no randomness.
fn guid() -> Option<String> {
    let mut octets = [0; 16];
    tls::provider().secure_random.fill(&mut octets).ok()?;
    let number = u128::from_be_bytes(octets) & !(0xf << 76) | 0x4 << 76;
    let number = number & !(0b11 << 62) | 0b10 << 62;
    let hex = format!("{number:032x}");
    Some([&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-"))
}

#[cfg(test)]
mod tests;
