//! What a body holds, as far as the relay must be told.

/// What must be known about a message before it can be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// Octets, headers included, as they are before dots are doubled.
    pub size: u64,
    /// Octets of the header section, with the blank line that ends it.
    pub header_size: u64,
    /// Whether an octet of the header section is above 127, which only SMTPUTF8 allows (RFC 6532).
    pub eight_bit_header: bool,
    /// Whether an octet behind it is above 127.
    pub eight_bit_body: bool,
}

impl Content {
    /// Whether any octet is above 127, so that 8BITMIME must be declared.
    #[must_use]
    pub fn eight_bit(self) -> bool {
        self.eight_bit_header || self.eight_bit_body
    }

    /// The content that `head` and then this one without its first `skip` octets make; `head` is
    /// header lines, and with a blank line at its end all of the header section.
    ///
    /// Of a header section that stays in part, all of its octets above 127 count.
    #[must_use]
    pub fn with_head(self, head: &[u8], skip: u64) -> Self {
        let header_left = self.header_size.saturating_sub(skip);
        let length = head.len() as u64;
        Self {
            size: length + self.size.saturating_sub(skip),
            header_size: length + header_left,
            eight_bit_header: !head.is_ascii() || (header_left > 0 && self.eight_bit_header),
            eight_bit_body: self.eight_bit_body,
        }
    }
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
        self.content.eight_bit_body |= !body.is_ascii();
        self.content.header_size += (piece.len() - body.len()) as u64;
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
        assert_eq!(content, Content { size: 21, header_size: 14, ..Content::default() });
    }

    #[test]
    fn tells_the_body_from_the_header() {
        let body = scan("Subject: x\r\n\r\nh\u{e9}llo\r\n".as_bytes());
        assert_eq!((body.eight_bit_body, body.eight_bit_header), (true, false));
        let header = scan("Subject: \u{e9}\r\n\r\nhello\r\n".as_bytes());
        assert_eq!((header.eight_bit_body, header.eight_bit_header), (false, true));
    }

    #[test]
    fn a_message_that_begins_with_a_blank_line_has_no_header() {
        let content = scan("\r\n\u{e9}\r\n".as_bytes());
        assert_eq!((content.eight_bit_body, content.header_size), (true, 2));
    }

    #[test]
    fn a_header_without_an_end_is_all_header() {
        let content = scan("Subject: x\r\nTo: \u{e9}\r\n".as_bytes());
        assert_eq!((content.eight_bit_header, content.header_size), (true, 20));
    }

    #[test]
    fn another_head_is_told_together_with_the_body_that_stays() {
        let message = "Subject: \u{e9}\r\n\r\nh\u{e9}llo\r\n".as_bytes();
        let content = scan(message);
        let skip = content.header_size;
        let body = &message[usize::try_from(skip).unwrap()..];
        for head in ["Subject: x\r\n\r\n", "Received: here\r\nSubject: \u{fc}\r\n\r\n"] {
            let whole = scan(&[head.as_bytes(), body].concat());
            assert_eq!(content.with_head(head.as_bytes(), skip), whole, "{head}");
        }
        let put_before = "Received: here\r\n".as_bytes();
        assert_eq!(content.with_head(put_before, 0), scan(&[put_before, message].concat()));
        assert!(!scan(b"A: x\r\n\r\nb").with_head(b"A: y\r\n\r\n", 8).eight_bit());
    }
}
