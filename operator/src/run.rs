//! The operator's life: build everything, announce, follow or lead, drain, end.

mod lead;
mod proxy;

use std::{future::pending, net::SocketAddr, process::ExitCode, sync::Arc, time::Duration};

use anyhow::{Context as _, anyhow};
use jiff::Timestamp;
use kube::{Client, Config};
use mail_egress_entra::dial::{Proxies, Resolver};
use mail_egress_entra::{Limits, TokenClient};
use tokio::{
    net::TcpListener,
    runtime,
    signal::unix::{Signal, SignalKind, signal},
    sync::oneshot,
    task::{JoinHandle, JoinSet},
    time::{sleep, timeout},
};
use tracing::{error, info, warn};

use crate::{
    admin::{self, Check},
    args::RunArgs,
    authority::{self, Authority, Serving},
    controller::Settings,
    inject,
    leader::{Election, Timing},
    metrics::{Metrics, State},
    tokens::{Account, Tokens},
    watches::{self, Changes, Synced},
    webhook::{self, Webhook},
};

/// The Lease by which replicas agree who writes.
const LEASE: &str = "mail-egress-operator";

/// The Secret with the webhook's CA.
const CA_SECRET: &str = "mail-egress-ca";

/// The MutatingWebhookConfiguration whose caBundle is kept.
const WEBHOOK_CONFIGURATION: &str = "mail-egress-injector";

/// An API server goes on calling a webhook for a while after its endpoint is gone, and does not
/// try another one: after SIGTERM the webhook serves on for so long.
const DRAIN: Duration = Duration::from_secs(10);

/// A lease that cannot be given back within this is left to run out.
const RELEASE: Duration = Duration::from_secs(5);

/// An API server that says nothing for so long is given up; longer than a watch may be silent.
const SILENCE: Duration = Duration::from_secs(150);

/// Runs the operator until SIGTERM or SIGINT (exit code 0), or until it must not go on (1): it
/// lost the lease, or a part of it has ended.
#[must_use]
pub fn blocking(args: &RunArgs) -> ExitCode {
    let result = runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be started")
        .and_then(|runtime| runtime.block_on(run(args)));
    match result {
        Ok(()) => {
            info!("ended");
            ExitCode::SUCCESS
        }
        Err(error) => {
            error!("ended: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &RunArgs) -> anyhow::Result<()> {
    let mut asked_to_end = Asked::new()?;
    let client = client().await?;
    let metrics = Metrics::new()?;
    let resolver = Resolver::system().context("the name service of this machine cannot be used")?;
    // a token is renewed as long as somebody wanted it at the last two looks
    let idle_after = args.resync * 2 + Duration::from_secs(60);
    let client_of_entra = TokenClient::new(resolver, Limits::default()).through(Proxies::of_environment());
    let tokens = Arc::new(Tokens::new(client_of_entra, idle_after));
    let (changes, synced) = (Changes::default(), Synced::default());
    let (stores, watching) =
        watches::run(&client, &args.namespace, changes.clone(), synced.clone(), metrics.clone());
    let (leadership, campaign) = Election {
        client: client.clone(),
        namespace: args.namespace.clone(),
        lease: LEASE.to_owned(),
        identity: args.identity.clone(),
        timing: Timing::default(),
        wall: Timestamp::now,
    }
    .enter();
    metrics.leading(LEASE, false);
    let (authority, serving) = Authority::new(
        client.clone(),
        authority::Settings {
            namespace: args.namespace.clone(),
            service: args.service_name.clone(),
            secret: CA_SECRET.to_owned(),
            webhook_configuration: WEBHOOK_CONFIGURATION.to_owned(),
        },
        leadership.clone(),
        Timestamp::now,
    );
    let state = State::new(stores.clone(), leadership.clone(), serving.clone())?;
    metrics.registry().register(Box::new(state))?;
    let tls = serving.server_config().context("the webhook's TLS cannot be set up")?;
    let webhook = Webhook::new(injection(args), metrics.registry())?;
    let settings = Settings {
        namespace: args.namespace.clone(),
        resync: args.resync,
        create_default_routes: args.create_default_routes,
    };
    let leading = lead::Leading {
        identity: args.identity.clone(),
        account: Account { namespace: args.namespace.clone(), service_account: args.service_account.clone() },
        client,
        leadership,
        synced,
        stores,
        changes,
        tokens,
        metrics: metrics.clone(),
        settings,
    };

    let gauge = metrics.clone();
    let admin = bind("--admin-address", args.admin_address).await?;
    let admission = bind("--webhook-address", args.webhook_address).await?;
    info!(
        version = env!("CARGO_PKG_VERSION"),
        namespace = args.namespace,
        identity = args.identity,
        admin = %args.admin_address,
        webhook = %args.webhook_address,
        "started"
    );

    let mut parts = Parts::default();
    parts.spawn("watches", watching);
    parts.spawn("admin", admin::serve(admin, checks(serving), metrics.clone()));
    parts.spawn("authority", authority.run(pending()));
    let (close, closed) = oneshot::channel::<()>();
    let mut admission = tokio::spawn(webhook::serve(admission, tls, webhook, gone(closed)));
    let mut lead = tokio::spawn(leading.run());
    let (release, released) = oneshot::channel::<()>();
    let mut campaign = tokio::spawn(campaign.run(gone(released)));

    let (result, drains) = tokio::select! {
        signal = asked_to_end.next() => {
            info!(signal, "asked to end");
            (Ok(()), true)
        }
        end = &mut lead => (Err(end.map_or_else(|panic| anyhow!(panic), anyhow::Error::from)), true),
        _ = &mut campaign => (Err(anyhow!("the leader election has ended")), true),
        _ = &mut admission => (Err(anyhow!("the webhook has ended")), false),
        name = parts.end() => (Err(anyhow!("{name} has ended")), false),
    };
    // nothing is written any more before the lease is given back
    lead.abort();
    finish(lead).await;
    gauge.leading(LEASE, false);
    drop(release);
    let _ = timeout(RELEASE, finish(campaign)).await;
    if drains {
        info!(drain_s = DRAIN.as_secs(), "writes no more; the webhook serves on for a while");
        tokio::select! {
            () = sleep(DRAIN) => {}
            _ = asked_to_end.next() => {}
            name = parts.end() => warn!("{name} has ended"),
        }
    }
    drop(close);
    finish(admission).await;
    result
}

/// What must be so before pods are sent here: that the webhook can be spoken to. It decides from
/// memory, so a watch that hangs, or a kind whose CRD is absent, is no reason to refuse pods.
fn checks(serving: Serving) -> Vec<Check> {
    vec![Check { name: "certificate", passes: Box::new(move || serving.is_ready(Timestamp::now())) }]
}

/// What the webhook decides with.
fn injection(args: &RunArgs) -> inject::Settings {
    inject::Settings {
        sidecar_image: args.sidecar_image.clone(),
        operator_namespace: args.namespace.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        log_format: args.log_format.as_str().to_owned(),
        log_addresses: args.sidecar_log_addresses.flag().map(str::to_owned),
        resources: inject::Resources::default(),
        proxies: proxy::of_sidecars(),
    }
}

async fn bind(flag: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.with_context(|| format!("{flag} {address} cannot be bound"))
}

/// Waits until the other end of a channel is dropped.
async fn gone(end: oneshot::Receiver<()>) {
    let _ = end.await;
}

/// Waits for the end of a task that may have been waited for before.
async fn finish<T>(task: JoinHandle<T>) {
    if !task.is_finished() {
        let _ = task.await;
    }
}

/// A client for the cluster that this runs in, or that the kubeconfig names.
pub(crate) async fn client() -> anyhow::Result<Client> {
    let mut config = Config::infer().await.context("no cluster: neither in a pod nor a usable kubeconfig")?;
    config.connect_timeout = Some(Duration::from_secs(5));
    config.read_timeout = Some(SILENCE);
    config.reset_reader_on_write = true;
    proxy::spare(&mut config);
    if config.proxy_url.is_some() {
        // kube's own error would show the URL, perhaps with a password
        anyhow::bail!(
            "the kubeconfig names a proxy (proxy-url), which is not gone through to the API server: remove it"
        );
    }
    Client::try_from(config).context("no client can be made for the cluster")
}

/// The parts that run as long as the program does.
#[derive(Default)]
struct Parts(JoinSet<&'static str>);

impl Parts {
    fn spawn(&mut self, name: &'static str, part: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(async move {
            part.await;
            name
        });
    }

    /// Waits until one of them has ended, which none should.
    async fn end(&mut self) -> String {
        match self.0.join_next().await {
            Some(Ok(name)) => name.to_owned(),
            Some(Err(panic)) => panic.to_string(),
            None => std::future::pending().await,
        }
    }
}

/// SIGTERM and SIGINT.
struct Asked {
    terminate: Signal,
    interrupt: Signal,
}

impl Asked {
    fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("signals cannot be listened to");
        Ok(Self { terminate: listen(SignalKind::terminate())?, interrupt: listen(SignalKind::interrupt())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authority::testing::Certificates;

    #[test]
    fn is_ready_with_a_certificate_whatever_the_watches_do() {
        let checks = checks(Certificates::new().serving);
        assert_eq!(checks.iter().map(|check| check.name).collect::<Vec<_>>(), ["certificate"]);
        assert!(checks.iter().all(|check| (check.passes)()));
    }
}
