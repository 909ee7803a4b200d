//! AUTH, for apps that insist on it.

use std::{sync::Arc, time::Instant};

use mail_egress_smtp::server::{Session, Settings};

use crate::session::{session, session_in_large_pieces};

#[test]
fn plain_is_accepted_in_both_forms() {
    for dialogue in [
        "C: AUTH PLAIN AGFubgBzZWNyZXQ=",
        "C: auth plain\nS: 334\nC: AGFubgBzZWNyZXQ=",
        "C: AUTH PLAIN =",
        "C: AUTH PLAIN\nS: 334\nC:",
    ] {
        session(&format!(
            "S: 220 localhost ESMTP mail-egress
            C: HELO app
            S: 250 localhost
            {dialogue}
            S: 235 2.7.0 accepted; this listener asks for no password
            C: AUTH PLAIN AGEAYg==
            S: 503 5.5.1 already authenticated
            C: MAIL FROM:<ann@example.com> AUTH=<>
            S: 250 2.1.0 sender taken",
        ));
    }
}

#[test]
fn login_is_accepted_with_and_without_the_name_at_once() {
    for dialogue in ["C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: YW5u", "C: AUTH LOGIN YW5u"] {
        session(&format!(
            "S: 220 localhost ESMTP mail-egress
            C: HELO app
            S: 250 localhost
            {dialogue}
            S: 334 UGFzc3dvcmQ6
            C: c2VjcmV0
            S: 235 2.7.0 accepted; this listener asks for no password",
        ));
    }
}

#[test]
fn a_dialogue_can_be_cancelled_and_begun_again() {
    session(
        "
        S: 220 localhost ESMTP mail-egress
        C: HELO app
        S: 250 localhost
        C: AUTH LOGIN
        S: 334 VXNlcm5hbWU6
        C: YW5u
        S: 334 UGFzc3dvcmQ6
        C: *
        S: 501 5.7.0 authentication cancelled
        C: AUTH LOGIN
        S: 334 VXNlcm5hbWU6
        C: QUIT and so on
        S: 501 5.5.2 that is not base64
        C: AUTH CRAM-MD5
        S: 504 5.5.4 only PLAIN, LOGIN and XOAUTH2
        C: AUTH
        S: 501 5.5.4 say AUTH PLAIN or AUTH LOGIN
        C: MAIL FROM:<ann@example.com>
        S: 250 2.1.0 sender taken
        ",
    );
}

#[test]
fn a_response_may_have_12288_octets_and_no_more() {
    let longest = "A".repeat(12_286);
    session_in_large_pieces(
        Settings::default(),
        &format!(
            "S: 220 localhost ESMTP mail-egress
        C: HELO app
        S: 250 localhost
        C: AUTH PLAIN
        S: 334
        C: {longest}A
        S: 500 5.5.2 the line is too long
        C: NOOP
        S: 250 2.0.0 OK
        C: AUTH PLAIN
        S: 334
        C: {longest}
        S: 235 2.7.0 accepted; this listener asks for no password",
        ),
    );
}

#[test]
fn the_password_is_shown_nowhere() {
    let now = Instant::now();
    let mut session = Session::new(Arc::new(Settings::default()), now);
    let fed = session.feed(b"HELO app\r\nAUTH LOGIN YW5u\r\nc2VjcmV0", &mut Vec::new(), now);
    assert_eq!(fed.event, None);
    assert_eq!(format!("{session:?}"), "Session { state: \"sasl\", .. }");
}

#[test]
fn what_is_to_be_checked_is_shown_nowhere_either() {
    let now = Instant::now();
    let mut session = Session::new(Arc::new(Settings::default()), now).demanding_login();
    let fed = session.feed(b"HELO app\r\nAUTH PLAIN AGFubgBzZWNyZXQ=\r\n", &mut Vec::new(), now);
    assert_eq!(format!("{fed:?}"), "Fed { consumed: 39, event: Some(Login) }");
    assert_eq!(format!("{session:?}"), "Session { state: \"logging in\", .. }");
    assert_eq!(format!("{:?}", session.credentials()), "Some(Credentials { .. })");
}
