//! The webhook's own certificate authority: no cert-manager, no certificate in a manifest.
//!
//! One Secret of the operator's namespace keeps the CA. Each replica signs its own serving
//! certificate with it, and holds that in memory only. The leader rotates the CA, and keeps the
//! `caBundle` of the MutatingWebhookConfiguration what it has to be, by server-side apply under a
//! field manager of its own: manifests that are applied again leave it alone.
//!
//! - A missing Secret is created by whoever comes first; the others read it.
//! - A Secret that is deleted or damaged is written anew: from memory, with a successor announced
//!   at once, so that nothing is interrupted; from nothing where no replica remembers a CA. Only
//!   the leader repairs a damaged one; until then the replicas serve what they have.

mod certificate;
mod publish;
mod rotation;
mod secret;
mod serving;
mod stored;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use kube::Client;
use mail_egress_entra::backoff::Backoff;
use rustls_pki_types::CertificateDer;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

pub use certificate::SigningError;
pub use publish::PublishError;
pub use secret::SecretError;
pub use serving::Serving;

use crate::causes::Causes;
use crate::leader::{Leadership, Term};
use certificate::Leaf;
use rotation::Step;
use stored::Stored;

/// Time between two looks at the Secret, and between two applications of the bundle: a `caBundle`
/// that somebody removes is back after this.
const RESYNC: Duration = Duration::from_secs(60);
/// Time before the next attempt after a failure.
const RETRY: Backoff = Backoff { first: Duration::from_secs(5), longest: RESYNC };
/// How long one request to the API server may take.
const REQUEST_LIMIT: Duration = Duration::from_secs(8);

/// Where the authority's objects are.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The operator's namespace.
    pub namespace: String,
    /// The Service by which the API server reaches the webhook.
    pub service: String,
    /// The Secret that keeps the CA: `mail-egress-ca`.
    pub secret: String,
    /// The MutatingWebhookConfiguration to keep patched: `mail-egress-injector`.
    pub webhook_configuration: String,
}

impl Settings {
    /// What the serving certificate is good for.
    fn names(&self) -> Vec<String> {
        let short = format!("{}.{}", self.service, self.namespace);
        vec![format!("{short}.svc"), format!("{short}.svc.cluster.local"), short]
    }
}

/// The replica's side of the authority.
pub struct Authority {
    client: Client,
    settings: Settings,
    leadership: Leadership,
    now: fn() -> Timestamp,
    remembered: Option<Stored>,
    published: Option<Published>,
    leaf: watch::Sender<Option<Arc<Leaf>>>,
}

/// Since when the API server has known a successor.
struct Published {
    next: CertificateDer<'static>,
    since: Instant,
}

/// What a round could not do; the next one tries again.
#[derive(Debug, thiserror::Error)]
enum RoundError {
    #[error(transparent)]
    Secret(#[from] SecretError),
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error(transparent)]
    Signing(#[from] SigningError),
}

impl Authority {
    /// The authority, and the view of its certificate for the webhook and for readiness.
    ///
    /// `now` is the wall clock: certificates are judged by those of other machines.
    pub fn new(
        client: Client,
        settings: Settings,
        leadership: Leadership,
        now: fn() -> Timestamp,
    ) -> (Self, Serving) {
        let (leaf, serving) = Serving::new();
        let authority = Self { client, settings, leadership, now, remembered: None, published: None, leaf };
        (authority, serving)
    }

    /// Keeps everything as it has to be until `shutdown`. Never fails: what does not succeed is
    /// logged and tried again, and the certificate at hand is served on.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = std::pin::pin!(shutdown);
        let mut failures = 0;
        loop {
            let term = self.leadership.term();
            match self.round(term.as_ref()).await {
                Ok(()) => failures = 0,
                Err(error) => {
                    failures += 1;
                    warn!(
                        failures,
                        error = %Causes(&error),
                        "the webhook's certificates are not as they have to be"
                    );
                }
            }
            tokio::select! {
                biased;
                () = &mut shutdown => return,
                () = self.change_since(term) => {}
                () = sleep(pause(failures, rand::random())) => {}
            }
        }
    }

    /// Waits until leadership is not what a round has assumed; at once where that was so already
    /// before its end.
    async fn change_since(&self, term: Option<Term>) {
        match term {
            Some(term) => term.lost().await,
            None => drop(self.leadership.acquired().await),
        }
    }

    async fn round(&mut self, term: Option<&Term>) -> Result<(), RoundError> {
        let now = (self.now)();
        if term.is_none() {
            self.published = None;
        }
        let mut found = self.gather(term, now).await?;
        if let Some(term) = term {
            found = self.rotate(term, found, now).await?;
        }
        let stored = found.stored;
        self.remembered = Some(stored.clone());
        self.serve(&stored, now)?;
        if let Some(term) = term {
            self.publish(term, &stored, now).await?;
        }
        Ok(())
    }

    /// Reads the Secret; creates it where it is missing, repairs it where it is damaged.
    async fn gather(&self, term: Option<&Term>, now: Timestamp) -> Result<secret::Found, RoundError> {
        let secret = self.secret();
        let damaged = match secret.read().await? {
            secret::Content::Sound(found) => return Ok(found),
            secret::Content::Missing => {
                let anew = Stored::anew(self.remembered.as_ref(), now)?;
                return Ok(secret.create(anew).await?);
            }
            secret::Content::Damaged(damaged) => damaged,
        };
        let Some(term) = term else {
            return Err(damaged.refusal().into());
        };
        warn!(error = %damaged.refusal(), "writing it anew");
        let anew = Stored::anew(self.remembered.as_ref(), now)?;
        Ok(secret.replace(term, damaged.version(), anew).await?)
    }

    async fn rotate(
        &self,
        term: &Term,
        found: secret::Found,
        now: Timestamp,
    ) -> Result<secret::Found, RoundError> {
        let next = found.stored.next.as_ref().map(|ca| &ca.anchor);
        let published = self
            .published
            .as_ref()
            .filter(|published| next.is_some_and(|next| next.der == published.next))
            .map(|published| published.since.elapsed());
        let current = found.stored.current.anchor.validity;
        let step = rotation::step(current, next.map(|next| next.validity), published, now);
        if step == Step::Keep {
            return Ok(found);
        }
        info!(?step, "rotating the webhook's CA");
        let stored = found.stored.after(step, now)?;
        Ok(self.secret().replace(term, found.version, stored).await?)
    }

    fn serve(&self, stored: &Stored, now: Timestamp) -> Result<(), SigningError> {
        let signer = &stored.current;
        let due = self.leaf.borrow().as_ref().is_none_or(|leaf| leaf.is_due(&signer.anchor, now));
        if due {
            let leaf = signer.sign(&self.settings.names(), now)?;
            info!(until = %leaf.validity.end, "serving a new certificate");
            self.leaf.send_replace(Some(Arc::new(leaf)));
        }
        Ok(())
    }

    async fn publish(&mut self, term: &Term, stored: &Stored, now: Timestamp) -> Result<(), PublishError> {
        let name = &self.settings.webhook_configuration;
        publish::apply(&self.client, term, name, &stored.bundle(now)).await?;
        let known = self.published.take();
        self.published = stored.next.as_ref().map(|next| match known {
            Some(known) if known.next == next.anchor.der => known,
            Some(_) | None => Published { next: next.anchor.der.clone(), since: Instant::now() },
        });
        Ok(())
    }

    fn secret(&self) -> secret::CaSecret {
        secret::CaSecret::new(&self.client, &self.settings.namespace, &self.settings.secret)
    }
}

/// Time until the next round, after so many failures in a row.
fn pause(failures: u32, spread: f64) -> Duration {
    match failures {
        0 => RESYNC,
        failures => RETRY.delay(failures, spread),
    }
}

/// Runs one request within the time limit; `None` where it took too long.
async fn limited<T>(request: impl Future<Output = kube::Result<T>>) -> Option<kube::Result<T>> {
    timeout(REQUEST_LIMIT, request).await.ok()
}

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
