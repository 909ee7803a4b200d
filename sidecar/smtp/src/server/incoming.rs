//! A message on its way in, whichever way it is framed.

use std::time::Instant;

use memchr::memchr;

use super::{BareLineEndings, Event, Settings, Unfit};
use crate::{
    data::{Lines, Unstuffer},
    reply::{self, Reply},
};

/// A message that is being received.
pub(super) struct Incoming {
    framing: Framing,
    size: u64,
    /// What has come of the last line.
    line: usize,
    unfit: Option<Unfit>,
    /// The whole of it must have come by then.
    pub(super) until: Instant,
}

/// How a message comes.
pub(super) enum Framing {
    /// By DATA.
    Dots(Unstuffer),
    /// By BDAT.
    Chunks(Lines),
}

impl Unfit {
    pub(super) fn reply(self, settings: &Settings) -> Reply {
        match self {
            Self::TooLarge => reply::TOO_LARGE,
            Self::BareEnding => reply::BARE_ENDING_IN_MESSAGE,
            Self::LongLine => reply::long_line_in_message(settings.max_text_line),
        }
    }
}

impl Incoming {
    pub(super) fn begin(framing: Framing, until: Instant) -> Self {
        Self { framing, size: 0, line: 0, unfit: None, until }
    }

    /// Why the message will not be taken, if so.
    pub(super) fn unfit(&self) -> Option<Unfit> {
        self.unfit
    }

    /// Takes DATA up to its end; gives how much that was, whether it ended, and what is to be said
    /// of it.
    pub(super) fn take_dotted(
        &mut self,
        input: &[u8],
        body: &mut Vec<u8>,
        settings: &Settings,
    ) -> (usize, bool, Option<Event>) {
        let Framing::Dots(unstuffer) = &mut self.framing else { return (0, false, None) };
        let before = body.len();
        let fed = unstuffer.feed(input, body);
        (fed.consumed, fed.ended, self.judge(before, body, settings))
    }

    /// Takes octets of a chunk.
    pub(super) fn take(&mut self, input: &[u8], body: &mut Vec<u8>, settings: &Settings) -> Option<Event> {
        let Framing::Chunks(lines) = &mut self.framing else { return None };
        let before = body.len();
        lines.feed(input, body);
        self.judge(before, body, settings)
    }

    /// The last chunk has come.
    pub(super) fn finish(&mut self, body: &mut Vec<u8>, settings: &Settings) -> Option<Event> {
        let Framing::Chunks(lines) = &mut self.framing else { return None };
        let before = body.len();
        lines.finish(body);
        self.judge(before, body, settings)
    }

    /// Counts what came, and drops it where the message will not be taken.
    fn judge(&mut self, before: usize, body: &mut Vec<u8>, settings: &Settings) -> Option<Event> {
        let came = body.get(before..).unwrap_or_default();
        self.size += came.len() as u64;
        let mut event = None;
        if self.unfit.is_none() {
            let longest = self.longest_line(came);
            self.unfit = if self.size > settings.max_message_bytes {
                Some(Unfit::TooLarge)
            } else if longest > settings.max_text_line {
                Some(Unfit::LongLine)
            } else if settings.bare_line_endings == BareLineEndings::Refuse && self.met_bare_ending() {
                Some(Unfit::BareEnding)
            } else {
                None
            };
            event = self.unfit.map(Event::Unfit);
        }
        if self.unfit.is_some() {
            body.truncate(before);
        }
        event
    }

    /// The longest of the lines that go on or begin in this text, as far as they have come, without
    /// their CRLF; the framings never write half of one.
    fn longest_line(&mut self, came: &[u8]) -> usize {
        let (mut longest, mut rest) = (0, came);
        while let Some(end) = memchr(b'\n', rest) {
            longest = longest.max((self.line + end).saturating_sub("\r".len()));
            (self.line, rest) = (0, &rest[end + 1..]);
        }
        self.line += rest.len();
        longest.max(self.line)
    }

    fn met_bare_ending(&self) -> bool {
        match &self.framing {
            Framing::Dots(unstuffer) => unstuffer.met_bare_ending(),
            Framing::Chunks(lines) => lines.met_bare_ending(),
        }
    }
}
