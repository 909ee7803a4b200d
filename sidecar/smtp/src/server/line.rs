//! Input into command lines.

use memchr::memchr2;

use super::command::begins_chunk;

/// The longest command line with its CRLF (RFC 5321 section 4.5.3.1.4).
const MAX_LINE: usize = 512;
/// MAIL and RCPT grow with the extensions: SIZE 26, 8BITMIME 17, SMTPUTF8 10, AUTH 500, RET and ENVID
/// 116, NOTIFY and ORCPT 535 octets, and a UTF-8 path of 256.
const MAX_ENVELOPE_LINE: usize = 2_048;
/// AUTH and each line of its dialogue (RFC 4954 section 4).
const MAX_AUTH_LINE: usize = 12_288;

/// Cuts input into lines. Only CRLF ends a line: a command behind a bare LF would be read by us
/// and not by another server, or the other way round.
#[derive(Default)]
pub(super) struct LineReader {
    line: Vec<u8>,
    at: At,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum At {
    #[default]
    Line,
    Cr,
    /// Behind something that was refused: nothing is kept up to the next CRLF.
    Skipping,
    SkippingCr,
}

/// What the input was cut at.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// A line, without its CRLF.
    Line(Vec<u8>),
    /// A line became too long; it is skipped, and no `Line` comes of it.
    TooLong,
    /// A bare CR or LF stands in a line; it is skipped, and no `Line` comes of it.
    BareEnding,
    /// Either stands in a BDAT, so that nobody can tell where its chunk begins and ends.
    Chunk,
}

impl LineReader {
    /// Reads up to the first cut. Gives how much was consumed: all of it where there is no cut.
    pub(super) fn feed(&mut self, input: &[u8], sasl: bool) -> (usize, Option<Cut>) {
        let mut rest = input;
        while let Some((&first, after)) = rest.split_first() {
            let cut = match (self.at, first) {
                (At::Cr, b'\n') => {
                    (self.at, rest) = (At::Line, after);
                    Some(Cut::Line(std::mem::take(&mut self.line)))
                }
                (At::Line, b'\r') => {
                    (self.at, rest) = (At::Cr, after);
                    None
                }
                (At::Line, b'\n') => {
                    rest = after;
                    Some(self.skip(Cut::BareEnding))
                }
                (At::Cr, _) => Some(self.skip(Cut::BareEnding)),
                (At::Line, _) => {
                    let (text, tail) = rest.split_at(memchr2(b'\r', b'\n', rest).unwrap_or(rest.len()));
                    rest = tail;
                    self.keep(text, sasl)
                }
                (At::SkippingCr, b'\n') => {
                    (self.at, rest) = (At::Line, after);
                    None
                }
                (At::Skipping | At::SkippingCr, b'\r') => {
                    (self.at, rest) = (At::SkippingCr, after);
                    None
                }
                (At::Skipping | At::SkippingCr, _) => {
                    (self.at, rest) = (At::Skipping, after);
                    None
                }
            };
            if cut.is_some() {
                return (input.len() - rest.len(), cut);
            }
        }
        (input.len(), None)
    }

    /// Keeps text of the line; what is longer than any line may be is not even copied.
    fn keep(&mut self, text: &[u8], sasl: bool) -> Option<Cut> {
        self.line.extend_from_slice(&text[..text.len().min(MAX_AUTH_LINE)]);
        let too_long = self.line.len() + "\r\n".len() > limit(&self.line, sasl);
        too_long.then(|| self.skip(Cut::TooLong))
    }

    fn skip(&mut self, cut: Cut) -> Cut {
        self.at = if self.at == At::Cr { At::SkippingCr } else { At::Skipping };
        if begins_chunk(&std::mem::take(&mut self.line)) { Cut::Chunk } else { cut }
    }
}

/// How long a line that begins like this may become.
fn limit(line: &[u8], sasl: bool) -> usize {
    let verb = line.get(..4).unwrap_or_default();
    if sasl || verb.eq_ignore_ascii_case(b"AUTH") {
        MAX_AUTH_LINE
    } else if verb.eq_ignore_ascii_case(b"MAIL") || verb.eq_ignore_ascii_case(b"RCPT") {
        MAX_ENVELOPE_LINE
    } else {
        MAX_LINE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads all of the input in pieces of `step` octets.
    fn cuts(input: &[u8], step: usize) -> Vec<Cut> {
        let mut reader = LineReader::default();
        let mut found = Vec::new();
        for mut piece in input.chunks(step) {
            while !piece.is_empty() {
                let (consumed, cut) = reader.feed(piece, false);
                assert!(consumed > 0 || cut.is_some(), "no progress");
                assert!(reader.line.len() <= MAX_AUTH_LINE);
                piece = &piece[consumed..];
                found.extend(cut);
            }
        }
        found
    }

    fn line(text: &str) -> Cut {
        Cut::Line(text.into())
    }

    #[track_caller]
    fn reads(input: &[u8], expected: &[Cut]) {
        for step in 1..=input.len() {
            assert_eq!(cuts(input, step), expected, "in pieces of {step}");
        }
    }

    #[test]
    fn only_crlf_ends_a_line() {
        reads(b"NOOP\r\nQUIT\r\n", &[line("NOOP"), line("QUIT")]);
        reads(b"\r\nQUIT\r\n", &[line(""), line("QUIT")]);
        reads(b"NOOP\nQUIT\r\nRSET\r\n", &[Cut::BareEnding, line("RSET")]);
        reads(b"NOOP\rQUIT\r\nRSET\r\n", &[Cut::BareEnding, line("RSET")]);
        reads(b"NOOP\r\r\nRSET\r\n", &[Cut::BareEnding, line("RSET")]);
        reads(b"NOOP\n\r\nRSET\r\n", &[Cut::BareEnding, line("RSET")]);
        reads(b"a\n\n\n\r\rb\nc\r\nRSET\r\n", &[Cut::BareEnding, line("RSET")]);
        reads(b"NOOP", &[]);
    }

    #[test]
    fn a_line_may_be_as_long_as_its_command_allows() {
        for (verb, max) in [("NOOP", 512), ("mail", 2_048), ("RCPT", 2_048), ("AUTH", 12_288)] {
            let longest = format!("{verb} {}", "x".repeat(max - 2 - 5));
            let wire = format!("{longest}\r\nQUIT\r\n");
            assert_eq!(cuts(wire.as_bytes(), wire.len()), [line(&longest), line("QUIT")]);
            let wire = format!("{longest}x\r\nQUIT\r\n");
            for step in [1, 7, 512, wire.len()] {
                assert_eq!(cuts(wire.as_bytes(), step), [Cut::TooLong, line("QUIT")], "{verb} {step}");
            }
        }
    }

    #[test]
    fn an_endless_line_is_complained_of_once_and_not_kept() {
        let mut reader = LineReader::default();
        let mut found = 0;
        for _ in 0..1_000 {
            let mut piece = &[b'x'; 4_096][..];
            while !piece.is_empty() {
                let (consumed, cut) = reader.feed(piece, true);
                found += usize::from(cut == Some(Cut::TooLong));
                piece = &piece[consumed..];
            }
        }
        assert_eq!((found, reader.line.capacity()), (1, 0));
    }
}
