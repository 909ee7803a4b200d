//! Client assertions (RFC 7523): JWTs that the application signed by a certificate of its own, or that
//! an issuer whom it trusts has signed (fact sheet A). Everything that Entra checks is checked.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use ring::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaParameters, RsaPublicKeyComponents,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use serde_json::Value;
use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::public_key::PublicKey;

use crate::lab::directory::{App, FederatedCredential};

/// An assertion may last this many seconds.
const LONGEST_LIFE: i64 = 600;

/// What is wrong with an assertion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Objection {
    /// The AADSTS code.
    pub(super) code: u32,
    /// What its text says in brackets, if anything.
    pub(super) why: &'static str,
}

/// Which credential of the app an assertion was good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proved {
    /// A certificate.
    Certificate,
    /// A federated credential.
    Federated,
}

/// Whether this assertion, sent to a token endpoint of these names, is the application's.
pub(super) fn check(
    app: &App,
    text: &str,
    endpoints: &[String],
    now: Timestamp,
) -> Result<Proved, Objection> {
    let assertion = Assertion::parse(text).ok_or_else(|| objection(50027))?;
    let issuer = assertion.text("iss");
    let thumbprint = assertion.header["x5t#S256"].as_str();
    if thumbprint.is_some() || issuer.eq_ignore_ascii_case(&app.client_id) {
        assertion.check_certificate(app, thumbprint, endpoints, now).map(|()| Proved::Certificate)
    } else {
        assertion.check_federated(&app.federated, now).map(|()| Proved::Federated)
    }
}

fn objection(code: u32) -> Objection {
    Objection { code, why: "" }
}

/// AADSTS700027 with its reason.
fn unsigned(why: &'static str) -> Objection {
    Objection { code: 700_027, why }
}

struct Assertion<'a> {
    header: Value,
    claims: Value,
    signed: &'a str,
    signature: Vec<u8>,
}

impl<'a> Assertion<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let part = |text: &str| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok();
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        Some(Self { header: part(header)?, claims: part(claims)?, signed, signature })
    }

    fn text(&self, claim: &str) -> &str {
        self.claims[claim].as_str().unwrap_or_default()
    }

    fn check_certificate(
        &self,
        app: &App,
        thumbprint: Option<&str>,
        endpoints: &[String],
        now: Timestamp,
    ) -> Result<(), Objection> {
        let with: &RsaParameters = match self.header["alg"].as_str() {
            Some("PS256") => &RSA_PSS_2048_8192_SHA256,
            Some("RS256") => &RSA_PKCS1_2048_8192_SHA256,
            _ => return Err(objection(5_002_738)),
        };
        let is_app = |claim| self.text(claim).eq_ignore_ascii_case(&app.client_id);
        if !is_app("iss") || !is_app("sub") {
            return Err(objection(700_021));
        }
        let uploaded =
            app.certificates.iter().filter_map(|pem| CertificateDer::from_pem_slice(pem.as_bytes()).ok());
        let der = uploaded
            .into_iter()
            .find(|der| Some(URL_SAFE_NO_PAD.encode(Sha256::digest(der)).as_str()) == thumbprint)
            .ok_or_else(|| unsigned("The key was not found."))?;
        let (_, certificate) =
            X509Certificate::from_der(&der).map_err(|_| unsigned("The key was not found."))?;
        let key = match certificate.public_key().parsed() {
            Ok(PublicKey::RSA(key)) => {
                RsaPublicKeyComponents { n: trimmed(key.modulus).to_vec(), e: trimmed(key.exponent).to_vec() }
            }
            _ => return Err(unsigned("The key was not found.")),
        };
        self.check_signature(with, &key)?;
        let validity = certificate.validity();
        if !(validity.not_before.timestamp()..validity.not_after.timestamp()).contains(&now.as_second()) {
            return Err(unsigned("The key used is expired."));
        }
        if !endpoints.iter().any(|endpoint| endpoint == self.text("aud")) {
            return Err(objection(700_023));
        }
        if self.text("jti").is_empty() {
            return Err(objection(50027));
        }
        self.check_time(now, LONGEST_LIFE)
    }

    fn check_federated(&self, trusted: &[FederatedCredential], now: Timestamp) -> Result<(), Objection> {
        if trusted.is_empty() {
            return Err(objection(70021));
        }
        if self.header["alg"] != "RS256" {
            return Err(objection(5_002_738));
        }
        let mut of_issuer = trusted.iter().filter(|one| one.issuer == self.text("iss")).peekable();
        let Some(first) = of_issuer.peek() else { return Err(objection(700_211)) };
        if first.keys.is_empty() {
            return Err(objection(90061));
        }
        let named = self.header["kid"].as_str().unwrap_or_default();
        let key = first.keys.iter().find(|key| key.id == named);
        let key = key.ok_or_else(|| unsigned("The key was not found."))?;
        let key = RsaPublicKeyComponents { n: key.modulus.clone(), e: key.exponent.clone() };
        self.check_signature(&RSA_PKCS1_2048_8192_SHA256, &key)?;
        let of_issuer: Vec<_> = of_issuer.collect();
        let subject = self.text("sub");
        let Some(meant) = of_issuer.iter().find(|one| one.subject == subject) else {
            let nearly = of_issuer.iter().any(|one| one.subject.eq_ignore_ascii_case(subject));
            return Err(objection(if nearly { 7_002_138 } else { 700_213 }));
        };
        // exactly one audience
        let audience = match &self.claims["aud"] {
            Value::Array(one) if one.len() == 1 => one[0].as_str(),
            single => single.as_str(),
        };
        if audience != Some(meant.audience.as_str()) {
            return Err(objection(700_212));
        }
        self.check_time(now, i64::MAX)
    }

    fn check_signature(
        &self,
        with: &'static RsaParameters,
        key: &RsaPublicKeyComponents<Vec<u8>>,
    ) -> Result<(), Objection> {
        key.verify(with, self.signed.as_bytes(), &self.signature).map_err(|_unspecified| {
            unsigned("The provided signature value did not match the expected signature value.")
        })
    }

    /// Without leeway, whatever Entra may allow: who is right by the clock needs none.
    fn check_time(&self, now: Timestamp, longest: i64) -> Result<(), Objection> {
        let second = |claim: &str| self.claims[claim].as_i64().ok_or_else(|| objection(700_024));
        let (begin, end, now) = (second("nbf")?, second("exp")?, now.as_second());
        let in_time = begin <= now && now < end && end - begin <= longest;
        in_time.then_some(()).ok_or_else(|| objection(700_024))
    }
}

/// Without the zeros that DER puts before a number.
fn trimmed(number: &[u8]) -> &[u8] {
    let start = number.iter().position(|octet| *octet != 0).unwrap_or(number.len());
    &number[start..]
}
