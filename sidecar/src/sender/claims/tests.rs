//! What is said of tokens, and which one is not even shown.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mail_egress_config::SmtpRoute;

use super::*;

fn at(minute: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute)
}

fn exchange() -> Route {
    Route::ExchangeOnline(SmtpRoute::new("r".into(), "relay.test".into(), 587, 1))
}

fn graph() -> Route {
    let text = r#"{"graph": {"name": "g", "baseURL": "https://graph.test", "maxMessageBytes": 1}}"#;
    serde_json::from_str(text).unwrap()
}

fn jwt(payload: &str) -> String {
    format!("eyJhbGciOiJSUzI1NiJ9.{}.c2ln", URL_SAFE_NO_PAD.encode(payload))
}

const USUAL: &str = r#"{"aud":"https://outlook.office365.com/","roles":["SMTP.SendAsApp"],"nbf":0,"exp":3600,"tid":"t","appid":"a"}"#;

/// The usual token with one claim changed, at minute 10 of its hour.
fn changed(from: &str, to: &str) -> Explained {
    assert!(USUAL.contains(from), "{from}");
    explain(&jwt(&USUAL.replace(from, to)), &exchange(), at(60), None, at(10))
}

fn causes(found: &Explained) -> Vec<&str> {
    found.odd.iter().map(|odd| odd.cause.as_str()).collect()
}

#[test]
fn a_usual_token_is_told_and_nothing_is_odd() {
    let found = changed("", "");
    let seen = "ends 1970-01-01T01:00:00Z, in 50 min; for https://outlook.office365.com/; roles SMTP.SendAsApp; tenant t; application a";
    assert_eq!((found.seen.join("; ").as_str(), found.odd.len(), &found.doubtful), (seen, 0, &None));
}

#[test]
fn audience_role_and_clock_are_each_explained() {
    let found = changed("https://outlook.office365.com/", "https://vault.azure.net");
    assert_eq!(causes(&found), ["the token is for https://vault.azure.net, not for Exchange Online"]);
    let found = changed("SMTP.SendAsApp", "Mail.Send");
    assert_eq!(causes(&found), ["the token lacks the role SMTP.SendAsApp (its roles: Mail.Send)"]);
    let found = changed("\"exp\":3600", "\"exp\":5400");
    assert_eq!(causes(&found), ["the token itself says that it ends at 1970-01-01T01:30:00Z"]);
    let found = changed("\"nbf\":0", "\"nbf\":1200");
    assert!(causes(&found)[0].ends_with("this clock is slow"), "{found:?}");
    let found = explain(&jwt(USUAL), &exchange(), at(70), None, at(67));
    assert!(causes(&found).iter().any(|cause| cause.ends_with("it is old, or this clock fast")), "{found:?}");
}

#[test]
fn no_roles_are_right_under_rbac_for_applications_and_yet_what_a_refusal_may_come_from() {
    let found = changed(r#""roles":["SMTP.SendAsApp"],"#, "");
    assert!(found.odd.is_empty() && found.doubtful.is_some(), "{found:?}");
    let delegated = changed(r#""roles":["SMTP.SendAsApp"]"#, r#""scp":"SMTP.Send""#);
    assert!(delegated.odd.is_empty() && delegated.doubtful.is_none(), "{delegated:?}");
    assert!(delegated.seen.contains(&"on behalf of a user, with SMTP.Send".to_owned()), "{delegated:?}");
}

#[test]
fn an_opaque_token_is_as_good_as_any_other_and_is_not_shown() {
    let found = explain("s3cret-token", &exchange(), at(60), None, at(0));
    assert_eq!(found.seen.join("; "), "ends 1970-01-01T01:00:00Z, in 60 min; opaque: it shows no claims");
    assert!(found.odd.is_empty() && addressed("s3cret-token").is_none());
}

#[test]
fn a_token_about_to_end_is_odd() {
    let found = explain("s3cret-token", &exchange(), at(3), None, at(0));
    assert_eq!(causes(&found), ["the token ends within five minutes"]);
}

#[test]
fn only_a_token_that_is_plainly_graphs_is_not_shown_to_exchange() {
    let misplaced =
        |aud: &str| addressed(&jwt(&format!(r#"{{"aud":{aud}}}"#))).and_then(|it| it.misplaced(&exchange()));
    for graphs in [r#""https://graph.microsoft.com/""#, r#"["00000003-0000-0000-C000-000000000000"]"#] {
        let why = misplaced(graphs).unwrap();
        assert_eq!(why.reason, "TokenForAnotherRoute");
        assert!(why.fix.contains("https://outlook.office365.com/.default"), "{}", why.fix);
    }
    for other in [
        r#""https://outlook.office365.com""#,
        r#""https://exchange.sovereign.test""#,
        r#"["https://graph.microsoft.com", "https://outlook.office.com"]"#,
        "[]",
        "7",
    ] {
        assert_eq!(misplaced(other), None, "{other}");
    }
}

#[test]
fn graph_is_shown_no_token_for_exchange_and_wants_another_role() {
    let why = addressed(&jwt(USUAL)).unwrap().misplaced(&graph()).unwrap();
    assert_eq!(why.reason, "TokenForAnotherRoute");
    let token = USUAL.replace("https://outlook.office365.com/", "https://graph.microsoft.com");
    assert_eq!(addressed(&jwt(&token)).unwrap().misplaced(&graph()), None);
    let found = explain(&jwt(&token), &graph(), at(60), None, at(10));
    assert_eq!(causes(&found), ["the token lacks the role Mail.Send (its roles: SMTP.SendAsApp)"]);
    let found = explain(&jwt(&token.replace("SMTP.SendAsApp", "Mail.Send")), &graph(), at(60), None, at(10));
    assert!(found.odd.is_empty(), "{found:?}");
}

#[test]
fn nothing_is_known_of_the_tokens_of_other_providers() {
    let relay = Route::SmtpRelay(SmtpRoute::new("r".into(), "smtp.gmail.test".into(), 587, 1));
    let token = USUAL.replace("https://outlook.office365.com/", "https://gmail.test");
    let found = explain(&jwt(&token), &relay, at(60), None, at(10));
    assert!(found.odd.is_empty() && addressed(&jwt(&token)).is_none(), "{found:?}");
    assert!(addressed(&jwt(USUAL)).unwrap().misplaced(&relay).is_some(), "Microsoft's stay with Microsoft");
}
