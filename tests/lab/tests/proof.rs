//! Assertions as a client makes them: signed here, with ring and nothing of the code under test.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::lab::{ClientCertificate, DEFAULT_CLIENT_ID, DEFAULT_TENANT};

/// The endpoint that the tests' client names.
pub(super) fn endpoint() -> String {
    format!("https://login.lab.test/{DEFAULT_TENANT}/oauth2/v2.0/token")
}

/// Header and claims of a right assertion, to be changed to taste.
pub(super) fn usual(certificate: &ClientCertificate) -> (Value, Value) {
    let der = CertificateDer::from_pem_slice(certificate.certificate.as_bytes()).unwrap();
    let thumbprint = URL_SAFE_NO_PAD.encode(Sha256::digest(&der));
    let now = Timestamp::now().as_second();
    (
        json!({"alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint}),
        json!({
            "aud": endpoint(), "iss": DEFAULT_CLIENT_ID, "sub": DEFAULT_CLIENT_ID,
            "jti": "3b1c8a52-0000-4000-8000-000000000001", "nbf": now, "iat": now, "exp": now + 300,
        }),
    )
}

/// Signs as the header says; by anything but PS256 as RS256.
pub(super) fn signed(certificate: &ClientCertificate, header: &Value, claims: &Value) -> String {
    let with: &dyn RsaEncoding = match header["alg"].as_str() {
        Some("PS256") => &RSA_PSS_SHA256,
        _ => &RSA_PKCS1_SHA256,
    };
    let key = PrivatePkcs8KeyDer::from_pem_slice(certificate.key.expose_secret().as_bytes()).unwrap();
    let key = RsaKeyPair::from_pkcs8(key.secret_pkcs8_der()).unwrap();
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let said = format!("{}.{}", part(header), part(claims));
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(with, &SystemRandom::new(), said.as_bytes(), &mut signature).unwrap();
    format!("{said}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// The same token with other claims under its signature.
pub(super) fn forged(token: &str, claims: &Value) -> String {
    let (header, rest) = token.split_once('.').unwrap();
    let (_, signature) = rest.split_once('.').unwrap();
    format!("{header}.{}.{signature}", URL_SAFE_NO_PAD.encode(claims.to_string()))
}
