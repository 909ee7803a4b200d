//! What a body holds, as far as the relay must be told.

/// What must be known about a message before it can be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// Octets, headers included, as they are before dots are doubled.
    pub size: u64,
    /// Whether any octet is above 127, so that 8BITMIME must be declared.
    pub eight_bit: bool,
    /// Whether one of them is in the header section, which only SMTPUTF8 allows (RFC 6532).
    pub eight_bit_header: bool,
}

/// Finds a message's [`Content`] while it passes by; pieces may be cut anywhere.
#[derive(Clone, Debug, Default)]
pub struct Scan {
    content: Content,
    /// How much of `CRLF CRLF` has been seen; the message begins as if behind a CRLF.
    blank: Blank,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Blank {
    #[default]
    LineStart,
    LineStartCr,
    Line,
    Cr,
    Body,
}

impl Scan {
    /// Looks at the next piece.
    pub fn feed(&mut self, piece: &[u8]) {
        self.content.size += piece.len() as u64;
        let body = self.skip_header(piece);
        self.content.eight_bit |= self.content.eight_bit_header || !body.is_ascii();
    }

    /// What has been found so far.
    #[must_use]
    pub fn content(&self) -> Content {
        self.content
    }

    /// The part of the piece that lies behind the header section.
    fn skip_header<'a>(&mut self, piece: &'a [u8]) -> &'a [u8] {
        for (index, octet) in piece.iter().enumerate() {
            self.blank = match (self.blank, octet) {
                (Blank::Body, _) => return &piece[index..],
                (Blank::LineStart, b'\r') => Blank::LineStartCr,
                (Blank::LineStartCr, b'\n') => Blank::Body,
                (Blank::Cr, b'\n') => Blank::LineStart,
                (_, b'\r') => Blank::Cr,
                (_, _) => Blank::Line,
            };
            self.content.eight_bit_header |= !octet.is_ascii();
        }
        &[]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scan(message: &[u8]) -> Content {
        let whole = scanned([message]);
        for at in 0..=message.len() {
            let (head, tail) = message.split_at(at);
            assert_eq!(scanned([head, tail]), whole, "split at {at}");
        }
        whole
    }

    fn scanned<const N: usize>(pieces: [&[u8]; N]) -> Content {
        let mut scan = Scan::default();
        pieces.into_iter().for_each(|piece| scan.feed(piece));
        scan.content()
    }

    #[test]
    fn finds_plain_ascii() {
        let content = scan(b"Subject: x\r\n\r\nhello\r\n");
        assert_eq!(content, Content { size: 21, eight_bit: false, eight_bit_header: false });
    }

    #[test]
    fn tells_the_body_from_the_header() {
        let body = scan("Subject: x\r\n\r\nh\u{e9}llo\r\n".as_bytes());
        assert_eq!((body.eight_bit, body.eight_bit_header), (true, false));
        let header = scan("Subject: \u{e9}\r\n\r\nhello\r\n".as_bytes());
        assert_eq!((header.eight_bit, header.eight_bit_header), (true, true));
    }

    #[test]
    fn a_message_that_begins_with_a_blank_line_has_no_header() {
        let content = scan("\r\n\u{e9}\r\n".as_bytes());
        assert_eq!((content.eight_bit, content.eight_bit_header), (true, false));
    }

    #[test]
    fn a_header_without_an_end_is_all_header() {
        let content = scan("Subject: x\r\nTo: \u{e9}\r\n".as_bytes());
        assert_eq!((content.eight_bit, content.eight_bit_header), (true, true));
    }
}
