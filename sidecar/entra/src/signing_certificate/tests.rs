use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use ring::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey, VerificationAlgorithm,
};

use super::*;

const KEY: &str = include_str!("../../tests/keys/rsa.pem");
const PKCS1: &str = include_str!("../../tests/keys/rsa-pkcs1.pem");
const OTHER: &str = include_str!("../../tests/keys/other-rsa.pem");
const SHORT: &str = include_str!("../../tests/keys/short.crt");

fn certificate_of(key: &str) -> rcgen::Certificate {
    let mut params = CertificateParams::default();
    params.not_after = date_time_ymd(2031, 2, 3);
    params.self_signed(&KeyPair::from_pem(key).unwrap()).unwrap()
}

fn read(chain: &str, key: &str) -> Result<SigningCertificate, BadCertificate> {
    SigningCertificate::read(chain, &key.into())
}

fn part(text: &str) -> serde_json::Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap()
}

fn verified(with: &'static dyn VerificationAlgorithm, assertion: &str) -> bool {
    let (signed, signature) = assertion.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let key = KeyPair::from_pem(KEY).unwrap();
    UnparsedPublicKey::new(with, key.public_key_raw()).verify(signed.as_bytes(), &signature).is_ok()
}

#[test]
fn the_end_is_the_first_certificates() {
    let (leaf, other) = (certificate_of(KEY).pem(), certificate_of(OTHER).pem());
    let found = read(&format!("{leaf}{other}"), KEY).unwrap();
    assert_eq!(found.expires_at(), "2031-02-03T00:00:00Z".parse().unwrap());
}

#[test]
fn an_assertion_says_what_entra_asks_for_and_is_signed() {
    let leaf = certificate_of(KEY);
    let now = "2026-11-22T10:00:00Z".parse().unwrap();
    let url = "https://login.test/contoso.com/oauth2/v2.0/token";
    for (algorithm, name, with) in [
        (SignatureAlgorithm::PS256, "PS256", &RSA_PSS_2048_8192_SHA256 as &dyn VerificationAlgorithm),
        (SignatureAlgorithm::RS256, "RS256", &RSA_PKCS1_2048_8192_SHA256),
    ] {
        for key in [KEY, PKCS1] {
            let certificate = read(&leaf.pem(), key).unwrap();
            let assertion = certificate.assertion(algorithm, "an-app", url, now).unwrap();
            let assertion = assertion.expose_secret();
            let parts: Vec<&str> = assertion.split('.').collect();
            let thumbprint = URL_SAFE_NO_PAD.encode(Sha256::digest(leaf.der()));
            assert_eq!(part(parts[0]), json!({"alg": name, "typ": "JWT", "x5t#S256": thumbprint}));
            let claims = part(parts[1]);
            assert_eq!((&claims["aud"], &claims["iss"]), (&json!(url), &json!("an-app")));
            assert_eq!(claims["sub"], claims["iss"]);
            assert_eq!((&claims["nbf"], &claims["iat"]), (&json!(1_795_341_600), &json!(1_795_341_600)));
            assert_eq!(claims["exp"], json!(1_795_341_600 + 600));
            assert!(verified(with, assertion), "{name}");
        }
    }
}

#[test]
fn no_two_assertions_have_the_same_id() {
    let (first, second) = (guid().unwrap(), guid().unwrap());
    assert_ne!(first, second);
    let form: Vec<usize> = first.split('-').map(str::len).collect();
    assert_eq!(form, [8, 4, 4, 4, 12]);
    assert!(first[14..].starts_with('4') && "89ab".contains(&first[19..20]), "{first}");
}

#[test]
fn names_what_is_wrong_and_nothing_of_the_content() {
    let good = certificate_of(KEY).pem();
    let curve = KeyPair::generate().unwrap();
    let ec = CertificateParams::default().self_signed(&curve).unwrap().pem();
    let damaged = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
    let damaged_key = "-----BEGIN PRIVATE KEY-----\naGVsbG8=\n-----END PRIVATE KEY-----\n";
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\naGVsbG8=\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let older = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\naGVsbG8=\n-----END RSA PRIVATE KEY-----\n";
    for (chain, key, why) in [
        ("", KEY, BadCertificate::NoCertificate),
        (KEY, KEY, BadCertificate::NoCertificate),
        (damaged, KEY, BadCertificate::Unreadable),
        (&ec, &curve.serialize_pem(), BadCertificate::NotRsa),
        (SHORT, KEY, BadCertificate::TooShort),
        (&good, "", BadCertificate::NoKey),
        (&good, &good, BadCertificate::NoKey),
        (&good, encrypted, BadCertificate::KeyEncrypted),
        (&good, older, BadCertificate::KeyEncrypted),
        (&good, damaged_key, BadCertificate::KeyUnreadable),
        (&good, OTHER, BadCertificate::KeyOfAnother),
        (&good, &curve.serialize_pem(), BadCertificate::KeyOfAnother),
    ] {
        let found = read(chain, key).unwrap_err();
        assert_eq!(found, why);
        assert!(!found.to_string().contains("aGVsbG8"), "{found}");
    }
}

#[test]
fn debug_shows_no_key() {
    let shown = format!("{:?}", read(&certificate_of(KEY).pem(), KEY).unwrap());
    assert!(shown.contains("thumbprint") && shown.len() < 150, "{shown}");
}
