use secrecy::ExposeSecret;

use super::*;
use crate::rules::{Limits, Rules};
use crate::token_source::TokenSource;

const GOOD: &str = r#"{
  "format": 1, "sender": {"namespace": "shop", "name": "billing"},
  "mailbox": "billing@contoso.com", "state": "ready", "aFieldOfTomorrow": {"x": 1},
  "route": {"exchangeOnline": {"name": "exchange-online", "host": "smtp.office365.com", "port": 587, "maxMessageBytes": 36700160}},
  "token": {"value": "s3cr3t-token", "expiresAt": "2026-11-23T12:00:00Z"}
}"#;

fn refused(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    parse(GOOD.replace(from, to).as_bytes()).unwrap_err().to_string()
}

#[test]
fn reads_what_it_writes_and_ignores_unknown_fields() {
    let file = parse(GOOD.as_bytes()).unwrap();
    assert_eq!(file.sender.to_string(), "shop/billing");
    let again = parse(write(&file).unwrap().as_bytes()).unwrap();
    assert_eq!(again.route, file.route);
    assert_eq!(again.token.unwrap().value.expose_secret(), "s3cr3t-token");
}

#[test]
fn debug_hides_the_token() {
    let shown = format!("{:?}", parse(GOOD.as_bytes()).unwrap());
    assert!(!shown.contains("s3cr3t"), "{shown}");
}

#[test]
fn names_the_field_that_is_wrong() {
    assert!(refused("587", "\"x\"").starts_with("route.exchangeOnline.port: expected u16 at line"));
    assert!(refused("587", "70000").starts_with("route.exchangeOnline.port: "));
    assert_eq!(refused("587", "0"), "route.exchangeOnline.port: 0 is no port");
    assert!(refused("\"mailbox\"", "\"mailbax\"").contains("missing field `mailbox`"));
    assert_eq!(refused("billing@contoso.com", "billing"), "mailbox: not an address");
    assert!(refused("\"format\": 1", "\"format\": 2").starts_with("format: 2 is newer"));
    assert!(refused("\"ready\"", "\"perhaps\"").starts_with("state: "));
    assert!(refused("\"route\"", "\"rout\"").starts_with("route: missing"));
}

#[test]
fn rules_limits_and_delivery_are_the_usual_ones_unless_they_are_said() {
    let usual = parse(GOOD.as_bytes()).unwrap();
    assert_eq!((usual.rules, usual.limits), (Rules::default(), Limits::default()));
    assert_eq!((usual.delivery.hold_seconds, usual.delivery.max_age_seconds), (8, 172_800));
    assert!(!write(&parse(GOOD.as_bytes()).unwrap()).unwrap().contains("delivery"));
    let said = GOOD.replace(
        "\"state\"",
        r#""rules": {"headerFrom": "rewrite", "denyRecipients": ["*@*.evil.test"]},
           "limits": {"messagesPerMinute": 5}, "delivery": {"mode": "spool", "uncertain": "atLeastOnce"}, "state""#,
    );
    let file = parse(said.as_bytes()).unwrap();
    assert_eq!(file.delivery.mode, crate::rules::Mode::Spool);
    assert_eq!(file.limits.or(Limits::EXCHANGE_ONLINE).messages_per_minute, Some(5));
    assert_eq!(file.limits.or(Limits::EXCHANGE_ONLINE).connections, Some(3));
    let again = parse(write(&file).unwrap().as_bytes()).unwrap();
    assert_eq!((again.rules, again.delivery), (file.rules, file.delivery));
}

#[test]
fn a_rule_that_would_rule_nothing_is_refused() {
    let with = |more: &str| parse(GOOD.replace("\"state\"", &format!("{more}, \"state\"")).as_bytes());
    let refusal = with(r#""rules": {"denyRecipients": ["evil.test"]}"#).unwrap_err().to_string();
    assert!(refusal.starts_with("rules.denyRecipients: not a pattern"), "{refusal}");
    let refusal = with(r#""limits": {"connections": 0}"#).unwrap_err().to_string();
    assert_eq!(refusal, "limits.connections: 0 would refuse every message");
}

#[test]
fn a_token_source_is_checked() {
    let with = |from: &str, to: &str| {
        let source = r#""tokenSource": {"entra": {"tenant": "contoso.com", "clientID": "1-2",
            "clientSecretFile": "/run/secret"}}, "state""#;
        parse(GOOD.replace("\"state\"", &source.replace(from, to)).as_bytes())
    };
    let TokenSource::Entra(entra) = with("", "").unwrap().token_source.unwrap();
    assert_eq!(entra.login_url, "https://login.microsoftonline.com");
    let refusal = with("contoso.com", "a/b").unwrap_err().to_string();
    assert_eq!(refusal, "tokenSource.entra.tenant: neither an id nor a domain");
    let refusal = with("\"tenant\"", "\"loginURL\": \"http://x\", \"tenant\"").unwrap_err().to_string();
    assert!(refusal.starts_with("tokenSource.entra.loginURL: "), "{refusal}");
}

#[test]
fn no_error_repeats_a_value() {
    for (from, to) in [
        ("\"value\": \"s3cr3t-token\"", "\"value\": \"s3cr3t\\ntoken\""),
        ("{\"value\": \"s3cr3t-token\", \"expiresAt\": \"2026-11-23T12:00:00Z\"}", "\"s3cr3t\""),
        ("2026-11-23T12:00:00Z", "s3cr3t"),
        ("\"s3cr3t-token\",", "\"s3cr3t"),
    ] {
        let error = refused(from, to);
        assert!(!error.contains("s3cr3t"), "{error}");
    }
}

#[test]
fn a_denial_counts_whatever_else_cannot_be_read() {
    let denied = GOOD
        .replace("\"ready\"", r#"{"unready": {"reason": "Tomorrow", "message": "no"}}"#)
        .replace("exchangeOnline", "carrierPigeon")
        .replace("\"format\": 1", "\"format\": 9")
        .replace("\"expiresAt\"", "\"ends\"");
    let file = parse(denied.as_bytes()).unwrap();
    assert!(matches!(file.state, State::Unready(_)) && file.route.is_none() && file.token.is_none());
    assert!(parse(GOOD.replace("exchangeOnline", "carrierPigeon").as_bytes()).is_err());
}

#[test]
fn garbage_is_refused_in_one_line() {
    for bytes in [&b""[..], b"{", b"\xff\xfe", b"[]", b"null", b"{}", b"{\"format\":1}x"] {
        let error = parse(bytes).unwrap_err().to_string();
        assert!(!error.contains('\n') && error.contains(": "), "{error}");
    }
    // found by fuzzing (2026-11-25): a name of the file broke the line
    let names = format!("{{\"a\\n{}\": {{\"b\\u001b\"", "x".repeat(1_000));
    let error = parse(names.as_bytes()).unwrap_err().to_string();
    assert!(error.starts_with("a?x") && error.len() < 200 && !error.contains(char::is_control), "{error}");
    assert_eq!(parse(&vec![b' '; LIMIT + 1]).unwrap_err(), ReadError::TooLong(LIMIT + 1));
}
