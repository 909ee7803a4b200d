//! Every command in every state.

use std::{sync::Arc, time::Instant};

use mail_egress_smtp::{
    reply::{NegativeCode, NegativeReply, Status},
    server::{Event, Outcome, Session, Settings},
};

use crate::{dialogue, pieces::Pieces};

/// The codes that answer a command (a row) in a state (a column); `!` where the session is closed
/// behind it. In `sasl`, a line is a response to AUTH LOGIN, and many a command is base64.
///
/// In `refused` DATA has just been refused; in `login` a login is demanded and has not come; `again`
/// is behind a message.
const TABLE: &str = "
                    fresh   greeted again   authed  mail    rcpt    sasl    chunks  refused login
EHLO app          | 250     250     250     250     250     250     501     250     250     250
HELO app          | 250     250     250     250     250     250     501     250     250     250
MAIL FROM:<a@b>   | 503     250     250     250     503     503     501     503     250     530
RCPT TO:<c@d>     | 503     503     503     503     250     250     501     503     503     503
DATA              | 503     503     503     503     503     354     334     503     503     503
BDAT 4 LAST hi    | 503     503     503     503     503     250     501+500 250     503     503
RSET              | 250     250     250     250     250     250     334     250     250     250
NOOP              | 250     250     250     250     250     250     334     250     250     250
VRFY ann          | 252     252     252     252     252     252     501     252     252     252
EXPN all          | 502     502     502     502     502     502     501     503     502     502
HELP              | 214     214     214     214     214     214     334     214     214     214
AUTH PLAIN AGEAYg | 503     235     235     503     503     503     501     503     235     235
AUTH LOGIN        | 503     334     334     503     503     503     501     503     334     334
AUTH XOAUTH2 AA   | 503     235     235     503     503     503     501     503     235     504
AUTH CRAM-MD5     | 503     504     504     503     503     503     501     503     504     504
QUIT              | 221!    221!    221!    221!    221!    221!    334     221!    221!    221!
STARTTLS          | 502     502     502     502     502     502     334     503     502     502
ETRN x            | 502     502     502     502     502     502     501     503     502     502
FOO               | 500     500     500     500     500     500     334     500     421!    500
(nothing)         | 500     500     500     500     500     500     334     500     421!    500
MAIL FROM a@b     | 501     501     501     501     501     501     501     501     421!    501
RCPT TO:<>        | 501     501     501     501     501     501     501     501     421!    501
DATA now          | 501     501     501     501     501     501     501     501     421!    501
AUTH              | 501     501     501     501     501     501     334     501     421!    501
BDAT many         | 501!    501!    501!    501!    501!    501!    501     501!    501!    501!
GET / HTTP/1.1    | 421!    421!    421!    421!    421!    421!    501     421!    421!    421!
";

/// What is sent for a row.
fn wire(command: &str) -> Vec<u8> {
    match command {
        "BDAT 4 LAST hi" => b"BDAT 4 LAST\r\nhi\r\n".to_vec(),
        "AUTH PLAIN AGEAYg" => b"AUTH PLAIN AGEAYg==\r\n".to_vec(),
        "AUTH XOAUTH2 AA" => b"AUTH XOAUTH2 AAAA\r\n".to_vec(),
        "(nothing)" => b"\r\n".to_vec(),
        command => format!("{command}\r\n").into_bytes(),
    }
}

/// What is sent to come into a state.
fn way_to(state: &str) -> &'static str {
    match state {
        "fresh" => "",
        "greeted" | "login" => "EHLO app\r\n",
        "again" => "EHLO app\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n.\r\n",
        "authed" => "EHLO app\r\nAUTH PLAIN AGEAYg==\r\n",
        "mail" => "EHLO app\r\nMAIL FROM:<a@b>\r\n",
        "rcpt" => "EHLO app\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n",
        "sasl" => "EHLO app\r\nAUTH LOGIN\r\n",
        "chunks" => "EHLO app\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nBDAT 1\r\nx",
        "refused" => "EHLO app\r\nMAIL FROM:<a@b>\r\nDATA\r\nNOOP\r\nRSET\r\nDATA\r\n",
        _ => panic!("no such state: {state}"),
    }
}

fn session_in(state: &str) -> Session {
    let session = Session::new(Arc::new(Settings::default()), Instant::now());
    let mut session = if state == "login" { session.demanding_login() } else { session };
    said(&mut session, way_to(state).as_bytes(), Pieces::Of(1_000));
    session
}

/// The codes of all replies; whatever the caller is asked, it says yes.
fn said(session: &mut Session, input: &[u8], pieces: Pieces) -> String {
    let now = Instant::now();
    let (mut body, mut done, mut output) = (Vec::new(), 0, Vec::new());
    while (done < input.len() || session.is_due()) && !session.is_closed() {
        let end = done + pieces.next(done, input.len() - done);
        let fed = session.feed(&input[done..end], &mut body, now);
        done += fed.consumed;
        match fed.event {
            None | Some(Event::Dropped) => {}
            Some(Event::Sender(_) | Event::Recipient(_) | Event::Login | Event::Data(_)) => {
                session.permit(now).unwrap();
            }
            Some(Event::End) => session.finish(&Outcome::Accepted(dialogue::accepted("OK")), now).unwrap(),
            Some(Event::Unfit(why)) => panic!("{why:?}"),
        }
        output.extend(session.take_output());
    }
    let lines = String::from_utf8(output).unwrap();
    let last = lines.lines().filter(|line| line.as_bytes().get(3) != Some(&b'-'));
    let codes: Vec<_> = last.map(|line| line[..3].to_owned()).collect();
    codes.join("+") + if session.is_closed() { "!" } else { "" }
}

#[test]
fn every_command_is_answered_in_every_state_as_the_table_has_it() {
    let mut lines = TABLE.lines().filter(|line| !line.is_empty());
    let states: Vec<_> = lines.next().unwrap().split_whitespace().collect();
    let mut cells = 0;
    for line in lines {
        let (command, expected) = line.split_once('|').unwrap();
        let input = wire(command.trim_end());
        let expected: Vec<_> = expected.split_whitespace().collect();
        assert_eq!(expected.len(), states.len(), "{command}");
        for (state, expected) in states.iter().zip(expected) {
            for pieces in Pieces::all(input.len()) {
                let mut session = session_in(state);
                let _ = session.take_output();
                assert_eq!(said(&mut session, &input, pieces), expected, "{command}in {state}, {pieces:?}");
            }
            cells += 1;
        }
    }
    assert_eq!(cells, 260);
}

/// Where the caller owes an answer, and behind the end, nothing is read; within a message nothing is a
/// command.
#[test]
fn where_no_command_is_waited_for_none_is_obeyed() {
    let now = Instant::now();
    let envelope = "EHLO app\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n";
    let lines = TABLE.lines().filter_map(|line| line.split_once('|'));
    let commands: Vec<_> = lines.map(|(command, _)| wire(command.trim_end())).collect();
    for (state, way) in [
        ("sender", "EHLO app\r\nMAIL FROM:<a@b>\r\n".to_owned()),
        ("recipient", envelope.to_owned()),
        ("logging in", "EHLO app\r\nAUTH PLAIN AGEAYg==\r\n".to_owned()),
        ("deciding", format!("{envelope}DATA\r\n")),
        ("deciding chunk", format!("{envelope}BDAT 4\r\n")),
        ("held", format!("{envelope}DATA\r\n.\r\n")),
        ("held", format!("{envelope}BDAT 0 LAST\r\n")),
        ("data", format!("{envelope}DATA\r\n")),
        ("closed", "QUIT\r\n".to_owned()),
    ] {
        for command in &commands {
            let mut session = Session::new(Arc::new(Settings::default()), now);
            if state == "logging in" {
                session = session.demanding_login();
            }
            let shown = format!("Session {{ state: {state:?}, .. }}");
            let (mut body, mut done) = (Vec::new(), 0);
            while format!("{session:?}") != shown {
                let fed = session.feed(&way.as_bytes()[done..], &mut body, now);
                done += fed.consumed;
                if format!("{session:?}") != shown && fed.event.is_some() {
                    session.permit(now).unwrap();
                }
            }
            let _ = session.take_output();
            let fed = session.feed(command, &mut body, now);
            let taken = if state == "data" { command.len() } else { 0 };
            assert_eq!((fed.consumed, fed.event), (taken, None), "{state}");
            assert_eq!(session.take_output(), b"", "{state}");
            assert_eq!(format!("{session:?}"), shown);
        }
    }
}

/// What is refused by the caller leads back to where the next message can begin.
#[test]
fn a_refusal_leads_back_to_the_beginning_of_a_message() {
    let now = Instant::now();
    let no = NegativeReply::new(NegativeCode::LocalError, Status::new(0, 0), "no");
    let envelope = "EHLO app\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n";
    for (refused, way, state) in [
        ("sender", "EHLO app\r\nMAIL FROM:<a@b>\r\n".to_owned(), "greeted"),
        ("recipient", envelope.to_owned(), "mail"),
        ("deciding", format!("{envelope}DATA\r\n"), "greeted"),
        ("deciding chunk", format!("{envelope}BDAT 4 LAST\r\nhi\r\n"), "greeted"),
        ("held", format!("{envelope}DATA\r\n.\r\n"), "greeted"),
    ] {
        let mut session = Session::new(Arc::new(Settings::default()), now);
        let (mut body, mut done) = (Vec::new(), 0);
        while done < way.len() || session.is_due() {
            let fed = session.feed(&way.as_bytes()[done..], &mut body, now);
            done += fed.consumed;
            let here = format!("{session:?}") == format!("Session {{ state: {refused:?}, .. }}");
            match fed.event {
                Some(Event::End) => session.finish(&Outcome::Refused(no.clone()), now).unwrap(),
                Some(_) if here => session.refuse(&no, now).unwrap(),
                Some(_) => session.permit(now).unwrap(),
                None => {}
            }
        }
        assert_eq!(format!("{session:?}"), format!("Session {{ state: {state:?}, .. }}"), "{refused}");
        let said = String::from_utf8(session.take_output()).unwrap();
        assert!(said.ends_with("451 4.0.0 no\r\n"), "{said}");
    }
}
