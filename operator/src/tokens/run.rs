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
    Entry, Held, Key, Tokens, kept,
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
const SAVE_AGAIN: Backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(60) };

/// What the loop works with.
#[derive(Clone)]
pub struct Surroundings {
    /// Writes the Secrets that keep the tokens, as the leader.
    pub writer: Writer,
    /// The operator's own namespace.
    pub namespace: String,
    /// Tells which EntraApps exist; filled before the loop begins.
    pub stores: Stores,
    /// Where changes are announced.
    pub changes: Changes,
    /// Counts requests and shows the tokens' ends.
    pub metrics: Metrics,
}

impl Tokens {
    /// Takes over the tokens that the last leader kept. To be called before anybody wants one, or
    /// Entra is asked for what is at hand.
    pub async fn load(&self, around: &Surroundings) -> Result<(), kube::Error> {
        let secrets: Api<Secret> = Api::namespaced(around.writer.client(), &around.namespace);
        let kept = kept::load(&secrets).await?;
        info!(tokens = kept.len(), "kept tokens read");
        let mut entries = self.entries();
        for (key, held) in kept {
            around.metrics.token_held(&key.app, &key.scope, held.token.expires_at);
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
                around.metrics.token_forgotten(&key.app, &key.scope);
                tasks.spawn(Self::delete(key, around.clone()));
            }
            let now = Timestamp::now();
            for app in self.ended(looked, now) {
                around.changes.announce(Change::Token(app));
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
        let answer = self.client.request(&request, asked_at).await.map(|granted| granted.token);
        // to keep the token may take long, and is no matter of the login host
        drop(slot);
        let took_ms = begun.elapsed().as_millis();
        let Key { app, scope } = &key;
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
        let news = match self.entries().get_mut(&key) {
            Some(entry) => entry.answer(&fingerprint, held.clone(), Timestamp::now()),
            None => return,
        };
        if news {
            around.changes.announce(Change::Token(app.clone()));
        }
        if let Ok(held) = held {
            around.metrics.token_held(app, scope, held.token.expires_at);
            self.keep(&key, &held, around).await;
        }
    }

    /// Keeps a token, however often it takes, until another has taken its place.
    async fn keep(&self, key: &Key, held: &Held, around: &Surroundings) {
        for attempt in 1.. {
            match kept::save(&around.writer, &around.namespace, key, held).await {
                Ok(()) => return,
                Err(WriteError::NotLeading(_)) => return,
                Err(error @ (WriteError::TimedOut | WriteError::Api(_))) => {
                    warn!(
                        app = key.app,
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

    /// Apps whose token has ended between two looks without another in its place.
    fn ended(&self, since: Timestamp, now: Timestamp) -> Vec<String> {
        let between = |end: Timestamp| since < end && end <= now;
        let entries = self.entries();
        let ended = entries
            .iter()
            .filter(|(_, entry)| entry.held().is_some_and(|held| between(held.token.expires_at)));
        ended.map(|(key, _)| key.app.clone()).collect()
    }

    /// Deletes what is kept of a token that was forgotten.
    async fn delete(key: Key, around: Surroundings) {
        match kept::delete(&around.writer, &around.namespace, &key).await {
            Ok(()) => info!(app = key.app, scope = key.scope, "token forgotten"),
            // the next start finds it again, and forgets it then
            Err(error) => {
                warn!(app = key.app, error = %Causes(&error), "kept token not deleted");
            }
        }
    }
}

/// The host that would be asked; empty where nothing will be, since there is no such app.
fn login_host(key: &Key, stores: &Stores) -> String {
    match stores.app(&key.app) {
        Named::Found(app) => host(app.spec.login_url()).to_ascii_lowercase(),
        Named::Unreadable(_) | Named::Missing => String::new(),
    }
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
