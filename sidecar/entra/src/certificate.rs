//! What a certificate says of itself, read out of its DER (X.690, RFC 5280 section 4.1): to be shown,
//! and to tell when it ends. It proves nothing: whom to believe is decided by rustls.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use mail_egress_diagnosis::words;

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OBJECT_ID: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// The version, `[0] EXPLICIT`.
const VERSION: u8 = 0xa0;
/// The string types whose octets can be shown as they are: UTF8, Printable, IA5.
const STRINGS: [u8; 3] = [0x0c, 0x13, 0x16];
/// 2.5.4.3 and 2.5.4.10, as DER has them.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
const ORGANIZATION: &[u8] = &[0x55, 0x04, 0x0a];
/// 1.2.840.113549.1.1.1 (RFC 8017 appendix A.1).
const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

/// What is read of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// The issuer's common name, else its organization, fit to be shown; `None` where it has neither.
    pub issuer: Option<String>,
    /// Its last second.
    pub expires_at: Timestamp,
    /// The length of its key in bits, where that is an RSA key.
    pub rsa_bits: Option<usize>,
}

impl Certificate {
    /// Reads it; `None` where it is not as usual.
    #[must_use]
    pub fn read(der: &[u8]) -> Option<Self> {
        let (mut certificate, _) = field(der, SEQUENCE)?;
        let mut signed = take(&mut certificate, SEQUENCE)?;
        if signed.first() == Some(&VERSION) {
            next(&mut signed)?;
        }
        let (_serial, _algorithm) = (next(&mut signed)?, next(&mut signed)?);
        let issuer = take(&mut signed, SEQUENCE)?;
        let mut validity = take(&mut signed, SEQUENCE)?;
        let _begin = next(&mut validity)?;
        let (tag, end) = next(&mut validity)?;
        let _subject = next(&mut signed)?;
        let key = take(&mut signed, SEQUENCE)?;
        let issuer = attribute(issuer, COMMON_NAME).or_else(|| attribute(issuer, ORGANIZATION));
        Some(Self { issuer, expires_at: time(tag, end)?, rsa_bits: rsa_bits(key) })
    }
}

/// The length of the modulus in a SubjectPublicKeyInfo.
fn rsa_bits(mut info: &[u8]) -> Option<usize> {
    let mut algorithm = take(&mut info, SEQUENCE)?;
    if take(&mut algorithm, OBJECT_ID)? != RSA_ENCRYPTION {
        return None;
    }
    // the first octet counts the bits that are unused at the end
    let mut key = take(&mut info, BIT_STRING)?.strip_prefix(&[0])?;
    let mut numbers = take(&mut key, SEQUENCE)?;
    let modulus = take(&mut numbers, INTEGER)?;
    let start = modulus.iter().position(|octet| *octet != 0)?;
    let modulus = modulus.get(start..)?;
    let unused = modulus.first()?.leading_zeros();
    (modulus.len() * 8).checked_sub(usize::try_from(unused).ok()?)
}

/// The value of an attribute of a name.
fn attribute(mut name: &[u8], wanted: &[u8]) -> Option<String> {
    while !name.is_empty() {
        let mut set = take(&mut name, SET)?;
        while !set.is_empty() {
            let mut pair = take(&mut set, SEQUENCE)?;
            let kind = take(&mut pair, OBJECT_ID)?;
            let (tag, value) = next(&mut pair)?;
            if kind == wanted && STRINGS.contains(&tag) {
                return Some(words(&String::from_utf8_lossy(value)));
            }
        }
    }
    None
}

/// `YYMMDDHHMMSSZ`, of 1950 to 2049, or `YYYYMMDDHHMMSSZ` (RFC 5280 section 4.1.2.5).
fn time(tag: u8, text: &[u8]) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok()?;
    let whole = match tag {
        UTC_TIME if text.get(..2)? < "50" => format!("20{text}"),
        UTC_TIME => format!("19{text}"),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    let civil = DateTime::strptime("%Y%m%d%H%M%SZ", whole).ok()?;
    Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// Content of the next field, which must be of this kind.
fn take<'a>(input: &mut &'a [u8], wanted: u8) -> Option<&'a [u8]> {
    let (content, rest) = field(input, wanted)?;
    *input = rest;
    Some(content)
}

/// Kind and content of the next field.
fn next<'a>(input: &mut &'a [u8]) -> Option<(u8, &'a [u8])> {
    let tag = *input.first()?;
    Some((tag, take(input, tag)?))
}

/// Content of the field that the input begins with, and what follows it. Lengths of up to three
/// octets: no certificate is longer.
fn field(input: &[u8], wanted: u8) -> Option<(&[u8], &[u8])> {
    let (tag, rest) = input.split_first()?;
    let (first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(*first), rest),
        0x81..=0x83 => {
            let (octets, rest) = rest.split_at_checked(usize::from(first - 0x80))?;
            (octets.iter().fold(0, |length, octet| length << 8 | usize::from(*octet)), rest)
        }
        _ => return None,
    };
    (*tag == wanted).then(|| rest.split_at_checked(length)).flatten()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, CertifiedIssuer, DnType, KeyPair, date_time_ymd};
    use rustls_pki_types::CertificateDer;
    use rustls_pki_types::pem::PemObject;

    use super::*;

    fn der(year: i32) -> Vec<u8> {
        let mut authority = CertificateParams::default();
        authority.distinguished_name.push(DnType::OrganizationName, "Contoso");
        authority.distinguished_name.push(DnType::CommonName, "Contoso Root 7");
        let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let mut leaf = CertificateParams::new(vec!["relay.test".to_owned()]).unwrap();
        leaf.not_after = date_time_ymd(year, 2, 3);
        leaf.signed_by(&KeyPair::generate().unwrap(), &authority).unwrap().der().to_vec()
    }

    #[test]
    fn issuer_and_end_are_read_in_both_forms_of_time() {
        for (year, end) in [(2031, "2031-02-03T00:00:00Z"), (2055, "2055-02-03T00:00:00Z")] {
            let found = Certificate::read(&der(year)).unwrap();
            let expected = Certificate {
                issuer: Some("Contoso Root 7".to_owned()),
                expires_at: end.parse().unwrap(),
                rsa_bits: None,
            };
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn an_rsa_key_has_its_length_read() {
        let read = |der: &[u8]| Certificate::read(der).unwrap().rsa_bits;
        let key = KeyPair::from_pem(include_str!("../tests/keys/rsa.pem")).unwrap();
        assert_eq!(read(CertificateParams::default().self_signed(&key).unwrap().der()), Some(2048));
        let short = include_str!("../tests/keys/short.crt");
        assert_eq!(read(&CertificateDer::from_pem_slice(short.as_bytes()).unwrap()), Some(1024));
    }

    #[test]
    fn what_is_cut_off_anywhere_or_is_nothing_of_the_kind_is_not_read() {
        let whole = der(2031);
        for length in 0..whole.len() {
            assert_eq!(Certificate::read(&whole[..length]), None, "{length}");
        }
        assert_eq!(Certificate::read(&[0xff; 64]), None);
    }
}
