//! What is kept, asked for and said, minute by minute.

use std::time::Duration;

use mail_egress_config::SmtpRoute;

use super::*;

fn at(minute: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute)
}

fn source(tenant: &str) -> EntraSource {
    EntraSource {
        login_url: "https://login.test".into(),
        scope: "s/.default".into(),
        client_secret_file: Some("/secret".into()),
        ..EntraSource::new(tenant.into(), "app".into())
    }
}

fn want(kept: &mut Kept, tenant: &str, secret: &str) {
    kept.want(Some((&source(tenant), Ok(Mark(vec![secret])))));
}

fn token(value: &str, end: i64) -> Result<Granted, TokenError> {
    Ok(Granted { token: Token { value: value.into(), expires_at: at(end) }, refresh_token: None })
}

fn error(reason: &'static str, retry: Retry) -> Result<Granted, TokenError> {
    Err(TokenError { diagnosis: local(reason), retry, trace: None })
}

fn answer(kept: &mut Kept, answer: Result<Granted, TokenError>, minute: i64) {
    let asked = kept.asking(at(minute)).unwrap();
    kept.answer(asked, answer, at(minute), at(minute));
}

fn said(kept: &Kept, minute: i64) -> Result<String, &'static str> {
    let relay = SmtpRoute::new("r".into(), "relay.test".into(), 587, 1);
    let found = kept.token(&source("t"), &Route::ExchangeOnline(relay), at(minute));
    found.map(|it| it.value.expose_secret().to_owned()).map_err(|why| why.reason)
}

fn asks(kept: &Kept, minute: i64) -> bool {
    kept.next(at(minute)) == Some(Next::Ask)
}

#[test]
fn a_token_serves_until_its_end_and_is_renewed_at_about_half() {
    let mut kept = Kept::default();
    assert_eq!(kept.next(at(0)), None);
    want(&mut kept, "t", "s");
    assert_eq!((asks(&kept, 0), said(&kept, 0)), (true, Err("TokenMissing")));
    answer(&mut kept, token("one", 60), 0);
    assert_eq!((asks(&kept, 26), asks(&kept, 34), said(&kept, 59)), (false, true, Ok("one".into())));
    assert_eq!(said(&kept, 60), Err("TokenMissing"));
}

#[test]
fn a_failure_is_said_once_there_is_no_token_and_a_mended_secret_is_tried_at_once() {
    let mut kept = Kept::default();
    want(&mut kept, "t", "wrong");
    answer(&mut kept, error("InvalidClientSecret", Retry::WhenMended), 0);
    assert_eq!((asks(&kept, 0), said(&kept, 0)), (false, Err("InvalidClientSecret")));
    want(&mut kept, "t", "wrong");
    assert!(!asks(&kept, 0));
    want(&mut kept, "t", "right");
    assert!(asks(&kept, 0));
    answer(&mut kept, token("one", 60), 0);
    answer(&mut kept, error("EntraUnavailable", Retry::Backoff), 30);
    assert_eq!((said(&kept, 59), said(&kept, 60)), (Ok("one".into()), Err("EntraUnavailable")));
}

#[test]
fn a_wish_of_entras_to_wait_outlives_a_changed_secret() {
    let mut kept = Kept::default();
    want(&mut kept, "t", "a");
    answer(&mut kept, error("EntraThrottled", Retry::After(Duration::from_secs(600))), 0);
    want(&mut kept, "t", "b");
    assert_eq!((asks(&kept, 9), asks(&kept, 12)), (false, true));
}

#[test]
fn a_secret_that_cannot_be_read_is_said_and_asks_nothing() {
    let mut kept = Kept::default();
    kept.want(Some((&source("t"), Err(local(reason::CREDENTIAL_INVALID)))));
    assert_eq!((kept.next(at(0)), said(&kept, 0)), (None, Err("CredentialInvalid")));
}

#[test]
fn the_token_of_another_source_is_not_used() {
    let mut kept = Kept::default();
    want(&mut kept, "other", "s");
    answer(&mut kept, token("others", 60), 0);
    assert_eq!(said(&kept, 1), Err("TokenMissing"));
    let asked = kept.asking(at(1)).unwrap();
    want(&mut kept, "t", "s");
    kept.answer(asked, token("late", 60), at(1), at(1));
    assert_eq!((asks(&kept, 1), said(&kept, 1)), (true, Err("TokenMissing")));
}

#[test]
fn a_refused_token_is_replaced_at_once_and_then_at_most_every_five_minutes() {
    let mut kept = Kept::default();
    want(&mut kept, "t", "s");
    answer(&mut kept, token("one", 60), 0);
    assert!(!asks(&kept, 1));
    kept.refused(at(1));
    assert!(asks(&kept, 1));
    answer(&mut kept, token("two", 61), 1);
    kept.refused(at(2));
    assert_eq!((asks(&kept, 2), asks(&kept, 5), asks(&kept, 6)), (false, false, true));
}

#[test]
fn a_refresh_token_is_followed_by_its_successor_until_another_is_wanted() {
    let shown = |kept: &Kept| kept.successor().map(|it| it.expose_secret().to_owned());
    let mut kept = Kept::default();
    want(&mut kept, "t", "first");
    let granted =
        |successor: &str| token("a", 60).map(|it| Granted { refresh_token: Some(successor.into()), ..it });
    answer(&mut kept, granted("second"), 0);
    assert_eq!(shown(&kept).as_deref(), Some("second"));
    want(&mut kept, "t", "first");
    answer(&mut kept, token("b", 90), 30);
    assert_eq!(shown(&kept).as_deref(), Some("second"), "an answer without one changes nothing");
    answer(&mut kept, error("EntraTimeout", Retry::Backoff), 60);
    assert_eq!(shown(&kept).as_deref(), Some("second"));
    answer(&mut kept, error("RefreshTokenDead", Retry::WhenMended), 70);
    assert_eq!(shown(&kept), None, "then the one in the file is tried");
    answer(&mut kept, granted("third"), 80);
    want(&mut kept, "t", "anew");
    assert_eq!(shown(&kept), None);
}
