//! A message on its way in, whichever way it is framed.

use std::time::Instant;

use super::{BareLineEndings, Event, Settings};
use crate::{
    data::{Lines, Unstuffer},
    reply::{self, Reply},
};

/// A message that is being received.
pub(super) struct Incoming {
    framing: Framing,
    size: u64,
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

/// Why the rest of a message is skipped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Unfit {
    TooLarge,
    Malformed,
}

impl Unfit {
    pub(super) fn reply(self) -> &'static Reply {
        match self {
            Self::TooLarge => &reply::TOO_LARGE,
            Self::Malformed => &reply::BARE_ENDING_IN_MESSAGE,
        }
    }
}

impl Incoming {
    pub(super) fn begin(framing: Framing, until: Instant) -> Self {
        Self { framing, size: 0, unfit: None, until }
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
        self.size += (body.len() - before) as u64;
        let mut event = None;
        if self.unfit.is_none() && self.size > settings.max_message_bytes {
            self.unfit = Some(Unfit::TooLarge);
            event = Some(Event::TooLarge);
        } else if self.unfit.is_none()
            && settings.bare_line_endings == BareLineEndings::Refuse
            && self.met_bare_ending()
        {
            self.unfit = Some(Unfit::Malformed);
            event = Some(Event::Malformed);
        }
        if self.unfit.is_some() {
            body.truncate(before);
        }
        event
    }

    fn met_bare_ending(&self) -> bool {
        match &self.framing {
            Framing::Dots(unstuffer) => unstuffer.met_bare_ending(),
            Framing::Chunks(lines) => lines.met_bare_ending(),
        }
    }
}
