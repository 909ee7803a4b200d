//! What the leader does, from its election to the end of its term.

use std::{sync::Arc, time::Duration};

use kube::Client;
use mail_egress_entra::backoff::Backoff;
use tokio::time::sleep;
use tracing::{info, warn};

use super::LEASE;
use crate::{
    causes::Causes,
    controller::{self, Context, Settings},
    events::Events,
    leader::Leadership,
    metrics::Metrics,
    tokens::{Account, Surroundings, Tokens},
    watches::{Changes, Stores, Synced},
    writer::Writer,
};

/// Between two attempts to read the kept tokens.
const AGAIN: Backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(30) };

/// Everything that the leader needs.
pub(super) struct Leading {
    pub(super) identity: String,
    pub(super) account: Account,
    pub(super) client: Client,
    pub(super) leadership: Leadership,
    pub(super) synced: Synced,
    pub(super) stores: Stores,
    pub(super) changes: Changes,
    pub(super) tokens: Arc<Tokens>,
    pub(super) metrics: Metrics,
    pub(super) settings: Settings,
}

/// Why the program must not go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum EndOfTerm {
    /// Another replica may lead from now on; this one begins anew.
    #[error("the lease is lost: another replica leads, or it could not be renewed in time")]
    Lost,
}

impl Leading {
    /// Waits to be elected, and then leads until the lease is lost.
    pub(super) async fn run(self) -> EndOfTerm {
        let term = self.leadership.acquired().await;
        self.metrics.leading(LEASE, true);
        let lost = term.lost();
        let writer = Writer::new(self.client.clone(), term.clone());
        let end = tokio::select! {
            biased;
            () = lost => EndOfTerm::Lost,
            end = self.work(writer) => end,
        };
        // at once: the program still serves the webhook for a while, and leads no more
        self.metrics.leading(LEASE, false);
        end
    }

    async fn work(&self, writer: Writer) -> EndOfTerm {
        // nothing is concluded from what is merely not known yet
        self.synced.wait().await;
        let around = Surroundings {
            writer: writer.clone(),
            account: self.account.clone(),
            stores: self.stores.clone(),
            changes: self.changes.clone(),
            metrics: self.metrics.clone(),
        };
        self.load(&around).await;
        let context = Arc::new(Context {
            events: Events::new(self.client.clone(), &self.identity),
            writer,
            stores: self.stores.clone(),
            tokens: self.tokens.clone(),
            metrics: self.metrics.clone(),
            settings: self.settings.clone(),
        });
        info!("controllers run");
        tokio::join!(self.tokens.clone().run(around), controller::run(context, &self.changes));
        // neither ends
        EndOfTerm::Lost
    }

    async fn load(&self, around: &Surroundings) {
        for attempt in 1.. {
            match self.tokens.load(around).await {
                Ok(()) => return,
                Err(error) => {
                    warn!(attempt, error = %Causes(&error), "kept tokens not read yet");
                    sleep(AGAIN.delay(attempt, rand::random())).await;
                }
            }
        }
    }
}
