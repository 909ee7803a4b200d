//! The summary of all findings.

use mail_egress_config::Token;
use mail_egress_diagnosis::{local, reason};
use secrecy::SecretString;
use serde_json::json;

use super::{super::fixtures, *};

fn lines(orders: &Orders, refused: Option<&Diagnosis>) -> Vec<String> {
    let token = Finding::yes(condition::TOKEN_READY, "there");
    let found = vec![Finding::yes(condition::ACCEPTED, "it may")];
    let findings = summarise(&fixtures::sender(json!({})), found, token, orders, refused);
    findings.iter().map(|f| format!("{}={} {}", f.type_, f.status.as_str(), f.reason)).collect()
}

fn send() -> Orders {
    let expires_at = "2026-11-23T12:00:00Z".parse().unwrap();
    let token = Token { value: SecretString::from("t"), expires_at };
    Orders::Send(fixtures::sending(&fixtures::validated(), Some(token)).into())
}

#[test]
fn ready_comes_first_and_nothing_is_in_progress() {
    assert_eq!(
        lines(&send(), None),
        ["Ready=True Ready", "Accepted=True Accepted", "TokenReady=True TokenReady"]
    );
}

#[test]
fn a_refusal_is_the_summary_and_says_who_must_act() {
    let stalled = lines(&Orders::Refuse(local(reason::MAILBOX_NOT_ALLOWED)), None);
    assert_eq!(
        (stalled[0].as_str(), stalled[3].as_str()),
        ("Ready=False MailboxNotAllowed", "Stalled=True MailboxNotAllowed")
    );
    let reconciling = lines(&Orders::Refuse(local(reason::ENTRA_UNREACHABLE)), None);
    assert_eq!(reconciling[3], "Reconciling=True EntraUnreachable");
}

#[test]
fn a_secret_in_the_way_is_said_before_all_else() {
    let conflict = local(reason::SECRET_CONFLICT);
    assert_eq!(lines(&send(), Some(&conflict))[0], "Ready=False SecretConflict");
    let denied = Orders::Refuse(local(reason::SENDER_SUSPENDED));
    assert_eq!(lines(&denied, Some(&conflict))[0], "Ready=False SecretConflict");
}

#[test]
fn the_resync_is_spread_by_a_tenth() {
    for _ in 0..100 {
        let next = spread(Duration::from_secs(600));
        assert!((540..=660).contains(&next.as_secs()), "{next:?}");
    }
}

#[test]
fn a_namespace_that_is_not_found_is_looked_for_again_and_one_that_goes_is_not() {
    let next = |error| unwritten(error, Duration::from_secs(600)).unwrap();
    assert_eq!(next(ApplyError::NamespaceGoing), Action::await_change());
    assert_ne!(next(ApplyError::NotFound), Action::await_change());
}
