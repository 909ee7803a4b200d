//! What the caller has decided, or found out, and where the session goes on from there.

use std::time::Instant;

use super::{
    Outcome, Session,
    chunks::Answer,
    incoming::{Framing, Incoming},
    session::State,
};
use crate::{
    OutOfTurn,
    data::Unstuffer,
    reply::{self, NegativeReply, Reply},
};

/// After so many wrong passwords the session is closed, so that guessing costs a connection each few.
const MOST_WRONG_LOGINS: u32 = 3;

impl Session {
    /// Answers `Event::Sender` and `Event::Recipient` with 250, `Event::Login` with 235 and
    /// `Event::Data` with 354: the message may come.
    pub fn permit(&mut self, now: Instant) -> Result<(), OutOfTurn> {
        match std::mem::replace(&mut self.state, State::Closed) {
            State::Sender(envelope) => {
                self.resume(&reply::SENDER_OK, State::Mail(envelope), now);
                Ok(())
            }
            State::Recipient(mut envelope, recipient) => {
                envelope.to.push(recipient);
                self.resume(&reply::RECIPIENT_OK, State::Mail(envelope), now);
                Ok(())
            }
            State::LoggingIn(_) => {
                self.authenticated = true;
                self.resume(&reply::LOGGED_IN, State::Greeted, now);
                Ok(())
            }
            State::Deciding { .. } => {
                self.receive(now);
                Ok(())
            }
            State::DecidingChunk(chunk) => {
                self.receive_chunk(chunk, now);
                Ok(())
            }
            other => {
                self.state = other;
                Err(OutOfTurn)
            }
        }
    }

    fn receive(&mut self, now: Instant) {
        self.say(&reply::SEND_BODY);
        self.behind_data = false;
        let until = now + self.settings.timeouts.message;
        self.state = State::Data(Incoming::begin(Framing::Dots(Unstuffer::default()), until));
        self.patient_for_block(now);
    }

    /// Says what was decided, and goes on from there.
    fn resume(&mut self, reply: &Reply, state: State, now: Instant) {
        self.state = state;
        self.deadline = Some(now + self.settings.timeouts.command);
        if self.leaving {
            self.close(&reply::SHUTTING_DOWN);
        } else {
            // the caller knows of it: it is its own decision
            reply.write_to(&mut self.output);
        }
    }

    /// Answers `Event::Sender`, `Event::Recipient`, `Event::Login` and `Event::Data` with a
    /// refusal: the sender, the recipient or the whole envelope is dropped, the session goes on; but
    /// not behind the third wrong login.
    ///
    /// Unless, behind DATA, input was offered that came before this answer: nothing may follow a DATA (RFC 2920
    /// section 3.1), so it is a message sent blindly, and its lines must not be read as commands.
    /// The session is closed then. What comes only after the answer is known by its first line: where
    /// that is no command, the session is closed too.
    pub fn refuse(&mut self, refusal: &NegativeReply, now: Instant) -> Result<(), OutOfTurn> {
        let early = match std::mem::replace(&mut self.state, State::Closed) {
            State::Sender(_) => {
                self.sender_refused = true;
                self.resume(refusal.as_reply(), State::Greeted, now);
                return Ok(());
            }
            State::Recipient(envelope, _) => {
                self.resume(refusal.as_reply(), State::Mail(envelope), now);
                return Ok(());
            }
            State::LoggingIn(_) => {
                self.resume(refusal.as_reply(), State::Greeted, now);
                self.wrong_logins += u32::from(!refusal.is_transient());
                if self.wrong_logins >= MOST_WRONG_LOGINS && !self.is_closed() {
                    self.close(&reply::TOO_MANY_LOGINS);
                }
                return Ok(());
            }
            State::Deciding { early } => early,
            State::DecidingChunk(chunk) => {
                self.skip(chunk, State::Greeted, Answer::Decided(refusal.as_reply().clone()));
                return Ok(());
            }
            other => {
                self.state = other;
                return Err(OutOfTurn);
            }
        };
        self.conclude(refusal.as_reply(), now);
        if early && !self.is_closed() {
            self.close(&reply::TOO_EARLY);
        }
        Ok(())
    }

    /// Answers `Event::End`.
    pub fn finish(&mut self, outcome: &Outcome, now: Instant) -> Result<(), OutOfTurn> {
        if !matches!(self.state, State::Held) {
            return Err(OutOfTurn);
        }
        match outcome {
            Outcome::Accepted(accepted) => self.conclude(&reply::accepted(accepted), now),
            Outcome::Taken(taken) => self.conclude(&reply::taken(taken), now),
            Outcome::Kept(kept) => self.conclude(&reply::kept(kept), now),
            Outcome::Refused(reply) => self.conclude(reply.as_reply(), now),
        }
        Ok(())
    }

    /// Answers a message, or the question for it.
    pub(super) fn conclude(&mut self, reply: &Reply, now: Instant) {
        // the caller knows of it, by its own decision or by an event
        reply.write_to(&mut self.output);
        self.state = State::Greeted;
        self.deadline = Some(now + self.settings.timeouts.command);
        if self.leaving {
            self.close(&reply::SHUTTING_DOWN);
        }
    }
}
