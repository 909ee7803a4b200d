//! Whatever the app sends too much of.

use std::{sync::Arc, time::Instant};

use mail_egress_smtp::{
    Address,
    server::{Cause, Session, Settings},
};

use crate::session::{feed, session, session_in_large_pieces, session_with};

#[test]
fn a_long_line_is_refused_once_and_the_session_goes_on() {
    let long = "x".repeat(507);
    session_in_large_pieces(
        Settings::default(),
        &format!(
            "S: 220 localhost ESMTP mail-egress
            C: NOOP {long}
            S: 500 5.5.2 the line is too long
            C: NOOP {}
            S: 250 2.0.0 OK
            C: MAIL FROM:<{long}{long}{long}{long}{long}
            S: 500 5.5.2 the line is too long
            C: NOOP
            S: 250 2.0.0 OK",
            &long[2..]
        ),
    );
}

#[test]
fn recipients_beyond_the_limit_are_told_to_wait() {
    session_with(
        Settings { max_recipients: 2, ..Settings::default() },
        r"
        S: 220 localhost ESMTP mail-egress
        C: HELO app
        C: MAIL FROM:<ann@example.com>
        C: RCPT TO:<a@example.com>
        C: RCPT TO:<b@example.com>
        C: RCPT TO:<c@example.com>
        C: DATA
        S: 250 localhost
        S: 250 2.1.0 sender taken
        S: 250 2.1.5 recipient taken
        S: 250 2.1.5 recipient taken
        S: 452 4.5.3 too many recipients, send the others with another message
        E: data <ann@example.com> -> <a@example.com> <b@example.com>
        D: permit
        S: 354 send the message, end it with <CRLF>.<CRLF>
        C: .
        E: end
        D: accept OK
        S: 250 2.0.0 OK
        ",
    );
}

#[test]
fn addresses_of_more_octets_than_may_be_held_are_told_to_wait() {
    session_with(
        Settings { max_recipient_octets: 26, ..Settings::default() },
        r"
        S: 220 localhost ESMTP mail-egress
        C: HELO app
        C: MAIL FROM:<ann@example.com>
        C: RCPT TO:<a@example.com>
        C: RCPT TO:<bb@example.com>
        C: RCPT TO:<c@example.com>
        S: 250 localhost
        S: 250 2.1.0 sender taken
        S: 250 2.1.5 recipient taken
        S: 452 4.5.3 too many recipients, send the others with another message
        S: 250 2.1.5 recipient taken
        ",
    );
}

#[test]
fn what_the_session_refuses_by_itself_is_told_once_with_the_sender_of_a_whole_message() {
    let now = Instant::now();
    let settings = Settings { max_message_bytes: 1_000, max_recipients: 1, ..Settings::default() };
    let mut session = Session::new(Arc::new(settings), now);
    let commands = "EHLO app\r\nMAIL FROM:<ann@example.com> SIZE=1001\r\nMAIL FROM:<bob@example.com>\r\n\
                    RCPT TO:<a@example.com>\r\nRCPT TO:<b@example.com>\r\n";
    let _ = feed(&mut session, commands.as_bytes(), &mut Vec::new(), now);
    let told: Vec<_> = session.take_declined().into_iter().map(|it| (it.reply.code(), it.cause)).collect();
    let ann = "ann@example.com".parse::<Address>().unwrap();
    assert_eq!(told, [(552, Cause::TooLarge(ann.into())), (452, Cause::Command)]);
    assert!(session.take_declined().is_empty());

    let late = session.deadline().unwrap();
    session.handle_timeout(late);
    assert_eq!(session.take_declined().iter().map(|it| it.reply.code()).collect::<Vec<_>>(), [421]);
}

#[test]
fn a_message_announced_as_too_large_is_refused_at_once() {
    session_with(
        Settings { max_message_bytes: 1_000, ..Settings::default() },
        "
        S: 220 localhost ESMTP mail-egress
        C: HELO app
        S: 250 localhost
        C: MAIL FROM:<ann@example.com> SIZE=1001
        S: 552 5.3.4 the message is larger than may be sent, see SIZE in the reply to EHLO
        C: MAIL FROM:<ann@example.com> SIZE=1000
        S: 250 2.1.0 sender taken
        ",
    );
}

#[test]
fn a_message_that_becomes_too_large_is_skipped_and_refused_at_its_end() {
    let until_data = "S: 220 localhost ESMTP mail-egress
        C: HELO app
        C: MAIL FROM:<ann@example.com>
        C: RCPT TO:<a@example.com>
        C: DATA
        S: 250 localhost
        S: 250 2.1.0 sender taken
        S: 250 2.1.5 recipient taken
        E: data <ann@example.com> -> <a@example.com>
        D: permit
        S: 354 send the message, end it with <CRLF>.<CRLF>";
    session_with(
        Settings { max_message_bytes: 10, ..Settings::default() },
        &format!(
            r"{until_data}
            C: 1234
            C: 5678
            C: 9
            E: unfit TooLarge
            C: and more
            C: .
            C: NOOP
            S: 552 5.3.4 the message is larger than may be sent, see SIZE in the reply to EHLO
            S: 250 2.0.0 OK
            C: MAIL FROM:<ann@example.com>
            S: 250 2.1.0 sender taken",
        ),
    );
    // doubled dots and the end do not count
    session_with(
        Settings { max_message_bytes: 10, ..Settings::default() },
        &format!(
            r"{until_data}
            C: ..2345678
            C: .
            E: end .2345678\r\n
            D: accept OK
            S: 250 2.0.0 OK",
        ),
    );
}

#[test]
fn what_is_too_large_is_not_collected() {
    let now = Instant::now();
    let settings = Settings { max_message_bytes: 1_000, ..Settings::default() };
    let mut session = Session::new(Arc::new(settings), now);
    let mut body = Vec::new();
    let start = b"HELO app\r\nMAIL FROM:<a@b>\r\nRCPT TO:<a@b>\r\nDATA\r\n";
    assert!(feed(&mut session, start, &mut body, now).event.is_some());
    session.permit(now).unwrap();
    let events: Vec<_> = (0..100).filter_map(|_| session.feed(&[b'x'; 500], &mut body, now).event).collect();
    assert_eq!(events.len(), 1);
    assert!(body.len() <= 1_000);
}

#[test]
fn a_line_of_text_longer_than_may_be_is_refused_however_the_message_comes() {
    let settings = || Settings { max_text_line: 5, ..Settings::default() };
    let start = "S: 220 localhost ESMTP mail-egress
        C: HELO app
        C: MAIL FROM:<ann@example.com>
        C: RCPT TO:<a@example.com>
        S: 250 localhost
        S: 250 2.1.0 sender taken
        S: 250 2.1.5 recipient taken";
    let refused = "S: 550 5.6.0 the message has a line of more than 5 octets; let the app break its lines, or encode the text as quoted-printable or base64
        C: NOOP
        S: 250 2.0.0 OK";
    let by_data = format!(
        "{start}
        C: DATA
        E: data <ann@example.com> -> <a@example.com>
        D: permit
        S: 354 send the message, end it with <CRLF>.<CRLF>"
    );
    for text in ["123456", r"12345\r\n..34567", r"1\n123456\r\n1"] {
        let sent = format!("{by_data}\nC: {text}\nE: unfit LongLine\nC: .\n{refused}");
        session_with(settings(), &sent);
    }
    for (text, body) in [(r"12345\n12345", r"12345\r\n12345"), (r"..3456\r\n12345", r".3456\r\n12345")] {
        let sent = format!("{by_data}\nC: {text}\nC: .\nE: end {body}\\r\\n\nD: accept ok\nS: 250 2.0.0 ok");
        session_with(settings(), &sent);
    }
    session_with(
        settings(),
        &format!(
            r"{start}
            R: BDAT 4\r\n1234BDAT 3\r\n56\r
            E: data <ann@example.com> -> <a@example.com>
            D: permit
            S: 250 2.0.0 chunk taken
            E: unfit LongLine
            {refused}"
        ),
    );
    session_with(
        settings(),
        &format!(
            r"{start}
            R: BDAT 4\r\n1234BDAT 4 LAST\r\n5\r\n6
            E: data <ann@example.com> -> <a@example.com>
            D: permit
            S: 250 2.0.0 chunk taken
            E: end 12345\r\n6\r\n
            D: accept ok
            S: 250 2.0.0 ok"
        ),
    );
}

#[test]
fn too_many_errors_end_the_session() {
    session_with(
        Settings { max_errors: 3, ..Settings::default() },
        r"
        S: 220 localhost ESMTP mail-egress
        C: FOO
        C: NOOP
        R: BAR\n
        C:
        C: DATA
        C: NOOP
        S: 500 5.5.1 no such command
        S: 250 2.0.0 OK
        S: 500 5.5.2 a command ends with CR LF, not with one of them alone
        S: 503 5.5.1 say EHLO first
        S: 421 4.7.0 too many errors, closing
        X: closed
        ",
    );
}

#[test]
fn much_output_is_written_before_more_is_read() {
    let now = Instant::now();
    let mut session = Session::new(Arc::new(Settings::default()), now);
    let input = b"HELP\r\n".repeat(10_000);
    let (mut taken, mut most, mut said) = (0, 0, 0);
    while taken < input.len() {
        let fed = session.feed(&input[taken..], &mut Vec::new(), now);
        assert!(fed.consumed > 0, "no progress");
        taken += fed.consumed;
        let output = session.take_output();
        most = most.max(output.len());
        said += output.windows(4).filter(|w| w == b"214 ").count();
    }
    assert_eq!(said, 10_000);
    assert!(most < 9_000, "{most}");
}

#[test]
fn a_caller_that_writes_nothing_is_still_served() {
    let now = Instant::now();
    let mut session = Session::new(Arc::new(Settings::default()), now);
    for _ in 0..1_000 {
        assert_eq!(session.feed(b"HELP\r\n", &mut Vec::new(), now).consumed, 6);
    }
}

#[test]
fn other_settings_hold_from_the_next_command_on() {
    let now = Instant::now();
    let mut session = Session::new(Arc::new(Settings::default()), now);
    session.update(Arc::new(Settings { max_message_bytes: 77, ..Settings::default() }));
    let fed = session.feed(b"EHLO app\r\nMAIL FROM:<a@b> SIZE=78\r\n", &mut Vec::new(), now);
    assert_eq!(fed.event, None);
    let said = String::from_utf8(session.take_output()).unwrap();
    assert!(said.contains("250-SIZE 77\r\n") && said.contains("552 5.3.4"), "{said}");
}

#[test]
fn a_name_that_is_none_is_not_said() {
    session_with(
        Settings { name: "x\r\n220 y".to_owned(), ..Settings::default() },
        "
        S: 220 localhost ESMTP mail-egress
        C: HELO app
        S: 250 localhost
        ",
    );
    session("S: 220 localhost ESMTP mail-egress");
}
