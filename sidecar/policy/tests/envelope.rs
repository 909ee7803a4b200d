//! What the rules say of senders and recipients.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy.toml allows it in test functions, not in what they call"
)]

use mail_egress_config::Rules;
use mail_egress_policy::{Policy, Sender};

fn list(patterns: &[&str]) -> Vec<String> {
    patterns.iter().map(|it| (*it).to_owned()).collect()
}

fn to(allow: &[&str], deny: &[&str], address: &str) -> &'static str {
    let rules = Rules { allow_recipients: list(allow), deny_recipients: list(deny), ..Rules::default() };
    match Policy::new("billing@contoso.com", &rules).recipient(address) {
        Ok(()) => "ok",
        Err(denied) => {
            assert_eq!(denied.whom(), Some(address));
            let local = address.split('@').next().unwrap();
            assert!(!format!("{denied:?} {denied}").contains(local) || local.len() < 3, "{denied:?}");
            denied.diagnosis().reason
        }
    }
}

#[test]
fn without_rules_everybody_is_allowed_however_he_is_written() {
    for address in ["a@b.example", "a@[192.0.2.1]", "a%b@c.example", "jörg@bücher.example", "Postmaster"] {
        assert_eq!(to(&[], &[], address), "ok", "{address}");
    }
}

#[test]
fn a_deny_pattern_wins_over_an_allow_pattern() {
    let (allow, deny) = (&["*@contoso.com", "*@*.contoso.com"], &["ceo@contoso.com"]);
    assert_eq!(to(allow, deny, "ann@contoso.com"), "ok");
    assert_eq!(to(allow, deny, "ann@shop.Contoso.com"), "ok");
    assert_eq!(to(allow, deny, "CEO@Contoso.com"), "RecipientDenied");
    assert_eq!(to(allow, deny, "ann@fabrikam.com"), "RecipientNotAllowed");
    assert_eq!(to(&[], deny, "ann@fabrikam.com"), "ok");
}

#[test]
fn no_way_of_writing_an_address_escapes_a_pattern() {
    for address in ["ceo@contoso.com", "\"ceo\"@contoso.com", "\"c\\eo\"@contoso.com", "ceo@contoso.com."] {
        assert_eq!(to(&[], &["ceo@contoso.com"], address), "RecipientDenied", "{address}");
        assert_eq!(to(&["ceo@contoso.com"], &[], address), "ok", "{address}");
        assert_eq!(to(&[], &["\"ceo\"@contoso.com."], address), "RecipientDenied", "{address}");
    }
}

#[test]
fn what_patterns_cannot_be_compared_with_is_refused_once_there_are_any() {
    for address in [
        "ceo@[192.0.2.1]",
        "@relay.example:ceo@contoso.com",
        "ceo%contoso.com@relay.example",
        "contoso.com!ceo@relay.example",
        "\"ceo@contoso.com\"@relay.example",
        "Postmaster",
        "ceo@contoso..com",
    ] {
        assert_eq!(to(&["*"], &[], address), "RecipientUnclear", "{address}");
        assert_eq!(to(&[], &["ceo@contoso.com"], address), "RecipientUnclear", "{address}");
    }
}

#[test]
fn foreign_letters_are_compared_as_written_and_refused_where_a_deny_pattern_could_be_missed() {
    assert_eq!(to(&["*@bücher.example"], &[], "jörg@bücher.example"), "ok");
    assert_eq!(to(&["*@xn--bcher-kva.example"], &[], "a@bücher.example"), "RecipientNotAllowed");
    assert_eq!(to(&[], &["*@xn--bcher-kva.example"], "a@BÜCHER.example"), "RecipientUnclear");
    assert_eq!(to(&[], &["*@contoso.com"], "a@ｃontoso.com"), "RecipientUnclear");
    assert_eq!(to(&[], &["*@bücher.example"], "a@xn--bcher-kva.example"), "RecipientUnclear");
    assert_eq!(to(&[], &["*@bücher.example"], "a@bücher.example"), "RecipientDenied");
    assert_eq!(to(&[], &["*@contoso.com"], "a@xn--bcher-kva.example"), "ok");
}

#[test]
fn a_foreign_sender_becomes_the_mailbox() {
    let rules = Rules { send_as: list(&["*@shop.contoso.com"]), ..Rules::default() };
    let policy = Policy::new("billing@contoso.com", &rules);
    for own in ["Billing@Contoso.com", "\"billing\"@contoso.com", "a@shop.contoso.com"] {
        assert_eq!(policy.sender(own), Ok(Sender::Kept), "{own}");
    }
    for foreign in ["root@localhost", "a@contoso.com", "a%x@shop.contoso.com", "a@[127.0.0.1]", "root"] {
        assert_eq!(policy.sender(foreign), Ok(Sender::Mailbox), "{foreign}");
    }
}

#[test]
fn the_empty_sender_needs_leave() {
    let with = |allow_null_sender| {
        Policy::new("a@b.example", &Rules { allow_null_sender, send_as: list(&["*"]), ..Rules::default() })
    };
    assert_eq!(with(true).sender(""), Ok(Sender::Kept));
    let denied = with(false).sender("").unwrap_err();
    assert_eq!(denied.diagnosis().reason, "NullSenderNotAllowed");
    assert_eq!(denied.whom(), None);
}
