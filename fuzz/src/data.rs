//! Message bodies, into DATA framing and out of it.

use mail_egress_smtp::data::{Content, Lines, Scan, Stuffer, Unstuffer};

use crate::steering::{Steering, cuts};

/// Only `CRLF . CRLF` ends a message; what comes out of one goes into another unchanged; and what
/// goes out is one message to the strictest and to the laxest reader, whatever it was.
///
/// Input: a line that says where to cut, and then what came behind a 354.
pub fn data(input: &[u8]) {
    let (steering, octets) = Steering::split(input);
    let body = taken(&steering, octets);
    assert_eq!(put(&steering, &body), body, "a body does not come back as it was");
    let made = put(&steering, octets);
    assert_eq!(made, normal(octets), "line ends apart, octets were changed");
    for pieces in cuts(&steering, octets) {
        let (mut lines, mut out) = (Lines::default(), Vec::new());
        pieces.iter().for_each(|piece| lines.feed(piece, &mut out));
        lines.finish(&mut out);
        assert_eq!(out, made, "BDAT and DATA make different lines");
    }
    scanned(&steering, &body);
}

/// What is taken out of DATA framing, compared with what the words of RFC 5321 make of it.
fn taken(steering: &Steering<'_>, octets: &[u8]) -> Vec<u8> {
    let mut wire = octets.to_vec();
    if end(&wire).is_none() {
        wire.extend_from_slice(b"\r\n.\r\n");
    }
    let end = end(&wire).unwrap_or(wire.len());
    let expected = text(&wire[..end - b".\r\n".len()]);
    for pieces in cuts(steering, &wire) {
        let (mut unstuffer, mut body, mut consumed, mut ended) = (Unstuffer::default(), Vec::new(), 0, false);
        for piece in pieces {
            assert!(!ended || consumed == end);
            let fed = unstuffer.feed(piece, &mut body);
            consumed += fed.consumed;
            ended |= fed.ended;
        }
        assert!(ended && consumed == end, "ended at {consumed}, not at {end}");
        assert_eq!(body, expected);
    }
    one_kind_of_line_end(&expected);
    assert!(expected.is_empty() || expected.ends_with(b"\r\n"));
    expected
}

/// Behind the first `CRLF . CRLF`, where the data begin as if behind a CRLF.
pub(crate) fn end(wire: &[u8]) -> Option<usize> {
    if wire.starts_with(b".\r\n") {
        return Some(3);
    }
    wire.windows(5).position(|window| window == b"\r\n.\r\n").map(|at| at + 5)
}

/// The text of framed lines: dots undone, every line end CRLF.
pub(crate) fn text(framed: &[u8]) -> Vec<u8> {
    let (mut out, mut rest, mut behind_crlf) = (Vec::new(), framed, true);
    while !rest.is_empty() {
        let length = rest.iter().position(|octet| matches!(octet, b'\r' | b'\n')).unwrap_or(rest.len());
        let (line, ending) = rest.split_at(length);
        // behind a bare line end only a doubled dot was meant to be undone
        let line = if behind_crlf {
            line.strip_prefix(b".")
        } else {
            line.strip_prefix(b".").filter(|it| it.starts_with(b"."))
        }
        .unwrap_or(line);
        out.extend_from_slice(line);
        if !ending.is_empty() {
            out.extend_from_slice(b"\r\n");
        }
        behind_crlf = ending.starts_with(b"\r\n");
        rest = &ending[if behind_crlf { 2 } else { ending.len().min(1) }..];
    }
    out
}

/// Every line end CRLF, the last line's too, by the simplest means.
fn normal(octets: &[u8]) -> Vec<u8> {
    let (mut out, mut before) = (Vec::new(), b'\n');
    for octet in octets {
        match (before, octet) {
            (b'\r', b'\n') => {}
            (_, b'\r' | b'\n') => out.extend_from_slice(b"\r\n"),
            (_, other) => out.push(*other),
        }
        before = *octet;
    }
    if !matches!(before, b'\r' | b'\n') {
        out.extend_from_slice(b"\r\n");
    }
    out
}

/// Frames octets, and gives what a reader takes out of that.
fn put(steering: &Steering<'_>, octets: &[u8]) -> Vec<u8> {
    let framed = cuts(steering, octets).map(|pieces| {
        let (mut stuffer, mut wire) = (Stuffer::default(), Vec::new());
        pieces.iter().for_each(|piece| stuffer.feed(piece, &mut wire));
        stuffer.finish(&mut wire);
        wire
    });
    let [wire, others @ ..] = framed;
    assert!(others.iter().all(|other| *other == wire), "the cut of the pieces shows");
    one_message(&wire);
    let mut back = Vec::new();
    let fed = Unstuffer::default().feed(&wire, &mut back);
    assert!(fed.ended && fed.consumed == wire.len());
    back
}

/// Framed data that nobody can read as two messages: a dot stands alone on the last line only,
/// wherever a reader thinks that lines end.
pub(crate) fn one_message(wire: &[u8]) {
    one_kind_of_line_end(wire);
    assert_eq!(end(wire), Some(wire.len()));
    let lax = wire.split(|octet| matches!(octet, b'\r' | b'\n')).filter(|line| *line == b".").count();
    assert_eq!(lax, 1, "a lax reader sees {lax} ends");
}

pub(crate) fn one_kind_of_line_end(text: &[u8]) {
    let count = |octet: u8| text.iter().filter(|it| **it == octet).count();
    let crlf = text.windows(2).filter(|window| *window == b"\r\n").count();
    assert!(count(b'\r') == crlf && count(b'\n') == crlf, "a bare CR or LF");
}

fn scanned(steering: &Steering<'_>, body: &[u8]) {
    let header = match body {
        [b'\r', b'\n', ..] => 2,
        _ => body.windows(4).position(|window| window == b"\r\n\r\n").map_or(body.len(), |at| at + 4),
    };
    let expected = Content {
        size: body.len() as u64,
        header_size: header as u64,
        eight_bit_header: !body[..header].is_ascii(),
        eight_bit_body: !body[header..].is_ascii(),
    };
    for pieces in cuts(steering, body) {
        let mut scan = Scan::default();
        pieces.iter().for_each(|piece| scan.feed(piece));
        assert_eq!(scan.content(), expected);
    }
    assert_eq!(expected.with_head(&body[..header], header as u64), expected);
}
