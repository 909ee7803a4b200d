//! Spool mode: what is answered 250 once it is on disk, and is sent from there.
//!
//! ```text
//!  app's dot ─▶ keep ── synced ──▶ 250          attempt: load ─▶ gate ─▶ relay ─▶ mark ─▶ dot ─▶ done
//!                 │                                ▲                                       │
//!                 └────────▶ pending ── run ───────┘◀── again, later ◀─────────────────────┤
//!                                                        dead letter ◀─────────────────────┘
//! ```
//!
//! The files and what a crash leaves of them are the crate `spool`'s; here are the folder that is
//! opened (and those of pods that are gone), the queue in memory, and the attempts.

mod attempt;
mod ended;
mod folder;
mod keep;
mod pending;
mod run;
mod wire;

pub(crate) use run::run;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use mail_egress_config::{Delivery, SenderRef};
use mail_egress_diagnosis::{local, reason};
use mail_egress_spool::{Limits, Schedule, Spool, Ticket};
use tokio::sync::Notify;

use crate::args::RunArgs;
use crate::message::refusal::Refusal;
use pending::{Job, Pending};

/// Messages that may lie in it, whatever their size: so many take some seconds to be looked through
/// after a restart, and 30 MB of memory.
const MOST_MESSAGES: usize = 100_000;
/// No two attempts at one message are further apart.
const LONGEST_INTERVAL: SignedDuration = SignedDuration::from_mins(30);

/// What the command line says of the spool.
#[derive(Debug, Clone)]
pub struct Settings {
    /// A folder on a volume; `None`: there is none.
    pub root: Option<PathBuf>,
    /// Whose messages these are: pods of other senders may use the same volume.
    pub sender: SenderRef,
    /// This pod's own name in it.
    pub name: String,
    /// Whether it outlives the pod.
    pub lasting: bool,
    /// In octets, dead letters included.
    pub limit: u64,
    /// Behind the first failure of a message.
    pub first_interval: Duration,
}

impl Settings {
    /// As the flags of `run` say.
    #[must_use]
    pub fn of(args: &RunArgs) -> Self {
        Self {
            root: args.spool_dir.clone(),
            sender: args.sender.clone(),
            name: args.spool_name.clone(),
            lasting: args.spool_lasting,
            limit: u64::try_from(args.spool_limit.0).unwrap_or(u64::MAX),
            first_interval: args.spool_retry.0,
        }
    }

    fn limits(&self) -> Limits {
        Limits { octets: self.limit, entries: MOST_MESSAGES }
    }

    fn schedule(&self, delivery: &Delivery) -> Schedule {
        let first = SignedDuration::try_from(self.first_interval).unwrap_or(LONGEST_INTERVAL);
        let max_age = SignedDuration::from_secs(delivery.max_age_seconds.into());
        Schedule { first, longest: LONGEST_INTERVAL.max(first), max_age }
    }
}

/// The spool of this sidecar; cheap to clone.
#[derive(Debug, Clone)]
pub struct Queue(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    settings: Settings,
    state: Mutex<State>,
    /// A message came, or the folder could be opened.
    news: Notify,
}

#[derive(Debug)]
struct State {
    own: Own,
    pending: Pending,
}

/// This pod's own folder.
#[derive(Debug)]
enum Own {
    /// No volume was named.
    None,
    /// It cannot be used, and this is why and how to mend it.
    Unusable(String),
    Open(Spool),
}

/// How full the spool is, as far as this sidecar holds it.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// Whether its own folder is open; `None` without one.
    pub usable: Option<bool>,
    /// Messages that wait or are being sent.
    pub waiting: usize,
    /// What those of its own folder take of the disk, in octets.
    pub octets: u64,
    /// Dead letters in its own folder.
    pub dead: usize,
    /// What those take, in octets.
    pub dead_octets: u64,
    /// When the oldest message that waits was accepted.
    pub oldest: Option<Timestamp>,
}

impl Queue {
    /// Nothing is opened yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let own = match &settings.root {
            None => Own::None,
            Some(_) => Own::Unusable("it is being opened".to_owned()),
        };
        let state = Mutex::new(State { own, pending: Pending::default() });
        Self(Arc::new(Inner { settings, state, news: Notify::new() }))
    }

    /// The folder that a message of a sender with this delivery can be kept in.
    ///
    /// # Errors
    /// Why there is none: what the app is told.
    pub(crate) fn folder(&self, delivery: &Delivery) -> Result<Spool, Refusal> {
        let lasting = self.0.settings.lasting || delivery.accept_loss;
        match &self.state().own {
            Own::None => Err(Refusal::of(reason::SPOOL_MISSING)),
            Own::Open(_) if !lasting => Err(Refusal::of(reason::SPOOL_WOULD_BE_LOST)),
            Own::Unusable(_) if !lasting => Err(Refusal::of(reason::SPOOL_WOULD_BE_LOST)),
            Own::Unusable(why) => Err(local(reason::SPOOL_UNUSABLE).with_words(why).into()),
            Own::Open(spool) => Ok(spool.clone()),
        }
    }

    /// How full it is.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let state = self.state();
        let mut standing = Standing {
            waiting: state.pending.count(),
            oldest: state.pending.oldest(),
            ..Standing::default()
        };
        match &state.own {
            Own::None => {}
            Own::Unusable(_) => standing.usable = Some(false),
            Own::Open(spool) => {
                let disk = spool.standing();
                standing.usable = Some(true);
                (standing.octets, standing.dead, standing.dead_octets) =
                    (disk.octets, disk.dead, disk.dead_octets);
            }
        }
        standing
    }

    /// Whether unsent messages survive the pod.
    #[must_use]
    pub fn is_lasting(&self) -> bool {
        self.0.settings.lasting
    }

    /// One more message to be sent.
    fn add(&self, spool: Spool, ticket: Ticket) {
        self.state().pending.add(Job { spool, ticket });
        self.0.news.notify_one();
    }

    /// Its parts are whole after every statement, so a panic elsewhere spoils nothing.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
