//! Tokens: one for each app and scope, asked for once, kept across restarts, renewed by expiry.
//!
//! [`Tokens`] answers at once what a sender can do now ([`Tokens::want`]); [`Tokens::run`] asks
//! Entra in the background and announces what changed. What is decided lies in [`schedule`] and
//! [`Entry`], which know neither clock nor network.

mod credential;
mod entry;
mod kept;
mod key;
mod run;
pub mod schedule;

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use jiff::Timestamp;
use mail_egress_entra::{TokenClient, TokenRequest};
use tokio::sync::Notify;

pub use credential::{Lookup, secret_name, want};
pub use entry::{Entry, Held, Standing, Want};
pub use key::{Fingerprint, Key};
pub use run::Surroundings;
use schedule::Next;

/// The tokens of the leader.
pub struct Tokens {
    client: TokenClient,
    entries: Mutex<HashMap<Key, Entry>>,
    woken: Notify,
    /// A token that nobody has wanted for so long is forgotten.
    idle_after: Duration,
}

/// One request that is due.
struct Due {
    key: Key,
    request: TokenRequest,
    fingerprint: Fingerprint,
}

impl Tokens {
    /// No tokens yet. `idle_after` is how long one is kept that nobody wants any more: longer than
    /// the time between two looks at every sender.
    #[must_use]
    pub fn new(client: TokenClient, idle_after: Duration) -> Self {
        Self { client, entries: Mutex::default(), woken: Notify::new(), idle_after }
    }

    /// Says what is wanted, and returns what can be done now, without waiting. Whoever wants a
    /// token says so again at least each `idle_after`; a change of the answer is announced.
    #[must_use]
    pub fn want(&self, key: &Key, want: Want, now: Timestamp) -> Standing {
        let mut entries = self.entries();
        let entry = entries.entry(key.clone()).or_insert_with(|| Entry::new(Instant::now()));
        if entry.want(want, Instant::now()) {
            self.woken.notify_one();
        }
        entry.standing(now)
    }

    /// Where the tokens of one app stand, without wanting any; the scopes in their order.
    #[must_use]
    pub fn standings(&self, app: &str, now: Timestamp) -> Vec<(String, Standing)> {
        let entries = self.entries();
        let of_app = entries.iter().filter(|(key, _)| key.app == app);
        let mut standings: Vec<_> =
            of_app.map(|(key, entry)| (key.scope.clone(), entry.standing(now))).collect();
        standings.sort_by(|(a, _), (b, _)| a.cmp(b));
        standings
    }

    /// Marks what is due as being asked for, and tells when to look again.
    fn due(&self, now: Timestamp) -> (Vec<Due>, Option<Timestamp>) {
        let mut due = Vec::new();
        let mut again: Option<Timestamp> = None;
        for (key, entry) in self.entries().iter_mut() {
            let end = entry.held().map(|held| held.token.expires_at).filter(|end| *end > now);
            let next = match entry.next(now, key.spread()) {
                Some(Next::Ask) => {
                    due.extend(entry.ask().map(|(request, fingerprint)| Due {
                        key: key.clone(),
                        request,
                        fingerprint,
                    }));
                    None
                }
                Some(Next::Wait(until)) => Some(until),
                None => None,
            };
            again = again.into_iter().chain(next).chain(end).min();
        }
        (due, again)
    }

    /// A poisoned lock holds whole entries all the same: none is changed in more than one step
    /// that could panic.
    fn entries(&self) -> MutexGuard<'_, HashMap<Key, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
