//! Text into reply lines.

use super::Enhanced;

/// The longest reply line with its CRLF (RFC 5321 section 4.5.3.1.5).
const MAX_LINE: usize = 512;
/// The longest text of one reply; ten lines of it say enough.
const MAX_TEXT: usize = 4_000;

/// Appends `text` as one reply of as many lines as it takes, broken at spaces where it has any.
///
/// `text` is ASCII without control characters other than `\n`.
pub(super) fn write(code: u16, enhanced: Option<Enhanced>, text: &str, out: &mut Vec<u8>) {
    let prefix = enhanced.map(|e| format!("{e} ")).unwrap_or_default();
    let room = MAX_LINE - "250-".len() - prefix.len() - "\r\n".len();
    let mut lines = text.split('\n').flat_map(|line| Pieces { rest: line, room, first: true }).peekable();
    while let Some(line) = lines.next() {
        let separator = if lines.peek().is_some() { '-' } else { ' ' };
        let line = format!("{code}{separator}{prefix}{line}");
        out.extend_from_slice(line.trim_end().as_bytes());
        if line.trim_end().len() == 3 {
            out.push(b' ');
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// Makes any text fit for a reply: printable ASCII, single spaces, at most `MAX_TEXT` octets.
/// A line break is kept as a space; what is no ASCII becomes `?`.
pub(super) fn printable(text: &str) -> String {
    let mut clean = String::with_capacity(text.len().min(MAX_TEXT));
    for c in text.chars() {
        match c {
            '!'..='~' => clean.push(c),
            c if c.is_whitespace() || c.is_control() => {
                if !clean.ends_with(' ') && !clean.is_empty() {
                    clean.push(' ');
                }
            }
            _ => clean.push('?'),
        }
        if clean.len() == MAX_TEXT {
            break;
        }
    }
    clean.truncate(clean.trim_end().len());
    clean
}

/// Cuts one line into pieces of at most `room` octets; an empty line is one empty piece.
struct Pieces<'a> {
    rest: &'a str,
    room: usize,
    first: bool,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        if self.rest.is_empty() && !self.first {
            return None;
        }
        self.first = false;
        if self.rest.len() <= self.room {
            return Some(std::mem::take(&mut self.rest));
        }
        // one octet beyond the room may be the space that ends the line
        let end = self.rest.as_bytes()[..=self.room].iter().rposition(|b| *b == b' ').filter(|end| *end > 0);
        let (piece, rest) = self.rest.split_at_checked(end.unwrap_or(self.room))?;
        self.rest = rest.trim_start();
        Some(piece)
    }
}
