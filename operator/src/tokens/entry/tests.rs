//! The paths through one token's state.

use jiff::SignedDuration;
use mail_egress_diagnosis::{local, reason};
use mail_egress_entra::{Endpoint, Retry};
use secrecy::{ExposeSecret, SecretString};

use super::{super::request::Proof, *};

const APP: &str = "00000000-0000-0000-0000-000000000001";

fn at(minutes: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes)
}

fn want(tenant: &str, secret: &str) -> Want {
    let login_url = "https://login.microsoftonline.com".into();
    let request = Request {
        endpoint: Endpoint::Entra { login_url, tenant: tenant.into() },
        client_id: APP.into(),
        scope: "https://outlook.office365.com/.default".into(),
        proof: Proof::ClientSecret(SecretString::from(secret)),
        ca_bundle: None,
    };
    Want { identity: format!("{APP} in {tenant}"), request: Ok(request) }
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

fn wants(entry: &mut Entry, want: &Want) -> bool {
    wants_at(entry, want, 0)
}

fn wants_at(entry: &mut Entry, want: &Want, minute: i64) -> bool {
    entry.want(want, Instant::now(), at(minute))
}

fn ask(entry: &mut Entry, today: Want) -> Option<(Request, Fingerprint)> {
    assert!(entry.claim());
    entry.begin(Some(today), Instant::now(), at(0))
}

/// An entry that wants `contoso` with the secret `one`, and holds a token from minute 0 to 60.
fn holding() -> (Entry, Fingerprint) {
    let mut entry = Entry::new(Instant::now());
    assert!(wants(&mut entry, &want("contoso", "one")));
    let (_, fingerprint) = ask(&mut entry, want("contoso", "one")).unwrap();
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
    assert!(wants(&mut entry, &want("contoso", "one")));
    assert_eq!(entry.next(at(0), 0.5), Some(Next::Ask));
    assert!(ask(&mut entry, want("contoso", "one")).is_some());
    assert!(!entry.claim());
    assert_eq!(entry.next(at(0), 0.5), None);
    assert!(!wants(&mut entry, &want("contoso", "one")));
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
    ask(&mut entry, want("contoso", "one")).unwrap();
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
    wants(&mut entry, &want("contoso", "wrong"));
    for times in 0..3 {
        let (_, fingerprint) = ask(&mut entry, want("contoso", "wrong")).unwrap();
        entry.answer(&fingerprint, Err(refused(Retry::WhenMended)), at(times * 10));
    }
    assert_eq!(entry.next(at(20), 0.5), Some(Next::Wait(at(22))));
    assert!(wants(&mut entry, &want("contoso", "right")));
    assert_eq!(entry.next(at(20), 0.5), Some(Next::Ask));
    assert_eq!(value(entry.standing(at(20))), "awaited");
}

#[test]
fn the_same_failure_once_more_is_no_news() {
    let mut entry = Entry::new(Instant::now());
    wants(&mut entry, &want("contoso", "wrong"));
    let mut news = |answer: fn(&Fingerprint) -> Result<Held, TokenError>| {
        let (_, fingerprint) = ask(&mut entry, want("contoso", "wrong")).unwrap();
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
    wants(&mut entry, &want("contoso", "wrong"));
    let (_, old) = ask(&mut entry, want("contoso", "wrong")).unwrap();
    wants(&mut entry, &want("contoso", "right"));
    assert_eq!(entry.next(at(0), 0.5), None, "one request at a time");
    entry.answer(&old, Err(refused(Retry::WhenMended)), at(0));
    assert_eq!(entry.next(at(0), 0.5), Some(Next::Ask));
}

#[test]
fn a_token_of_another_tenant_is_not_used() {
    let (mut entry, _) = holding();
    wants(&mut entry, &want("contoso", "two"));
    assert_eq!(value(entry.standing(at(1))), "first", "another secret, the same application");
    assert_eq!(entry.next(at(1), 0.5), Some(Next::Ask));
    wants(&mut entry, &want("fabrikam", "two"));
    assert_eq!(value(entry.standing(at(1))), "awaited");
}

#[test]
fn a_lost_credential_leaves_the_token_to_its_end() {
    let (mut entry, _) = holding();
    assert!(wants(&mut entry, &without_credential("contoso")));
    assert_eq!(entry.next(at(40), 0.5), None);
    assert_eq!(value(entry.standing(at(59))), "first");
    assert_eq!(value(entry.standing(at(60))), "CredentialNotFound");
    wants(&mut entry, &without_credential("fabrikam"));
    assert_eq!(value(entry.standing(at(1))), "CredentialNotFound");
}

#[test]
fn a_token_kept_by_an_earlier_leader_is_used_without_a_request() {
    let one = want("contoso", "one");
    let fingerprint = Fingerprint::of(&one.identity, &one.request.unwrap());
    let mut entry = Entry::kept(token("kept", &fingerprint, 0, 60), Instant::now());
    assert_eq!(entry.next(at(40), 0.5), None, "until somebody wants it");
    assert!(wants(&mut entry, &want("contoso", "one")));
    assert_eq!(entry.next(at(10), 0.5), Some(Next::Wait(at(30))));
    assert_eq!(value(entry.standing(at(10))), "kept");
}

#[test]
fn a_changed_credential_waits_as_long_as_entra_asked() {
    let mut entry = Entry::new(Instant::now());
    wants(&mut entry, &want("contoso", "one"));
    let (_, fingerprint) = ask(&mut entry, want("contoso", "one")).unwrap();
    let retry = Retry::After(Duration::from_secs(600));
    entry.answer(&fingerprint, Err(refused(retry)), at(0));
    assert!(wants_at(&mut entry, &want("contoso", "two"), 1));
    assert_eq!(entry.next(at(1), 0.0), Some(Next::Wait(at(10))));
    assert!(wants_at(&mut entry, &without_credential("contoso"), 2));
    assert!(wants_at(&mut entry, &want("contoso", "three"), 3));
    assert_eq!(entry.next(at(3), 0.0), Some(Next::Wait(at(10))));
    assert_eq!(value(entry.standing(at(3))), "InvalidClientSecret", "what it waits for is said");
    assert!(wants_at(&mut entry, &want("contoso", "four"), 20));
    assert_eq!(value(entry.standing(at(20))), "awaited", "the wait is over and forgotten");
}

#[test]
fn a_wait_that_entra_asks_of_an_older_credential_holds_for_the_new_one() {
    let mut entry = Entry::new(Instant::now());
    wants(&mut entry, &want("contoso", "one"));
    let (_, old) = ask(&mut entry, want("contoso", "one")).unwrap();
    wants(&mut entry, &want("contoso", "two"));
    entry.answer(&old, Err(refused(Retry::After(Duration::from_secs(600)))), at(0));
    assert_eq!(entry.next(at(1), 0.0), Some(Next::Wait(at(10))));
}

#[test]
fn asks_with_the_credential_of_the_moment_or_not_at_all() {
    let mut entry = Entry::new(Instant::now());
    wants(&mut entry, &want("contoso", "one"));
    let (request, fingerprint) = ask(&mut entry, want("contoso", "two")).unwrap();
    let Proof::ClientSecret(value) = &request.proof else { panic!("another proof") };
    assert_eq!(value.expose_secret(), "two");
    entry.answer(&fingerprint, Err(refused(Retry::WhenMended)), at(0));
    for gone in [Some(without_credential("contoso")), None] {
        wants(&mut entry, &want("contoso", "three"));
        assert!(entry.claim());
        assert!(entry.begin(gone, Instant::now(), at(0)).is_none());
        assert_eq!(entry.next(at(99), 0.5), None, "until somebody wants it again");
        assert!(wants(&mut entry, &want("contoso", "three")), "which wakes the loop");
        assert_eq!(entry.next(at(99), 0.5), Some(Next::Ask));
    }
}

#[test]
fn a_failure_of_another_request_says_nothing_against_todays() {
    let mut entry = Entry::new(Instant::now());
    wants(&mut entry, &want("contoso", "wrong"));
    let (_, fingerprint) = ask(&mut entry, want("contoso", "wrong")).unwrap();
    entry.answer(&fingerprint, Err(refused(Retry::WhenMended)), at(0));
    let standing = |today| value(entry.standing_with(&today, at(1)));
    assert_eq!(standing(want("contoso", "wrong")), "InvalidClientSecret");
    assert_eq!(standing(want("contoso", "right")), "awaited");
    assert_eq!(standing(without_credential("contoso")), "CredentialNotFound");
}
