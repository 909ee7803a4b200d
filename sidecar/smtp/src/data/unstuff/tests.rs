use super::*;

/// Body, and what is left of the input behind the end; `None` while the end has not come.
type Read = (Vec<u8>, Option<Vec<u8>>);

fn read(pieces: &[&[u8]]) -> Read {
    let mut unstuffer = Unstuffer::default();
    let (mut body, mut rest) = (Vec::new(), None::<Vec<u8>>);
    for piece in pieces {
        if let Some(rest) = &mut rest {
            rest.extend_from_slice(piece);
            continue;
        }
        let fed = unstuffer.feed(piece, &mut body);
        if fed.ended {
            rest = Some(piece[fed.consumed..].to_vec());
        } else {
            assert_eq!(fed.consumed, piece.len());
        }
    }
    (body, rest)
}

/// Reads it whole, split at every octet, and octet by octet.
#[track_caller]
fn reads(input: &[u8], body: &[u8], rest: Option<&[u8]>) {
    let expected = (body.to_vec(), rest.map(<[u8]>::to_vec));
    for at in 0..=input.len() {
        let (head, tail) = input.split_at(at);
        assert_eq!(read(&[head, tail]), expected, "{:?} split at {at}", input.escape_ascii().to_string());
    }
    let octets: Vec<_> = input.chunks(1).collect();
    assert_eq!(read(&octets), expected, "{:?} octet by octet", input.escape_ascii().to_string());
}

#[test]
fn a_line_with_a_dot_alone_ends_the_data() {
    reads(b"hello\r\n.\r\nQUIT\r\n", b"hello\r\n", Some(b"QUIT\r\n"));
    reads(b"a\r\n\r\n.\r\n", b"a\r\n\r\n", Some(b""));
    reads(b"a\r\nb", b"a\r\nb", None);
    reads(b"a\r\n.", b"a\r\n", None);
    reads(b"a\r\n.\r", b"a\r\n", None);
}

#[test]
fn a_dot_right_behind_data_ends_it_too() {
    reads(b".\r\nQUIT\r\n", b"", Some(b"QUIT\r\n"));
    reads(b"\r\n.\r\n", b"\r\n", Some(b""));
}

#[test]
fn doubled_dots_are_halved_at_the_start_of_a_line_only() {
    reads(b"..\r\n..a\r\n...\r\na..b\r\n.\r\n", b".\r\n.a\r\n..\r\na..b\r\n", Some(b""));
    reads(b".a\r\n.\r\n", b"a\r\n", Some(b""));
}

#[test]
fn nothing_but_crlf_dot_crlf_ends_the_data() {
    for (sly, body) in [
        (&b"a\n.\nb"[..], &b"a\r\n.\r\nb"[..]),
        (b"a\r\n.\nb", b"a\r\n\r\nb"),
        (b"a\n.\r\nb", b"a\r\n.\r\nb"),
        (b"a\r.\rb", b"a\r\n.\r\nb"),
        (b"a\r.\r\nb", b"a\r\n.\r\nb"),
        (b"a\r\n.\rb", b"a\r\n\r\nb"),
        (b"a\r\n.\r\r\nb", b"a\r\n\r\n\r\nb"),
        (b"a\n\r.\r\nb", b"a\r\n\r\n.\r\nb"),
        (b"a\r\r\n..\r\nb", b"a\r\n\r\n.\r\nb"),
        (b"a\r\n\x00.\r\nb", b"a\r\n\x00.\r\nb"),
        (b"a\r\n.\x00\r\nb", b"a\r\n\x00\r\nb"),
        (b"a\r\n. \r\nb", b"a\r\n \r\nb"),
    ] {
        reads(sly, body, None);
        let whole = [sly, b"\r\n.\r\nrest"].concat();
        reads(&whole, &[body, b"\r\n"].concat(), Some(b"rest"));
    }
}

#[test]
fn dots_behind_a_bare_line_ending_are_halved_where_they_were_doubled() {
    // as Python's smtplib doubles them
    reads(b"a\n..b\n...c\n..\nd\r\n.\r\n", b"a\r\n.b\r\n..c\r\n.\r\nd\r\n", Some(b""));
    reads(b"a\r..b\r\n.\r\n", b"a\r\n.b\r\n", Some(b""));
    // as others do not
    reads(b"a\n.b\n.\n\n.\r\n.\r\n", b"a\r\n.b\r\n.\r\n\r\n.\r\n", Some(b""));
}

#[test]
fn bare_line_endings_become_crlf() {
    reads(b"a\nb\rc\r\n.\r\n", b"a\r\nb\r\nc\r\n", Some(b""));
    reads(b"\n\n\r\r\r\n.\r\n", b"\r\n\r\n\r\n\r\n\r\n", Some(b""));
    reads(b"\n.\r\n.\r\n", b"\r\n.\r\n", Some(b""));
}

#[test]
fn octets_that_are_no_line_ends_are_carried_unchanged() {
    let all: Vec<u8> = (0..=255).filter(|b| !matches!(b, b'\r' | b'\n')).collect();
    let long = vec![b'x'; 5_000];
    let text = [&b"h"[..], &all, b"\r\n", &long, b"\r\n"].concat();
    let wire = [&text[..], b".\r\n"].concat();
    assert_eq!(read(&[&wire]), (text, Some(Vec::new())));
}
