//! What a token's standing becomes.

use mail_egress_entra as entra;
use secrecy::SecretString;

use super::{super::fixtures, *};

fn held(trouble: Option<Diagnosis>) -> Standing {
    let expires_at = "2026-11-23T12:00:00.5Z".parse().unwrap();
    Standing::Held { token: entra::Token { value: SecretString::from("t0ken"), expires_at }, trouble }
}

fn decided(standing: Standing, now: Instant) -> (Orders, Finding) {
    match decide(&fixtures::validated(), standing, now) {
        Decision::Now(orders, finding) => (orders, finding),
        Decision::Soon(wait) => panic!("waits {wait:?}"),
    }
}

#[test]
fn a_held_token_is_sent_along() {
    let (orders, finding) = decided(held(None), Instant::now());
    assert!(matches!(orders, Orders::Send(..)));
    assert_eq!((finding.status, finding.reason), (Status::True, "TokenReady"));
}

#[test]
fn a_failing_renewal_is_a_warning_while_the_token_lasts() {
    let (orders, finding) = decided(held(Some(local(reason::ENTRA_TIMEOUT))), Instant::now());
    assert!(matches!(orders, Orders::Send(..)));
    assert_eq!((finding.status, finding.reason), (Status::True, "RenewalFailing"));
    let begins = "the token lasts until 2026-11-23T12:00:00Z, but the login host did not answer in time";
    assert!(finding.message.starts_with(begins), "{}", finding.message);
}

#[test]
fn a_missing_token_refuses_with_its_reason() {
    let (orders, finding) = decided(Standing::Missing(local(reason::CREDENTIAL_NOT_FOUND)), Instant::now());
    assert!(matches!(orders, Orders::Refuse(diagnosis) if diagnosis.reason == "CredentialNotFound"));
    assert_eq!((finding.status, finding.reason), (Status::False, "CredentialNotFound"));
}

#[test]
fn the_first_answer_is_waited_for_and_then_its_absence_is_said() {
    let since = Instant::now();
    match decide(&fixtures::validated(), Standing::Awaited { since }, since + Duration::from_secs(1)) {
        Decision::Soon(wait) => assert_eq!(wait, PATIENCE - Duration::from_secs(1)),
        Decision::Now(..) => panic!("does not wait"),
    }
    let (orders, finding) = decided(Standing::Awaited { since }, since + PATIENCE);
    assert!(matches!(orders, Orders::Refuse(diagnosis) if diagnosis.reason == "TokenMissing"));
    assert_eq!((finding.status, finding.reason), (Status::Unknown, "TokenMissing"));
}
