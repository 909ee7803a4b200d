//! The state of one token: what is asked for, what is held, what failed.
//!
//! ```text
//!            want(request)          ask            answer: token
//!   Unknown ──────────────► Asked ───────► asking ──────────────► held ─┐
//!      │                    ▲   ▲            │ answer: error            │ half of the life, or
//!      │ want(unusable)     │   └─ backoff ──┘ (what is held stays)     │ another request
//!      └──────► Unusable ───┘ ◄─────────────────────────────────────────┘
//! ```

use std::time::{Duration, Instant};

use jiff::Timestamp;
use mail_egress_diagnosis::Diagnosis;
use mail_egress_entra::{Token, TokenError, TokenRequest};

use super::{
    key::Fingerprint,
    schedule::{Failed, Life, Next, schedule},
};

/// What the senders of an app want: the request, or why none can be made.
#[derive(Clone, Debug)]
pub struct Want {
    /// Who would ask whom for what; see [`Fingerprint::identity`].
    pub identity: String,
    /// The request, unless the credential is missing or unusable.
    pub request: Result<TokenRequest, Diagnosis>,
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

/// One token's state. Drive it by [`Entry::want`], [`Entry::next`], [`Entry::ask`] and
/// [`Entry::answer`].
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
    /// Read from a Secret after a start; nobody has wanted it since.
    Unknown,
    /// To be asked for.
    Asked(Box<TokenRequest>, Fingerprint),
    /// Wanted, yet the credential is missing or unusable.
    Unusable(String, Diagnosis),
}

#[derive(Debug)]
struct Failure {
    failed: Failed,
    diagnosis: Diagnosis,
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

    /// Takes in what is wanted today. Returns whether it differs from before, so that a decision
    /// is due; failures of another request are forgotten.
    pub fn want(&mut self, want: Want, now: Instant) -> bool {
        self.wanted_at = now;
        let wish = match want.request {
            Ok(request) => {
                let fingerprint = Fingerprint::of(&request);
                Wish::Asked(Box::new(request), fingerprint)
            }
            Err(diagnosis) => Wish::Unusable(want.identity, diagnosis),
        };
        let changed = match (&self.wish, &wish) {
            (Wish::Asked(_, old), Wish::Asked(_, new)) => old != new,
            (Wish::Unusable(..), Wish::Unusable(..)) => false,
            (Wish::Unknown | Wish::Asked(..) | Wish::Unusable(..), _) => true,
        };
        if changed {
            self.failure = None;
            self.awaited_since = now;
        }
        self.wish = wish;
        changed
    }

    /// What to do about it; `None` where nothing is to be done until somebody wants it.
    #[must_use]
    pub fn next(&self, now: Timestamp, spread: f64) -> Option<Next> {
        match &self.wish {
            Wish::Asked(_, fingerprint) if !self.asking => {
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

    /// Marks it as being asked for and returns the request, unless there is none or one is already
    /// on its way.
    pub fn ask(&mut self) -> Option<(TokenRequest, Fingerprint)> {
        match &self.wish {
            Wish::Asked(request, fingerprint) if !self.asking => {
                self.asking = true;
                Some((request.as_ref().clone(), fingerprint.clone()))
            }
            Wish::Asked(..) | Wish::Unknown | Wish::Unusable(..) => None,
        }
    }

    /// Takes in Entra's answer to the request with this fingerprint. A token replaces the one
    /// held; an error leaves it, and counts only if the same request is still wanted. Returns
    /// whether senders have something new to hear: the same failure once more is nothing new.
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
            Err(error) if matches!(&self.wish, Wish::Asked(_, wanted) if wanted == fingerprint) => {
                let before = self.failure.take();
                let times = before.as_ref().map_or(0, |before| before.failed.times).saturating_add(1);
                let failed = Failed { times, at: now, retry: error.retry };
                let news = before.is_none_or(|before| before.diagnosis != error.diagnosis);
                self.failure = Some(Failure { failed, diagnosis: error.diagnosis });
                news
            }
            Err(_) => false,
        }
    }

    /// What a sender can do now.
    #[must_use]
    pub fn standing(&self, now: Timestamp) -> Standing {
        let trouble = match &self.wish {
            Wish::Unusable(_, diagnosis) => Some(diagnosis),
            Wish::Asked(..) | Wish::Unknown => self.failure.as_ref().map(|failure| &failure.diagnosis),
        };
        match (self.usable(now), trouble) {
            (Some(held), trouble) => Standing::Held { token: held.token.clone(), trouble: trouble.cloned() },
            (None, Some(diagnosis)) => Standing::Missing(diagnosis.clone()),
            (None, None) => Standing::Awaited { since: self.awaited_since },
        }
    }

    /// The token that is held, if it has not ended and belongs to the identity that is wanted.
    fn usable(&self, now: Timestamp) -> Option<&Held> {
        let ours = |held: &&Held| match &self.wish {
            Wish::Unknown => true,
            Wish::Asked(_, fingerprint) => held.fingerprint.identity == fingerprint.identity,
            Wish::Unusable(identity, _) => held.fingerprint.identity == *identity,
        };
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
