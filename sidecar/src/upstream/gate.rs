//! When a message may go to the relay: limits, order and promises of the crate `pacing`, with the
//! waiting.

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use mail_egress_config::Limits;
use mail_egress_pacing::{Answer, Ask, Later, Pacing, Signal, Slot, Turn};
use tokio::sync::Notify;

use crate::clock::{now, past};

/// Lets messages go, within the limits and in the order in which they came; cheap to clone.
#[derive(Debug, Clone)]
pub struct Gate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    pacing: Mutex<(Pacing, Limits)>,
    /// Somebody who waits may go.
    called: Notify,
}

/// The right to send one message by one connection, given back when dropped.
#[derive(Debug)]
pub struct Place {
    gate: Gate,
    slot: Option<Slot>,
}

/// Why a message may not go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotNow {
    /// It may later.
    Later(Later),
    /// It has more recipients than are allowed in a day.
    Never {
        /// So many are.
        limit: u32,
    },
}

impl Gate {
    /// A gate with these limits.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self(Arc::new(Inner { pacing: Mutex::new((Pacing::new(limits), limits)), called: Notify::new() }))
    }

    /// Waits for a place, at most as long as `ask` says. First come, first served. Dropping the
    /// future gives up the turn.
    ///
    /// # Errors
    /// When it may go instead.
    pub async fn enter(&self, ask: Ask) -> Result<Place, NotNow> {
        let mut waiting = Waiting { gate: self, turn: None };
        loop {
            // before the question, so that no call between it and the wait is missed
            let mut called = pin!(self.0.called.notified());
            called.as_mut().enable();
            let answer = match waiting.turn.take() {
                None => self.with(|pacing| pacing.ask(ask, now())),
                Some(turn) => self.with(|pacing| pacing.look(turn, now())),
            };
            let turn = match answer {
                Answer::Go(slot) => return Ok(Place { gate: self.clone(), slot: Some(slot) }),
                Answer::Later(later) => return Err(NotNow::Later(later)),
                Answer::TooManyRecipients { limit } => return Err(NotNow::Never { limit }),
                Answer::Wait(turn) => turn,
            };
            let until = turn.until;
            waiting.turn = Some(turn);
            tokio::select! {
                () = called => {}
                () = past(Some(until)) => {}
            }
        }
    }

    /// Puts these limits in force, if others were.
    pub fn limits(&self, limits: Limits) {
        let mut held = self.0.pacing.lock().unwrap_or_else(PoisonError::into_inner);
        if held.1 != limits {
            held.1 = limits;
            held.0.limits(limits, now());
            drop(held);
            self.0.called.notify_waiters();
        }
    }

    /// The relay wants less at once, or less often.
    pub fn throttled(&self, signal: Signal) {
        self.with(|pacing| pacing.throttled(signal, now()));
        self.0.called.notify_waiters();
    }

    /// The relay has taken a message: the pace recovers.
    pub fn succeeded(&self) {
        self.with(|pacing| pacing.succeeded(now()));
    }

    /// How many messages wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.with(|pacing| pacing.waiting())
    }

    fn with<T>(&self, act: impl FnOnce(&mut Pacing) -> T) -> T {
        let mut held = self.0.pacing.lock().unwrap_or_else(PoisonError::into_inner);
        let done = act(&mut held.0);
        if held.0.is_someone_called() {
            self.0.called.notify_waiters();
        }
        done
    }
}

impl Place {
    /// The message counts from now on: its final dot is being written.
    pub fn sent(&self) {
        if let Some(slot) = &self.slot {
            self.gate.with(|pacing| pacing.sent(slot, now()));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            self.gate.with(|pacing| pacing.release(slot, now()));
        }
    }
}

/// A turn that is given up where nobody waits for it any more.
struct Waiting<'a> {
    gate: &'a Gate,
    turn: Option<Turn>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(turn) = self.turn.take() {
            self.gate.with(|pacing| pacing.leave(turn, now()));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const ONE: Limits = Limits {
        connections: Some(1),
        messages_per_minute: Some(2),
        messages_per_hour: None,
        recipients_per_day: Some(5),
        recipients_per_message: None,
    };

    fn ask(whom: u64, hold: u64) -> Ask {
        Ask { whom, recipients: 1, hold: Duration::from_secs(hold) }
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_given_back_goes_to_the_one_who_waits() {
        let gate = Gate::new(ONE);
        let first = gate.enter(ask(1, 0)).await.unwrap();
        let waiting = tokio::spawn({
            let gate = gate.clone();
            async move { gate.enter(ask(2, 8)).await }
        });
        tokio::time::advance(Duration::from_secs(7)).await;
        drop(first);
        assert!(waiting.await.unwrap().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_ends_and_leaves_no_turn_behind() {
        let gate = Gate::new(Limits { messages_per_minute: Some(1000), recipients_per_day: None, ..ONE });
        let first = gate.enter(ask(1, 0)).await.unwrap();
        assert!(gate.enter(ask(2, 8)).await.is_err());
        let mut given_up = Box::pin(gate.enter(ask(3, 60)));
        assert!(tokio::time::timeout(Duration::from_secs(1), &mut given_up).await.is_err());
        assert_eq!(gate.waiting(), 1);
        drop(given_up);
        assert_eq!(gate.waiting(), 0);
        drop(first);
        assert!(gate.enter(ask(4, 0)).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_above_the_limit_is_told_a_time_at_which_it_is_taken() {
        let gate = Gate::new(ONE);
        for whom in [1, 2] {
            gate.enter(ask(whom, 0)).await.unwrap().sent();
        }
        let Err(NotNow::Later(later)) = gate.enter(ask(3, 8)).await else { panic!("it went") };
        assert!(later.promised);
        tokio::time::sleep_until(later.at.into()).await;
        assert!(gate.enter(ask(3, 0)).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn more_recipients_than_a_day_allows_never_go() {
        let many = Ask { recipients: 6, ..ask(1, 8) };
        assert_eq!(Gate::new(ONE).enter(many).await.unwrap_err(), NotNow::Never { limit: 5 });
    }

    #[tokio::test(start_paused = true)]
    async fn higher_limits_let_those_go_who_wait() {
        let gate = Gate::new(ONE);
        let _first = gate.enter(ask(1, 0)).await.unwrap();
        let mut second = Box::pin(gate.enter(ask(2, 60)));
        assert!(tokio::time::timeout(Duration::from_secs(1), &mut second).await.is_err());
        gate.limits(Limits { connections: Some(2), ..ONE });
        assert!(second.await.is_ok());
    }
}
