//! Commands where they have no place, and calls where they have none.

use std::{sync::Arc, time::Instant};

use mail_egress_smtp::{
    OutOfTurn,
    reply::{NegativeCode, NegativeReply, Status},
    server::{Outcome, Session, Settings},
};

use crate::session::{feed, session};

#[test]
fn nothing_of_a_message_comes_before_a_hello() {
    session(
        "
        S: 220 localhost ESMTP mail-egress
        C: MAIL FROM:<ann@example.com>
        S: 503 5.5.1 say EHLO first
        C: RCPT TO:<bob@example.com>
        S: 503 5.5.1 say EHLO first
        C: DATA
        S: 503 5.5.1 say EHLO first
        C: AUTH PLAIN AGEAYg==
        S: 503 5.5.1 say EHLO first
        C: RSET
        S: 250 2.0.0 OK
        C: NOOP
        S: 250 2.0.0 OK
        ",
    );
}

#[test]
fn sender_recipients_and_data_come_in_this_order() {
    session(
        "
        S: 220 localhost ESMTP mail-egress
        C: HELO app
        S: 250 localhost
        C: RCPT TO:<bob@example.com>
        S: 503 5.5.1 say MAIL first
        C: DATA
        S: 503 5.5.1 say MAIL first
        C: MAIL FROM:<ann@example.com>
        S: 250 2.1.0 sender taken
        C: DATA
        S: 503 5.5.1 no recipient was taken, say RCPT first
        C: MAIL FROM:<ann@example.com>
        S: 503 5.5.1 there is a sender already, say RSET to begin anew
        C: AUTH PLAIN AGEAYg==
        S: 503 5.5.1 not within a message
        C: RCPT TO:<bob@example.com>
        S: 250 2.1.5 recipient taken
        ",
    );
}

#[test]
fn rset_and_a_new_hello_forget_the_envelope() {
    for (forget, said) in [("RSET", "250 2.0.0 OK"), ("HELO app", "250 localhost")] {
        session(&format!(
            "S: 220 localhost ESMTP mail-egress
            C: HELO app
            S: 250 localhost
            C: MAIL FROM:<ann@example.com>
            C: RCPT TO:<bob@example.com>
            S: 250 2.1.0 sender taken
            S: 250 2.1.5 recipient taken
            C: {forget}
            S: {said}
            C: DATA
            S: 503 5.5.1 say MAIL first",
        ));
    }
}

#[test]
fn what_comes_behind_quit_is_not_read() {
    session(
        "
        S: 220 localhost ESMTP mail-egress
        C: HELO app
        C: QUIT
        C: MAIL FROM:<ann@example.com>
        S: 250 localhost
        S: 221 2.0.0 bye
        X: closed
        ",
    );
}

#[test]
fn answers_that_nobody_waits_for_are_refused() {
    let now = Instant::now();
    let refusal = NegativeReply::new(NegativeCode::LocalError, Status::new(0, 0), "no");
    let mut session = Session::new(Arc::new(Settings::default()), now);
    let outcome = Outcome::Refused(refusal.clone());
    let greeting = session.take_output();
    let mut body = Vec::new();
    for input in ["", "HELO app\r\n", "MAIL FROM:<a@b>\r\n", "RCPT TO:<a@b>\r\n"] {
        let fed = feed(&mut session, input.as_bytes(), &mut body, now);
        assert_eq!((fed.consumed, fed.event), (input.len(), None));
        let _ = session.take_output();
        assert_eq!(session.permit(now), Err(OutOfTurn));
        assert_eq!(session.refuse(&refusal, now), Err(OutOfTurn));
        assert_eq!(session.finish(&outcome, now), Err(OutOfTurn));
    }
    assert!(session.feed(b"DATA\r\n", &mut body, now).event.is_some());
    assert_eq!(session.finish(&outcome, now), Err(OutOfTurn));
    session.permit(now).unwrap();
    assert_eq!(session.permit(now), Err(OutOfTurn));
    assert_eq!(session.finish(&outcome, now), Err(OutOfTurn));
    let said = [greeting, session.take_output()].concat();
    assert_eq!(String::from_utf8_lossy(&said).matches("\r\n").count(), 2);
}
