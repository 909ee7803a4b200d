//! What the caller decides about senders, recipients and line endings.

use mail_egress_smtp::server::{BareLineEndings, Settings};

use crate::session::{session, session_with};

#[test]
fn the_caller_decides_on_sender_and_recipients_before_they_are_answered() {
    session(
        "S: 220 localhost ESMTP mail-egress
         C: HELO app
         S: 250 localhost
         C: MAIL FROM:<a@b.test>
         E: sender <a@b.test>
         D: permit
         S: 250 2.1.0 sender taken
         C: RCPT TO:<eve@c.test>
         E: recipient <eve@c.test>
         D: refuse 550 7.1 not to her
         S: 550 5.7.1 not to her
         C: RCPT TO:<bob@c.test>
         E: recipient <bob@c.test>
         D: permit
         S: 250 2.1.5 recipient taken
         C: DATA
         E: data <a@b.test> -> <bob@c.test>
         D: permit
         S: 354 send the message, end it with <CRLF>.<CRLF>
         C: .
         E: end
         D: accept ok
         S: 250 2.0.0 ok",
    );
}

#[test]
fn a_refused_sender_leaves_no_transaction() {
    session(
        "S: 220 localhost ESMTP mail-egress
         C: HELO app
         S: 250 localhost
         C: MAIL FROM:<>
         C: RCPT TO:<bob@c.test>
         E: sender <>
         D: refuse 550 7.1 no bounces
         S: 550 5.7.1 no bounces
         S: 503 5.5.1 say MAIL first",
    );
}

#[test]
fn the_end_of_the_process_waits_for_the_decision() {
    session(
        "S: 220 localhost ESMTP mail-egress
         C: HELO app
         S: 250 localhost
         C: MAIL FROM:<a@b.test>
         E: sender <a@b.test>
         D: shutdown
         D: permit
         S: 421 4.3.2 the sidecar is shutting down, try again
         X: closed",
    );
}

#[test]
fn bare_line_endings_are_refused_at_the_true_end_where_the_sender_says_so() {
    let settings = Settings { bare_line_endings: BareLineEndings::Refuse, ..Settings::default() };
    session_with(
        settings,
        r"S: 220 localhost ESMTP mail-egress
          C: HELO app
          S: 250 localhost
          C: MAIL FROM:<a@b.test>
          S: 250 2.1.0 sender taken
          C: RCPT TO:<bob@c.test>
          S: 250 2.1.5 recipient taken
          C: DATA
          E: data <a@b.test> -> <bob@c.test>
          D: permit
          S: 354 send the message, end it with <CRLF>.<CRLF>
          R: x\n.\nMAIL FROM:<eve@c.test>\r\n
          E: unfit BareEnding
          C: .
          S: 550 5.6.0 the message has a bare CR or LF, and the MailSender refuses such; let the app end its lines with CRLF, or set spec.delivery.bareLineEndings to Normalize
          C: NOOP
          S: 250 2.0.0 OK",
    );
}

#[test]
fn what_was_pipelined_behind_a_refused_sender_counts_as_no_error() {
    let recipients = "C: RCPT TO:<bob@c.test>\n".repeat(30);
    let replies = "S: 503 5.5.1 say MAIL first\n".repeat(31);
    session(&format!(
        "S: 220 localhost ESMTP mail-egress
         C: HELO app
         S: 250 localhost
         C: MAIL FROM:<>
         {recipients}C: DATA
         E: sender <>
         D: refuse 550 7.1 no bounces
         S: 550 5.7.1 no bounces
         {replies}C: NOOP
         S: 250 2.0.0 OK
         X: open",
    ));
}
