//! The state of one token: what is asked for, what is held, what failed.
//!
//! ```text
//!            want(request)        claim, begin      answer: token
//!   Unknown ──────────────► Asked ───────► asking ──────────────► held ─┐
//!      │                    ▲   ▲            │ answer: error            │ half of the life, or
//!      │ want(unusable)     │   └─ backoff ──┘ (what is held stays)     │ another request
//!      └──────► Unusable ───┘ ◄─────────────────────────────────────────┘
//! ```
//!
//! No request is kept here, only its fingerprint: it is made anew from the cluster when it is sent,
//! so that no credential is used that the operator may not read any more.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use mail_egress_diagnosis::Diagnosis;
use mail_egress_entra::schedule::{Failed, Life, Next, schedule};
use mail_egress_entra::{Retry, Token, TokenError};

use super::{key::Fingerprint, request::Request};

/// What the senders of an app want: the request, or why none can be made.
#[derive(Clone, Debug)]
pub struct Want {
    /// Who would ask whom for what; see [`Fingerprint::identity`].
    pub identity: String,
    /// The request, unless the credential is missing or unusable.
    pub request: Result<Request, Diagnosis>,
}

/// A token that is held, and how it was come by.
#[derive(Clone, Debug)]
pub struct Held {
    /// The token and its end.
    pub token: Token,
    /// The moment before it was asked for.
    pub obtained_at: Timestamp,
    /// The request that it answered.
    pub fingerprint: Fingerprint,
}

/// What a sender can do now.
#[derive(Clone, Debug)]
pub enum Standing {
    /// Use this token. `trouble` says why its renewal fails, if it does.
    Held {
        /// The token, which has not ended.
        token: Token,
        /// Why it would not be followed by another.
        trouble: Option<Diagnosis>,
    },
    /// Wait: the first answer is still to come, for as long as this.
    Awaited {
        /// Since when it is waited for.
        since: Instant,
    },
    /// Nothing: there is no token, for this reason.
    Missing(Diagnosis),
}

/// One token's state. Drive it by [`Entry::want`], [`Entry::next`], [`Entry::claim`],
/// [`Entry::begin`] and [`Entry::answer`].
#[derive(Debug)]
pub struct Entry {
    wish: Wish,
    held: Option<Held>,
    failure: Option<Failure>,
    asking: bool,
    wanted_at: Instant,
    awaited_since: Instant,
}

#[derive(Debug)]
enum Wish {
    /// Read from a Secret after a start, or not to be had any more; nobody has wanted it since.
    Unknown,
    /// To be asked for.
    Asked(Fingerprint),
    /// Wanted, yet the credential is missing or unusable.
    Unusable(String, Diagnosis),
}

#[derive(Debug)]
struct Failure {
    failed: Failed,
    diagnosis: Diagnosis,
    /// The request that failed, or that has to wait for the end of this failure.
    fingerprint: Fingerprint,
}

impl Failure {
    /// Whether it holds up other requests for the same token too: Entra's wish to be left alone
    /// for a while goes to the application and not to its credential.
    fn holds_others(&self, now: Timestamp) -> bool {
        // the longest spread: rather kept a little longer than forgotten too early
        matches!(self.failed.retry, Retry::After(_))
            && schedule(now, None, Some(self.failed), 1.0) != Next::Ask
    }
}

impl Wish {
    fn of(want: &Want) -> Self {
        match &want.request {
            Ok(request) => Self::Asked(Fingerprint::of(&want.identity, request)),
            Err(diagnosis) => Self::Unusable(want.identity.clone(), diagnosis.clone()),
        }
    }
}

impl Entry {
    /// A token that nobody has asked for yet.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            wish: Wish::Unknown,
            held: None,
            failure: None,
            asking: false,
            wanted_at: now,
            awaited_since: now,
        }
    }

    /// A token that an earlier leader obtained.
    #[must_use]
    pub fn kept(held: Held, now: Instant) -> Self {
        Self { held: Some(held), ..Self::new(now) }
    }

    /// Takes in what is wanted today, at a moment told by both clocks. Returns whether it differs
    /// from before, so that a decision is due; failures of another request are forgotten, unless
    /// Entra has asked to wait.
    pub fn want(&mut self, want: &Want, moment: Instant, now: Timestamp) -> bool {
        self.wanted_at = moment;
        self.change(Wish::of(want), moment, now)
    }

    fn change(&mut self, wish: Wish, moment: Instant, now: Timestamp) -> bool {
        let changed = match (&self.wish, &wish) {
            (Wish::Asked(old), Wish::Asked(new)) => old != new,
            (Wish::Unusable(..), Wish::Unusable(..)) | (Wish::Unknown, Wish::Unknown) => false,
            (Wish::Unknown | Wish::Asked(..) | Wish::Unusable(..), _) => true,
        };
        if changed {
            self.failure = self.failure.take().filter(|failure| failure.holds_others(now));
            self.awaited_since = moment;
        }
        if let (Some(failure), Wish::Asked(fingerprint)) = (&mut self.failure, &wish) {
            failure.fingerprint = fingerprint.clone();
        }
        self.wish = wish;
        changed
    }

    /// What to do about it; `None` where nothing is to be done until somebody wants it.
    #[must_use]
    pub fn next(&self, now: Timestamp, spread: f64) -> Option<Next> {
        match &self.wish {
            Wish::Asked(fingerprint) if !self.asking => {
                let failed = self.failure.as_ref().map(|failure| failure.failed);
                let life = self.held.as_ref().map(|held| Life {
                    obtained_at: held.obtained_at,
                    expires_at: held.token.expires_at,
                    by_current_request: held.fingerprint == *fingerprint,
                });
                Some(schedule(now, life, failed, spread))
            }
            Wish::Asked(..) | Wish::Unknown | Wish::Unusable(..) => None,
        }
    }

    /// Marks it as being asked for, unless it is so already or nothing is to be asked.
    pub fn claim(&mut self) -> bool {
        match &self.wish {
            Wish::Asked(_) if !self.asking => {
                self.asking = true;
                true
            }
            Wish::Asked(..) | Wish::Unknown | Wish::Unusable(..) => false,
        }
    }

    /// Turns the claim into the request that is to be sent now, by what can be asked today: `None`
    /// where the app is gone or may not be used, and then nobody wants it until somebody says so
    /// again. Returns `None`, and gives the claim back, where nothing is to be sent.
    pub fn begin(
        &mut self,
        today: Option<Want>,
        moment: Instant,
        now: Timestamp,
    ) -> Option<(Request, Fingerprint)> {
        self.change(today.as_ref().map_or(Wish::Unknown, Wish::of), moment, now);
        let begun = match (&self.wish, today.map(|today| today.request)) {
            (Wish::Asked(fingerprint), Some(Ok(request))) => Some((request, fingerprint.clone())),
            (Wish::Asked(_) | Wish::Unknown | Wish::Unusable(..), _) => None,
        };
        self.asking = begun.is_some();
        begun
    }

    /// Takes in Entra's answer to the request with this fingerprint. A token replaces the one
    /// held; an error leaves it, and counts only if the same request is still wanted or Entra asks
    /// to wait. Returns whether senders have something new to hear: the same failure once more is
    /// nothing new.
    pub fn answer(
        &mut self,
        fingerprint: &Fingerprint,
        answer: Result<Held, TokenError>,
        now: Timestamp,
    ) -> bool {
        self.asking = false;
        match answer {
            Ok(held) => {
                self.held = Some(held);
                self.failure = None;
                true
            }
            Err(error) if self.concerns(fingerprint, error.retry) => {
                let before = self.failure.take();
                let times = before.as_ref().map_or(0, |before| before.failed.times).saturating_add(1);
                let failed = Failed { times, at: now, retry: error.retry };
                let news = before.is_none_or(|before| before.diagnosis != error.diagnosis);
                let fingerprint = match &self.wish {
                    Wish::Asked(wanted) => wanted.clone(),
                    Wish::Unknown | Wish::Unusable(..) => fingerprint.clone(),
                };
                self.failure = Some(Failure { failed, diagnosis: error.diagnosis, fingerprint });
                news
            }
            Err(_) => false,
        }
    }

    /// Whether the failure of the request with this fingerprint counts.
    fn concerns(&self, fingerprint: &Fingerprint, retry: Retry) -> bool {
        matches!(retry, Retry::After(_)) || matches!(&self.wish, Wish::Asked(wanted) if wanted == fingerprint)
    }

    /// What a sender can do now.
    #[must_use]
    pub fn standing(&self, now: Timestamp) -> Standing {
        let trouble = match &self.wish {
            Wish::Unusable(_, diagnosis) => Some(diagnosis),
            Wish::Asked(..) | Wish::Unknown => self.failure.as_ref().map(|failure| &failure.diagnosis),
        };
        let identity = match &self.wish {
            Wish::Unknown => None,
            Wish::Asked(fingerprint) => Some(fingerprint.identity.as_str()),
            Wish::Unusable(identity, _) => Some(identity.as_str()),
        };
        self.stand(identity, trouble, now)
    }

    /// Where it stands with what could be asked today, whatever was wanted last: the failure of
    /// another request says nothing against this one.
    #[must_use]
    pub fn standing_with(&self, today: &Want, now: Timestamp) -> Standing {
        let trouble = match Wish::of(today) {
            Wish::Asked(fingerprint) => {
                let failure = self.failure.as_ref();
                failure.filter(|failure| failure.fingerprint == fingerprint).map(|failure| &failure.diagnosis)
            }
            Wish::Unusable(..) | Wish::Unknown => today.request.as_ref().err(),
        };
        self.stand(Some(&today.identity), trouble, now)
    }

    fn stand(&self, identity: Option<&str>, trouble: Option<&Diagnosis>, now: Timestamp) -> Standing {
        match (self.usable(identity, now), trouble) {
            (Some(held), trouble) => Standing::Held { token: held.token.clone(), trouble: trouble.cloned() },
            (None, Some(diagnosis)) => Standing::Missing(diagnosis.clone()),
            (None, None) => Standing::Awaited { since: self.awaited_since },
        }
    }

    /// The token that is held, if it has not ended and belongs to this identity, where one is told.
    fn usable(&self, identity: Option<&str>, now: Timestamp) -> Option<&Held> {
        let ours = |held: &&Held| identity.is_none_or(|identity| held.fingerprint.identity == identity);
        self.held.as_ref().filter(|held| now < held.token.expires_at).filter(ours)
    }

    /// The token that is held, whether good or not.
    #[must_use]
    pub fn held(&self) -> Option<&Held> {
        self.held.as_ref()
    }

    /// When somebody last wanted it.
    #[must_use]
    pub fn idle(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.wanted_at)
    }
}

#[cfg(test)]
mod tests;
