//! The loop that takes, renews and releases the Lease.

use std::future::Future;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use kube::api::{ObjectMeta, PostParams};
use kube::{Api, Client};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tracing::{info, warn};

use super::decision::{self, Action, Observation};
use super::leadership::Standing;
use super::{Leadership, Timing};
use crate::causes::Causes;

/// Why a term ends without anybody's doing.
const LAPSED: &str = "its lease could not be renewed in time";

/// Who stands for election, and for what.
#[derive(Clone)]
pub struct Election {
    /// Allowed to create Leases in `namespace`, and to get and update the one named `lease`.
    pub client: Client,
    /// Where the Lease lies.
    pub namespace: String,
    /// The Lease's name.
    pub lease: String,
    /// Who this replica is, for people: the pod's name. What is written has a random suffix, so
    /// that a restarted container does not take itself for its predecessor.
    pub identity: String,
    /// The spans; [`Timing::default`] outside of tests.
    pub timing: Timing,
    /// The wall clock, which only ever is written down.
    pub wall: fn() -> Timestamp,
}

impl Election {
    /// The view for the rest of the program, and the loop to be run beside it.
    pub fn enter(self) -> (Leadership, Campaign) {
        let (standing, view) = watch::channel(Standing::Following);
        let campaign = Campaign {
            leases: Api::namespaced(self.client, &self.namespace),
            name: self.lease,
            me: format!("{}_{:08x}", self.identity, rand::random::<u32>()),
            timing: self.timing,
            wall: self.wall,
            seen: None,
            terms: 0,
            standing,
        };
        (Leadership::new(view), campaign)
    }
}

/// The candidate's side of an election.
pub struct Campaign {
    leases: Api<Lease>,
    name: String,
    me: String,
    timing: Timing,
    wall: fn() -> Timestamp,
    seen: Option<Observation>,
    terms: u64,
    standing: watch::Sender<Standing>,
}

/// Why an attempt told us nothing; the next one may.
#[derive(Debug, thiserror::Error)]
enum AttemptError {
    #[error("the API server refused")]
    Refused(#[source] kube::Error),
    #[error("the API server did not answer in time")]
    Late,
}

impl Campaign {
    /// Stands for election until `shutdown`, then gives the Lease back. Stop everything that
    /// writes before that: the next leader may begin at once.
    ///
    /// It ends at `shutdown` only. Where the task dies all the same, the term runs out by itself;
    /// the program should then exit rather than follow for ever.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                () = self.round() => {}
            }
        }
        self.release().await;
    }

    /// One attempt, and the wait for the next.
    async fn round(&mut self) {
        let begun = Instant::now();
        if let Err(error) = self.attempt().await {
            warn!(
                lease = self.name,
                leading = self.leads(),
                error = %Causes(&error),
                "the lease could not be read or renewed"
            );
        }
        let next = begun + self.timing.retry_period;
        let lapse = match *self.standing.borrow() {
            Standing::Leading { until, .. } if until < next => Some(until),
            Standing::Leading { .. } | Standing::Following => None,
        };
        if let Some(until) = lapse {
            tokio::time::sleep_until(until).await;
            self.follow(LAPSED);
        }
        sleep(next.saturating_duration_since(Instant::now())).await;
    }

    async fn attempt(&mut self) -> Result<(), AttemptError> {
        if self.leads() {
            let renewed = self.write().await?;
            if renewed {
                return Ok(());
            }
            // somebody else has written to the Lease, perhaps only a label
        }
        self.look().await?;
        self.write().await?;
        Ok(())
    }

    /// Reads the Lease.
    async fn look(&mut self) -> Result<(), AttemptError> {
        let lease = self.limited(self.leases.get_opt(&self.name)).await?;
        let now = Instant::now();
        self.seen = lease.map(|lease| Observation::of(lease, self.seen.as_ref(), now));
        Ok(())
    }

    /// Does what the decision says; false where the Lease is not what it was thought to be.
    async fn write(&mut self) -> Result<bool, AttemptError> {
        let start = Instant::now();
        let decided = decision::decide(self.seen.as_ref(), &self.me, &self.timing, start, (self.wall)());
        let params = PostParams::default();
        let written = match (decided, &self.seen) {
            (Action::Create(spec), _) => {
                let lease = self.first(*spec);
                self.limited(self.leases.create(&params, &lease)).await
            }
            (Action::Update(spec), Some(seen)) => {
                let lease = seen.with(*spec);
                self.limited(self.leases.replace(&self.name, &params, &lease)).await
            }
            (Action::Wait | Action::Update(_), _) => {
                self.follow("another replica took the lease");
                return Ok(true);
            }
        };
        match written {
            Ok(lease) => {
                self.seen = Some(Observation::of(lease, self.seen.as_ref(), Instant::now()));
                self.lead(start + self.timing.renew_deadline);
                Ok(true)
            }
            // written by another meanwhile, or deleted
            Err(AttemptError::Refused(kube::Error::Api(status)))
                if status.code == 409 || status.code == 404 =>
            {
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    fn first(&self, spec: LeaseSpec) -> Lease {
        Lease {
            metadata: ObjectMeta { name: Some(self.name.clone()), ..ObjectMeta::default() },
            spec: Some(spec),
        }
    }

    async fn limited<T>(&self, request: impl Future<Output = kube::Result<T>>) -> Result<T, AttemptError> {
        match timeout(self.timing.request_limit, request).await {
            Ok(answer) => answer.map_err(AttemptError::Refused),
            Err(_) => Err(AttemptError::Late),
        }
    }

    fn leads(&self) -> bool {
        match *self.standing.borrow() {
            Standing::Leading { until, .. } => Instant::now() < until,
            Standing::Following => false,
        }
    }

    /// Begins a term, or moves the end of the present one. A term that has run out is never
    /// taken up again: whoever relied on it has been told.
    fn lead(&mut self, until: Instant) {
        if !self.leads() {
            self.terms += 1;
            info!(lease = self.name, identity = self.me, "leading");
        }
        let term = self.terms;
        self.standing.send_replace(Standing::Leading { term, until });
    }

    /// Ends the term, if there is one.
    fn follow(&self, cause: &str) {
        let before = self.standing.send_replace(Standing::Following);
        if before != Standing::Following {
            info!(lease = self.name, identity = self.me, cause, "leading no more");
        }
    }

    /// Best effort: without it, the others wait out the Lease.
    async fn release(mut self) {
        let held = *self.standing.borrow() != Standing::Following;
        self.follow(if self.leads() { "it shuts down" } else { LAPSED });
        if !held {
            return;
        }
        let released = async {
            self.look().await?;
            if let Some(seen) = &self.seen
                && let Some(spec) = decision::release(seen, &self.me, (self.wall)())
            {
                let lease = seen.with(spec);
                let params = PostParams::default();
                self.limited(self.leases.replace(&self.name, &params, &lease)).await?;
            }
            Ok::<(), AttemptError>(())
        };
        if let Err(error) = released.await {
            warn!(
                lease = self.name,
                error = %Causes(&error),
                "the lease could not be given back; the others wait until it expires"
            );
        }
    }
}
