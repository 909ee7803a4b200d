//! One attempt at a spooled message: load, wait for a place, hand over, mark, dot.

use std::io;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use mail_egress_diagnosis::{Class, Retry, local, reason};
use mail_egress_pacing::Ask;
use mail_egress_smtp::Envelope;
use mail_egress_smtp::data::{Content, Scan};
use mail_egress_spool::{Letter, LoadError, Spool, Ticket};
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::ended::Attempted;
use super::keep::refusal;
use super::pending::Job;
use super::wire;
use crate::clock::now;
use crate::message::limits;
use crate::message::outgoing::Outgoing;
use crate::message::refusal::Refusal;
use crate::message::submission::{NoTurn, Submissions};
use crate::upstream::gate::{NotNow, Place};
use crate::upstream::{Accepted, Handed, Times, troubled};

/// The wait for a place: the few that are in hand wait in the gate's own order.
const WAIT: Duration = Duration::from_secs(60);

/// What came of it.
#[derive(Debug)]
pub(super) enum Came {
    /// It is to be noted.
    Ended(Box<Attempted>),
    /// There was none: the message is as it was, and not to be looked at before this time.
    NotNow(Timestamp),
}

/// Makes the attempt.
pub(super) async fn attempt(submissions: &Submissions, job: &Job) -> Came {
    let ended = |attempted| Came::Ended(Box::new(attempted));
    let (letter, content) = match load(&job.spool, &job.ticket).await {
        Ok(loaded) => loaded,
        Err(why) => return ended(Attempted::refused(why)),
    };
    let mut attempted = Attempted::refused(Refusal::of(reason::SPOOL_DAMAGED));
    attempted.message_id = letter.head.message_id.clone().unwrap_or_default();
    let Some(envelope) = wire::read(&letter.head.envelope, letter.octets) else {
        return ended(attempted);
    };
    attempted.from = envelope.from.to_string();
    attempted.recipients = envelope.to.len();
    if job.ticket.dotted {
        let words = "the sidecar was ended at the final dot";
        attempted.outcome = Err(local(reason::DELIVERY_UNCERTAIN).with_words(words).into());
        return ended(attempted);
    }
    match sent(submissions, job, (envelope, content, letter), &mut attempted).await {
        Ok(outcome) => {
            submissions.tell_the_gate(&outcome);
            attempted.outcome = outcome;
            ended(attempted)
        }
        Err(until) => Came::NotNow(until),
    }
}

type Loaded = (Envelope, Content, Letter);

/// `Err`: there was no attempt, and there may be one at this time.
async fn sent(
    submissions: &Submissions,
    job: &Job,
    (envelope, content, letter): Loaded,
    attempted: &mut Attempted,
) -> Result<Result<Accepted, Refusal>, Timestamp> {
    let Ok(loaded) = submissions.configured() else { return Err(soon()) };
    let outgoing = match Outgoing::spooled(envelope, content, letter, &loaded) {
        Ok(outgoing) => outgoing,
        Err(refusal) => {
            submissions.metrics.denied(refusal.reason);
            return Ok(Err(refusal));
        }
    };
    let waited = Instant::now();
    let place = match turn(submissions, &outgoing, job).await? {
        Ok(place) => place,
        Err(never) => return Ok(Err(never)),
    };
    attempted.wait = waited.elapsed();
    // anew: the token may have ended while it waited, or the sender been suspended
    let cleared = match submissions.cleared(&outgoing).await {
        Ok(cleared) => cleared,
        Err(never) if never.class == Class::Permanent => return Ok(Err(never)),
        Err(unread) if unread.reason == reason::SPILL_DISK_FAILED => {
            return Ok(Err(local(reason::SPOOL_DISK_FAILED).into()));
        }
        Err(_) => return Err(soon()),
    };
    let handing = submissions.upstream.hand_over(&cleared, &outgoing, place, &mut attempted.times);
    let handed = match handing.await {
        Ok(handed) => handed,
        Err(trouble) => {
            let refusal = troubled(&trouble);
            return if refusal.reason == reason::SHUTTING_DOWN { Err(soon()) } else { Ok(Err(refusal)) };
        }
    };
    let outcome = concluded(handed, job, &mut attempted.times).await;
    let outcome = outcome.map_err(|refusal| cleared.explained(refusal, Timestamp::now()));
    if let Err(refusal) = &outcome
        && refusal.at_authentication
        && refusal.retry == Retry::OnceFresh
    {
        cleared.token_refused(refusal, Timestamp::now());
    }
    Ok(outcome)
}

/// The mark is synced before the dot is written, so that no crash hides that it may have been.
async fn concluded(handed: Handed, job: &Job, times: &mut Times) -> Result<Accepted, Refusal> {
    if handed.can_be_taken_back() {
        let (spool, id) = (job.spool.clone(), job.ticket.id.clone());
        let marked = spawn_blocking(move || spool.dot(&id)).await;
        // dropped without it, the connection ends before the dot
        marked.unwrap_or_else(|gone| Err(io::Error::other(gone).into())).map_err(|error| refusal(&error))?;
    }
    handed.conclude(times).await
}

/// The outer error: not now; the inner one: never.
async fn turn(
    submissions: &Submissions,
    outgoing: &Outgoing<'_>,
    job: &Job,
) -> Result<Result<Place, Refusal>, Timestamp> {
    let asked = outgoing.asked();
    let recipients = u32::try_from(asked.to.len()).unwrap_or(u32::MAX);
    let ask = Ask { whom: limits::whom_named(job.ticket.id.as_str()), recipients, hold: WAIT };
    match submissions.turn(ask).await {
        Ok(place) => Ok(Ok(place)),
        Err(NoTurn::NotNow(NotNow::Later(later))) => {
            let left = later.at.saturating_duration_since(now());
            Err(after(left))
        }
        Err(NoTurn::NotNow(never @ NotNow::Never { .. })) => {
            Ok(Err(limits::refusal(never, now(), Timestamp::now())))
        }
        Err(NoTurn::Ending) => Err(soon()),
    }
}

/// The whole file, checked, with what the relay must be told of it.
async fn load(spool: &Spool, ticket: &Ticket) -> Result<(Letter, Content), Refusal> {
    let (spool, id) = (spool.clone(), ticket.id.clone());
    let loading = move || {
        let mut scan = Scan::default();
        let letter = spool.load(&id, |piece| scan.feed(piece))?;
        Ok((letter, scan.content()))
    };
    match spawn_blocking(loading).await.unwrap_or_else(|gone| Err(LoadError::Io(io::Error::other(gone)))) {
        Ok(loaded) => Ok(loaded),
        Err(error @ LoadError::Damaged(_)) => {
            Err(local(reason::SPOOL_DAMAGED).with_words(&error.to_string()).into())
        }
        Err(error @ LoadError::Io(_)) => {
            Err(local(reason::SPOOL_DISK_FAILED).with_words(&error.to_string()).into())
        }
    }
}

fn soon() -> Timestamp {
    after(Duration::from_secs(1))
}

fn after(time: Duration) -> Timestamp {
    let now = Timestamp::now();
    let time = SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
    now.saturating_add(time).unwrap_or(now)
}
