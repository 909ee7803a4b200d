//! Warm connections: a message that finds one spares TCP, TLS and AUTH.
//!
//! Never more connections are open than there are places, without knowing their number: whoever
//! holds a place takes an idle connection if there is one, and dials only where none is idle and
//! none that was idle is still being closed; a connection goes on the shelf before its place is
//! given back.

mod shelf;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use tokio::sync::{Notify, watch};

use super::connection::Connection;
use super::open::Open;
use crate::clock::{now, past};
use crate::drain::Drain;
use crate::metrics::Metrics;
use crate::sender::follow::Current;
use crate::sender::loaded::Generation;
use shelf::{MOST_AGE, Put, Shelf, Term};

/// The connections that wait, and those that are being closed; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Pool(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    shelf: Mutex<Shelf<Idle, Generation>>,
    /// Something was put there that is due before anybody wakes up.
    due_earlier: Notify,
    closing: watch::Sender<usize>,
    metrics: Arc<Metrics>,
}

/// A connection on which nothing is under way.
#[derive(Debug)]
struct Idle {
    connection: Connection,
    open: Open,
}

/// A connection that carries a message, and for how long and for what it is good.
#[derive(Debug)]
pub(super) struct Carrier {
    pub(super) connection: Connection,
    pub(super) open: Open,
    term: Term<Generation>,
}

impl Carrier {
    /// One that was just signed in; `token_end` is the end of the token that it was done with.
    pub(super) fn new(
        connection: Connection,
        open: Open,
        key: Generation,
        token_end: Option<Instant>,
    ) -> Self {
        let oldest = now() + MOST_AGE;
        let ends = token_end.map_or(oldest, |end| end.min(oldest));
        Self { connection, open, term: Term { key, ends, messages: 1 } }
    }
}

impl Pool {
    pub(super) fn new(metrics: Arc<Metrics>) -> Self {
        let (closing, _) = watch::channel(0);
        let shelf = Mutex::new(Shelf::new());
        Self(Arc::new(Inner { shelf, due_earlier: Notify::new(), closing, metrics }))
    }

    /// A warm connection, if one is there and alive. With `None` the caller may dial: nothing that
    /// was idle is open any more.
    pub(super) async fn take(&self, key: &Generation) -> Option<Carrier> {
        loop {
            let (found, unfit) = self.with(|shelf| shelf.take(key, now()));
            self.close(unfit);
            let Some((mut idle, mut term)) = found else { break };
            if idle.connection.is_quiet().await {
                term.messages += 1;
                self.0.metrics.upstream_reuses.inc();
                return Some(Carrier { connection: idle.connection, open: idle.open, term });
            }
            tracing::debug!("the relay has ended an idle connection");
            self.close(vec![idle]);
        }
        // cannot fail: the sender is ours
        let _ = self.0.closing.subscribe().wait_for(|closing| *closing == 0).await;
        None
    }

    /// Keeps a connection for the next message, where it is fit for one; else gives it back.
    pub(super) fn keep(&self, carrier: Carrier) -> Option<Carrier> {
        let Carrier { connection, open, term } = carrier;
        if !connection.is_ready() {
            return Some(Carrier { connection, open, term });
        }
        let again = term.clone();
        match self.with(|shelf| shelf.put(Idle { connection, open }, term, now())) {
            Put::Kept { wake } => {
                if wake {
                    self.0.due_earlier.notify_one();
                }
                None
            }
            Put::Unwanted(Idle { connection, open }) => Some(Carrier { connection, open, term: again }),
        }
    }

    /// Closes what has waited long enough, what is no longer in force, and at the end everything.
    /// Without this nothing is kept.
    pub(super) async fn tend(self, mut current: watch::Receiver<Current>, mut drain: Drain) {
        let in_force = |current: &mut watch::Receiver<Current>| current.borrow_and_update().generations();
        let mut keys = in_force(&mut current);
        loop {
            let unfit = self.with(|shelf| shelf.flush(keys));
            self.close(unfit);
            let alarm = loop {
                let (old, alarm) = self.with(|shelf| shelf.sweep(now()));
                self.close(old);
                tokio::select! {
                    () = past(alarm) => {}
                    () = self.0.due_earlier.notified() => {}
                    changed = current.changed() => break changed.is_ok(),
                    _ = drain.begun() => break false,
                }
            };
            if !alarm {
                let rest = self.with(|shelf| shelf.flush(Vec::new()));
                self.close(rest);
                return;
            }
            keys = in_force(&mut current);
        }
    }

    fn with<T>(&self, look: impl FnOnce(&mut Shelf<Idle, Generation>) -> T) -> T {
        let mut shelf = self.0.shelf.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = look(&mut shelf);
        self.0.metrics.upstream_idle.set(i64::try_from(shelf.len()).unwrap_or(i64::MAX));
        seen
    }

    /// In the background, with QUIT.
    fn close(&self, unwanted: Vec<Idle>) {
        for Idle { connection, open } in unwanted {
            let pool = self.clone();
            pool.0.closing.send_modify(|closing| *closing += 1);
            tokio::spawn(async move {
                connection.farewell().await;
                drop(open);
                pool.0.closing.send_modify(|closing| *closing = closing.saturating_sub(1));
            });
        }
    }
}
