//! What a token's standing becomes.

use mail_egress_entra as entra;
use secrecy::SecretString;
use serde_json::json;

use super::{
    super::{fixtures, validate::validate},
    *,
};

fn held(trouble: Option<Diagnosis>) -> Standing {
    let expires_at = "2026-11-23T12:00:00.5Z".parse().unwrap();
    Standing::Held { token: entra::Token { value: SecretString::from("t0ken"), expires_at }, trouble }
}

fn decided(standing: Standing, now: Instant) -> (Orders, Finding) {
    match decide(&fixtures::validated(), Stand::Of(standing), None, now) {
        Decision::Now(orders, finding, _) => (orders, finding),
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
    match decide(
        &fixtures::validated(),
        Stand::Of(Standing::Awaited { since }),
        None,
        since + Duration::from_secs(1),
    ) {
        Decision::Soon(wait) => assert_eq!(wait, PATIENCE - Duration::from_secs(1)),
        Decision::Now(..) => panic!("does not wait"),
    }
    let (orders, finding) = decided(Standing::Awaited { since }, since + PATIENCE);
    assert!(matches!(orders, Orders::Refuse(diagnosis) if diagnosis.reason == "TokenMissing"));
    assert_eq!((finding.status, finding.reason), (Status::Unknown, "TokenMissing"));
}

/// A sender by Exchange Online with a fallback by High Volume Email, as it is decided.
fn with_fallback(fallback: Standing) -> (Sending, Finding) {
    let sender = fixtures::sender(json!({"fallbackRoute": "volume"}));
    let mut references = fixtures::references();
    references.fallback = Some(fixtures::route(json!({"highVolumeEmail": {}})));
    let validated = validate(&sender, &references, fixtures::now()).result.unwrap();
    match decide(&validated, Stand::Of(held(None)), Some(Stand::Of(fallback)), Instant::now()) {
        Decision::Now(Orders::Send(sending), finding, _) => (*sending, finding),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_fallback_has_a_token_of_its_own_and_is_left_out_without_one() {
    let (sending, finding) = with_fallback(held(None));
    assert!(sending.fallback.is_some_and(|fallback| fallback.token.is_some()));
    assert_eq!(finding.reason, "TokenReady");
    let (sending, finding) = with_fallback(Standing::Missing(local(reason::CREDENTIAL_NOT_FOUND)));
    assert!(sending.fallback.is_none() && sending.token.is_some());
    assert_eq!((finding.status, finding.reason), (Status::True, "FallbackTokenMissing"));
}

#[test]
fn a_token_that_ends_within_the_margin_is_not_carried_and_is_looked_at_in_time() {
    let mut references = fixtures::references();
    references.route = fixtures::route(json!({"highVolumeEmail": {}}));
    let validated = validate(&fixtures::sender(json!({})), &references, fixtures::now()).result.unwrap();
    let exit = validated.exit();
    let at = |time: &str| time.parse::<Timestamp>().unwrap();
    let kept = in_time(held(None), exit, at("2026-11-23T11:49:59Z"));
    assert!(matches!(kept, Standing::Held { .. }));
    match in_time(held(None), exit, at("2026-11-23T11:51:00Z")) {
        Standing::Missing(diagnosis) => assert_eq!(diagnosis.reason, "TokenEndsSoon"),
        other => panic!("{other:?}"),
    }
    let why = in_time(held(Some(local(reason::ENTRA_TIMEOUT))), exit, at("2026-11-23T11:51:00Z"));
    assert!(matches!(why, Standing::Missing(diagnosis) if diagnosis.reason == "EntraTimeout"));
    match decide(&validated, Stand::Of(held(None)), None, Instant::now()) {
        Decision::Now(Orders::Send(_), _, again) => {
            assert_eq!(again, Some(at("2026-11-23T11:50:00.5Z")));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_route_without_a_token_is_ready_without_one() {
    let validated = fixtures::validated();
    match decide(&validated, Stand::NotNeeded, None, Instant::now()) {
        Decision::Now(Orders::Send(sending), finding, None) => {
            assert!(sending.token.is_none());
            assert_eq!(finding.message, "the route needs no token");
        }
        other => panic!("{other:?}"),
    }
}
