//! The one token that is kept: what it was asked with, how it went, and when it is asked for again.
//! Knows neither clock nor network.

use std::hash::{BuildHasher, RandomState};

use jiff::{SignedDuration, Timestamp};
use mail_egress_config::{EntraSource, Route};
use mail_egress_diagnosis::{Diagnosis, local, reason};
use mail_egress_entra::schedule::{Failed, Life, Next, schedule};
use mail_egress_entra::{Granted, Retry, Token, TokenError};
use secrecy::{ExposeSecret, SecretString};

use super::credential::Mark;
use crate::sender::claims::{self, Addressed};

/// Between two requests that a refused token gave rise to: Entra takes more for a loop (AADSTS50196).
const BY_REFUSAL: SignedDuration = SignedDuration::from_mins(5);

/// By keyed hashes, so that no secret is kept: who asks whom for what, and with which secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    identity: u64,
    with: u64,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Kept {
    hasher: RandomState,
    wanted: Option<Asked>,
    held: Option<(Token, Timestamp, Asked)>,
    /// Whom the held token is plainly for.
    addressed: Option<Addressed>,
    failed: Option<(Failed, Diagnosis)>,
    unusable: Option<Diagnosis>,
    /// The refresh token that is shown in place of the one that is wanted.
    successor: Option<SecretString>,
    /// When the relay's refusal of the held token lets us ask for another.
    renewal: Option<Timestamp>,
    last_by_refusal: Option<Timestamp>,
    answers: u64,
}

impl Kept {
    /// What is wanted now; `None` for the source where the file names none. Another source forgets
    /// all; another secret is tried at once, unless Entra has asked us to wait.
    pub(super) fn want(&mut self, wanted: Option<(&EntraSource, Result<Mark<'_>, Diagnosis>)>) {
        let Some((source, credential)) = wanted else {
            *self = Self {
                hasher: self.hasher.clone(),
                last_by_refusal: self.last_by_refusal,
                ..Self::default()
            };
            return;
        };
        let identity = self.identity(source);
        let known = self.wanted.map(|asked| asked.identity);
        if known.is_some_and(|known| known != identity) {
            (self.held, self.failed, self.renewal) = (None, None, None);
        }
        let (with, unusable) = match credential {
            Ok(mark) => (self.hasher.hash_one((mark, &source.ca_bundle)), None),
            Err(why) => (0, Some(why)),
        };
        let asked = Asked { identity, with };
        if self.wanted != Some(asked) {
            self.successor = None;
            let waits = |(failed, _): &(Failed, Diagnosis)| matches!(failed.retry, Retry::After(_));
            self.failed = self.failed.take().filter(waits);
        }
        (self.wanted, self.unusable) = (Some(asked), unusable);
    }

    /// When it is to be asked for; `None` where nothing can be asked.
    pub(super) fn next(&self, now: Timestamp) -> Option<Next> {
        let wanted = self.wanted.filter(|_| self.unusable.is_none())?;
        let renew = self.renewal.is_some_and(|due| due <= now);
        let life = self.held.as_ref().map(|(token, obtained_at, asked)| Life {
            obtained_at: *obtained_at,
            expires_at: token.expires_at,
            by_current_request: *asked == wanted && !renew,
        });
        let failed = self.failed.as_ref().map(|(failed, _)| *failed);
        // a place of its own in each interval, another one after each answer
        let spread = f64::from(self.hasher.hash_one(self.answers) as u32) / (f64::from(u32::MAX) + 1.0);
        Some(schedule(now, life, failed, spread))
    }

    /// The refresh token that has come in place of the one that is wanted, if one has.
    pub(super) fn successor(&self) -> Option<&SecretString> {
        self.successor.as_ref()
    }

    /// The request that is under way.
    pub(super) fn asking(&mut self, now: Timestamp) -> Option<Asked> {
        if self.renewal.take_if(|due| *due <= now).is_some() {
            self.last_by_refusal = Some(now);
        }
        self.wanted
    }

    /// Takes in the answer; what was asked by another source counts for nothing.
    pub(super) fn answer(
        &mut self,
        asked: Asked,
        answer: Result<Granted, TokenError>,
        at: Timestamp,
        now: Timestamp,
    ) {
        self.answers = self.answers.wrapping_add(1);
        if self.wanted.is_none_or(|wanted| wanted.identity != asked.identity) {
            return;
        }
        match answer {
            Ok(Granted { token, refresh_token }) => {
                self.addressed = claims::addressed(token.value.expose_secret());
                (self.held, self.failed) = (Some((token, at, asked)), None);
                if self.wanted == Some(asked) && refresh_token.is_some() {
                    self.successor = refresh_token;
                }
            }
            Err(error) => {
                if error.retry == Retry::WhenMended {
                    // the one in the file may be better than what came of it
                    self.successor = None;
                }
                let times = self.failed.as_ref().map_or(0, |(failed, _)| failed.times).saturating_add(1);
                self.failed = Some((Failed { times, at: now, retry: error.retry }, error.diagnosis));
            }
        }
    }

    /// The relay has refused the held token: another is asked for, at most once in five minutes.
    pub(super) fn refused(&mut self, now: Timestamp) {
        let due = self.last_by_refusal.and_then(|last| last.checked_add(BY_REFUSAL).ok());
        let due = due.map_or(now, |due| due.clamp(now, now.checked_add(BY_REFUSAL).unwrap_or(now)));
        self.renewal = Some(self.renewal.map_or(due, |earlier| earlier.min(due)));
    }

    /// The token of this source for this route, or why there is none.
    pub(super) fn token(
        &self,
        source: &EntraSource,
        route: &Route,
        now: Timestamp,
    ) -> Result<&Token, Diagnosis> {
        let identity = self.identity(source);
        let ours = self.wanted.is_some_and(|wanted| wanted.identity == identity);
        match &self.held {
            Some((token, ..)) if ours && token.expires_at > now => {
                return self.addressed.as_ref().and_then(|it| it.misplaced(route)).map_or(Ok(token), Err);
            }
            Some(_) | None => {}
        }
        let failed = self.failed.as_ref().map(|(_, why)| why);
        match self.unusable.as_ref().or(failed).filter(|_| ours) {
            Some(why) => Err(why.clone()),
            None => Err(local(reason::TOKEN_MISSING).with_fix("wait a moment: Entra is being asked")),
        }
    }

    /// The token that is held, whether good or not.
    pub(super) fn held(&self) -> Option<&Token> {
        self.held.as_ref().map(|(token, ..)| token)
    }

    fn identity(&self, source: &EntraSource) -> u64 {
        self.hasher.hash_one((&source.login_url, &source.tenant, &source.client_id, &source.scope))
    }
}

#[cfg(test)]
#[path = "kept/tests.rs"]
mod tests;
