//! From the app: the body without its framing.

use memchr::memchr2;

/// Takes one message out of DATA framing (RFC 5321 section 4.5.2); pieces may be cut anywhere.
///
/// Only `CRLF . CRLF` ends the data, or `. CRLF` as its very first line. What comes out has CRLF
/// for each CRLF, bare CR and bare LF, and is empty or ends with CRLF.
///
/// A dot that begins a line behind a CRLF was doubled by the app. Behind a bare CR or LF some do
/// that (Python's smtplib) and some do not, so there one of two dots is dropped and a single one
/// is kept.
#[derive(Clone, Debug, Default)]
pub struct Unstuffer {
    at: At,
    bare: bool,
}

/// Where in the data the next octet stands.
///
/// ```text
///   LineStart ──.──▶ Dot ──CR──▶ DotCr ──LF──▶ End
///      ▲ │            └─ other: the dot is dropped, the octet is text
///   LF │ └─ other ─▶ Line ──CR──▶ Cr
///      └───────────────────────────┘
///   Line, Cr, DotCr ── LF, or other behind CR ─▶ BareStart ──.──▶ BareDot ── any ─▶ Line
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    LineStart,
    Line,
    Cr,
    Dot,
    DotCr,
    /// Behind a bare CR or LF.
    BareStart,
    /// Behind a dot behind a bare CR or LF.
    BareDot,
    End,
}

/// What [`Unstuffer::feed`] made of its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unstuffed {
    /// How many octets of the input belong to the data; all of them unless it ended.
    pub consumed: usize,
    /// Whether the end was seen.
    pub ended: bool,
}

impl Unstuffer {
    /// Appends the text in `input` to `body` and stops behind the end of the data.
    pub fn feed(&mut self, input: &[u8], body: &mut Vec<u8>) -> Unstuffed {
        let mut rest = input;
        while self.at != At::End {
            let Some((&first, after)) = rest.split_first() else { break };
            rest = match (self.at, first) {
                (At::LineStart, b'.') => self.step(At::Dot, after),
                (At::Dot, b'\r') => self.step(At::DotCr, after),
                (At::DotCr, b'\n') => self.step(At::End, after),
                (At::Cr, b'\n') => {
                    body.extend_from_slice(b"\r\n");
                    self.step(At::LineStart, after)
                }
                // the CR was bare; behind a dot, that was not the only octet of its line
                (At::Cr | At::DotCr, _) => {
                    body.extend_from_slice(b"\r\n");
                    self.bare = true;
                    self.step(At::BareStart, rest)
                }
                (At::BareStart, b'.') => self.step(At::BareDot, after),
                (At::BareDot, _) => {
                    body.push(b'.');
                    self.step(At::Line, if first == b'.' { after } else { rest })
                }
                (At::LineStart | At::Line | At::BareStart, b'\r') => self.step(At::Cr, after),
                (At::LineStart | At::Line | At::BareStart | At::Dot, b'\n') => {
                    body.extend_from_slice(b"\r\n");
                    self.bare = true;
                    self.step(At::BareStart, after)
                }
                (At::LineStart | At::Line | At::BareStart | At::Dot | At::End, _) => {
                    let (text, rest) = rest.split_at(memchr2(b'\r', b'\n', rest).unwrap_or(rest.len()));
                    body.extend_from_slice(text);
                    self.step(At::Line, rest)
                }
            };
        }
        Unstuffed { consumed: input.len() - rest.len(), ended: self.at == At::End }
    }

    /// Whether a bare CR or LF has come so far.
    #[must_use]
    pub fn met_bare_ending(&self) -> bool {
        self.bare
    }

    fn step<'a>(&mut self, at: At, rest: &'a [u8]) -> &'a [u8] {
        self.at = at;
        rest
    }
}

#[cfg(test)]
mod tests;
