//! One command line.

use std::{sync::Arc, time::Instant};

use mail_egress_smtp::{
    Address, BodyType, Envelope, ReversePath,
    server::{Event, Session},
};

use crate::{replies, session::settings};

/// One line, in each state that tells commands apart: it is answered once or asks for one decision,
/// it is held to its length, and an envelope that is read from it, written and read again is the
/// same.
///
/// Input: the line; what stands behind a CR or LF is not looked at.
pub fn command(input: &[u8]) {
    let line = input.split(|octet| matches!(octet, b'\r' | b'\n')).next().unwrap_or_default();
    for before in [&b""[..], b"EHLO a\r\n", b"EHLO a\r\nMAIL FROM:<> SMTPUTF8\r\n"] {
        let answer = ask(before, line);
        if too_long(line) {
            assert!(matches!(answer, Answer::Said(500 | 501)), "longer than its limit and read");
        }
        let mut other = line.to_vec();
        let verb = line.iter().position(|octet| *octet == b' ').unwrap_or(line.len());
        other[..verb].make_ascii_lowercase();
        assert_eq!(ask(before, &other), answer, "the verb's case matters");
        match answer {
            Answer::Sender(from) => round_trip(line, &from),
            Answer::Recipient(to) => {
                assert!(before.ends_with(b"SMTPUTF8\r\n"));
                recipient_round_trip(line, &to);
            }
            Answer::Said(_) | Answer::Chunk => {}
        }
    }
}

/// What one line brings about.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    Said(u16),
    Sender(ReversePath),
    Recipient(Address),
    /// Nothing yet: its octets are to follow.
    Chunk,
}

fn ask(before: &[u8], line: &[u8]) -> Answer {
    let mut session = begun();
    drive(&mut session, before);
    let fed = session.feed(&[line, b"\r\n"].concat(), &mut Vec::new(), Instant::now());
    let mut said = session.take_output();
    if session.is_due() {
        assert_eq!(session.feed(b"", &mut Vec::new(), Instant::now()).event, None);
        said.extend(session.take_output());
    }
    let codes = replies::codes(&said);
    let answer = match (fed.event, codes.as_slice()) {
        (None, [code, ..]) => Answer::Said(*code),
        (Some(Event::Sender(from)), []) => Answer::Sender(from),
        (Some(Event::Recipient(to)), []) => Answer::Recipient(to),
        (None, []) => Answer::Chunk,
        (event, codes) => panic!("{event:?} and {codes:?}"),
    };
    // a line that is too long is skipped from where it was found out
    assert!(fed.consumed == line.len() + 2 || matches!(answer, Answer::Said(_)));
    assert!(codes.len() <= 1);
    answer
}

fn begun() -> Session {
    let mut session = Session::new(Arc::new(settings(0)), Instant::now());
    drop(session.take_output());
    session
}

/// Gives it lines and permits all of it; the last envelope.
fn drive(session: &mut Session, mut lines: &[u8]) -> Option<Envelope> {
    let (now, mut asked) = (Instant::now(), None);
    while !lines.is_empty() && asked.is_none() {
        let fed = session.feed(lines, &mut Vec::new(), now);
        lines = &lines[fed.consumed..];
        match fed.event {
            Some(Event::Data(envelope)) => asked = Some(envelope),
            Some(_) => assert!(session.permit(now).is_ok()),
            None => {}
        }
    }
    drop(session.take_output());
    asked
}

/// The envelope that a MAIL makes, and the one that it makes when it is written by us.
fn round_trip(line: &[u8], from: &ReversePath) {
    let envelope = |line: &[u8]| envelope(line, b"RCPT TO:<b@c>");
    let read = envelope(line);
    assert_eq!(read.from, *from);
    let mut written = format!("MAIL FROM:<{from}>");
    if let Some(size) = read.size {
        written.push_str(&format!(" SIZE={size}"));
    }
    if read.body == BodyType::EightBitMime {
        written.push_str(" BODY=8BITMIME");
    }
    if read.smtputf8 {
        written.push_str(" SMTPUTF8");
    }
    if let Some(ret) = read.dsn.ret {
        written.push_str(&format!(" RET={ret}"));
    }
    if let Some(envid) = &read.dsn.envid {
        written.push_str(&format!(" ENVID={envid}"));
    }
    assert!(read.smtputf8 || written.is_ascii());
    assert_eq!(envelope(written.as_bytes()), read);
    if let Some(address) = from.address() {
        let again: Address = address.as_str().parse().expect("an address is one");
        assert_eq!((again.local(), again.domain()), (address.local(), address.domain()));
        assert!(address.as_str().len() <= 254 && !address.as_str().contains(char::is_control));
    }
}

/// The same for a recipient.
fn recipient_round_trip(line: &[u8], to: &Address) {
    let recipient = |line: &[u8]| envelope(b"MAIL FROM:<> SMTPUTF8", line).to;
    let read = recipient(line);
    let [one] = read.as_slice() else { panic!("{read:?}") };
    assert_eq!(one.address, *to);
    let mut written = format!("RCPT TO:<{to}>");
    if let Some(notify) = one.dsn.notify {
        written.push_str(&format!(" NOTIFY={notify}"));
    }
    if let Some(orcpt) = &one.dsn.orcpt {
        written.push_str(&format!(" ORCPT={orcpt}"));
    }
    assert_eq!(recipient(written.as_bytes()), read);
}

fn envelope(mail: &[u8], rcpt: &[u8]) -> Envelope {
    let lines = [b"EHLO a\r\n", mail, b"\r\n", rcpt, b"\r\nDATA\r\n"].concat();
    drive(&mut begun(), &lines).expect("whoever was permitted has a message")
}

/// Longer, with its CRLF, than RFC 5321 section 4.5.3.1.4, its extensions and RFC 4954 section 4
/// have room for.
fn too_long(line: &[u8]) -> bool {
    let most = match line.get(..4).map(<[u8]>::to_ascii_uppercase).as_deref() {
        Some(b"AUTH") => 12_288,
        Some(b"MAIL" | b"RCPT") => 2_048,
        _ => 512,
    };
    line.len() + 2 > most
}
