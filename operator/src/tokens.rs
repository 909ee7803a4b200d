//! Tokens: one for each app (or relay with a token endpoint of its own) and scope, asked for once,
//! kept across restarts, renewed by expiry.
//!
//! [`Tokens`] answers at once what a sender can do now ([`Tokens::want`]); [`Tokens::run`] asks
//! Entra in the background and announces what changed. What is decided lies in
//! [`schedule`](mail_egress_entra::schedule) and
//! [`Entry`], which know neither clock nor network.

mod credential;
mod entry;
mod exchange;
mod kept;
mod key;
mod own;
mod request;
mod rotated;
mod run;
mod shelf;
mod slots;

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use mail_egress_entra::TokenClient;
use mail_egress_entra::schedule::Next;
use tokio::sync::Notify;

use credential::{has_refresh_token, is_of_use};
pub use credential::{is_of_workloads, relay_login, secret_name, want_from, want_of_relay};
pub use entry::{Entry, Held, Standing, Want};
pub use key::{Fingerprint, Key, Owner};
pub use own::Account;
pub use request::{Proof, Request};
use rotated::Rotated;
pub use run::Surroundings;

use crate::watches::{Change, Changes, Stores};

/// The tokens of the leader.
pub struct Tokens {
    client: TokenClient,
    entries: Mutex<HashMap<Key, Entry>>,
    rotated: Mutex<HashMap<Owner, Rotated>>,
    woken: Notify,
    /// A token that nobody has wanted for so long is forgotten.
    idle_after: Duration,
}

impl Tokens {
    /// No tokens yet. `idle_after` is how long one is kept that nobody wants any more: longer than
    /// the time between two looks at every sender.
    #[must_use]
    pub fn new(client: TokenClient, idle_after: Duration) -> Self {
        Self {
            client,
            entries: Mutex::default(),
            rotated: Mutex::default(),
            woken: Notify::new(),
            idle_after,
        }
    }

    /// Says what is wanted, and returns what can be done now, without waiting. Whoever wants a
    /// token says so again at least each `idle_after`; a change of the answer is announced.
    #[must_use]
    pub fn want(&self, key: &Key, want: &Want, now: Timestamp) -> Standing {
        let mut entries = self.entries();
        let entry = entries.entry(key.clone()).or_insert_with(|| Entry::new(Instant::now()));
        if entry.want(want, Instant::now(), now) {
            self.woken.notify_one();
        }
        entry.standing(now)
    }

    /// Where a token stands with what could be asked for it today, without wanting any; `None`
    /// where nobody has wanted it of late.
    #[must_use]
    pub fn standing(&self, key: &Key, today: &Want, now: Timestamp) -> Option<Standing> {
        self.entries().get(key).map(|entry| entry.standing_with(today, now))
    }

    /// Claims what is due to be asked for, and tells when to look again.
    fn due(&self, now: Timestamp) -> (Vec<Key>, Option<Timestamp>) {
        let mut due = Vec::new();
        let mut again: Option<Timestamp> = None;
        for (key, entry) in self.entries().iter_mut() {
            let end = entry.held().map(|held| held.token.expires_at).filter(|end| *end > now);
            let next = match entry.next(now, key.spread()) {
                Some(Next::Ask) => {
                    if entry.claim() {
                        due.push(key.clone());
                    }
                    None
                }
                Some(Next::Wait(until)) => Some(until),
                None => None,
            };
            again = again.into_iter().chain(next).chain(end).min();
        }
        (due, again)
    }

    /// The request for a token that was claimed, made from the cluster as it is now; `None` where
    /// nothing is to be sent any more.
    fn begin(&self, key: &Key, stores: &Stores, now: Timestamp) -> Option<(Request, Fingerprint)> {
        let today = credential::today(key, stores);
        self.entries().get_mut(key)?.begin(today, Instant::now(), now)
    }

    /// Forgets the tokens of owners that are gone or have another scope now, and those that nobody
    /// wants any more; tells that nothing is known of them.
    fn forget(&self, stores: &Stores, changes: &Changes) -> Vec<Key> {
        let now = Instant::now();
        let mut gone = Vec::new();
        self.entries().retain(|key, entry| {
            let keep = entry.idle(now) <= self.idle_after && is_of_use(key, stores);
            if !keep {
                gone.push(key.clone());
            }
            keep
        });
        for key in &gone {
            changes.announce(Change::Token(key.owner.clone()));
        }
        gone
    }

    /// Forgets the refresh tokens of owners that are gone or have no first one any more.
    fn forget_rotated(&self, stores: &Stores) -> Vec<Owner> {
        let mut gone = Vec::new();
        self.rotated().retain(|owner, _| {
            let keep = has_refresh_token(owner, stores);
            if !keep {
                gone.push(owner.clone());
            }
            keep
        });
        gone
    }

    fn rotated(&self) -> MutexGuard<'_, HashMap<Owner, Rotated>> {
        self.rotated.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A poisoned lock holds whole entries all the same: none is changed in more than one step
    /// that could panic.
    fn entries(&self) -> MutexGuard<'_, HashMap<Key, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
