//! Messages by BDAT (RFC 3030), and that no octet of a chunk is ever a command.

use mail_egress_smtp::server::{BareLineEndings, Settings};

use crate::session::{session, session_with};

const START: &str = "S: 220 localhost ESMTP mail-egress
    C: HELO app
    S: 250 localhost
    C: MAIL FROM:<a@b.test>
    S: 250 2.1.0 sender taken
    C: RCPT TO:<bob@c.test>
    S: 250 2.1.5 recipient taken
    ";

#[test]
fn takes_a_message_in_chunks_with_its_dots_as_they_are() {
    session(&format!(
        r"{START}C: BDAT 13
          R: Subject: x\r\n
          E: data <a@b.test> -> <bob@c.test>
          D: permit
          R: \r
          S: 250 2.0.0 chunk taken
          C: BDAT 1
          R: \n
          S: 250 2.0.0 chunk taken
          C: BDAT 8 LAST
          R: .\r\n..\r\n!
          E: end Subject: x\r\n\r\n.\r\n..\r\n!\r\n
          D: accept ok
          S: 250 2.0.0 ok
          C: NOOP
          S: 250 2.0.0 OK"
    ));
}

#[test]
fn an_empty_last_chunk_ends_the_message() {
    session(&format!(
        r"{START}C: BDAT 3
          R: a\r\n
          E: data <a@b.test> -> <bob@c.test>
          D: permit
          S: 250 2.0.0 chunk taken
          C: BDAT 0 LAST
          E: end a\r\n
          D: fail 451 4.0 later
          S: 451 4.4.0 later
          C: QUIT
          S: 221 2.0.0 bye
          X: closed"
    ));
    session(&format!(
        r"{START}C: BDAT 0 LAST
          E: data <a@b.test> -> <bob@c.test>
          D: permit
          E: end
          D: accept ok
          S: 250 2.0.0 ok"
    ));
}

#[test]
fn a_refused_chunk_is_left_out_and_then_answered() {
    session(&format!(
        r"{START}C: BDAT 6
          R: NOOP\r\n
          C: BDAT 6 LAST
          R: QUIT\r\n
          C: NOOP
          E: data <a@b.test> -> <bob@c.test>
          D: refuse 451 3.5 not now
          S: 451 4.3.5 not now
          S: 503 5.5.1 say MAIL first
          S: 250 2.0.0 OK"
    ));
}

#[test]
fn a_chunk_out_of_turn_is_no_command() {
    session(
        r"S: 220 localhost ESMTP mail-egress
          C: BDAT 6
          R: QUIT\r\n
          S: 503 5.5.1 say EHLO first
          C: HELO app
          S: 250 localhost
          C: MAIL FROM:<a@b.test>
          S: 250 2.1.0 sender taken
          C: BDAT 6 LAST
          R: QUIT\r\n
          S: 503 5.5.1 no recipient was taken, say RCPT first
          C: RCPT TO:<bob@c.test>
          S: 250 2.1.5 recipient taken",
    );
}

#[test]
fn a_chunk_of_unknown_size_ends_the_session() {
    let sizes = [
        "",
        " x",
        " -1",
        " 18446744073709551616 LAST",
        " 5 FIRST",
        " 5\\x09LAST",
        " 5 \\xff",
        " 5 \\xc2\\xa0LAST",
    ];
    for size in sizes {
        session(&format!(
            "{START}C: BDAT{size}
             S: 501 5.5.4 say BDAT and the chunk's octets, then LAST with the last one; closing, since the chunk must not be read as commands
             X: closed"
        ));
    }
}

/// Found while the fuzz target was written (2026-11-25): the line was refused and the chunk behind it read as commands.
#[test]
fn a_chunk_behind_a_line_that_is_none_ends_the_session() {
    let endless = format!("R: BDAT {}", "5".repeat(600));
    for line in [r"R: BDAT 6\nQUIT\r\n", r"R: bdat 6\rQUIT\r\n", &endless] {
        session(&format!(
            "{START}{line}
             S: 501 5.5.4 say BDAT and the chunk's octets, then LAST with the last one; closing, since the chunk must not be read as commands
             X: closed"
        ));
    }
}

#[test]
fn between_chunks_only_the_message_goes_on_or_is_dropped() {
    session(&format!(
        r"{START}C: BDAT 3
          R: a\r\n
          E: data <a@b.test> -> <bob@c.test>
          D: permit
          S: 250 2.0.0 chunk taken
          C: DATA
          S: 503 5.5.1 a message is coming in chunks: BDAT goes on with it, RSET drops it
          C: MAIL FROM:<a@b.test>
          S: 503 5.5.1 a message is coming in chunks: BDAT goes on with it, RSET drops it
          C: NOOP
          S: 250 2.0.0 OK
          C: RSET
          E: dropped
          S: 250 2.0.0 OK
          C: BDAT 2 LAST
          R: \r\n
          S: 503 5.5.1 say MAIL first"
    ));
}

#[test]
fn the_size_counts_over_all_chunks() {
    let settings = Settings { max_message_bytes: 10, ..Settings::default() };
    let start = START.to_owned();
    session_with(
        settings,
        &format!(
            r"{start}C: BDAT 8
              R: 123456\r\n
              E: data <a@b.test> -> <bob@c.test>
              D: permit
              S: 250 2.0.0 chunk taken
              C: BDAT 8
              R: 123456\r\n
              E: unfit TooLarge
              S: 552 5.3.4 the message is larger than may be sent, see SIZE in the reply to EHLO
              C: BDAT 8 LAST
              R: RCPT\r\n\r\n
              S: 503 5.5.1 say MAIL first
              C: NOOP
              S: 250 2.0.0 OK"
        ),
    );
}

#[test]
fn bare_line_endings_in_chunks_become_crlf_or_are_refused() {
    session(&format!(
        r"{START}C: BDAT 6 LAST
          R: a\nb\rc\r
          E: data <a@b.test> -> <bob@c.test>
          D: permit
          E: end a\r\nb\r\nc\r\n
          D: accept ok
          S: 250 2.0.0 ok"
    ));
    let settings = Settings { bare_line_endings: BareLineEndings::Refuse, ..Settings::default() };
    session_with(
        settings,
        &format!(
            r"{START}C: BDAT 3 LAST
              R: ab\r
              E: data <a@b.test> -> <bob@c.test>
              D: permit
              E: unfit BareEnding
              S: 550 5.6.0 the message has a bare CR or LF, and the MailSender refuses such; let the app end its lines with CRLF, or set spec.delivery.bareLineEndings to Normalize"
        ),
    );
}

#[test]
fn refused_messages_are_no_errors_of_the_app() {
    let again = r"C: MAIL FROM:<a@b.test>
        S: 250 2.1.0 sender taken
        C: RCPT TO:<bob@c.test>
        S: 250 2.1.5 recipient taken
        C: BDAT 2 LAST
        R: \r\n
        E: data <a@b.test> -> <bob@c.test>
        D: refuse 451 3.5 not now
        S: 451 4.3.5 not now
        "
    .repeat(25);
    session(&format!(
        "S: 220 localhost ESMTP mail-egress
        C: HELO app
        S: 250 localhost
        {again}C: NOOP
        S: 250 2.0.0 OK"
    ));
}
