//! Towards the relay: dots doubled, one end, nothing in between that could be read as one.

use memchr::memchr2;

/// Puts one message into DATA framing (RFC 5321 section 4.5.2); pieces may be cut anywhere.
///
/// A body whose lines end with CRLF is carried unchanged but for doubled dots. A bare CR or LF
/// becomes CRLF, so that whatever goes in, `CRLF . CRLF` leaves only once: from
/// [`Self::finish`]. Without that call no end is ever written.
#[derive(Clone, Debug, Default)]
pub struct Stuffer {
    at: At,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    LineStart,
    Line,
    /// A CR has come and is not written yet: it is written with its LF.
    Cr,
}

impl Stuffer {
    /// Appends the framed form of `piece` to `out`.
    pub fn feed(&mut self, mut piece: &[u8], out: &mut Vec<u8>) {
        out.reserve(piece.len() + 2);
        while let Some((&first, after)) = piece.split_first() {
            match (self.at, first) {
                (At::Cr, b'\n') => {
                    out.extend_from_slice(b"\r\n");
                    (self.at, piece) = (At::LineStart, after);
                }
                (At::Cr, _) => {
                    out.extend_from_slice(b"\r\n");
                    self.at = At::LineStart;
                }
                (At::LineStart, b'.') => {
                    out.extend_from_slice(b"..");
                    (self.at, piece) = (At::Line, after);
                }
                (At::LineStart | At::Line, b'\r') => (self.at, piece) = (At::Cr, after),
                (At::LineStart | At::Line, b'\n') => {
                    out.extend_from_slice(b"\r\n");
                    (self.at, piece) = (At::LineStart, after);
                }
                (At::LineStart | At::Line, _) => {
                    let (text, rest) = piece.split_at(memchr2(b'\r', b'\n', piece).unwrap_or(piece.len()));
                    out.extend_from_slice(text);
                    (self.at, piece) = (At::Line, rest);
                }
            }
        }
    }

    /// Appends the end of the data: a last line is closed if it is not, and nothing else is added.
    pub fn finish(self, out: &mut Vec<u8>) {
        out.extend_from_slice(match self.at {
            At::LineStart => b".\r\n",
            At::Line | At::Cr => b"\r\n.\r\n",
        });
    }
}

#[cfg(test)]
mod tests;
