use super::*;
use crate::data::Unstuffer;

fn framed(pieces: &[&[u8]]) -> Vec<u8> {
    let mut stuffer = Stuffer::default();
    let mut out = Vec::new();
    for piece in pieces {
        stuffer.feed(piece, &mut out);
    }
    stuffer.finish(&mut out);
    out
}

/// Frames it whole, split at every octet, and octet by octet.
#[track_caller]
fn frames(body: &[u8], wire: &[u8]) {
    for at in 0..=body.len() {
        let (head, tail) = body.split_at(at);
        let framed = framed(&[head, tail]);
        assert_eq!(framed.escape_ascii().to_string(), wire.escape_ascii().to_string(), "split at {at}");
    }
    let octets: Vec<_> = body.chunks(1).collect();
    assert_eq!(framed(&octets), wire, "octet by octet");
}

#[test]
fn adds_nothing_but_the_dot_to_a_body_that_ends_its_last_line() {
    frames(b"Subject: x\r\n\r\nhello\r\n", b"Subject: x\r\n\r\nhello\r\n.\r\n");
    frames(b"", b".\r\n");
    frames(b"\r\n", b"\r\n.\r\n");
    frames(b"a\r\n\r\n", b"a\r\n\r\n.\r\n");
}

#[test]
fn ends_a_last_line_that_has_no_end() {
    frames(b"hello", b"hello\r\n.\r\n");
    frames(b"hello\r", b"hello\r\n.\r\n");
    frames(b"hello\n", b"hello\r\n.\r\n");
    frames(b".", b"..\r\n.\r\n");
}

#[test]
fn doubles_a_dot_at_the_start_of_every_line() {
    frames(b".a\r\n..\r\na.b\r\n.\r\n", b"..a\r\n...\r\na.b\r\n..\r\n.\r\n");
}

#[test]
fn no_body_can_end_itself() {
    frames(b"a\n.\nb", b"a\r\n..\r\nb\r\n.\r\n");
    frames(b"a\r.\rb", b"a\r\n..\r\nb\r\n.\r\n");
    frames(b"a\r\n.\nb", b"a\r\n..\r\nb\r\n.\r\n");
    frames(b"a\n.\r\nb", b"a\r\n..\r\nb\r\n.\r\n");
    frames(b"a\r\n.\r\r\nb", b"a\r\n..\r\n\r\nb\r\n.\r\n");
}

/// All texts of up to `length` octets over the octets that matter.
fn texts(length: u32) -> impl Iterator<Item = Vec<u8>> {
    const OCTETS: &[u8] = b"\r\n.x";
    (0..=length).flat_map(|length| {
        (0..OCTETS.len().pow(length)).map(move |mut number| {
            let mut text = Vec::new();
            for _ in 0..length {
                text.push(OCTETS[number % OCTETS.len()]);
                number /= OCTETS.len();
            }
            text
        })
    })
}

/// Line ends made CRLF and the last line ended, by the simplest means.
fn normal(text: &[u8]) -> Vec<u8> {
    let mut text = String::from_utf8(text.to_vec()).unwrap();
    text = text.replace("\r\n", "\n").replace('\r', "\n").replace('\n', "\r\n");
    if !text.is_empty() && !text.ends_with("\r\n") {
        text.push_str("\r\n");
    }
    text.into_bytes()
}

#[test]
fn every_short_body_comes_out_as_one_message_and_comes_back_the_same() {
    for text in texts(7) {
        let wire = framed(&[&text]);
        let seen = text.escape_ascii().to_string();
        // one end, at the end, for the strictest and for the laxest reader
        let behind_crlf = [b"\r\n", &wire[..]].concat();
        let ends: Vec<_> = behind_crlf.windows(5).enumerate().filter(|(_, w)| w == b"\r\n.\r\n").collect();
        assert_eq!(ends.len(), 1, "{seen}");
        assert_eq!(ends[0].0 + 5, behind_crlf.len(), "{seen}");
        let lax: Vec<_> = wire.split(|b| matches!(b, b'\r' | b'\n')).filter(|line| line == b".").collect();
        assert_eq!(lax.len(), 1, "{seen}");
        // no bare line ending leaves
        let crlf = wire.windows(2).filter(|w| w == b"\r\n").count();
        assert_eq!(wire.iter().filter(|b| **b == b'\r').count(), crlf, "{seen}");
        assert_eq!(wire.iter().filter(|b| **b == b'\n').count(), crlf, "{seen}");
        // and back
        let mut back = Vec::new();
        let fed = Unstuffer::default().feed(&wire, &mut back);
        assert!(fed.ended && fed.consumed == wire.len(), "{seen}");
        assert_eq!(back, normal(&text), "{seen}");
    }
}

#[test]
fn whatever_comes_in_leaves_as_one_message() {
    for text in texts(7) {
        let mut body = Vec::new();
        let fed = Unstuffer::default().feed(&text, &mut body);
        if fed.ended {
            let wire = framed(&[&body]);
            let seen = text.escape_ascii().to_string();
            let lax: Vec<_> =
                wire.split(|b| matches!(b, b'\r' | b'\n')).filter(|line| line == b".").collect();
            assert_eq!((lax.len(), wire.ends_with(b".\r\n")), (1, true), "{seen}");
            // what was read is carried unchanged
            let mut back = Vec::new();
            assert!(Unstuffer::default().feed(&wire, &mut back).ended);
            assert_eq!(back, body, "{seen}");
        }
    }
}
