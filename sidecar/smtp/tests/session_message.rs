//! Messages from the first command to the last reply.

use crate::session::session;

#[test]
fn takes_a_message_and_says_250_in_the_relay_s_words() {
    session(
        r"
        S: 220 localhost ESMTP mail-egress
        C: EHLO app
        S: 250-localhost
        S: 250-PIPELINING
        S: 250-8BITMIME
        S: 250-SIZE 36700160
        S: 250-SMTPUTF8
        S: 250-CHUNKING
        S: 250-DSN
        S: 250-ENHANCEDSTATUSCODES
        S: 250 AUTH PLAIN LOGIN XOAUTH2
        C: MAIL FROM:<ann@example.com> SIZE=20 BODY=8BITMIME
        S: 250 2.1.0 sender taken
        C: RCPT TO:<bob@example.com>
        S: 250 2.1.5 recipient taken
        C: DATA
        E: data <ann@example.com> -> <bob@example.com> 8bit size=20
        D: permit
        S: 354 send the message, end it with <CRLF>.<CRLF>
        C: Subject: hi
        C:
        C: ..dot
        C: .
        E: end Subject: hi\r\n\r\n.dot\r\n
        D: accept 2.0.0 OK <1@example.com> [Hostname=X]
        S: 250 2.0.0 OK <1@example.com> [Hostname=X]
        C: QUIT
        S: 221 2.0.0 bye
        X: closed
        ",
    );
}

#[test]
fn answers_pipelined_commands_in_their_order() {
    session(
        r"
        S: 220 localhost ESMTP mail-egress
        C: HELO app
        C: MAIL FROM:<>
        C: RCPT TO:<nobody>
        C: RCPT TO:<bob@example.com>
        C: NOOP
        C: RCPT TO:<eve@example.com>
        C: DATA
        C: hello
        C: .
        C: MAIL FROM:<ann@example.com>
        C: RCPT TO:<bob@example.com>
        C: DATA
        C: again
        C: .
        C: QUIT
        S: 250 localhost
        S: 250 2.1.0 sender taken
        S: 501 5.1.3 the address has no domain
        S: 250 2.1.5 recipient taken
        S: 250 2.0.0 OK
        S: 250 2.1.5 recipient taken
        E: data <> -> <bob@example.com> <eve@example.com>
        D: permit
        S: 354 send the message, end it with <CRLF>.<CRLF>
        E: end hello\r\n
        D: fail 451 3.0 try again
        S: 451 4.3.0 try again
        S: 250 2.1.0 sender taken
        S: 250 2.1.5 recipient taken
        E: data <ann@example.com> -> <bob@example.com>
        D: permit
        S: 354 send the message, end it with <CRLF>.<CRLF>
        E: end again\r\n
        D: accept OK
        S: 250 2.0.0 OK
        S: 221 2.0.0 bye
        X: closed
        ",
    );
}

#[test]
fn a_message_that_is_refused_before_it_comes_leaves_the_session_in_order() {
    session(
        r"
        S: 220 localhost ESMTP mail-egress
        C: HELO app
        S: 250 localhost
        C: MAIL FROM:<ann@example.com>
        C: RCPT TO:<bob@example.com>
        C: DATA
        S: 250 2.1.0 sender taken
        S: 250 2.1.5 recipient taken
        E: data <ann@example.com> -> <bob@example.com>
        D: refuse 451 3.5 there is no MailSender of this name
        S: 451 4.3.5 there is no MailSender of this name
        C: DATA
        S: 503 5.5.1 say MAIL first
        C: MAIL FROM:<ann@example.com>
        S: 250 2.1.0 sender taken
        C: QUIT
        S: 221 2.0.0 bye
        ",
    );
}

#[test]
fn an_empty_reply_of_the_relay_still_makes_a_250() {
    session(
        r"
        S: 220 localhost ESMTP mail-egress
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
        C: .
        E: end
        D: accept
        S: 250 2.0.0 OK
        ",
    );
}

#[test]
fn utf8_addresses_are_taken_where_smtputf8_was_said() {
    session(
        r"
        S: 220 localhost ESMTP mail-egress
        C: HELO app
        S: 250 localhost
        C: MAIL FROM:<jürgen@bücher.example>
        S: 553 5.6.7 an address with other letters than ASCII needs SMTPUTF8
        C: MAIL FROM:<ann@example.com>
        S: 250 2.1.0 sender taken
        C: RCPT TO:<jürgen@bücher.example>
        S: 553 5.6.7 an address with other letters than ASCII needs SMTPUTF8
        C: RSET
        S: 250 2.0.0 OK
        C: MAIL FROM:<jürgen@bücher.example> SMTPUTF8
        S: 250 2.1.0 sender taken
        C: RCPT TO:<jürgen@bücher.example>
        S: 250 2.1.5 recipient taken
        C: DATA
        E: data <jürgen@bücher.example> -> <jürgen@bücher.example> utf8
        D: refuse 554 6.7 no
        S: 554 5.6.7 no
        ",
    );
}

#[test]
fn a_shutdown_waits_for_the_message_that_is_under_way() {
    session(
        r"
        S: 220 localhost ESMTP mail-egress
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
        C: hello
        D: shutdown
        X: open
        C: .
        C: MAIL FROM:<next@example.com>
        E: end hello\r\n
        X: open
        D: accept OK
        S: 250 2.0.0 OK
        S: 421 4.3.2 the sidecar is shutting down, try again
        X: closed
        ",
    );
}

#[test]
fn a_shutdown_between_messages_is_immediate() {
    for before in ["", "C: HELO app\nS: 250 localhost\n"] {
        session(&format!(
            "S: 220 localhost ESMTP mail-egress
            {before}
            R: MAIL FROM:<ann@
            D: shutdown
            S: 421 4.3.2 the sidecar is shutting down, try again
            X: closed",
        ));
    }
}

#[test]
fn a_shutdown_while_the_caller_decides_waits_for_the_decision() {
    let until_data = "
        S: 220 localhost ESMTP mail-egress
        C: HELO app
        C: MAIL FROM:<ann@example.com>
        C: RCPT TO:<bob@example.com>
        C: DATA
        S: 250 localhost
        S: 250 2.1.0 sender taken
        S: 250 2.1.5 recipient taken
        E: data <ann@example.com> -> <bob@example.com>
        D: shutdown
        X: open";
    session(&format!(
        "{until_data}
        D: refuse 451 3.2 not now
        S: 451 4.3.2 not now
        S: 421 4.3.2 the sidecar is shutting down, try again
        X: closed",
    ));
    session(&format!(
        "{until_data}
        D: permit
        S: 354 send the message, end it with <CRLF>.<CRLF>
        C: .
        E: end
        D: accept OK
        S: 250 2.0.0 OK
        S: 421 4.3.2 the sidecar is shutting down, try again
        X: closed",
    ));
}
