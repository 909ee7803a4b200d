//! Octets of the relay into replies, each within its limits.

use memchr::memchr;

use super::UpstreamReply;
use crate::reply::Enhanced;

/// The longest reply line with its CRLF; four times what RFC 5321 allows.
const MAX_LINE: usize = 2_048;
/// The most lines of one reply.
const MAX_LINES: usize = 100;
/// The most octets of one reply.
const MAX_REPLY: usize = 64 * 1024;
/// The most text kept of one reply; it goes into logs, conditions and our own replies.
const MAX_TEXT: usize = 1_000;

/// A reply as it came, line by line.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Lines {
    pub(super) code: u16,
    pub(super) texts: Vec<String>,
}

/// Gathers replies (RFC 5321 section 4.2); pieces may be cut anywhere.
#[derive(Debug, Default)]
pub(super) struct ReplyReader {
    line: Vec<u8>,
    reply: Option<Lines>,
    size: usize,
}

impl ReplyReader {
    /// Takes input up to the end of a reply. The error says what was wrong, and ends everything.
    pub(super) fn feed(&mut self, input: &mut &[u8]) -> Result<Option<Lines>, &'static str> {
        while !input.is_empty() {
            let end = memchr(b'\n', input).map(|at| at + 1);
            let (piece, rest) = input.split_at(end.unwrap_or(input.len()));
            *input = rest;
            self.size += piece.len();
            if self.line.len() + piece.len() > MAX_LINE {
                return Err("a reply line is too long");
            }
            if self.size > MAX_REPLY {
                return Err("a reply is too long");
            }
            self.line.extend_from_slice(piece);
            if end.is_some() && self.finish_line()? {
                self.size = 0;
                return Ok(self.reply.take());
            }
        }
        Ok(None)
    }

    /// Adds the line to the reply; tells whether it was the last one.
    fn finish_line(&mut self) -> Result<bool, &'static str> {
        let line = std::mem::take(&mut self.line);
        let line = line.strip_suffix(b"\r\n").ok_or("a reply line does not end with CRLF")?;
        let (code, last, text) = split(line).ok_or("something came that is no reply")?;
        let reply = self.reply.get_or_insert_with(|| Lines { code, texts: Vec::new() });
        if reply.code != code {
            return Err("the lines of one reply have different codes");
        }
        if reply.texts.len() == MAX_LINES {
            return Err("a reply has too many lines");
        }
        reply.texts.push(String::from_utf8_lossy(text).into_owned());
        Ok(last)
    }
}

/// Code, whether the reply ends here, text.
fn split(line: &[u8]) -> Option<(u16, bool, &[u8])> {
    let (digits, rest) = line.split_at_checked(3)?;
    if !digits.iter().all(u8::is_ascii_digit) || !(b'2'..=b'5').contains(&digits[0]) {
        return None;
    }
    let code = digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
    match rest.split_first() {
        None => Some((code, true, rest)),
        Some((b' ', text)) => Some((code, true, text)),
        Some((b'-', text)) => Some((code, false, text)),
        Some(_) => None,
    }
}

impl UpstreamReply {
    /// Reads the one reply that these octets are, all that came since a command: for who speaks
    /// between two messages without a dialogue. `None` while it is not whole; the error says what
    /// is wrong.
    pub fn read(mut octets: &[u8]) -> Result<Option<Self>, &'static str> {
        let reply = ReplyReader::default().feed(&mut octets)?;
        match (reply, octets) {
            (Some(_), [_, ..]) => Err("more came than the one reply"),
            (reply, _) => Ok(reply.map(Self::from)),
        }
    }
}

impl From<Lines> for UpstreamReply {
    fn from(lines: Lines) -> Self {
        let mut enhanced = None;
        let mut text = String::new();
        for line in &lines.texts {
            let rest = match Enhanced::split_from(line) {
                Some((code, rest)) if enhanced.is_none_or(|first| first == code) => {
                    enhanced = Some(code);
                    rest
                }
                _ => line,
            };
            for word in rest.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty()) {
                if !text.is_empty() {
                    text.push(' ');
                }
                text.push_str(word);
            }
        }
        let mut end = text.len().min(MAX_TEXT);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        Self { code: lines.code, enhanced, text }
    }
}

#[cfg(test)]
mod tests;
