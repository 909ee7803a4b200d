//! One message: whether it is taken in, what is held of it, and how it is sent on.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use mail_egress_config::SenderRef;
use mail_egress_diagnosis::reason;
use mail_egress_pacing::Ask;
use mail_egress_policy::Denied;
use mail_egress_smtp::server::{Cause, Credentials, Declined, Unfit};
use mail_egress_smtp::{Address, Envelope, ReversePath};
use mail_egress_spool::Spool;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::app::login::Login;
use crate::clock::now;
use crate::drain::Drain;
use crate::message::account;
use crate::message::body::{Body, Store};
use crate::message::limits;
use crate::message::outgoing::{Outgoing, denied};
use crate::message::refusal::Refusal;
use crate::message::trace::{self, QueueId, QueueIds};
use crate::metrics::Metrics;
use crate::sender::clearance::{Clearance, allows, configured, decide, token_end};
use crate::sender::follow::Current;
use crate::sender::loaded::{Loaded, Shape};
use crate::spool::Queue;
use crate::upstream::Upstream;
use crate::upstream::gate::{Gate, NotNow, Place};

/// How long a place is kept for an app that is still sending: a slow one must not hold up others.
const PLACE_KEPT: Duration = Duration::from_secs(5);

/// Takes messages in and sends them on; shared by all sessions.
#[derive(Debug)]
pub struct Submissions {
    /// The MailSender that is served.
    pub sender: SenderRef,
    /// What the app must log in with; `None`: any login is accepted, and none is needed.
    pub login: Option<Login>,
    /// What is in force.
    pub current: watch::Receiver<Current>,
    /// Where everything is counted.
    pub metrics: Arc<Metrics>,
    /// Where bodies are held.
    pub store: Store,
    /// The places upstream.
    pub gate: Gate,
    /// What is kept on disk in spool mode.
    pub queue: Queue,
    /// The way to the relay.
    pub upstream: Upstream,
    /// The end.
    pub drain: Drain,
    /// The names of messages.
    pub ids: QueueIds,
}

/// A message between its 354 and its fate. Its `Debug` tells no address and nothing of the content.
pub struct Submission {
    /// Its name in the log and in the trace header.
    pub id: QueueId,
    /// Who it is from and for.
    pub envelope: Envelope,
    /// What has come of it.
    pub body: Body,
    /// How long it was held before its 354.
    pub hold: Duration,
    pub(crate) permitted: Instant,
    pub(super) place: Option<Place>,
    /// In spool mode: where it will be kept.
    pub(super) spool: Option<Spool>,
}

/// Why there is no place for a message.
#[derive(Debug)]
pub(crate) enum NoTurn {
    /// The limits.
    NotNow(NotNow),
    /// The time to drain is over.
    Ending,
}

impl Submission {
    /// When [`Self::give_back_place`] is due.
    #[must_use]
    pub fn place_deadline(&self) -> Option<Instant> {
        self.place.is_some().then(|| self.permitted + PLACE_KEPT)
    }

    /// The app takes too long: others may go first.
    pub fn give_back_place(&mut self) {
        self.place = None;
    }
}

impl fmt::Debug for Submission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submission").field("id", &self.id).field("body", &self.body).finish_non_exhaustive()
    }
}

impl Submissions {
    /// Whether this login is right. A refusal is counted and logged.
    pub async fn may_log_in(&self, given: Option<&Credentials>) -> Result<(), Refusal> {
        let checked = match (&self.login, given) {
            (Some(login), Some(given)) => login.check(given).await,
            // without what is to be compared, none is right
            (_, _) => Err(Refusal::of(reason::APP_LOGIN_UNREADABLE)),
        };
        checked.inspect_err(|refusal| account::login_refused(&self.metrics, refusal))
    }

    /// Whether the app may send as this sender, as far as can be told at MAIL.
    ///
    /// Without a configuration nothing is known of it: that is told when the message is to come.
    pub fn may_send_as(&self, from: &ReversePath) -> Result<(), Refusal> {
        let decided = self.loaded().map(|loaded| loaded.policy.sender(&from.to_string()));
        self.told(decided.map(|decided| decided.map(drop)))
    }

    /// Whether the app may send to this recipient.
    pub fn may_send_to(&self, to: &Address) -> Result<(), Refusal> {
        let Some(loaded) = self.loaded() else { return Ok(()) };
        self.told(Some(loaded.policy.recipient(to.as_str())))?;
        self.counted(loaded.reaches(to))
    }

    fn told(&self, decided: Option<Result<(), Denied>>) -> Result<(), Refusal> {
        self.counted(decided.unwrap_or(Ok(())).map_err(|why| denied(&why)))
    }

    fn counted(&self, decided: Result<(), Refusal>) -> Result<(), Refusal> {
        decided.inspect_err(|refusal| {
            self.metrics.denied(refusal.reason);
            tracing::info!(reason = refusal.reason, why = refusal.sentence, "refused by the sender's rules");
        })
    }

    /// The configuration in force.
    pub(crate) fn loaded(&self) -> Option<Arc<Loaded>> {
        match &*self.current.borrow() {
            Current::Usable(loaded) => Some(Arc::clone(loaded)),
            Current::Missing | Current::Unusable(_) => None,
        }
    }

    /// Before the 354: the configuration must allow it, room must be free and a place upstream
    /// too, for which it waits a little. A refusal is counted and logged.
    pub async fn admit(&self, envelope: Envelope) -> Result<Submission, Refusal> {
        let (id, began) = (self.ids.next(Timestamp::now()), Instant::now());
        let admitted = self.admitted(&envelope).await;
        let hold = began.elapsed();
        match admitted {
            Ok((body, place, spool)) => {
                Ok(Submission { id, envelope, body, hold, permitted: Instant::now(), place, spool })
            }
            Err(refusal) => {
                account::not_taken(&self.metrics, &id, &envelope, &refusal, hold);
                Err(refusal)
            }
        }
    }

    async fn admitted(&self, envelope: &Envelope) -> Result<(Body, Option<Place>, Option<Spool>), Refusal> {
        let spool = self.spool_for(envelope)?;
        if spool.is_none() {
            self.allowed()?;
        }
        let size = envelope.size.unwrap_or(0).saturating_add(trace::ROOM);
        let body = self.store.begin(size).await.map_err(|full| Refusal::of(full.reason()))?;
        let place = match &spool {
            // it waits on disk
            Some(_) => None,
            None => Some(self.place(envelope, self.hold()).await?),
        };
        Ok((body, place, spool))
    }

    /// Whether the configuration and the token allow to send.
    pub(crate) fn allowed(&self) -> Result<(), Refusal> {
        allows(&self.current.borrow(), &self.sender, Timestamp::now())
    }

    /// The configuration in force, where mail may be sent at all; whatever the token.
    pub(crate) fn configured(&self) -> Result<Arc<Loaded>, Refusal> {
        configured(&self.current.borrow()).map(|(loaded, _)| Arc::clone(loaded))
    }

    /// Whether this message may be sent now, and by which way.
    pub(crate) async fn cleared(&self, outgoing: &Outgoing<'_>) -> Result<Clearance, Refusal> {
        let current = self.current.borrow().clone();
        let bcc = match &current {
            Current::Usable(loaded) if !loaded.speaks_smtp_alone() => {
                let read = outgoing.bcc().await;
                Some(read.map_err(|_| Refusal::of(reason::SPILL_DISK_FAILED))?)
            }
            Current::Usable(_) | Current::Missing | Current::Unusable(_) => None,
        };
        let shape = Shape { to: &outgoing.envelope().to, octets: outgoing.octets(), bcc: bcc.as_ref() };
        decide(&current, &self.sender, &shape, Timestamp::now())
    }

    /// Waits for a place upstream, within the limits in force; `hold` is the longest wait.
    pub(super) async fn place(&self, envelope: &Envelope, hold: Duration) -> Result<Place, Refusal> {
        let recipients = u32::try_from(envelope.to.len()).unwrap_or(u32::MAX);
        let ask = Ask { whom: limits::whom(envelope), recipients, hold };
        self.turn(ask).await.map_err(|no_turn| match no_turn {
            NoTurn::NotNow(not_now) => {
                let refusal = limits::refusal(not_now, now(), Timestamp::now());
                account::held_back(&self.metrics, &refusal);
                refusal
            }
            NoTurn::Ending => Refusal::of(reason::SHUTTING_DOWN),
        })
    }

    /// The same, and nobody is told.
    pub(crate) async fn turn(&self, ask: Ask) -> Result<Place, NoTurn> {
        if let Some(loaded) = self.loaded() {
            self.gate.limits(loaded.limits);
        }
        let mut drain = self.drain.clone();
        tokio::select! {
            place = self.gate.enter(ask) => place.map_err(NoTurn::NotNow),
            () = drain.over() => Err(NoTurn::Ending),
        }
    }

    /// How long a message may be held before its 354.
    fn hold(&self) -> Duration {
        self.loaded()
            .map_or(Duration::ZERO, |loaded| Duration::from_secs(loaded.file.delivery.hold_seconds.into()))
    }

    /// The metrics in Prometheus' text format, with what only a look at the clock tells.
    pub fn metrics_text(&self) -> Result<String, prometheus::Error> {
        let end = token_end(&self.current.borrow());
        self.metrics.standing(end, self.allowed().is_ok(), self.store.held());
        self.metrics.holding(self.gate.waiting());
        self.metrics.spool.standing(&self.queue.standing(), Timestamp::now());
        self.metrics.text()
    }

    /// The app left, or fell silent, before its message was complete: nothing is sent.
    pub fn abandoned(&self, submission: &Submission) {
        account::abandoned(&self.metrics, submission);
    }

    /// The session refused something by itself: counted where it was a message, else for whoever
    /// looks closer.
    pub fn declined(&self, declined: &Declined) {
        match &declined.cause {
            Cause::TooLarge(from) => account::announced_too_large(&self.metrics, from),
            Cause::NotLoggedIn(from) => account::not_logged_in(&self.metrics, from),
            Cause::Command => tracing::debug!(reply = %declined.reply, "an app's command was refused"),
        }
    }

    /// The app sent a message that can never be taken; the session has said so.
    pub fn unfit(&self, submission: &Submission, why: Unfit) {
        account::unfit(&self.metrics, submission, why);
    }
}
