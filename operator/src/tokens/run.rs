//! Asks Entra when it is due, keeps what it gave, and tells those who wait.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use mail_egress_entra::backoff::Backoff;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};
use tracing::{info, warn};

use super::{
    Account, Entry, Held, Key, Owner, Tokens, kept, relay_login, rotated,
    slots::{Slot, Slots},
};
use crate::{
    causes::Causes,
    metrics::Metrics,
    watches::{Change, Changes, Named, Stores},
    writer::{WriteError, Writer},
};

/// The loop looks at least this often: the wall clock may have been set, an app may be gone.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// Between two attempts to keep a token.
pub(super) const SAVE_AGAIN: Backoff =
    Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(60) };

/// What the loop works with.
#[derive(Clone)]
pub struct Surroundings {
    /// Writes the Secrets that keep the tokens, as the leader.
    pub writer: Writer,
    /// Who the operator is to the API server, and in which namespace it keeps its tokens.
    pub account: Account,
    /// Tells which EntraApps exist; filled before the loop begins.
    pub stores: Stores,
    /// Where changes are announced.
    pub changes: Changes,
    /// Counts requests and shows the tokens' ends.
    pub metrics: Metrics,
}

impl Tokens {
    /// Takes over the tokens, and the refresh tokens, that the last leader kept. To be called before anybody wants one, or
    /// Entra is asked for what is at hand.
    pub async fn load(&self, around: &Surroundings) -> Result<(), kube::Error> {
        let secrets: Api<Secret> = Api::namespaced(around.writer.client(), &around.account.namespace);
        let kept = kept::load(&secrets).await?;
        let refreshes = rotated::load(&secrets).await?;
        info!(tokens = kept.len(), refresh_tokens = refreshes.len(), "kept tokens read");
        self.rotated().extend(refreshes);
        let mut entries = self.entries();
        for (key, held) in kept {
            around.metrics.token_held(&key.owner.to_string(), &key.scope, held.token.expires_at);
            entries.insert(key, Entry::kept(held, std::time::Instant::now()));
        }
        Ok(())
    }

    /// Asks, keeps and announces; never returns. Dropped, it asks for and writes nothing more.
    pub async fn run(self: Arc<Self>, around: Surroundings) {
        let mut slots = Slots::default();
        let mut tasks = JoinSet::new();
        let mut looked = Timestamp::now();
        loop {
            for key in self.forget(&around.stores, &around.changes) {
                around.metrics.token_forgotten(&key.owner.to_string(), &key.scope);
                tasks.spawn(Self::delete(key, around.clone()));
            }
            for owner in self.forget_rotated(&around.stores) {
                tasks.spawn(Self::delete_rotated(owner, around.clone()));
            }
            let now = Timestamp::now();
            for owner in self.ended(looked, now) {
                around.changes.announce(Change::Token(owner));
            }
            looked = now;
            let (due, again) = self.due(now);
            for key in due {
                let slot = slots.slot(&login_host(&key, &around.stores));
                let (tokens, around) = (self.clone(), around.clone());
                tasks.spawn(async move {
                    tokens.ask(key, slot.await, &around).await;
                });
            }
            let until = again.and_then(|again| Duration::try_from(again.duration_since(now)).ok());
            tokio::select! {
                () = self.woken.notified() => {}
                () = sleep(until.unwrap_or(LONGEST_SLEEP).min(LONGEST_SLEEP)) => {}
                Some(_) = tasks.join_next() => {}
            }
        }
    }

    async fn ask(&self, key: Key, slot: Slot, around: &Surroundings) {
        let (asked_at, begun) = (Timestamp::now(), Instant::now());
        let Some((request, fingerprint)) = self.begin(&key, &around.stores, asked_at) else { return };
        let answer = self.exchange(&key.owner, request, around).await;
        // to keep the token may take long, and is no matter of the login host
        drop(slot);
        let (answer, rotated) = match answer {
            Ok((token, rotated)) => (Ok(token), rotated),
            Err(error) => (Err(error), None),
        };
        let took_ms = begun.elapsed().as_millis();
        let (owner, scope) = (&key.owner, &key.scope);
        let app = &owner.to_string();
        match &answer {
            Ok(token) => {
                info!(app, scope, took_ms, expires_at = %token.expires_at, "token obtained");
                around.metrics.token_requested(app, scope, None);
            }
            Err(error) => {
                let trace = error.trace.as_ref();
                warn!(
                    app,
                    scope,
                    took_ms,
                    reason = error.diagnosis.reason,
                    trace_id = trace.map(|trace| &trace.trace_id),
                    correlation_id = trace.map(|trace| &trace.correlation_id),
                    "no token: {error}"
                );
                around.metrics.token_requested(app, scope, Some(error.diagnosis.reason));
            }
        }
        let held =
            answer.map(|token| Held { token, obtained_at: asked_at, fingerprint: fingerprint.clone() });
        // none where it was forgotten meanwhile
        let news = self
            .entries()
            .get_mut(&key)
            .map(|entry| entry.answer(&fingerprint, held.clone(), Timestamp::now()));
        if news == Some(true) {
            around.changes.announce(Change::Token(owner.clone()));
        }
        let keep_token = async {
            if let (Ok(held), Some(_)) = (held, news) {
                around.metrics.token_held(app, scope, held.token.expires_at);
                self.keep(&key, &held, around).await;
            }
        };
        let keep_refresh_token = async {
            if let Some(rotated) = rotated {
                self.keep_rotated(owner, &rotated, around).await;
            }
        };
        tokio::join!(keep_token, keep_refresh_token);
    }

    /// Keeps a token, however often it takes, until another has taken its place.
    async fn keep(&self, key: &Key, held: &Held, around: &Surroundings) {
        for attempt in 1.. {
            match kept::save(&around.writer, &around.account.namespace, key, held).await {
                Ok(()) => return,
                Err(WriteError::NotLeading(_)) => return,
                Err(error @ (WriteError::TimedOut | WriteError::Api(_))) => {
                    warn!(
                        app = %key.owner,
                        attempt,
                        error = %Causes(&error),
                        "token not kept yet"
                    );
                }
            }
            sleep(SAVE_AGAIN.delay(attempt, key.spread())).await;
            let current = self.entries().get(key).and_then(|entry| entry.held().map(|held| held.obtained_at));
            if current != Some(held.obtained_at) {
                return;
            }
        }
    }

    /// Owners whose token has ended between two looks without another in its place.
    fn ended(&self, since: Timestamp, now: Timestamp) -> Vec<Owner> {
        let between = |end: Timestamp| since < end && end <= now;
        let entries = self.entries();
        let ended = entries
            .iter()
            .filter(|(_, entry)| entry.held().is_some_and(|held| between(held.token.expires_at)));
        ended.map(|(key, _)| key.owner.clone()).collect()
    }

    /// Deletes what is kept of a token that was forgotten.
    async fn delete(key: Key, around: Surroundings) {
        match kept::delete(&around.writer, &around.account.namespace, &key).await {
            Ok(()) => info!(app = %key.owner, scope = key.scope, "token forgotten"),
            // the next start finds it again, and forgets it then
            Err(error) => {
                warn!(app = %key.owner, error = %Causes(&error), "kept token not deleted");
            }
        }
    }
}

/// The host that would be asked; empty where nothing will be, since there is no such owner.
fn login_host(key: &Key, stores: &Stores) -> String {
    let url = match &key.owner {
        Owner::App(name) => match stores.app(name) {
            Named::Found(app) => app.spec.login_url().to_owned(),
            Named::Unreadable(_) | Named::Missing => String::new(),
        },
        Owner::Route(name) => match stores.route(name) {
            Named::Found(route) => {
                relay_login(&route.spec).map(|login| login.token_url.clone()).unwrap_or_default()
            }
            Named::Unreadable(_) | Named::Missing => String::new(),
        },
    };
    host(&url).to_ascii_lowercase()
}

/// Host and port of a URL.
fn host(url: &str) -> &str {
    let after = url.split_once("://").map_or(url, |(_, after)| after);
    after.split(['/', '?', '#']).next().unwrap_or(after)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apps_of_one_host_are_of_one_host_whatever_the_path() {
        assert_eq!(host("https://login.test:8443/a/b"), "login.test:8443");
        assert_eq!(host("https://login.test?x"), host("https://login.test"));
    }
}
