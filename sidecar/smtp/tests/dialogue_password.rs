//! Logins by password, relays that want none, and what is never said without TLS.

use mail_egress_smtp::client::{Login, Password, Security, Settings};

use crate::dialogue::{dialogue_with, settings};

fn by_password(security: Security) -> Settings {
    let login = Password { user: "ann".to_owned(), password: "s3cr3t".into() };
    Settings { security, login: Login::Password(login), ..settings("token") }
}

fn by_nothing(security: Security) -> Settings {
    Settings { security, login: Login::None, ..settings("token") }
}

#[test]
fn a_password_is_said_in_one_line_where_plain_is_offered() {
    dialogue_with(
        &by_password(Security::Implicit),
        "
        S: 220 relay ready
        C: EHLO pod
        S: 250-relay
        S: 250 AUTH LOGIN PLAIN
        C: AUTH PLAIN {response}
        S: 235 2.7.0 welcome
        A: ready
        ",
    );
}

#[test]
fn a_relay_that_has_no_room_for_it_in_the_command_is_told_it_afterwards() {
    dialogue_with(
        &by_password(Security::Implicit),
        "
        S: 220 relay ready
        C: EHLO pod
        S: 250-relay
        S: 250 AUTH PLAIN
        C: AUTH PLAIN {response}
        S: 501 5.5.4 no initial response
        C: AUTH PLAIN
        S: 334
        C: {response}
        S: 235 welcome
        A: ready
        ",
    );
}

#[test]
fn login_asks_for_user_name_and_password() {
    dialogue_with(
        &by_password(Security::Implicit),
        "
        S: 220 relay ready
        C: EHLO pod
        S: 250-relay
        S: 250 AUTH LOGIN XOAUTH2
        C: AUTH LOGIN
        S: 334 VXNlcm5hbWU6
        C: YW5u
        S: 334 UGFzc3dvcmQ6
        C: czNjcjN0
        S: 235 welcome
        A: ready
        ",
    );
}

#[test]
fn a_wrong_password_is_a_refusal_and_a_further_question_is_broken_off() {
    for reply in ["535 5.7.8 wrong", "334 dGVsbCBtb3Jl\nC: *\nS: 535 5.7.8 wrong"] {
        dialogue_with(
            &by_password(Security::Implicit),
            &format!(
                "S: 220 relay ready
                C: EHLO pod
                S: 250-relay
                S: 250 AUTH PLAIN
                C: AUTH PLAIN {{response}}
                S: {reply}
                A: refused auth 535 5.7.8 wrong
                C: QUIT"
            ),
        );
    }
}

#[test]
fn a_relay_without_a_password_login_is_not_asked() {
    dialogue_with(
        &by_password(Security::Implicit),
        "
        S: 220 relay ready
        C: EHLO pod
        S: 250-relay
        S: 250 AUTH XOAUTH2 CRAM-MD5
        A: failed the relay does not offer PLAIN or LOGIN (it offers XOAUTH2 CRAM-MD5)
        ",
    );
}

#[test]
fn a_relay_that_knows_us_otherwise_is_ready_after_ehlo() {
    dialogue_with(
        &by_nothing(Security::StartTls),
        "
        S: 220 relay ready
        C: EHLO pod
        S: 250-relay
        S: 250 STARTTLS
        C: STARTTLS
        S: 220 go ahead
        A: start tls
        D: tls
        C: EHLO pod
        S: 250 relay
        A: ready
        ",
    );
}

#[test]
fn plaintext_is_used_where_it_was_asked_for_and_tls_is_not_begun() {
    dialogue_with(
        &by_nothing(Security::Plaintext),
        "
        S: 220 relay ready
        C: EHLO pod
        S: 250-relay
        S: 250-STARTTLS
        S: 250 AUTH PLAIN
        A: ready
        ",
    );
}

#[test]
fn no_credential_is_said_in_plaintext() {
    let with_token = Settings { security: Security::Plaintext, ..settings("token") };
    for settings in [by_password(Security::Plaintext), with_token] {
        dialogue_with(
            &settings,
            "
            S: 220 relay ready
            C: EHLO pod
            S: 250-relay
            S: 250 AUTH PLAIN LOGIN XOAUTH2
            A: failed a token or password is never written to a connection without TLS
            ",
        );
    }
}

#[test]
fn a_password_waits_for_starttls() {
    dialogue_with(
        &by_password(Security::StartTls),
        "
        S: 220 relay ready
        C: EHLO pod
        S: 250-relay
        S: 250 AUTH PLAIN
        A: failed the relay does not offer STARTTLS
        ",
    );
}
