//! One dialogue: what it is waiting for, and how it is fed.

mod delivery;
mod setup;

use std::{fmt, time::Instant};

use super::{
    Action, Attempt, Failure, Lost, Message, Phase, Refusal, Security, Settings, UpstreamReply,
    offers::Offers,
    replies::ReplyReader,
    sasl::Sasl,
    transaction::{Aftermath, Transaction},
};
use crate::{OutOfTurn, data::Stuffer};

/// One connection to a relay, from its greeting to its end.
pub struct Dialogue {
    settings: Settings,
    state: State,
    replies: ReplyReader,
    greeting: String,
    offers: Offers,
    /// What is left to say to log in.
    sasl: Option<Sasl>,
    /// A message was begun, and RSET not said since.
    used: bool,
    output: Vec<u8>,
    /// What was asked in the course of this feed, so that no answer can be there yet.
    just_asked: bool,
    deadline: Option<Instant>,
}

/// What the dialogue waits for.
///
/// ```text
///   Greeting(None) ─220─▶ Ehlo(None) ─250─▶ StartTls ─220─▶ Handshake
///                            │ 250, plaintext                   │ tls_established
///                            └────────▶ Idle                    │
///   Greeting(Tls) ──220──▶ Ehlo(Tls) ◀──────────────────────────┘
///                            │ 250
///                            ├── nobody to log in ──▶ Idle
///                            ├──▶ AuthUser ─334─▶ AuthBare (LOGIN)
///                            ├──▶ AuthWhole ── 334 ──────────────────────┐
///                            │       │ 500, 501                          ▼
///                            └───────┴─▶ AuthBare ─334─▶ AuthResponse ─334─▶ AuthError ─▶ Ended
///                                                         │ 235, to AuthWhole too
///                                                         ▼
///   Body ◀─354─ Envelope ◀──────────── send ──────────── Idle ── quit ─▶ Quit ─▶ Ended
///    │             │ refused                             ▲  ▲
///    │             └──▶ Clearing (RSET, or a lone dot) ──┘  │
///    └─ end_of_body ─▶ FinalDot ── 2yz, 4yz, 5yz ───────────┘
///   any ── closed, timed out, garbled, 421; before Idle also any refusal ──▶ Ended
/// ```
enum State {
    Greeting(Option<Tls>),
    Ehlo(Option<Tls>),
    StartTls,
    Handshake,
    /// AUTH was said with the response.
    AuthWhole(Tls),
    /// AUTH LOGIN was said, and the user name is to be asked for.
    AuthUser(Tls),
    /// All but the response was said.
    AuthBare(Tls),
    /// The response was said.
    AuthResponse,
    /// The relay explained its refusal in a challenge, which was answered by an empty line.
    AuthError,
    Idle,
    Envelope(Transaction),
    /// The message; so many octets of it are still to come.
    Body {
        stuffer: Stuffer,
        missing: u64,
    },
    FinalDot,
    /// The message is refused, and the transaction is being cleared away.
    Clearing {
        refusal: Refusal,
        aftermath: Aftermath,
    },
    Quit,
    Ended,
}

/// Proof that the connection is TLS; what writes the token asks for it.
///
/// Made in two places only: from [`Security::Implicit`] and by [`Dialogue::tls_established`].
#[derive(Clone, Copy)]
struct Tls(());

impl Dialogue {
    /// A connection just made: the relay is to greet.
    #[must_use]
    pub fn new(settings: Settings, now: Instant) -> Self {
        let tls = match settings.security {
            Security::StartTls | Security::Plaintext => None,
            Security::Implicit => Some(Tls(())),
        };
        Self {
            deadline: Some(now + settings.timeouts.greeting),
            settings,
            state: State::Greeting(tls),
            replies: ReplyReader::default(),
            greeting: String::new(),
            offers: Offers::default(),
            sasl: None,
            used: false,
            output: Vec::new(),
            just_asked: false,
        }
    }

    /// Takes what was read, all of it. What comes behind the end of the dialogue is ignored.
    #[must_use]
    pub fn feed(&mut self, mut input: &[u8], now: Instant) -> Option<Action> {
        let mut action = None;
        self.just_asked = false;
        while !input.is_empty() && !self.is_ended() {
            let next = if matches!(self.state, State::Handshake) {
                self.fail(Failure::InjectedPlaintext)
            } else if self.just_asked {
                self.garbled("a reply came before the command")
            } else {
                match self.replies.feed(&mut input) {
                    Ok(Some(lines)) => self.reply(lines, now),
                    Ok(None) => None,
                    Err(what) => self.garbled(what),
                }
            };
            // what follows an action can only take its place: plaintext behind the 220
            action = next.or(action);
        }
        if action == Some(Action::Ready) && self.is_ended() {
            return self.fail(Lost::Closed(Phase::Idle).into());
        }
        action
    }

    /// What is to be written now, possibly nothing. May hold the token: never to be logged.
    #[must_use]
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.output)
    }

    /// Answers [`Action::StartTls`], once the handshake is complete and the relay's certificate
    /// and name are verified. Nothing that was said before counts any longer.
    pub fn tls_established(&mut self, now: Instant) -> Result<(), OutOfTurn> {
        if !matches!(self.state, State::Handshake) {
            return Err(OutOfTurn);
        }
        self.replies = ReplyReader::default();
        self.offers = Offers::default();
        self.hello(Some(Tls(())), now);
        Ok(())
    }

    /// Begins a message; only when [`Self::is_ready`], and with at least one recipient. Gives
    /// [`Action::Finished`] at once if this relay cannot take it.
    pub fn send(&mut self, message: Message, now: Instant) -> Result<Option<Action>, OutOfTurn> {
        if !self.is_ready() || message.envelope.to.is_empty() {
            return Err(OutOfTurn);
        }
        match Transaction::begin(message, self.used, &self.offers, &mut self.output) {
            Err(unsendable) => Ok(Some(Action::Finished(Attempt::Unsendable(unsendable)))),
            Ok(transaction) => {
                self.used = true;
                self.enter(State::Envelope(transaction), now);
                Ok(None)
            }
        }
    }

    /// Appends the next piece of the message, dots doubled, to `out`; only after
    /// [`Action::SendBody`], and never more octets than [`Message::content`] announced. Pieces may
    /// be cut anywhere and count as progress.
    pub fn body(&mut self, piece: &[u8], out: &mut Vec<u8>, now: Instant) -> Result<(), OutOfTurn> {
        let State::Body { stuffer, missing } = &mut self.state else { return Err(OutOfTurn) };
        *missing = missing.checked_sub(piece.len() as u64).ok_or(OutOfTurn)?;
        stuffer.feed(piece, out);
        self.deadline = Some(now + self.settings.timeouts.body_block);
        Ok(())
    }

    /// Appends the final dot to `out`; only when exactly the announced octets were given, so that
    /// no half message can be ended. From this call on a lost connection is uncertain: to be
    /// called with all before it written.
    pub fn end_of_body(&mut self, out: &mut Vec<u8>, now: Instant) -> Result<(), OutOfTurn> {
        let State::Body { stuffer, missing: 0 } = &mut self.state else { return Err(OutOfTurn) };
        std::mem::take(stuffer).finish(out);
        self.enter(State::FinalDot, now);
        Ok(())
    }

    /// Says QUIT; only when [`Self::is_ready`].
    pub fn quit(&mut self, now: Instant) -> Result<(), OutOfTurn> {
        if !self.is_ready() {
            return Err(OutOfTurn);
        }
        self.say("QUIT");
        self.enter(State::Quit, now);
        Ok(())
    }

    /// The relay closed the connection, or reading or writing failed. `None` where that ends no
    /// attempt: between messages and after QUIT.
    #[must_use]
    pub fn closed(&mut self) -> Option<Action> {
        self.lose(Lost::Closed(self.phase()))
    }

    /// When [`Self::handle_timeout`] is due; `None` between messages.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Ends the attempt if the phase's time has passed.
    #[must_use]
    pub fn handle_timeout(&mut self, now: Instant) -> Option<Action> {
        if self.deadline.is_some_and(|deadline| deadline <= now) {
            self.lose(Lost::TimedOut(self.phase()))
        } else {
            None
        }
    }

    /// Where the dialogue stands. After its end: [`Phase::Quit`].
    #[must_use]
    pub fn phase(&self) -> Phase {
        match &self.state {
            State::Greeting(_) => Phase::Greeting,
            State::Ehlo(_) => Phase::Ehlo,
            State::StartTls => Phase::StartTls,
            State::Handshake => Phase::Handshake,
            State::AuthWhole(_)
            | State::AuthUser(_)
            | State::AuthBare(_)
            | State::AuthResponse
            | State::AuthError => Phase::Auth,
            State::Idle => Phase::Idle,
            State::Envelope(transaction) => transaction.phase(),
            State::Body { .. } => Phase::Body,
            State::FinalDot => Phase::FinalDot,
            State::Clearing { .. } => Phase::Reset,
            State::Quit | State::Ended => Phase::Quit,
        }
    }

    /// What the relay greeted with, cleaned as any reply; empty before. Exchange's names the server,
    /// and the connection by a number in brackets.
    #[must_use]
    pub fn greeting(&self) -> &str {
        &self.greeting
    }

    /// What the relay offers, as far as it has said.
    #[must_use]
    pub fn offers(&self) -> &Offers {
        &self.offers
    }

    /// Whether a message may be sent.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// Whether the connection is to be closed once the output is written.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        matches!(self.state, State::Ended)
    }

    /// Changes the state and begins its time.
    fn enter(&mut self, state: State, now: Instant) {
        self.state = state;
        let timeouts = self.settings.timeouts;
        let patience = match self.phase() {
            Phase::Greeting => Some(timeouts.greeting),
            Phase::Ehlo | Phase::StartTls | Phase::Handshake | Phase::Auth => Some(timeouts.setup),
            Phase::Mail | Phase::Rcpt => Some(timeouts.envelope),
            Phase::Data => Some(timeouts.data),
            Phase::Body => Some(timeouts.body_block),
            Phase::FinalDot => Some(timeouts.final_dot),
            Phase::Reset => Some(timeouts.farewell),
            Phase::Idle => None,
            Phase::Quit => Some(timeouts.farewell).filter(|_| !self.is_ended()),
        };
        self.deadline = patience.map(|patience| now + patience);
    }

    fn say(&mut self, line: &str) {
        self.output.extend_from_slice(line.as_bytes());
        self.output.extend_from_slice(b"\r\n");
    }

    /// Says a command whose answer cannot have been read yet.
    fn ask(&mut self, line: &str, state: State, now: Instant) {
        self.say(line);
        self.just_asked = true;
        self.enter(state, now);
    }

    fn end(&mut self) -> State {
        self.deadline = None;
        std::mem::replace(&mut self.state, State::Ended)
    }

    /// Ends the dialogue because of a refusal; QUIT is polite, and nothing waits for its answer.
    fn refused(&mut self, reply: UpstreamReply) -> Option<Action> {
        let phase = self.phase();
        let of_a_password = phase == Phase::Auth && self.sasl.as_ref().is_some_and(Sasl::shows_a_password);
        if reply.code != 421 {
            self.say("QUIT");
        }
        self.end();
        let refusal = Refusal { of_a_password, ..Refusal::new(phase, reply) };
        Some(Action::Finished(Attempt::Refused(refusal)))
    }

    fn fail(&mut self, failure: Failure) -> Option<Action> {
        self.end();
        Some(Action::Finished(Attempt::Failed(failure)))
    }

    fn garbled(&mut self, what: &'static str) -> Option<Action> {
        self.lose(Lost::Garbled { phase: self.phase(), what })
    }

    /// Ends the dialogue without an answer, and says what that means for the attempt.
    fn lose(&mut self, lost: Lost) -> Option<Action> {
        let attempt = match self.end() {
            State::Idle | State::Quit | State::Ended => return None,
            State::Greeting(_)
            | State::Ehlo(_)
            | State::StartTls
            | State::Handshake
            | State::AuthWhole(_)
            | State::AuthUser(_)
            | State::AuthBare(_)
            | State::AuthResponse
            | State::AuthError
            | State::Body { .. } => Attempt::Failed(lost.into()),
            // what was refused before the connection broke is refused
            State::Envelope(mut transaction) => {
                transaction.refusal().map_or(Attempt::Failed(lost.into()), Attempt::Refused)
            }
            State::Clearing { refusal, .. } => Attempt::Refused(refusal),
            State::FinalDot => Attempt::Uncertain(lost),
        };
        Some(Action::Finished(attempt))
    }
}

/// Shows the phase alone: the output may hold the token.
impl fmt::Debug for Dialogue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialogue").field("phase", &self.phase()).finish_non_exhaustive()
    }
}
