//! Certificates: what a CA is, what it signs, and when each is to be renewed.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use jiff::{SignedDuration, Timestamp};
use mail_egress_entra::tls;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// How long a CA is good for: 365 days.
const CA_LIFE: SignedDuration = SignedDuration::from_hours(365 * 24);
/// How long a serving certificate is good for: 7 days.
const LEAF_LIFE: SignedDuration = SignedDuration::from_hours(7 * 24);
/// Certificates begin an hour before they are made: clocks differ.
const BACKDATED: SignedDuration = SignedDuration::from_hours(1);

/// A certificate could not be made: a defect of the build, or of the names in it.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// The names or the key were not accepted.
    #[error("the certificate could not be made")]
    Certificate(#[from] rcgen::Error),
    /// The TLS library does not take what was made.
    #[error("the certificate cannot be served")]
    Serving(#[from] rustls::Error),
}

/// From when to when something is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) begin: Timestamp,
    pub(super) end: Timestamp,
}

impl Validity {
    fn from(now: Timestamp, life: SignedDuration) -> Self {
        let begin = now.saturating_sub(BACKDATED).unwrap_or(Timestamp::MIN);
        let end = now.saturating_add(life).unwrap_or(Timestamp::MAX);
        Self { begin, end }
    }

    /// Whether a third or less is left.
    pub(super) fn is_due(self, now: Timestamp) -> bool {
        let life = self.end.duration_since(self.begin);
        self.end.duration_since(now) <= life / 3
    }

    pub(super) fn is_over(self, now: Timestamp) -> bool {
        now >= self.end
    }

    fn write_to(self, params: &mut CertificateParams) {
        // rcgen's own default is 1975 to 4096
        params.not_before = SystemTime::from(self.begin).into();
        params.not_after = SystemTime::from(self.end).into();
    }
}

/// A CA's certificate: enough to trust what it signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Anchor {
    pub(super) der: CertificateDer<'static>,
    pub(super) validity: Validity,
}

/// A CA's certificate with its key: enough to sign.
#[derive(Clone)]
pub(super) struct Ca {
    pub(super) anchor: Anchor,
    key: Arc<KeyPair>,
}

impl fmt::Debug for Ca {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ca").field("validity", &self.anchor.validity).finish_non_exhaustive()
    }
}

/// Why a stored certificate or key is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unusable {
    #[error("is missing")]
    Missing,
    #[error("holds no PEM certificate")]
    Certificate,
    #[error("is not the certificate of a CA")]
    NotACa,
    #[error("holds no PEM private key of a kind that can sign")]
    Key,
    #[error("is not the key of the certificate beside it")]
    Mismatch,
}

impl Anchor {
    /// Reads a CA's certificate from PEM.
    pub(super) fn parse(pem: &[u8]) -> Result<Self, Unusable> {
        let der = CertificateDer::from_pem_slice(pem).map_err(|_| Unusable::Certificate)?;
        let (_, certificate) =
            x509_parser::parse_x509_certificate(&der).map_err(|_| Unusable::Certificate)?;
        if !certificate.is_ca() {
            return Err(Unusable::NotACa);
        }
        let time = |time: x509_parser::time::ASN1Time| {
            Timestamp::from_second(time.timestamp()).map_err(|_| Unusable::Certificate)
        };
        let validity = Validity {
            begin: time(certificate.validity().not_before)?,
            end: time(certificate.validity().not_after)?,
        };
        Ok(Self { der: der.into_owned(), validity })
    }

    pub(super) fn pem(&self) -> String {
        pem("CERTIFICATE", &self.der)
    }
}

impl Ca {
    /// A new CA that is good from `now` on.
    pub(super) fn generate(now: Timestamp) -> Result<Self, SigningError> {
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::default();
        let validity = Validity::from(now, CA_LIFE);
        validity.write_to(&mut params);
        // its own name tells it apart from its predecessor, for people and for chains built by name
        let id: String =
            params.key_identifier(&key).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        params.distinguished_name.push(DnType::CommonName, format!("mail-egress CA {now:.0} {id}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let der = params.self_signed(&key)?.der().clone();
        Ok(Self { anchor: Anchor { der, validity }, key: Arc::new(key) })
    }

    /// Reads a CA from two PEM texts.
    pub(super) fn parse(certificate: &[u8], key: &[u8]) -> Result<Self, Unusable> {
        let anchor = Anchor::parse(certificate)?;
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| Unusable::Key)?;
        let key = KeyPair::try_from(&key).map_err(|_| Unusable::Key)?;
        let (_, parsed) =
            x509_parser::parse_x509_certificate(&anchor.der).map_err(|_| Unusable::Certificate)?;
        if parsed.public_key().subject_public_key.data != key.public_key_raw() {
            return Err(Unusable::Mismatch);
        }
        Ok(Self { anchor, key: Arc::new(key) })
    }

    pub(super) fn key_pem(&self) -> String {
        self.key.serialize_pem()
    }

    /// A serving certificate for these names, with a key that exists nowhere but in memory.
    pub(super) fn sign(&self, names: &[String], now: Timestamp) -> Result<Leaf, SigningError> {
        let key = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let mut params = CertificateParams::new(names)?;
        let mut validity = Validity::from(now, LEAF_LIFE);
        validity.end = validity.end.min(self.anchor.validity.end);
        validity.write_to(&mut params);
        // a common name is 64 characters at most, and nobody reads it
        params.distinguished_name.push(DnType::CommonName, "mail-egress webhook");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let issuer = Issuer::from_ca_cert_der(&self.anchor.der, &*self.key)?;
        let certificate = params.signed_by(&key, &issuer)?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let certified = CertifiedKey::from_der(vec![certificate.der().clone()], key, &tls::provider())?;
        Ok(Leaf { certified: Arc::new(certified), issuer: self.anchor.der.clone(), validity })
    }
}

/// What a replica serves.
#[derive(Debug)]
pub(super) struct Leaf {
    pub(super) certified: Arc<CertifiedKey>,
    pub(super) issuer: CertificateDer<'static>,
    pub(super) validity: Validity,
}

impl Leaf {
    /// Whether another should be signed: a third of its life is left, or its CA is not the one
    /// that signs now.
    pub(super) fn is_due(&self, signer: &Anchor, now: Timestamp) -> bool {
        self.validity.is_due(now) || self.issuer != signer.der
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let lines: String =
        text.as_bytes().chunks(64).map(|line| format!("{}\n", String::from_utf8_lossy(line))).collect();
    format!("-----BEGIN {label}-----\n{lines}-----END {label}-----\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(day: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + day * 86_400).unwrap()
    }

    #[test]
    fn a_ca_survives_its_pem() {
        let made = Ca::generate(day(0)).unwrap();
        let read = Ca::parse(made.anchor.pem().as_bytes(), made.key_pem().as_bytes()).unwrap();
        assert_eq!(read.anchor, made.anchor);
        assert_eq!(read.anchor.validity.end, day(365));
        assert!(read.anchor.validity.begin < day(0), "clocks differ");
    }

    #[test]
    fn refuses_what_is_no_ca_and_a_key_that_is_not_its_own() {
        let (one, other) = (Ca::generate(day(0)).unwrap(), Ca::generate(day(0)).unwrap());
        let leaf = one.sign(&["a.b.svc".to_owned()], day(0)).unwrap();
        let leaf = pem("CERTIFICATE", &leaf.certified.cert[0]);
        let certificate = one.anchor.pem();
        let refused =
            |certificate: &str, key: &str| Ca::parse(certificate.as_bytes(), key.as_bytes()).unwrap_err();
        assert_eq!(refused(&certificate, &other.key_pem()), Unusable::Mismatch);
        assert_eq!(refused(&leaf, &one.key_pem()), Unusable::NotACa);
        assert_eq!(refused("", &one.key_pem()), Unusable::Certificate);
        assert_eq!(refused(&certificate, "no key"), Unusable::Key);
        assert_eq!(refused(&certificate, &certificate), Unusable::Key);
    }

    #[test]
    fn both_ends_of_a_leaf_are_set_and_within_its_ca() {
        let ca = Ca::generate(day(0)).unwrap();
        let leaf = ca.sign(&["a.b.svc".to_owned()], day(361)).unwrap();
        let (_, parsed) = x509_parser::parse_x509_certificate(&leaf.certified.cert[0]).unwrap();
        assert_eq!(parsed.validity().not_before.timestamp(), leaf.validity.begin.as_second());
        assert_eq!(parsed.validity().not_after.timestamp(), day(365).as_second());
    }

    #[test]
    fn a_leaf_is_due_at_a_third_and_under_another_ca() {
        let (old, new) = (Ca::generate(day(0)).unwrap(), Ca::generate(day(0)).unwrap());
        let leaf = old.sign(&["a.b.svc".to_owned()], day(0)).unwrap();
        assert!(!leaf.is_due(&old.anchor, day(4)));
        assert!(leaf.is_due(&old.anchor, day(5)));
        assert!(leaf.is_due(&new.anchor, day(0)));
    }

    #[test]
    fn debug_shows_no_key() {
        let ca = Ca::generate(day(0)).unwrap();
        let secret: String = ca.key_pem().lines().skip(1).take(1).collect();
        assert!(!format!("{ca:?}").contains(&secret[..16]));
    }
}
