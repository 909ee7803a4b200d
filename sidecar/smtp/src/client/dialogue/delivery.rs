//! From MAIL to the reply to the final dot.

use std::time::Instant;

use super::{Dialogue, State};
use crate::{
    client::{
        Accepted, Action, Attempt, Lost, Phase, Refusal, UpstreamReply,
        transaction::{Aftermath, Progress, Transaction},
    },
    data::Stuffer,
};

impl Dialogue {
    /// Takes a reply once logged in.
    pub(super) fn reply_to_message(&mut self, reply: UpstreamReply, now: Instant) -> Option<Action> {
        match self.end() {
            State::Envelope(transaction) => self.in_envelope(transaction, reply, now),
            State::Body { .. } => Some(Action::Finished(in_body(reply))),
            State::FinalDot => Some(Action::Finished(self.verdict(reply, now))),
            State::Clearing { refusal, aftermath } => {
                // RSET cannot be refused; what the lone dot is told does not matter
                self.used = aftermath != Aftermath::Reset;
                if reply.code / 100 == 2 || (aftermath == Aftermath::LoneDot && reply.code != 421) {
                    self.enter(State::Idle, now);
                }
                Some(Action::Finished(Attempt::Refused(refusal)))
            }
            // nobody asked: the relay is leaving, or out of step
            State::Idle | State::Quit | State::Ended => None,
            // these are seen to in `reply` and in `feed`
            State::Greeting(_)
            | State::Ehlo(_)
            | State::StartTls
            | State::Handshake
            | State::AuthWhole(_)
            | State::AuthUser(_)
            | State::AuthBare(_)
            | State::AuthResponse
            | State::AuthError => None,
        }
    }

    fn in_envelope(
        &mut self,
        mut transaction: Transaction,
        reply: UpstreamReply,
        now: Instant,
    ) -> Option<Action> {
        let phase = transaction.phase();
        if reply.code == 421 {
            let refusal = transaction.refusal().unwrap_or_else(|| Refusal::new(phase, reply));
            return Some(Action::Finished(Attempt::Refused(refusal)));
        }
        match transaction.reply(reply, &mut self.output) {
            Ok(Progress::Waiting) => {
                self.enter(State::Envelope(transaction), now);
                None
            }
            Ok(Progress::Body) => {
                self.enter(State::Body { stuffer: Stuffer::default(), missing: transaction.size() }, now);
                Some(Action::SendBody)
            }
            Ok(Progress::Unclean(reply)) => {
                Some(Action::Finished(Attempt::Refused(Refusal::new(phase, reply))))
            }
            Ok(Progress::Refused(refusal, aftermath)) => self.clear(refusal, aftermath, now),
            Err(what) => {
                let failed = Attempt::Failed(Lost::Garbled { phase, what }.into());
                Some(Action::Finished(transaction.refusal().map_or(failed, Attempt::Refused)))
            }
        }
    }

    /// Clears a refused transaction away, so that the connection can be used again.
    fn clear(&mut self, refusal: Refusal, aftermath: Aftermath, now: Instant) -> Option<Action> {
        let line = match aftermath {
            Aftermath::Nothing => {
                self.enter(State::Idle, now);
                return Some(Action::Finished(Attempt::Refused(refusal)));
            }
            Aftermath::Reset => "RSET",
            Aftermath::LoneDot => ".",
        };
        self.ask(line, State::Clearing { refusal, aftermath }, now);
        None
    }

    /// What the reply to the final dot means.
    fn verdict(&mut self, reply: UpstreamReply, now: Instant) -> Attempt {
        let phase = Phase::FinalDot;
        let class = reply.code / 100;
        if class == 3 {
            return Attempt::Uncertain(Lost::Garbled { phase, what: "a 3yz reply" });
        }
        if reply.code != 421 {
            self.enter(State::Idle, now);
        }
        if class == 2 {
            Attempt::Accepted(Accepted::new(reply))
        } else {
            Attempt::Refused(Refusal::new(phase, reply))
        }
    }
}

/// A relay that answers within the message takes no more of it. The connection is ended: a dot
/// now would make a message of the half.
fn in_body(reply: UpstreamReply) -> Attempt {
    let phase = Phase::Body;
    if reply.code >= 400 {
        Attempt::Refused(Refusal::new(phase, reply))
    } else {
        Attempt::Failed(Lost::Garbled { phase, what: "a reply that says yes" }.into())
    }
}
