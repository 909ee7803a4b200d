//! The loop that makes attempts at what is due, a few at a time.
//!
//! Where the trouble is not the message's own (no token, the relay cannot be reached), all wait
//! together for a while: ten thousand messages must not each find out by themselves.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use mail_egress_config::{Delivery, Uncertain};
use mail_egress_spool::{IfUncertain, SpoolError, Step, after};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::sleep;

use super::attempt::{Came, attempt};
use super::ended::Attempted;
use super::pending::{InHand, Job};
use crate::clock::{now, past};
use crate::message::refusal::Refusal;
use crate::message::submission::Submissions;

/// Attempts at once where the limits name no number of connections.
const MOST_AT_ONCE: u32 = 16;
/// The clock may be put forward while we sleep; and who is gone is looked for so often.
const LOOK: Duration = Duration::from_secs(30);
/// A folder that cannot be used is tried again after this.
const OPEN_AGAIN: Duration = Duration::from_secs(5);
/// So many troubles with the relay in a row, and all messages wait.
const TROUBLES: u32 = 3;
/// They wait a second, and after each further trouble twice as long, up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// What cannot be noted on the disk is tried again after this.
const NOTE_AGAIN: Duration = Duration::from_secs(5);

/// Sends what is spooled until the drain: then, once `sessions_over` is done, what is due goes out,
/// and what is not stays where it is. Without a volume there is nothing to do.
pub(crate) async fn run(submissions: Arc<Submissions>, sessions_over: impl Future<Output = ()>) {
    if submissions.queue.0.settings.root.is_none() {
        return;
    }
    let mut runner = Runner { submissions, attempts: JoinSet::new(), pause: None, troubles: 0 };
    let mut current = runner.submissions.current.clone();
    let mut drain = runner.submissions.drain.clone();
    let mut sessions_over = pin!(sessions_over);
    let mut last = false;
    let queue = runner.submissions.queue.clone();
    let looking = async {
        loop {
            queue.adopt().await;
            sleep(LOOK).await;
        }
    };
    let opening = async {
        loop {
            sleep(OPEN_AGAIN).await;
            queue.open().await;
        }
    };
    let mut housekeeping = pin!(async { tokio::join!(looking, opening) });
    loop {
        runner.begin_what_is_due();
        if last && runner.attempts.is_empty() {
            break;
        }
        let look = runner.next_look();
        tokio::select! {
            Some(ended) = runner.attempts.join_next(), if !runner.attempts.is_empty() => {
                if let Ok(ended) = ended {
                    runner.settle(ended);
                }
            }
            () = past(Some(look)) => {}
            () = queue.0.news.notified() => {}
            Ok(()) = current.changed() => runner.pause = None,
            () = &mut sessions_over, if !last => last = true,
            () = drain.over() => break,
            _ = &mut housekeeping => {}
        }
    }
    left(&runner.submissions);
}

/// What is told at the end: where a person finds what was not sent.
fn left(submissions: &Submissions) {
    let (standing, lasting) = (submissions.queue.standing(), submissions.queue.is_lasting());
    match (standing.waiting, lasting) {
        (0, _) => {}
        (left, true) => {
            tracing::info!(left, "messages stay in the spool; they are sent after the next start");
        }
        (left, false) => {
            tracing::error!(left, "messages stay in the spool, and are lost if its volume goes with the pod");
        }
    }
}

struct Runner {
    submissions: Arc<Submissions>,
    attempts: JoinSet<Finished>,
    /// Nothing is begun before this.
    pause: Option<Instant>,
    troubles: u32,
}

/// A job that is in hand no more.
struct Finished {
    in_hand: InHand,
    next: Next,
}

enum Next {
    /// The message is through with; whether the relay was there.
    Over { relay_is_there: bool },
    /// It is due again; whether the trouble is the relay's.
    Again { due: Timestamp, relays_trouble: bool },
    /// There was no attempt.
    NotNow(Timestamp),
}

impl Runner {
    fn begin_what_is_due(&mut self) {
        if self.pause.is_some_and(|until| until > now()) {
            return;
        }
        self.pause = None;
        let queue = self.submissions.queue.clone();
        loop {
            let busy = self.attempts.len();
            if busy >= self.most_at_once()
                || queue.state().pending.next_due().is_none_or(|due| due > Timestamp::now())
            {
                return;
            }
            if let Err(why) = self.submissions.allowed() {
                self.pause = Some(now() + LOOK);
                self.give_up_the_old(&why);
                return;
            }
            let Some(in_hand) = queue.state().pending.take(Timestamp::now()) else { return };
            let submissions = Arc::clone(&self.submissions);
            self.attempts.spawn(async move {
                let came = attempt(&submissions, &in_hand.job).await;
                finished(&submissions, in_hand, came).await
            });
        }
    }

    /// While none may be sent, those that reach their age are given up all the same, with the reason
    /// why none may.
    fn give_up_the_old(&mut self, why: &Refusal) {
        let Some(loaded) = self.submissions.loaded() else { return };
        let max_age = self.submissions.queue.0.settings.schedule(&loaded.file.delivery).max_age;
        let old = self.submissions.queue.state().pending.take_older(max_age, Timestamp::now());
        for in_hand in old {
            let (submissions, why) = (Arc::clone(&self.submissions), why.clone());
            self.attempts.spawn(async move {
                let came = Came::Ended(Box::new(Attempted::refused(why)));
                finished(&submissions, in_hand, came).await
            });
        }
    }

    fn most_at_once(&self) -> usize {
        let loaded = self.submissions.loaded();
        let connections = loaded.and_then(|loaded| loaded.limits.connections).unwrap_or(MOST_AT_ONCE);
        usize::try_from(connections.clamp(1, MOST_AT_ONCE)).unwrap_or(1)
    }

    fn next_look(&self) -> Instant {
        let latest = now() + LOOK;
        if let Some(until) = self.pause {
            return until.min(latest);
        }
        // what is due and not begun waits for another to end
        let due = self.submissions.queue.state().pending.next_due().filter(|due| *due > Timestamp::now());
        let wait = due.and_then(|due| Duration::try_from(due.duration_since(Timestamp::now())).ok());
        wait.map_or(latest, |wait| (now() + wait).min(latest))
    }

    fn settle(&mut self, Finished { in_hand, next }: Finished) {
        let mut state = self.submissions.queue.state();
        match next {
            Next::Over { relay_is_there } => {
                state.pending.over(&in_hand);
                if relay_is_there {
                    self.troubles = 0;
                }
            }
            Next::Again { due, relays_trouble } => {
                state.pending.back(in_hand, due);
                if relays_trouble {
                    self.troubles = self.troubles.saturating_add(1);
                    self.pause = pause(self.troubles).map(|pause| now() + pause);
                } else {
                    self.troubles = 0;
                }
            }
            Next::NotNow(until) => {
                state.pending.back(in_hand, until);
                let left = Duration::try_from(until.duration_since(Timestamp::now())).unwrap_or_default();
                self.pause = Some(now() + left.min(LOOK));
            }
        }
    }
}

fn pause(troubles: u32) -> Option<Duration> {
    let beyond = troubles.checked_sub(TROUBLES)?;
    Some(Duration::from_secs(1 << beyond.min(10)).min(LONGEST_PAUSE))
}

/// Notes on disk what came of an attempt, and tells of it.
async fn finished(submissions: &Submissions, mut in_hand: InHand, came: Came) -> Finished {
    let attempted = match came {
        Came::Ended(attempted) => attempted,
        Came::NotNow(until) => return Finished { in_hand, next: Next::NotNow(until) },
    };
    let delivery = submissions.loaded().map_or_else(Delivery::default, |loaded| loaded.file.delivery);
    let if_uncertain = match delivery.uncertain {
        Uncertain::AtMostOnce => IfUncertain::AtMostOnce,
        Uncertain::AtLeastOnce => IfUncertain::AtLeastOnce,
    };
    let schedule = submissions.queue.0.settings.schedule(&delivery);
    let (ticket, time) = (&in_hand.job.ticket, Timestamp::now());
    let step = after(ticket, attempted.ended(), if_uncertain, &schedule, time, &mut rand::rng());
    noted(submissions, &in_hand.job, &step).await;
    attempted.tell(&in_hand.job.ticket, &step, &submissions.metrics, Timestamp::now());
    let next = match step {
        Step::Retry(progress) => {
            let due = progress.due;
            in_hand.job.ticket.progress = Some(progress);
            in_hand.job.ticket.dotted = false;
            Next::Again { due, relays_trouble: attempted.is_trouble_with_the_relay() }
        }
        Step::Done | Step::Bury(_) => Next::Over { relay_is_there: !attempted.is_trouble_with_the_relay() },
    };
    Finished { in_hand, next }
}

/// Tries until the disk takes it: what was accepted must not be sent again by this process.
async fn noted(submissions: &Submissions, job: &Job, step: &Step) {
    loop {
        let (spool, id, what) = (job.spool.clone(), job.ticket.id.clone(), step.clone());
        let noting = move || match &what {
            Step::Done => spool.done(&id),
            Step::Retry(progress) => spool.retry(&id, progress),
            Step::Bury(death) => spool.bury(&id, death),
        };
        let noted = spawn_blocking(noting).await;
        let error = match noted.unwrap_or_else(|gone| Err(SpoolError::Io(std::io::Error::other(gone)))) {
            Ok(()) => return,
            Err(SpoolError::Unknown(_)) => {
                tracing::warn!(id = %job.ticket.id, "somebody else has removed a spooled message's file");
                return;
            }
            Err(error) => error,
        };
        tracing::error!(id = %job.ticket.id, %error, "what became of a spooled message cannot be noted; tried again");
        let mut drain = submissions.drain.clone();
        tokio::select! {
            () = sleep(NOTE_AGAIN) => {}
            () = drain.over() => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_single_failure_holds_up_nobody_and_a_row_of_them_all() {
        let pauses: Vec<_> = [1, 2, 3, 4, 5, 8, 9, 100, u32::MAX].map(pause).to_vec();
        let seconds = |pause: Option<Duration>| pause.map(|pause| pause.as_secs());
        let seconds: Vec<_> = pauses.into_iter().map(seconds).collect();
        assert_eq!(seconds, [None, None, Some(1), Some(2), Some(4), Some(32), Some(60), Some(60), Some(60)]);
    }
}
