//! From the app, by BDAT: text whose lines end as they will.

use memchr::memchr2;

/// Makes the lines of one message's chunks end with CRLF (RFC 3030); pieces may be cut anywhere,
/// chunks too.
///
/// A bare CR or LF becomes CRLF. With [`Self::finish`] what came out is empty or ends with CRLF, as
/// DATA framing needs it upstream.
#[derive(Clone, Debug, Default)]
pub struct Lines {
    /// A CR has come and is not written yet: it is written with its LF.
    cr: bool,
    within_line: bool,
    bare: bool,
}

impl Lines {
    /// Appends the text in `input` to `body`.
    pub fn feed(&mut self, mut input: &[u8], body: &mut Vec<u8>) {
        while let Some((&first, after)) = input.split_first() {
            if self.cr {
                // the CR was bare where something else follows, which is then looked at anew
                self.end_line(first != b'\n', body);
                input = if first == b'\n' { after } else { input };
            } else if first == b'\r' {
                (self.cr, input) = (true, after);
            } else if first == b'\n' {
                self.end_line(true, body);
                input = after;
            } else {
                let (text, rest) = input.split_at(memchr2(b'\r', b'\n', input).unwrap_or(input.len()));
                body.extend_from_slice(text);
                (self.within_line, input) = (true, rest);
            }
        }
    }

    /// Appends the end of the last line, where it has none.
    pub fn finish(&mut self, body: &mut Vec<u8>) {
        if self.cr || self.within_line {
            self.end_line(self.cr, body);
        }
    }

    /// Whether a bare CR or LF has come so far.
    #[must_use]
    pub fn met_bare_ending(&self) -> bool {
        self.bare
    }

    fn end_line(&mut self, bare: bool, body: &mut Vec<u8>) {
        body.extend_from_slice(b"\r\n");
        *self = Self { cr: false, within_line: false, bare: self.bare || bare };
    }
}

#[cfg(test)]
mod tests {
    use super::Lines;

    fn made(text: &str) -> (String, bool) {
        let whole = run(&[text]);
        for at in 0..=text.len() {
            assert_eq!(run(&[&text[..at], &text[at..]]), whole, "split at {at}");
        }
        whole
    }

    fn run(pieces: &[&str]) -> (String, bool) {
        let (mut lines, mut body) = (Lines::default(), Vec::new());
        pieces.iter().for_each(|piece| lines.feed(piece.as_bytes(), &mut body));
        lines.finish(&mut body);
        (String::from_utf8(body).unwrap(), lines.met_bare_ending())
    }

    #[test]
    fn every_line_ends_with_crlf() {
        for (text, expected, bare) in [
            ("", "", false),
            ("a\r\nb\r\n", "a\r\nb\r\n", false),
            ("a\r\nb", "a\r\nb\r\n", false),
            ("a\nb\rc\r", "a\r\nb\r\nc\r\n", true),
            ("\r\r\n\n", "\r\n\r\n\r\n", true),
            (".\r\n..\r\n", ".\r\n..\r\n", false),
        ] {
            assert_eq!(made(text), (expected.to_owned(), bare), "{text:?}");
        }
    }
}
