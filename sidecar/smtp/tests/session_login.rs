//! AUTH where the app must log in.

use crate::session::session_with_login;

const START: &str = "S: 220 localhost ESMTP mail-egress
    C: HELO app
    S: 250 localhost";

#[test]
fn no_message_is_taken_before_a_login_and_every_message_behind_it() {
    session_with_login(
        "S: 220 localhost ESMTP mail-egress
         C: EHLO app
         S: 250-localhost
         S: 250-PIPELINING
         S: 250-8BITMIME
         S: 250-SIZE 36700160
         S: 250-SMTPUTF8
         S: 250-CHUNKING
         S: 250-DSN
         S: 250-ENHANCEDSTATUSCODES
         S: 250 AUTH PLAIN LOGIN
         C: MAIL FROM:<a@b.test>
         C: RCPT TO:<c@d.test>
         C: DATA
         S: 530 5.7.0 this listener asks for a login: let the app use AUTH PLAIN or AUTH LOGIN with the username and password of the Secret that the pod's annotation mail-egress.io/auth-secret names (without Kubernetes: the files in --auth-dir)
         S: 503 5.5.1 say MAIL first
         S: 503 5.5.1 say MAIL first
         C: BDAT 4 LAST
         C: RS
         S: 503 5.5.1 say MAIL first
         C: AUTH PLAIN AGFubgBzZWNyZXQ=
         E: login \"ann\" \"secret\"
         D: permit
         S: 235 2.7.0 logged in
         C: MAIL FROM:<a@b.test>
         S: 250 2.1.0 sender taken
         C: RSET
         S: 250 2.0.0 OK
         C: HELO app
         S: 250 localhost
         C: MAIL FROM:<a@b.test>
         S: 250 2.1.0 sender taken",
    );
}

#[test]
fn name_and_password_are_read_in_every_form() {
    for (dialogue, shown) in [
        ("C: AUTH PLAIN\nS: 334\nC: AGFubgBzZWNyZXQ=", r#""ann" "secret""#),
        ("C: AUTH PLAIN YW5uAGFubgBzZWNyZXQ=", r#""ann" "secret""#),
        (
            "C: AUTH LOGIN\nS: 334 VXNlcm5hbWU6\nC: YW5u\nS: 334 UGFzc3dvcmQ6\nC: c2VjcmV0",
            r#""ann" "secret""#,
        ),
        ("C: AUTH LOGIN YW5u\nS: 334 UGFzc3dvcmQ6\nC: c2VjcmV0", r#""ann" "secret""#),
        ("C: AUTH LOGIN YW5u\nS: 334 UGFzc3dvcmQ6\nC:", r#""ann" """#),
        ("C: AUTH PLAIN AGrDvHJnZW4AcMOkw58=", "\"j\u{fc}rgen\" \"p\u{e4}\u{df}\""),
    ] {
        session_with_login(&format!(
            "{START}\n{dialogue}\nE: login {shown}\nD: permit\nS: 235 2.7.0 logged in"
        ));
    }
}

#[test]
fn what_cannot_be_checked_is_refused_before_it_is() {
    let not_plain = "501 5.5.2 that is not what PLAIN says: nothing or the user name, a zero octet, the user name, a zero octet, the password";
    let not_base64 = "501 5.5.2 that is not base64";
    let no_token = "504 5.5.4 this listener checks a user name and a password: let the app use PLAIN or LOGIN; a token is of no use here, since the sidecar has its own";
    for (command, reply) in [
        ("AUTH XOAUTH2 dXNlcj1hbm4BYXV0aD1CZWFyZXIgeAEB", no_token),
        ("AUTH XOAUTH2", no_token),
        ("AUTH CRAM-MD5", no_token),
        ("AUTH PLAIN =", not_plain),
        ("AUTH PLAIN YW5u", not_plain),
        ("AUTH PLAIN ZXZlAGFubgBzZWNyZXQ=", not_plain),
        ("AUTH PLAIN AGFubgBzZWNyZXQAeA==", not_plain),
        ("AUTH PLAIN AGFubgD/", not_base64),
        ("AUTH PLAIN A", not_base64),
        ("AUTH LOGIN a&b", not_base64),
    ] {
        session_with_login(&format!("{START}\nC: {command}\nS: {reply}\nC: NOOP\nS: 250 2.0.0 OK"));
    }
}

#[test]
fn the_third_wrong_login_ends_the_session() {
    let wrong = |password: &str| {
        format!(
            "C: AUTH LOGIN YW5u
            S: 334 UGFzc3dvcmQ6
            C: {password}
            E: login \"ann\" \"a\"
            D: refuse 535 7.8 wrong
            S: 535 5.7.8 wrong\n"
        )
    };
    session_with_login(&format!(
        "{START}
        {}{}C: MAIL FROM:<a@b.test>
        S: 530 5.7.0 this listener asks for a login: let the app use AUTH PLAIN or AUTH LOGIN with the username and password of the Secret that the pod's annotation mail-egress.io/auth-secret names (without Kubernetes: the files in --auth-dir)
        {}S: 421 4.7.0 too many wrong passwords, closing
        X: closed",
        wrong("YQ=="),
        wrong("YQ=="),
        wrong("YQ==")
    ));
}

#[test]
fn a_login_that_cannot_be_checked_now_is_no_wrong_one() {
    let later = "C: AUTH PLAIN AGFubgBh
        E: login \"ann\" \"a\"
        D: refuse 454 7.0 not now
        S: 454 4.7.0 not now\n"
        .repeat(5);
    session_with_login(&format!(
        "{START}
        {later}C: AUTH PLAIN AGFubgBh
        E: login \"ann\" \"a\"
        D: permit
        S: 235 2.7.0 logged in
        C: AUTH PLAIN AGFubgBh
        S: 503 5.5.1 already authenticated"
    ));
}

#[test]
fn the_end_of_the_process_waits_for_the_check() {
    for decision in ["permit", "refuse 535 7.8 wrong"] {
        session_with_login(&format!(
            "{START}
            C: AUTH PLAIN AGFubgBh
            E: login \"ann\" \"a\"
            D: shutdown
            D: {decision}
            S: 421 4.3.2 the sidecar is shutting down, try again
            X: closed"
        ));
    }
}
