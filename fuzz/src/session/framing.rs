//! A second opinion on which octets are commands and which are a message, by a plain reading of
//! RFC 5321 and RFC 3030 and of the replies alone.

use mail_egress_smtp::data::Lines;

use crate::{data, replies};

/// What one octet brought about.
#[derive(Debug, Default)]
pub(crate) struct Step {
    pub(crate) said: Vec<u8>,
    pub(crate) events: Vec<&'static str>,
    /// The message that was handed out.
    pub(crate) message: Option<Vec<u8>>,
    /// The app had sent more already.
    pub(crate) more: bool,
    pub(crate) closed: bool,
}

/// What the octets so far were.
#[derive(Debug, Default)]
pub(crate) struct Framing {
    at: At,
    /// The command line so far.
    line: Vec<u8>,
    /// The line was refused before its end, so its end means nothing.
    refused: bool,
    /// The last reply asked for a response of AUTH.
    sasl: bool,
    /// The message as it came, and how.
    message: Vec<u8>,
    chunked: bool,
}

#[derive(Clone, Copy, Debug, Default)]
enum At {
    #[default]
    Command,
    Data,
    Chunk(u64),
    Closed,
}

impl Framing {
    /// Judges what the next octet brought about.
    pub(crate) fn octet(&mut self, octet: u8, step: &Step) {
        let codes = replies::codes(&step.said);
        match self.at {
            At::Closed => assert!(codes.is_empty() && step.events.is_empty(), "spoken behind the end"),
            _ if step.closed && codes.is_empty() => self.at = At::Closed,
            At::Command => self.command(octet, step, &codes),
            At::Data => {
                self.message.push(octet);
                let end = self.message.ends_with(b"\r\n.\r\n") || self.message == b".\r\n";
                self.content(end, step, At::Data);
            }
            At::Chunk(left) => {
                self.message.push(octet);
                self.content(left == 1, step, At::Chunk(left - 1));
            }
        }
        if let Some(message) = &step.message {
            assert_eq!(*message, self.expected(), "the message is not what came");
        }
        self.sasl = codes.last().map_or(self.sasl, |code| *code == 334);
        if step.closed {
            self.at = At::Closed;
        }
    }

    fn content(&mut self, end: bool, step: &Step, otherwise: At) {
        assert_eq!(end, !step.said.is_empty(), "a message is answered at its end, and only there");
        assert!(end || step.events.iter().all(|event| *event == "unfit"));
        self.at = if end { At::Command } else { otherwise };
    }

    fn command(&mut self, octet: u8, step: &Step, codes: &[u16]) {
        self.line.push(octet);
        if !self.line.ends_with(b"\r\n") {
            assert!(step.events.is_empty() && (codes.is_empty() || codes[0] / 100 == 5 || step.closed));
            assert!(!self.refused || codes.is_empty(), "refused twice");
            assert!(
                codes.is_empty() || self.sasl || step.closed || !bdat(&self.line),
                "a chunk lost its line"
            );
            self.refused |= !codes.is_empty();
            return;
        }
        let line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.refused) {
            assert!(codes.is_empty() && step.events.is_empty(), "a refused line was read");
            return;
        }
        let chunk = chunk(&line).filter(|_| !self.sasl);
        assert!(chunk.is_some() || self.sasl || step.closed || !bdat(&line), "a chunk without a size");
        if step.events.contains(&"data") {
            self.message.clear();
            self.chunked = chunk.is_some();
            assert!(self.chunked || line[..4].eq_ignore_ascii_case(b"DATA"));
            let refused = !self.chunked && codes.last() != Some(&354);
            assert!(!(refused && step.more) || step.closed, "a message sent blindly may become commands");
        }
        match chunk {
            Some(octets @ 1..) => self.at = At::Chunk(octets),
            None if codes.last() == Some(&354) => self.at = At::Data,
            Some(0) | None => {}
        }
        let answered = !matches!(self.at, At::Chunk(_)) || step.closed;
        assert_eq!(answered, !codes.is_empty());
        assert!(codes.len() <= 1 || step.closed, "more than one reply to a command");
    }

    /// The message as it should be handed out.
    fn expected(&self) -> Vec<u8> {
        if !self.chunked {
            return data::text(self.message.strip_suffix(b".\r\n").unwrap_or_default());
        }
        let (mut lines, mut body) = (Lines::default(), Vec::new());
        lines.feed(&self.message, &mut body);
        lines.finish(&mut body);
        body
    }
}

/// Whether the line so far announces a chunk, perhaps one of no readable size.
fn bdat(line: &[u8]) -> bool {
    let ends = line.get(4).is_none_or(|octet| *octet == b' ' || octet.is_ascii_control());
    line.get(..4).is_some_and(|verb| verb.eq_ignore_ascii_case(b"BDAT")) && ends
}

/// The octets of the chunk that follows, if the line is a BDAT.
fn chunk(line: &[u8]) -> Option<u64> {
    let text = str::from_utf8(line.strip_suffix(b"\r\n")?).ok()?;
    let mut words = text.split(' ').filter(|word| !word.is_empty());
    let size = words.next().filter(|verb| verb.eq_ignore_ascii_case("BDAT")).and_then(|_| words.next())?;
    let last = words.next().is_none_or(|word| word.eq_ignore_ascii_case("LAST"));
    let digits = size.bytes().all(|octet| octet.is_ascii_digit());
    size.parse().ok().filter(|_| digits && last && words.next().is_none() && !text.starts_with(' '))
}
