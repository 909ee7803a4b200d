//! Input that one server reads as one message and another as two.

use std::{sync::Arc, time::Instant};

use crate::session::feed;
use mail_egress_smtp::{
    reply::{NegativeCode, NegativeReply, Status},
    server::{Event, Fed, Session, Settings},
};

use crate::session::session;

/// Sends `data` (escaped) behind a 354, then a message end of which nobody doubts.
#[track_caller]
fn one_message(data: &str, body: &str) {
    session(&format!(
        r"S: 220 localhost ESMTP mail-egress
        C: HELO app
        C: MAIL FROM:<ann@example.com>
        C: RCPT TO:<bob@example.com>
        C: DATA
        S: 250 localhost
        S: 250 2.1.0 sender taken
        S: 250 2.1.5 recipient taken
        E: data <ann@example.com> -> <bob@example.com>
        D: permit
        S: 354 send the message, end it with <CRLF>.<CRLF>
        R: {data}
        R: MAIL FROM:<eve@example.com>\r\nDATA\r\n.\r\n
        E: end {body}MAIL FROM:<eve@example.com>\r\nDATA\r\n
        D: accept OK
        S: 250 2.0.0 OK
        C: QUIT
        S: 221 2.0.0 bye",
    ));
}

#[test]
fn nothing_but_crlf_dot_crlf_ends_a_message() {
    one_message(r"a\n.\n", r"a\r\n.\r\n");
    one_message(r"a\r\n.\n", r"a\r\n\r\n");
    one_message(r"a\n.\r\n", r"a\r\n.\r\n");
    one_message(r"a\r.\r", r"a\r\n.\r\n");
    one_message(r"a\r.\r\n", r"a\r\n.\r\n");
    one_message(r"a\r\n.\r", r"a\r\n\r\n");
    one_message(r"a\r\n.\r\r\n", r"a\r\n\r\n\r\n");
    one_message(r"a\r\n\x00.\r\n", r"a\r\n\x00.\r\n");
    one_message(r"a\r\n..\r\n", r"a\r\n.\r\n");
    one_message(r"\n.\r\n", r"\r\n.\r\n");
    one_message(r"a\n..\r\n", r"a\r\n.\r\n");
}

#[test]
fn a_dot_right_behind_data_ends_the_message() {
    session(
        r"
        S: 220 localhost ESMTP mail-egress
        C: HELO app
        C: MAIL FROM:<ann@example.com>
        C: RCPT TO:<bob@example.com>
        C: DATA
        C: .
        C: NOOP
        S: 250 localhost
        S: 250 2.1.0 sender taken
        S: 250 2.1.5 recipient taken
        E: data <ann@example.com> -> <bob@example.com>
        D: permit
        S: 354 send the message, end it with <CRLF>.<CRLF>
        E: end
        D: accept OK
        S: 250 2.0.0 OK
        S: 250 2.0.0 OK
        ",
    );
}

#[test]
fn a_bare_line_ending_ends_no_command() {
    session(
        r"
        S: 220 localhost ESMTP mail-egress
        R: NOOP\nHELO app\r\n
        S: 500 5.5.2 a command ends with CR LF, not with one of them alone
        R: NOOP\rHELO app\r\n
        S: 500 5.5.2 a command ends with CR LF, not with one of them alone
        R: NOOP\r\r\n
        S: 500 5.5.2 a command ends with CR LF, not with one of them alone
        C: MAIL FROM:<ann@example.com>
        S: 503 5.5.1 say EHLO first
        ",
    );
}

#[test]
fn whoever_ends_lines_with_lf_is_told_at_once() {
    session(
        r"
        S: 220 localhost ESMTP mail-egress
        R: EHLO app\n
        S: 500 5.5.2 a command ends with CR LF, not with one of them alone
        R: EHLO app\nQUIT\n
        X: open
        ",
    );
}

/// A client that does not wait for the 354, and is refused.
#[test]
fn a_message_sent_blindly_is_not_read_as_commands() {
    let now = Instant::now();
    let refusal = NegativeReply::new(NegativeCode::LocalError, Status::new(3, 5), "not now");
    let data = b"HELO app\r\nMAIL FROM:<a@b>\r\nRCPT TO:<a@b>\r\nDATA\r\n";
    let blind = b"MAIL FROM:<eve@example.com>\r\nRCPT TO:<eve@example.com>\r\nDATA\r\n";
    for together in [true, false] {
        let mut session = Session::new(Arc::new(Settings::default()), now);
        let mut body = Vec::new();
        let whole = [&data[..], blind].concat();
        let first = if together { &whole[..] } else { data };
        let fed = feed(&mut session, first, &mut body, now);
        assert!(matches!(fed.event, Some(Event::Data(_))));
        assert_eq!(fed.consumed, data.len());
        if !together {
            assert_eq!(session.feed(blind, &mut body, now), Fed { consumed: 0, event: None });
        }
        let _ = session.take_output();
        session.refuse(&refusal, now).unwrap();
        assert!(session.is_closed());
        assert_eq!(session.feed(blind, &mut body, now), Fed { consumed: 0, event: None });
        let said = String::from_utf8(session.take_output()).unwrap();
        let codes: Vec<_> = said.lines().map(|line| &line[..9]).collect();
        assert_eq!(codes, ["451 4.3.5", "421 4.5.1"]);
    }
}

/// A client that waits for the reply to DATA, and does not read it.
#[test]
fn a_message_sent_in_spite_of_a_refusal_is_not_read_as_commands() {
    let refused = [
        "C: MAIL FROM:<ann@example.com>
         C: RCPT TO:<bob@example.com>
         S: 250 2.1.0 sender taken
         S: 250 2.1.5 recipient taken
         C: DATA
         E: data <ann@example.com> -> <bob@example.com>
         D: refuse 451 3.5 not now
         S: 451 4.3.5 not now",
        "C: DATA
         S: 503 5.5.1 say MAIL first",
        "C: MAIL FROM:<ann@example.com>
         S: 250 2.1.0 sender taken
         C: DATA
         S: 503 5.5.1 no recipient was taken, say RCPT first",
    ];
    let too_long = "x".repeat(600);
    let firsts =
        ["Received: from x", "", "From: eve@example.com", r"a\nb", "Mail me", "Data: x", ".", &too_long];
    for refused in refused {
        for first in firsts {
            session(&format!(
                r"S: 220 localhost ESMTP mail-egress
                C: HELO app
                S: 250 localhost
                {refused}
                C: {first}
                C: RSET
                C: MAIL FROM:<eve@example.com>
                C: RCPT TO:<eve@example.com>
                C: DATA
                C: .
                S: 421 4.5.1 DATA was refused and what came is no command, closing, since a message must not be read as commands
                X: closed",
            ));
        }
    }
}

#[test]
fn behind_a_refused_data_commands_are_read_as_ever() {
    for (next, said) in [
        ("RSET", "250 2.0.0 OK"),
        ("NOOP", "250 2.0.0 OK"),
        ("EHLO", "421 4.5.1"),
        ("HELO app", "250 localhost"),
        ("MAIL FROM:<ann@example.com>", "250 2.1.0 sender taken"),
        ("DATA", "503 5.5.1 say MAIL first"),
    ] {
        let said = if said.starts_with("421") {
            format!(
                "{said} DATA was refused and what came is no command, closing, since a message must not be read as commands\nX: closed"
            )
        } else {
            // and one line later a slip is a slip
            let slip =
                if next == "DATA" { "NOOP\nS: 250 2.0.0 OK" } else { "FOO\nS: 500 5.5.1 no such command" };
            format!("{said}\nC: {slip}\nX: open")
        };
        session(&format!(
            "S: 220 localhost ESMTP mail-egress
            C: HELO app
            S: 250 localhost
            C: DATA
            S: 503 5.5.1 say MAIL first
            C: {next}
            S: {said}",
        ));
    }
}

/// A text that begins with a word that is a command, too, and goes on without one.
#[test]
fn a_message_that_looks_like_commands_ends_the_session_after_some_lines() {
    let lines = "C: some text\n".repeat(40);
    session(&format!(
        "S: 220 localhost ESMTP mail-egress
        C: HELO app
        S: 250 localhost
        C: DATA
        S: 503 5.5.1 say MAIL first
        C: help me, dear
        {lines}
        S: 214 2.0.0 send mail as usual: EHLO, MAIL, RCPT, DATA or BDAT; also RSET, NOOP, VRFY, AUTH, QUIT
        {}S: 421 4.7.0 too many errors, closing
        X: closed",
        "S: 500 5.5.1 no such command\n".repeat(19)
    ));
}

#[test]
fn octets_that_hide_something_are_refused() {
    session(
        r"
        S: 220 localhost ESMTP mail-egress
        C: EHLO app\x00
        S: 500 5.5.2 the command holds octets that it must not
        C: EHLO \xff
        S: 500 5.5.2 the command holds octets that it must not
        C: EHLO\x09app
        S: 500 5.5.2 the command holds octets that it must not
        ",
    );
}

#[test]
fn a_bare_ending_in_a_login_ends_the_login() {
    session(
        r"
        S: 220 localhost ESMTP mail-egress
        C: HELO app
        S: 250 localhost
        C: AUTH PLAIN
        S: 334
        R: AGEA\nYg==\r\n
        S: 500 5.5.2 a command ends with CR LF, not with one of them alone
        C: NOOP
        S: 250 2.0.0 OK
        ",
    );
}
