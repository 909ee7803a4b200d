//! The whole program but for its command line: built without side effects, then bound, then run.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mail_egress_config::Limits;
use mail_egress_entra::dial::Resolver;
use mail_egress_entra::fault::Fault;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use crate::admin::Admin;
use crate::app::listen::{self, ListenError};
use crate::app::login::Login;
use crate::args::RunArgs;
use crate::drain::{self, DrainStart};
use crate::message::body::Store;
use crate::message::submission::Submissions;
use crate::message::trace::QueueIds;
use crate::metrics::Metrics;
use crate::sender::announce;
use crate::sender::follow::{Current, Follower, Seen};
use crate::sender::tokens;
use crate::spool::{self, Queue};
use crate::upstream::Upstream;
use crate::upstream::gate::Gate;

/// After the time to drain, for the last replies to be written.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Why it cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A port is taken, or an address is not ours.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// A defect of ours.
    #[error("metrics cannot be registered: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// A sidecar whose ports are bound and that serves nobody yet.
#[derive(Debug)]
pub struct Sidecar {
    submissions: Arc<Submissions>,
    resolver: Result<Resolver, Fault>,
    follower: Follower,
    publish: watch::Sender<Current>,
    start: DrainStart,
    smtp: Vec<TcpListener>,
    admin: TcpListener,
    places: Arc<Semaphore>,
    drain_timeout: Duration,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Everything in hand was seen to.
    Drained,
    /// The time to drain was not enough for so many sessions.
    OutOfTime {
        /// Sessions that were cut off.
        sessions: i64,
    },
}

impl Sidecar {
    /// Looks at the configuration once and binds every port. Needs a tokio runtime.
    pub async fn bind(args: &RunArgs) -> Result<Self, StartError> {
        let metrics = Arc::new(Metrics::new()?);
        let store = Store::new(args.memory_budget.0, args.spill_dir.clone(), args.spill_limit.0);
        store.try_folder();
        let mut follower = Follower::new(args.config.clone(), store.largest());
        let seen = follower.look();
        announce::change(&metrics, &args.sender, &seen, follower.current());
        let (publish, current) = watch::channel(follower.current().clone());
        let (start, drain) = drain::channel();
        let smtp = listen::smtp(args.smtp_port).await?;
        let admin = listen::admin(args.admin_address).await?;
        let queue = Queue::new(spool::Settings::of(args));
        queue.open().await;
        let resolver = args.names.resolver();
        let submissions = Arc::new(Submissions {
            sender: args.sender.clone(),
            login: args.auth_dir.clone().map(Login::new),
            current,
            metrics: Arc::clone(&metrics),
            store: store.clone(),
            gate: Gate::new(Limits::EXCHANGE_ONLINE),
            queue,
            upstream: Upstream::new(resolver.clone(), store, metrics, drain.clone()),
            drain,
            ids: QueueIds::default(),
        });
        let places = Arc::new(Semaphore::new(usize::try_from(args.max_sessions).unwrap_or(usize::MAX)));
        let drain_timeout = args.drain_timeout.0;
        Ok(Self { submissions, resolver, follower, publish, start, smtp, admin, places, drain_timeout })
    }

    /// Where the app is to send to: 127.0.0.1 first, then ::1 where there is one.
    #[must_use]
    pub fn smtp_addresses(&self) -> Vec<SocketAddr> {
        self.smtp.iter().filter_map(|listener| listener.local_addr().ok()).collect()
    }

    /// Where metrics and health are served.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin.local_addr().ok()
    }

    /// Serves until `stop` is done, then takes nothing new and finishes what is in hand.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Ended {
        let Self { submissions, resolver, follower, publish, start, smtp, admin, places, drain_timeout } =
            self;
        let report = {
            let (metrics, sender) = (Arc::clone(&submissions.metrics), submissions.sender.clone());
            move |seen: &Seen, current: &Current| announce::change(&metrics, &sender, seen, current)
        };
        let keeping = tokio::spawn(tokens::keep(
            follower.tokens().clone(),
            resolver,
            publish.clone(),
            Arc::clone(&submissions.metrics),
        ));
        let following = tokio::spawn(follower.run(publish, report));
        let administering = tokio::spawn(Admin::new(Arc::clone(&submissions)).serve(admin));
        tokio::spawn(submissions.upstream.clone().tend(submissions.current.clone()));
        let (open, mut all_closed) = mpsc::channel(1);
        for listener in smtp {
            tokio::spawn(listen::accept(
                listener,
                Arc::clone(&submissions),
                Arc::clone(&places),
                open.clone(),
            ));
        }
        drop(open);
        let (sessions_end, sessions_over) = oneshot::channel::<()>();
        let over = async { drop(sessions_over.await) };
        let mut spooling = tokio::spawn(spool::run(Arc::clone(&submissions), over));

        stop.await;
        let until = start.begin(drain_timeout) + LAST_WORDS;
        tracing::info!(
            sessions = submissions.metrics.sessions.get(),
            timeout_s = drain_timeout.as_secs_f64(),
            "ending: nothing new is taken, what is in hand is finished"
        );
        let drained = tokio::time::timeout_at(until, all_closed.recv()).await;
        drop(sessions_end);
        // what is left on disk stays there, and is no session that was cut off
        let _sent_as_far_as_there_is_time = tokio::time::timeout_at(until, &mut spooling).await;
        following.abort();
        keeping.abort();
        administering.abort();
        match drained {
            Ok(_) => Ended::Drained,
            Err(_elapsed) => Ended::OutOfTime { sessions: submissions.metrics.sessions.get() },
        }
    }
}
