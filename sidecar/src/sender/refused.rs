//! Remembers which tokens the relay has refused, so that none is shown again until another came.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};

use jiff::{SignedDuration, Timestamp};
use mail_egress_entra::Token;
use secrecy::{ExposeSecret, SecretString};

use crate::message::refusal::Refusal;

/// After so long a refused token may be shown once more: what was mended at the relay (a mailbox
/// permission) is seen in no other way, and a token can live for a day.
const SHUNNED: SignedDuration = SignedDuration::from_mins(5);
/// Tokens remembered; there is one in force, and few come in five minutes.
const MOST: usize = 8;

/// The refused tokens, by a keyed hash; never their values.
#[derive(Debug, Default)]
pub struct Refused {
    hasher: RandomState,
    tokens: VecDeque<(u64, Timestamp, Refusal)>,
}

impl Refused {
    /// The relay has refused this token, and this is what the app was told.
    pub fn note(&mut self, token: &SecretString, why: &Refusal, now: Timestamp) {
        let id = self.id(token);
        self.tokens.retain(|(known, ..)| *known != id);
        self.tokens.truncate(MOST - 1);
        self.tokens.push_front((id, now, why.clone()));
    }

    /// Why this token is not to be shown, if it is not.
    #[must_use]
    pub fn why(&self, token: &SecretString, now: Timestamp) -> Option<Refusal> {
        if self.tokens.is_empty() {
            return None;
        }
        let id = self.id(token);
        let (_, at, why) = self.tokens.iter().find(|(known, ..)| *known == id)?;
        // a clock that was set back must not shun it for longer
        (now.duration_since(*at).abs() < SHUNNED).then(|| why.clone())
    }

    /// Whether both are the same token.
    #[must_use]
    pub fn is(&self, token: &Token, other: &SecretString) -> bool {
        self.id(&token.value) == self.id(other)
    }

    fn id(&self, token: &SecretString) -> u64 {
        self.hasher.hash_one(token.expose_secret())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute)
    }

    #[test]
    fn a_refused_token_is_shunned_for_five_minutes_and_another_is_not() {
        let mut refused = Refused::default();
        refused.note(&"a".into(), &Refusal::of("TokenRefused"), at(0));
        assert_eq!(refused.why(&"a".into(), at(4)).unwrap().reason, "TokenRefused");
        assert_eq!(refused.why(&"b".into(), at(4)), None);
        assert_eq!(refused.why(&"a".into(), at(5)), None);
        assert_eq!(refused.why(&"a".into(), at(-60)), None);
    }

    #[test]
    fn only_the_latest_are_remembered_and_none_is_shown() {
        let mut refused = Refused::default();
        for n in 0..100 {
            refused.note(&format!("s3cret{n}").into(), &Refusal::of("TokenRefused"), at(0));
        }
        assert_eq!(refused.tokens.len(), MOST);
        assert!(refused.why(&"s3cret99".into(), at(0)).is_some());
        assert!(!format!("{refused:?}").contains("s3cret"));
    }
}
