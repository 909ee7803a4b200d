//! Finding the end of DATA and undoing the dot stuffing (RFC 5321 section 4.5.2), octet by octet:
//! only CRLF "." CRLF ends, also directly after the CRLF of the DATA command.

/// Where the reader stands.
///
/// ```text
///            "."          CR            LF
/// LineStart ----> Dot ---------> DotCr ----> (end)
///   ^   | other    | other (dot dropped) | other (dot dropped, the CR is text)
///   |   v          v                     v
///   |  Text <------+----------------------
///   |   | CR ^ other
///   | LF v   |
///   +--- Cr -+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    LineStart,
    Dot,
    DotCr,
    Text,
    Cr,
}

/// Reads the body of one DATA command.
#[derive(Debug)]
pub(super) struct Framing {
    at: At,
    content: Vec<u8>,
    bare: bool,
}

impl Framing {
    pub(super) fn new() -> Self {
        Self { at: At::LineStart, content: Vec::new(), bare: false }
    }

    /// Takes octets; tells how many belong to the body once its end was seen.
    pub(super) fn take(&mut self, input: &[u8]) -> Option<usize> {
        let mut next = 0;
        while let Some(&octet) = input.get(next) {
            if self.at == At::Text {
                let rest = &input[next..];
                let run = rest.iter().position(|b| matches!(b, b'\r' | b'\n')).unwrap_or(rest.len());
                if run > 0 {
                    self.content.extend_from_slice(&rest[..run]);
                    next += run;
                    continue;
                }
            }
            next += 1;
            match (self.at, octet) {
                (At::LineStart, b'.') => self.at = At::Dot,
                (At::Dot, b'\r') => self.at = At::DotCr,
                (At::DotCr, b'\n') => return Some(next),
                (At::DotCr, _) => {
                    self.content.push(b'\r');
                    self.at = At::Cr;
                    self.text(octet);
                }
                (At::LineStart | At::Dot | At::Text | At::Cr, _) => self.text(octet),
            }
        }
        None
    }

    fn text(&mut self, octet: u8) {
        let after_cr = self.at == At::Cr;
        self.bare |= after_cr != (octet == b'\n');
        self.at = match octet {
            b'\r' => At::Cr,
            b'\n' if after_cr => At::LineStart,
            _ => At::Text,
        };
        self.content.push(octet);
    }

    /// How much was read so far, in octets.
    pub(super) fn len(&self) -> usize {
        self.content.len()
    }

    /// Forgets what was read, of a message that is refused anyway.
    pub(super) fn forget(&mut self) {
        self.content.clear();
    }

    /// The message, unstuffed, and whether a CR or LF stood alone in it.
    pub(super) fn finish(self) -> (Vec<u8>, bool) {
        (self.content, self.bare)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads `input` in one piece and split at every octet, and checks that the end is where it
    /// must be: `rest` follows it.
    fn read(input: &str, rest: &str) -> (String, bool) {
        let whole = format!("{input}{rest}").into_bytes();
        let mut results = Vec::new();
        for split in 0..=whole.len() {
            let mut framing = Framing::new();
            let end = match framing.take(&whole[..split]) {
                Some(end) => Some(end),
                None => framing.take(&whole[split..]).map(|end| split + end),
            };
            assert_eq!(end, Some(input.len()), "split at {split}");
            results.push(framing.finish());
        }
        let (content, bare) = results.remove(0);
        assert!(results.iter().all(|result| *result == (content.clone(), bare)));
        (String::from_utf8(content).unwrap(), bare)
    }

    #[test]
    fn ends_only_at_crlf_dot_crlf() {
        assert_eq!(read("a\r\n.\r\n", "QUIT\r\n"), ("a\r\n".to_owned(), false));
        assert_eq!(read(".\r\n", "QUIT\r\n"), (String::new(), false));
        for not_the_end in
            ["a\n.\n", "a\n.\r\n", "a\r\n.\n", "a\r.\r", "a\r\n.\r\r\n", "a\r\r.\r\n", "a\r\n.\rx"]
        {
            let (content, bare) = read(&format!("{not_the_end}\r\n.\r\n"), "");
            assert!(bare, "{not_the_end:?}");
            assert_eq!(content, format!("{}\r\n", not_the_end.replace("\r\n.", "\r\n")), "{not_the_end:?}");
        }
    }

    #[test]
    fn undoes_the_stuffing_and_nothing_else() {
        assert_eq!(read("..\r\n...a\r\nb.\r\n.c\r\n.\r\n", "").0, ".\r\n..a\r\nb.\r\nc\r\n");
    }
}
