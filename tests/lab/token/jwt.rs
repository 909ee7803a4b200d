//! JSON Web Tokens signed RS256 (RFC 7515, RFC 7518 section 3.3), with ring and nothing else.

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::rand::SystemRandom;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RsaKeyPair, RsaPublicKeyComponents};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::{Claims, Invalid};

/// A key for tests only: anybody can read it.
const TEST_KEY: &str = include_str!("test-signing-key.pem");

/// A key that tokens are signed with: Entra's, or another issuer's.
pub(in crate::lab) struct SigningKey {
    pem: &'static str,
    pair: RsaKeyPair,
    public: RsaPublicKeyComponents<Vec<u8>>,
    id: String,
}

impl SigningKey {
    pub(in crate::lab) fn of_the_lab() -> anyhow::Result<Self> {
        Self::read(TEST_KEY)
    }

    /// A published RSA key (PKCS #8).
    pub(in crate::lab) fn read(pem: &'static str) -> anyhow::Result<Self> {
        let der =
            PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).context("cannot read the signing key")?;
        let pair = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der())
            .map_err(|error| anyhow::anyhow!("cannot use the signing key: {error}"))?;
        let public: RsaPublicKeyComponents<Vec<u8>> = pair.public().into();
        let id = URL_SAFE_NO_PAD.encode(&Sha256::digest(&public.n)[..20]);
        Ok(Self { pem, pair, public, id })
    }

    /// The key set of the discovery endpoint (RFC 7517).
    pub(in crate::lab) fn jwks(&self) -> serde_json::Value {
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({"keys": [{
            "kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.id, "x5t": self.id,
            "n": part(&self.public.n), "e": part(&self.public.e),
        }]})
    }

    /// The name by which tokens call this key, and its public half as PEM.
    pub(in crate::lab) fn public(&self) -> anyhow::Result<(String, String)> {
        let pair = rcgen::KeyPair::from_pem(self.pem).context("cannot read the signing key")?;
        Ok((self.id.clone(), pair.public_key_pem()))
    }

    pub(in crate::lab) fn sign(&self, claims: &impl serde::Serialize) -> anyhow::Result<String> {
        let header = json!({"typ": "JWT", "alg": "RS256", "x5t": self.id, "kid": self.id});
        let signed = format!("{}.{}", part(&header)?, part(claims)?);
        let mut signature = vec![0; self.pair.public().modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)
            .map_err(|_unspecified| anyhow::anyhow!("cannot sign a token"))?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }

    /// A token that says `claims` with the signature over others.
    pub(super) fn forge(&self, claims: &Claims) -> anyhow::Result<String> {
        let mut other = claims.clone();
        other.roles.clear();
        other.uti.push('x');
        let signed = self.sign(&other)?;
        let [header, _, signature] = parts(&signed).context("our own token has no three parts")?;
        Ok(format!("{header}.{}.{signature}", part(claims)?))
    }

    /// The claims, where the signature over them is this key's.
    pub(super) fn verify(&self, token: &str) -> Result<Claims, Invalid> {
        let [header, claims, signature] = parts(token).ok_or(Invalid::Unknown)?;
        let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| Invalid::Unknown);
        let header: serde_json::Value =
            serde_json::from_slice(&decoded(header)?).map_err(|_| Invalid::Unknown)?;
        if header["alg"] != "RS256" || header["kid"] != self.id.as_str() {
            return Err(Invalid::Signature);
        }
        let signed = &token[..token.len() - signature.len() - 1];
        self.public
            .verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &decoded(signature)?)
            .map_err(|_unspecified| Invalid::Signature)?;
        serde_json::from_slice(&decoded(claims)?).map_err(|_| Invalid::Unknown)
    }
}

fn parts(token: &str) -> Option<[&str; 3]> {
    let mut parts = token.split('.');
    let three = [parts.next()?, parts.next()?, parts.next()?];
    parts.next().is_none().then_some(three)
}

fn part(value: &impl serde::Serialize) -> anyhow::Result<String> {
    Ok(URL_SAFE_NO_PAD.encode(serde_json::to_vec(value)?))
}
