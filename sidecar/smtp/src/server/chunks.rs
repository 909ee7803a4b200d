//! BDAT (RFC 3030): a message in chunks, each of which says its size before it comes.

use std::time::Instant;

use super::{
    Event, Session,
    incoming::{Framing, Incoming},
    session::State,
};
use crate::{
    data::Lines,
    reply::{self, Reply},
};

/// What a BDAT command says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chunk {
    /// Its octets, right behind the command.
    pub(super) octets: u64,
    /// Whether the message ends with it.
    pub(super) last: bool,
}

/// What is said behind a chunk that was left out.
#[derive(Clone, Debug)]
pub(super) enum Answer {
    /// The caller's own refusal, which is no error of the app's.
    Decided(Reply),
    /// What was wrong with the command.
    Wrong(Reply),
}

impl Session {
    /// BDAT, wherever it comes: its octets are never read as commands.
    pub(super) fn bdat(&mut self, chunk: Chunk) -> Option<Event> {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Chunks(incoming) => {
                self.state = State::Chunk(incoming, chunk);
                None
            }
            State::Mail(envelope) if !envelope.to.is_empty() => {
                self.state = State::DecidingChunk(chunk);
                Some(Event::Data(envelope))
            }
            State::Mail(envelope) => {
                self.skip(chunk, State::Mail(envelope), Answer::Wrong(reply::NO_RECIPIENT));
                None
            }
            state => {
                let answer = Answer::Wrong(Self::out_of_order_reply(&state));
                self.skip(chunk, state, answer);
                None
            }
        }
    }

    /// The first chunk may come.
    pub(super) fn receive_chunk(&mut self, chunk: Chunk, now: Instant) {
        let incoming =
            Incoming::begin(Framing::Chunks(Lines::default()), now + self.settings.timeouts.message);
        self.state = State::Chunk(incoming, chunk);
        self.patient_for_block(now);
    }

    /// The chunk's octets are left out, and then `answer` is said.
    pub(super) fn skip(&mut self, chunk: Chunk, behind: State, answer: Answer) {
        self.state = State::Skip { left: chunk.octets, behind: Box::new(behind), answer };
    }

    /// Takes what belongs to the chunk; without input only what is due by now.
    pub(super) fn feed_chunk(
        &mut self,
        input: &[u8],
        body: &mut Vec<u8>,
        now: Instant,
    ) -> (usize, Option<Event>) {
        let State::Chunk(incoming, chunk) = &mut self.state else { return (0, None) };
        let consumed = usize::try_from(chunk.octets).unwrap_or(usize::MAX).min(input.len());
        let mut event = incoming.take(&input[..consumed], body, &self.settings);
        chunk.octets -= consumed as u64;
        self.patient_for_block(now);
        let State::Chunk(incoming, chunk) = &mut self.state else { return (consumed, event) };
        if chunk.octets == 0 {
            if chunk.last && incoming.unfit().is_none() {
                event = incoming.finish(body, &self.settings);
            }
            match (incoming.unfit(), chunk.last) {
                (Some(unfit), _) => self.conclude(&unfit.reply(&self.settings), now),
                (None, true) => {
                    self.state = State::Held;
                    event = Some(Event::End);
                }
                (None, false) => self.await_chunk(now),
            }
        }
        (consumed, event)
    }

    fn await_chunk(&mut self, now: Instant) {
        if let State::Chunk(incoming, _) = std::mem::replace(&mut self.state, State::Closed) {
            self.state = State::Chunks(incoming);
            self.say(&reply::CHUNK_TAKEN);
            // a message may not trickle in for ever, however it is cut
            self.patient_for_block(now);
        }
    }

    /// Takes what belongs to a chunk that nobody wants.
    pub(super) fn feed_skipped(&mut self, input: &[u8], now: Instant) -> usize {
        let State::Skip { left, .. } = &mut self.state else { return 0 };
        let consumed = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
        *left -= consumed as u64;
        let over = *left == 0;
        self.patient_for_block(now);
        if over && let State::Skip { behind, answer, .. } = std::mem::replace(&mut self.state, State::Closed)
        {
            self.state = *behind;
            self.deadline = Some(now + self.settings.timeouts.command);
            match answer {
                Answer::Decided(reply) => reply.write_to(&mut self.output),
                Answer::Wrong(reply) if self.sender_refused => self.say(&reply),
                Answer::Wrong(reply) => self.complain(&reply),
            }
            if self.leaving && !self.is_closed() {
                self.close(&reply::SHUTTING_DOWN);
            }
        }
        consumed
    }
}
