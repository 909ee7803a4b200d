//! Asks Entra when it is due, keeps what it gave, and tells those who wait.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, sleep},
};
use tracing::{info, warn};

use super::{Due, Entry, Held, Key, Tokens, kept};
use crate::{
    backoff::Backoff,
    causes::Causes,
    metrics::Metrics,
    watches::{Change, Changes, Stores},
    writer::{WriteError, Writer},
};

/// Requests to Entra at one time; each is limited in time by the client.
const AT_ONCE: usize = 16;

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
        let slots = Arc::new(Semaphore::new(AT_ONCE));
        let mut tasks = JoinSet::new();
        let mut looked = Timestamp::now();
        loop {
            self.forget(&around, &mut tasks);
            let now = Timestamp::now();
            for app in self.ended(looked, now) {
                around.changes.announce(Change::Token(app));
            }
            looked = now;
            let (due, again) = self.due(now);
            for due in due {
                let (tokens, around, slots) = (self.clone(), around.clone(), slots.clone());
                tasks.spawn(async move {
                    let Ok(_slot) = slots.acquire().await else { return };
                    tokens.ask(due, &around).await;
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

    async fn ask(&self, due: Due, around: &Surroundings) {
        let Due { key, request, fingerprint } = due;
        let (asked_at, begun) = (Timestamp::now(), Instant::now());
        let answer = self.client.request(&request, asked_at).await;
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

    /// Forgets the tokens of apps that are gone or have another scope now, and those that nobody
    /// wants any more.
    fn forget(&self, around: &Surroundings, tasks: &mut JoinSet<()>) {
        let now = std::time::Instant::now();
        let useless = |key: &Key, entry: &Entry| {
            entry.idle(now) > self.idle_after || !around.stores.app_asks_for(&key.app, &key.scope)
        };
        let mut gone = Vec::new();
        self.entries().retain(|key, entry| {
            let useless = useless(key, entry);
            if useless {
                gone.push(key.clone());
            }
            !useless
        });
        for key in gone {
            around.metrics.token_forgotten(&key.app, &key.scope);
            let around = around.clone();
            tasks.spawn(async move {
                match kept::delete(&around.writer, &around.namespace, &key).await {
                    Ok(()) => info!(app = key.app, scope = key.scope, "token forgotten"),
                    // the next start finds it again, and forgets it then
                    Err(error) => {
                        warn!(
                            app = key.app,
                            error = %Causes(&error),
                            "kept token not deleted"
                        );
                    }
                }
            });
        }
    }
}
