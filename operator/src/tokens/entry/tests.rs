//! The paths through one token's state.

use jiff::SignedDuration;
use mail_egress_diagnosis::{local, reason};
use mail_egress_entra::{Credential, Retry};
use secrecy::{ExposeSecret, SecretString};

use super::*;

const APP: &str = "00000000-0000-0000-0000-000000000001";

fn at(minutes: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes)
}

fn want(tenant: &str, secret: &str) -> Want {
    let request = TokenRequest {
        login_url: "https://login.microsoftonline.com".into(),
        tenant: tenant.into(),
        client_id: APP.into(),
        scope: "https://outlook.office365.com/.default".into(),
        credential: Credential::ClientSecret(SecretString::from(secret)),
        ca_bundle: None,
    };
    Want { identity: Fingerprint::of(&request).identity, request: Ok(request) }
}

fn without_credential(tenant: &str) -> Want {
    let diagnosis = local(reason::CREDENTIAL_NOT_FOUND);
    Want { request: Err(diagnosis), ..want(tenant, "") }
}

fn refused(retry: Retry) -> TokenError {
    let diagnosis =
        mail_egress_diagnosis::entra(401, Some("invalid_client"), &[7_000_215], "AADSTS7000215: no");
    TokenError { diagnosis, retry, trace: None }
}

fn token(value: &str, fingerprint: &Fingerprint, obtained: i64, expires: i64) -> Held {
    let token = Token { value: SecretString::from(value), expires_at: at(expires) };
    Held { token, obtained_at: at(obtained), fingerprint: fingerprint.clone() }
}

/// An entry that wants `contoso` with the secret `one`, and holds a token from minute 0 to 60.
fn holding() -> (Entry, Fingerprint) {
    let mut entry = Entry::new(Instant::now());
    assert!(entry.want(want("contoso", "one"), Instant::now()));
    let (_, fingerprint) = entry.ask().unwrap();
    entry.answer(&fingerprint, Ok(token("first", &fingerprint, 0, 60)), at(0));
    (entry, fingerprint)
}

fn value(standing: Standing) -> String {
    match standing {
        Standing::Held { token, .. } => token.value.expose_secret().to_owned(),
        Standing::Awaited { .. } => "awaited".to_owned(),
        Standing::Missing(diagnosis) => diagnosis.reason.to_owned(),
    }
}

#[test]
fn asks_once_at_a_time() {
    let mut entry = Entry::new(Instant::now());
    assert_eq!(entry.next(at(0), 0.5), None, "nobody wants it");
    assert!(entry.want(want("contoso", "one"), Instant::now()));
    assert_eq!(entry.next(at(0), 0.5), Some(Next::Ask));
    assert!(entry.ask().is_some());
    assert!(entry.ask().is_none());
    assert_eq!(entry.next(at(0), 0.5), None);
    assert!(!entry.want(want("contoso", "one"), Instant::now()));
    assert_eq!(value(entry.standing(at(0))), "awaited");
}

#[test]
fn holds_the_token_until_it_ends() {
    let (entry, _) = holding();
    assert_eq!(entry.next(at(1), 0.5), Some(Next::Wait(at(30))));
    assert_eq!(value(entry.standing(at(59))), "first");
    assert_eq!(value(entry.standing(at(60))), "awaited");
}

#[test]
fn keeps_a_good_token_while_its_renewal_fails_and_says_so() {
    let (mut entry, fingerprint) = holding();
    entry.ask().unwrap();
    entry.answer(&fingerprint, Err(refused(Retry::Backoff)), at(30));
    match entry.standing(at(31)) {
        Standing::Held { trouble: Some(trouble), .. } => assert_eq!(trouble.reason, "InvalidClientSecret"),
        other => panic!("{other:?}"),
    }
    assert_eq!(value(entry.standing(at(60))), "InvalidClientSecret");
}

#[test]
fn a_refused_request_backs_off_and_a_changed_credential_is_tried_at_once() {
    let mut entry = Entry::new(Instant::now());
    entry.want(want("contoso", "wrong"), Instant::now());
    for times in 0..3 {
        let (_, fingerprint) = entry.ask().unwrap();
        entry.answer(&fingerprint, Err(refused(Retry::WhenMended)), at(times * 10));
    }
    assert_eq!(entry.next(at(20), 0.5), Some(Next::Wait(at(22))));
    assert!(entry.want(want("contoso", "right"), Instant::now()));
    assert_eq!(entry.next(at(20), 0.5), Some(Next::Ask));
    assert_eq!(value(entry.standing(at(20))), "awaited");
}

#[test]
fn the_same_failure_once_more_is_no_news() {
    let mut entry = Entry::new(Instant::now());
    entry.want(want("contoso", "wrong"), Instant::now());
    let mut news = |answer: fn(&Fingerprint) -> Result<Held, TokenError>| {
        let (_, fingerprint) = entry.ask().unwrap();
        entry.answer(&fingerprint, answer(&fingerprint), at(0))
    };
    let timeout = |_: &_| {
        Err(TokenError { diagnosis: local(reason::ENTRA_TIMEOUT), retry: Retry::Backoff, trace: None })
    };
    assert!(news(|_| Err(refused(Retry::WhenMended))));
    assert!(!news(|_| Err(refused(Retry::WhenMended))));
    assert!(news(timeout));
    assert!(news(|fingerprint| Ok(token("first", fingerprint, 0, 60))));
    assert!(news(timeout));
}

#[test]
fn an_answer_to_an_older_credential_does_not_hold_up_the_new_one() {
    let mut entry = Entry::new(Instant::now());
    entry.want(want("contoso", "wrong"), Instant::now());
    let (_, old) = entry.ask().unwrap();
    entry.want(want("contoso", "right"), Instant::now());
    assert_eq!(entry.next(at(0), 0.5), None, "one request at a time");
    entry.answer(&old, Err(refused(Retry::WhenMended)), at(0));
    assert_eq!(entry.next(at(0), 0.5), Some(Next::Ask));
}

#[test]
fn a_token_of_another_tenant_is_not_used() {
    let (mut entry, _) = holding();
    entry.want(want("contoso", "two"), Instant::now());
    assert_eq!(value(entry.standing(at(1))), "first", "another secret, the same application");
    assert_eq!(entry.next(at(1), 0.5), Some(Next::Ask));
    entry.want(want("fabrikam", "two"), Instant::now());
    assert_eq!(value(entry.standing(at(1))), "awaited");
}

#[test]
fn a_lost_credential_leaves_the_token_to_its_end() {
    let (mut entry, _) = holding();
    assert!(entry.want(without_credential("contoso"), Instant::now()));
    assert_eq!(entry.next(at(40), 0.5), None);
    assert_eq!(value(entry.standing(at(59))), "first");
    assert_eq!(value(entry.standing(at(60))), "CredentialNotFound");
    entry.want(without_credential("fabrikam"), Instant::now());
    assert_eq!(value(entry.standing(at(1))), "CredentialNotFound");
}

#[test]
fn a_token_kept_by_an_earlier_leader_is_used_without_a_request() {
    let fingerprint = Fingerprint::of(&want("contoso", "one").request.unwrap());
    let mut entry = Entry::kept(token("kept", &fingerprint, 0, 60), Instant::now());
    assert_eq!(entry.next(at(40), 0.5), None, "until somebody wants it");
    assert!(entry.want(want("contoso", "one"), Instant::now()));
    assert_eq!(entry.next(at(10), 0.5), Some(Next::Wait(at(30))));
    assert_eq!(value(entry.standing(at(10))), "kept");
}
