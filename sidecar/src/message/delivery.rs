//! Behind the app's dot: the message goes to the relay while the app waits.

use std::pin::pin;
use std::time::Duration;

use jiff::Timestamp;
use mail_egress_diagnosis::{Class, reason};
use mail_egress_smtp::server::Outcome;
use tokio::time::{Instant, sleep, timeout};

use super::account;
use super::outgoing::Outgoing;
use super::patience::{Again, Patience};
use super::refusal::Refusal;
use super::submission::{Submission, Submissions};
use crate::clock::now;
use crate::sender::clearance::Clearance;
use crate::sender::loaded::Loaded;
use crate::upstream::gate::Place;
use crate::upstream::signal::signal;
use crate::upstream::{Accepted, Handed, troubled};

/// The wait for a place behind the dot, where the one from before had to be given back.
const WAIT_BEHIND: Duration = Duration::from_secs(30);
/// The wait for another token, where the sidecar asks for its own.
const WAIT_FOR_TOKEN: Duration = Duration::from_secs(10);
impl Submissions {
    /// Behind the app's dot: sends the message on, and says what the app is told. Counts and logs
    /// it.
    ///
    /// `gone` ends when the app has left. It is heeded for as long as the message can be held back,
    /// which is until the relay has all of it but the final dot: then nothing is sent, and there is
    /// nobody to tell (`None`). A message that its app has given up would be sent twice, since the
    /// app tries again.
    pub async fn deliver(
        &self,
        mut submission: Submission,
        gone: impl Future<Output = ()>,
    ) -> Option<Outcome> {
        if let Some(spool) = submission.spool.take() {
            return self.keep(&submission, spool, gone).await;
        }
        let began = Instant::now();
        let mut account = account::Account::begin(submission.permitted.elapsed());
        let uncertain = self.loaded().map(|loaded| loaded.file.delivery.uncertain).unwrap_or_default();
        let mut patience = Patience::new(began.into_std(), uncertain);
        let mut place = submission.place.take();
        let (mut used, mut last) = (None, None);
        let mut gone = pin!(gone);
        let outgoing = match self.prepared(&submission).await {
            Ok(outgoing) => outgoing,
            Err(refusal) => {
                let outcome = Err(refusal);
                account.close(&self.metrics, &submission, &outcome, began.elapsed());
                return outcome.err().map(|refusal| Outcome::Refused(refusal.reply()));
            }
        };
        account.message_id.clone_from(&outgoing.message_id);
        let outcome = loop {
            let handed = tokio::select! {
                biased;
                () = &mut gone => {
                    self.abandoned(&submission);
                    return None;
                }
                handed = self.handed(&outgoing, place.take(), &mut used, &mut account) => handed,
            };
            let outcome = match (handed, last.take()) {
                (Ok(handed), _) => handed.conclude(&mut account.times).await,
                // no turn for another attempt: the relay's own words tell more
                (Err(refusal), Some(relays)) if !refusal.by_relay => break Err(relays),
                (Err(refusal), _) => Err(refusal),
            };
            let outcome = outcome.map_err(|refusal| match &used {
                Some(used) => used.explained(refusal, Timestamp::now()),
                None => refusal,
            });
            // once for each message: its own repetitions are no further complaints; but what the other
            // side asks to wait counts each time
            let waits = outcome.as_ref().is_err_and(|refusal| refusal.retry_after.is_some());
            if account.attempts == 1 || outcome.is_ok() || waits {
                self.tell_the_gate(&outcome);
            }
            let Err(refusal) = &outcome else { break outcome };
            let Some(again) = patience.another(refusal, now()) else { break outcome };
            let waited = tokio::select! {
                biased;
                () = &mut gone => {
                    self.abandoned(&submission);
                    return None;
                }
                worth_it = self.before(again, refusal, used.as_ref()) => worth_it,
            };
            if !waited {
                break outcome;
            }
            account.attempts += 1;
            last = Some(refusal.clone());
            tracing::debug!(id = %submission.id, reason = refusal.reason, ?again, "the relay is asked once more");
        };
        account.close(&self.metrics, &submission, &outcome, began.elapsed());
        Some(match outcome {
            Ok(accepted) => accepted.into_outcome(),
            Err(refusal) => Outcome::Refused(refusal.reply()),
        })
    }

    /// The message as the rules in force let it leave.
    async fn prepared<'a>(&self, submission: &'a Submission) -> Result<Outgoing<'a>, Refusal> {
        self.allowed()?;
        let loaded = self.loaded().ok_or(Refusal::of(reason::MAIL_SENDER_MISSING))?;
        self.judged(submission, &loaded).await
    }

    /// The same, by these rules.
    pub(crate) async fn judged<'a>(
        &self,
        submission: &'a Submission,
        loaded: &Loaded,
    ) -> Result<Outgoing<'a>, Refusal> {
        let prepared = Outgoing::prepare(submission, loaded).await;
        prepared.inspect_err(|refusal| {
            if refusal.class == Class::Permanent {
                self.metrics.denied(refusal.reason);
            }
        })
    }

    /// All that can still be taken back.
    async fn handed(
        &self,
        outgoing: &Outgoing<'_>,
        place: Option<Place>,
        used: &mut Option<Clearance>,
        account: &mut account::Account,
    ) -> Result<Handed, Refusal> {
        let waited = Instant::now();
        let place = match place {
            Some(place) => place,
            None => self.place(outgoing.asked(), WAIT_BEHIND).await?,
        };
        account.wait = waited.elapsed();
        // anew: since the 354 the token may have been renewed, or the sender suspended
        let cleared = used.insert(self.cleared(outgoing).await?);
        let handing = self.upstream.hand_over(cleared, outgoing, place, &mut account.times);
        handing.await.map_err(|trouble| troubled(&trouble))
    }

    /// The pace follows what the relay says to it.
    pub(crate) fn tell_the_gate(&self, outcome: &Result<Accepted, Refusal>) {
        match outcome {
            Ok(_) => self.gate.succeeded(),
            Err(refusal) => {
                if let Some(signal) = signal(refusal) {
                    self.metrics.throttled(refusal.reason);
                    self.gate.throttled(signal);
                }
            }
        }
    }

    /// Waits for what the next attempt needs; `false`: there is no use in one.
    async fn before(&self, again: Again, refusal: &Refusal, used: Option<&Clearance>) -> bool {
        let mut drain = self.drain.clone();
        let waiting = async {
            match again {
                Again::After(pause) => {
                    sleep(pause).await;
                    true
                }
                Again::WithAnotherToken => match used.filter(|used| used.token().is_some()) {
                    Some(used) => {
                        used.token_refused(refusal, Timestamp::now());
                        self.has_another_token().await
                    }
                    // a password stays as it is, and showing it again may lock the account
                    None => false,
                },
            }
        };
        tokio::select! {
            worth_it = waiting => worth_it,
            () = drain.over() => false,
        }
    }

    /// Whether there is a token that the relay has not refused; waits for one where one was asked
    /// for.
    async fn has_another_token(&self) -> bool {
        let mut current = self.current.clone();
        if !current.borrow_and_update().asks_for_its_own_tokens() {
            return self.allowed().is_ok();
        }
        let coming = async {
            while self.allowed().is_err() {
                if current.changed().await.is_err() {
                    return false;
                }
            }
            true
        };
        timeout(WAIT_FOR_TOKEN, coming).await.unwrap_or(false)
    }
}
