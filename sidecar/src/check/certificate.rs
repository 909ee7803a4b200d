//! What a relay's certificate adds to what was seen. Whether it is to be believed has been decided
//! before, by rustls.

use jiff::{SignedDuration, Timestamp};
use mail_egress_entra::certificate::Certificate;

use super::report::Finding;

/// A certificate that ends sooner is worth a word.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);

/// Adds issuer and end to what was seen.
pub(super) fn told(certificate: &Certificate, seen: &str, now: Timestamp) -> Finding {
    let issuer = certificate.issuer.as_ref().map(|name| format!(", issued by {name}")).unwrap_or_default();
    let seen = format!("{seen}{issuer}, valid until {:.0}", certificate.expires_at);
    match certificate.expires_at.duration_since(now) < SOON {
        true => Finding::warning(
            seen,
            "the relay's certificate ends within two weeks".to_owned(),
            "renew it at the relay, or ask its administrator".to_owned(),
        ),
        false => Finding::ok(seen),
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Outcome;
    use super::*;

    #[test]
    fn a_certificate_about_to_end_is_a_warning() {
        let end = "2031-02-03T00:00:00Z".parse().unwrap();
        let certificate = Certificate { issuer: None, expires_at: end, rsa_bits: None };
        let at = |now: &str| told(&certificate, "x", now.parse().unwrap());
        assert_eq!(at("2031-02-01T00:00:00Z").result, Outcome::Warning);
        let usual = at("2031-01-01T00:00:00Z");
        assert_eq!(
            (usual.result, usual.seen.as_deref()),
            (Outcome::Ok, Some("x, valid until 2031-02-03T00:00:00Z"))
        );
    }
}
