//! One session: what it is waiting for, and how it is fed.

use std::{fmt, time::Instant};

use super::{
    Cause, Credentials, Declined, Event, Fed, Shared,
    chunks::{Answer, Chunk},
    incoming::Incoming,
    line::{Cut, LineReader},
    sasl::{Logins, Step},
};
use crate::{
    Envelope, Recipient,
    reply::{self, Reply},
};

/// Input is left alone when this much output waits to be written.
const MUCH_OUTPUT: usize = 8 * 1024;
/// More refusals than these are not noted until the caller has taken them.
const MOST_DECLINED: usize = 64;

/// One connection of an app, from the greeting to its end.
pub struct Session {
    pub(super) settings: Shared,
    pub(super) state: State,
    pub(super) logins: Logins,
    pub(super) authenticated: bool,
    pub(super) wrong_logins: u32,
    /// The last MAIL was refused: what was pipelined behind it is no error of the app's.
    pub(super) sender_refused: bool,
    /// The last command was DATA, and got no 354: what follows may be a message, sent all the same.
    pub(super) behind_data: bool,
    lines: LineReader,
    pub(super) output: Vec<u8>,
    declined: Vec<Declined>,
    errors: u32,
    pub(super) deadline: Option<Instant>,
    pub(super) leaving: bool,
}

/// What the session waits for.
///
/// ```text
///            EHLO          MAIL          permit          DATA             permit
///   Fresh ─────────▶ Greeted ───▶ Sender ───────▶ Mail ─────────▶ Deciding ──────▶ Data
///                    │  ▲  ▲ ▲ ▲   │ refuse       │ ▲ ▲             │ refuse       │ end
///               AUTH ▼  │  │ │ └───┘         RCPT ▼ │ permit,       │              ▼
///                     Sasl │ │          Recipient ──┘ refuse        │             Held
///                          │ └──── RSET, EHLO ────┘                 │              │
///                          │ ◀──────────────────────────────────────┘              │
///                          │ ◀── unfit ── Data                                     │
///                          └───────────────────────── finish ──────────────────────┘
///
///   Mail ── BDAT ─▶ DecidingChunk ── permit ─▶ Chunk ◀── BDAT ──▶ Chunks ── RSET, EHLO ─▶ Greeted
///                        │ refuse               ├── unfit ─▶ Greeted
///                        └─▶ Skip ─▶ Greeted    └── last ─▶ Held
///   any ── BDAT out of turn ─▶ Skip ─▶ as before
///   Sasl, or AUTH with all in it ── where a login is demanded ─▶ LoggingIn ── permit, refuse ─▶ Greeted
///   any ── QUIT, too many errors or wrong logins, BDAT without a size, a web request, a message in spite
///          of a refused DATA, timeout, shutdown ─▶ Closed
/// ```
///
/// In `Sender`, `Recipient`, `LoggingIn`, `Deciding`, `DecidingChunk` and `Held` the caller owes an
/// answer: no input is taken and no time runs.
pub(super) enum State {
    /// A hello.
    Fresh,
    /// A message, or anything else.
    Greeted,
    /// The caller's decision whether this sender may send.
    Sender(Envelope),
    /// Recipients, then DATA.
    Mail(Envelope),
    /// The caller's decision whether this recipient may be sent to.
    Recipient(Envelope, Recipient),
    /// The next response of an AUTH dialogue.
    Sasl(Step),
    /// The caller's decision whether this login is right.
    LoggingIn(Credentials),
    /// The caller's decision whether the message may come; `early` if more came before it.
    Deciding { early: bool },
    /// The message, by DATA.
    Data(Incoming),
    /// The caller's decision whether the message may come, whose first chunk is already on its way.
    DecidingChunk(Chunk),
    /// The octets of a chunk.
    Chunk(Incoming, Chunk),
    /// The next chunk.
    Chunks(Incoming),
    /// The octets of a chunk that nobody wants.
    Skip { left: u64, behind: Box<State>, answer: Answer },
    /// What became of the message.
    Held,
    /// Nothing more.
    Closed,
}

impl Session {
    /// A connection just accepted: the greeting is in the output.
    #[must_use]
    pub fn new(settings: Shared, now: Instant) -> Self {
        let deadline = Some(now + settings.timeouts.command);
        let mut output = Vec::new();
        reply::greeting(&settings.name).write_to(&mut output);
        Self {
            settings,
            state: State::Fresh,
            logins: Logins::Ignored,
            authenticated: false,
            wrong_logins: 0,
            sender_refused: false,
            behind_data: false,
            lines: LineReader::default(),
            output,
            declined: Vec::new(),
            errors: 0,
            deadline,
            leaving: false,
        }
    }

    /// Lets no message be taken before a login that the caller has found right ([`Event::Login`]);
    /// otherwise any login is accepted, and none is needed.
    #[must_use]
    pub fn demanding_login(self) -> Self {
        Self { logins: Logins::Demanded, ..self }
    }

    /// What [`Event::Login`] asks to be checked, until it is answered.
    #[must_use]
    pub fn credentials(&self) -> Option<&Credentials> {
        match &self.state {
            State::LoggingIn(credentials) => Some(credentials),
            _ => None,
        }
    }

    /// Puts other settings in force for all that has not been said yet.
    pub fn update(&mut self, settings: Shared) {
        self.settings = settings;
    }

    /// Takes input. Text of a message is appended to `body`, which the caller may empty at any
    /// time.
    ///
    /// What arrives between [`Event::Data`] and its answer should be offered before the answer: it
    /// is not taken, and noted.
    pub fn feed(&mut self, input: &[u8], body: &mut Vec<u8>, now: Instant) -> Fed {
        let mut fed = Fed { consumed: 0, event: None };
        // at least one step, so that a caller who writes nothing is not stuck
        while fed.event.is_none() && (fed.consumed < input.len() || self.is_due()) {
            let rest = &input[fed.consumed..];
            match &self.state {
                State::Fresh | State::Greeted | State::Mail(_) | State::Sasl(_) | State::Chunks(_) => {
                    fed.consumed += self.feed_line(rest, &mut fed.event, now);
                }
                State::Chunk(..) => {
                    let (consumed, event) = self.feed_chunk(rest, body, now);
                    fed.consumed += consumed;
                    fed.event = event;
                }
                State::Skip { .. } => fed.consumed += self.feed_skipped(rest, now),
                State::Data(_) => fed.consumed += self.feed_body(rest, body, &mut fed.event, now),
                State::Sender(_)
                | State::Recipient(..)
                | State::LoggingIn(_)
                | State::Deciding { .. }
                | State::DecidingChunk(_)
                | State::Held
                | State::Closed => break,
            }
            if self.output.len() > MUCH_OUTPUT {
                break;
            }
        }
        if let State::Deciding { early } = &mut self.state {
            *early |= fed.consumed < input.len();
        }
        fed
    }

    /// What is to be written now, possibly nothing. To be written and flushed before anything is
    /// waited for, and before the connection is closed.
    #[must_use]
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// What the session refused by itself since this was last asked, in order; none of it was or
    /// will be an event.
    #[must_use]
    pub fn take_declined(&mut self) -> Vec<Declined> {
        std::mem::take(&mut self.declined)
    }

    /// Begins the time in which the next piece of a message must come.
    pub(super) fn patient_for_block(&mut self, now: Instant) {
        let block = now + self.settings.timeouts.data_block;
        self.deadline = Some(match &self.state {
            State::Data(incoming) | State::Chunk(incoming, _) | State::Chunks(incoming) => {
                incoming.until.min(block)
            }
            _ => block,
        });
    }

    /// Whether there is something to do without any input: a chunk of no octets.
    #[must_use]
    pub fn is_due(&self) -> bool {
        matches!(&self.state, State::Chunk(_, Chunk { octets: 0, .. }) | State::Skip { left: 0, .. })
    }

    /// Ends the session with 421 at the next safe point: at once where no message is under way,
    /// otherwise behind the reply to it.
    pub fn shutdown(&mut self) {
        self.leaving = true;
        match self.state {
            State::Fresh | State::Greeted | State::Mail(_) | State::Sasl(_) => {
                self.close(&reply::SHUTTING_DOWN);
            }
            State::Sender(_)
            | State::Recipient(..)
            | State::LoggingIn(_)
            | State::Deciding { .. }
            | State::DecidingChunk(_)
            | State::Data(_)
            | State::Chunk(..)
            | State::Chunks(_)
            | State::Skip { .. }
            | State::Held
            | State::Closed => {}
        }
    }

    /// When [`Self::handle_timeout`] is due; `None` while the caller owes an answer.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Sender(_)
            | State::Recipient(..)
            | State::LoggingIn(_)
            | State::Deciding { .. }
            | State::DecidingChunk(_)
            | State::Held
            | State::Closed => None,
            State::Fresh
            | State::Greeted
            | State::Mail(_)
            | State::Sasl(_)
            | State::Data(_)
            | State::Chunk(..)
            | State::Chunks(_)
            | State::Skip { .. } => self.deadline,
        }
    }

    /// Closes the session with 421 if its deadline has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.deadline().is_some_and(|deadline| deadline <= now) {
            self.close(&reply::TIMED_OUT);
        }
    }

    /// Whether the connection is to be closed once the output is written.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    pub(super) fn say(&mut self, reply: &Reply) {
        if reply.code() >= 400 {
            self.decline(reply, Cause::Command);
        } else {
            reply.write_to(&mut self.output);
        }
    }

    pub(super) fn decline(&mut self, reply: &Reply, cause: Cause) {
        reply.write_to(&mut self.output);
        if self.declined.len() < MOST_DECLINED {
            self.declined.push(Declined { reply: reply.clone(), cause });
        }
    }

    /// Says what was wrong with a command, and enough when there were too many of them.
    pub(super) fn complain(&mut self, reply: &Reply) {
        self.say(reply);
        self.errors += 1;
        if self.errors >= self.settings.max_errors {
            self.close(&reply::TOO_MANY_ERRORS);
        }
    }

    pub(super) fn close(&mut self, reply: &Reply) {
        self.say(reply);
        self.state = State::Closed;
    }

    /// Takes input up to the end of a line.
    fn feed_line(&mut self, input: &[u8], event: &mut Option<Event>, now: Instant) -> usize {
        let sasl = matches!(self.state, State::Sasl(_));
        let (consumed, cut) = self.lines.feed(input, sasl);
        let Some(cut) = cut else { return consumed };
        self.deadline = Some(now + self.settings.timeouts.command);
        match cut {
            Cut::Line(line) => *event = self.obey(&line),
            Cut::TooLong => self.refuse_line(&reply::LINE_TOO_LONG),
            Cut::BareEnding => self.refuse_line(&reply::BARE_LINE_ENDING),
            Cut::Chunk => self.close(&reply::BDAT_SYNTAX),
        }
        consumed
    }

    /// A line that is none also ends an AUTH dialogue.
    fn refuse_line(&mut self, reply: &Reply) {
        if self.behind_data {
            self.close(&reply::MESSAGE_BEHIND_REFUSAL);
            return;
        }
        if matches!(self.state, State::Sasl(_)) {
            self.state = State::Greeted;
        }
        self.complain(reply);
    }

    /// Takes input up to the end of the message.
    fn feed_body(
        &mut self,
        input: &[u8],
        body: &mut Vec<u8>,
        event: &mut Option<Event>,
        now: Instant,
    ) -> usize {
        let State::Data(incoming) = &mut self.state else { return 0 };
        let (consumed, ended, told) = incoming.take_dotted(input, body, &self.settings);
        let unfit = incoming.unfit();
        *event = told;
        self.patient_for_block(now);
        match (ended, unfit) {
            (false, _) => {}
            (true, Some(unfit)) => self.conclude(&unfit.reply(&self.settings), now),
            (true, None) => {
                self.state = State::Held;
                *event = Some(Event::End);
            }
        }
        consumed
    }
}

/// Shows the state alone: lines may hold a password.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Fresh => "fresh",
            State::Greeted => "greeted",
            State::Sender(_) => "sender",
            State::Mail(_) => "mail",
            State::Recipient(..) => "recipient",
            State::Sasl(_) => "sasl",
            State::LoggingIn(_) => "logging in",
            State::Deciding { .. } => "deciding",
            State::Data(_) => "data",
            State::DecidingChunk(_) => "deciding chunk",
            State::Chunk(..) => "chunk",
            State::Chunks(_) => "chunks",
            State::Skip { .. } => "skip",
            State::Held => "held",
            State::Closed => "closed",
        };
        f.debug_struct("Session").field("state", &state).finish_non_exhaustive()
    }
}
