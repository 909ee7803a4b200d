//! The start of a cluster, as a story.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use nix::unistd::{geteuid, getpid, gettid};

use super::Cluster;
use super::cache::Cache;
use super::components::{self, Components};
use super::control_plane::{self, Credentials, Endpoints, SERVICES};
use super::dns;
use super::etcd;
use super::images::{self, Image};
use super::interrupt::Interrupt;
use super::namespaces::{NODE_ADDRESS, Namespaces};
use super::node;
use super::packages::{self, Missing, Need};
use super::pki::Pki;
use super::processes::Processes;
use super::progress::Progress;
use super::run::{Base, Run};
use super::running::{Node, Running};
use super::sweep;
use super::sysctls;

/// What a cluster should be like.
#[derive(Debug, Clone)]
pub struct Options {
    /// Whether pods should run, where the machine can run them.
    pub node: bool,
    /// Names that the cluster's DNS answers with the node's address.
    pub hosts: Vec<String>,
    /// Where to say what takes long.
    pub progress: Progress,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            node: true,
            hosts: ["login.lab.test", "smtp.lab.test", "graph.lab.test"].map(str::to_owned).to_vec(),
            progress: Progress::STDERR,
        }
    }
}

/// What the machine has to offer.
struct Machine {
    components: Components,
    /// Why there is no network of one's own.
    no_namespaces: Option<String>,
    /// Why there is no node.
    no_node: Option<String>,
}

/// Installs and builds all that a cluster needs, and starts nothing.
///
/// # Errors
/// If not even a control plane can be had.
pub fn prepare(node: bool, progress: Progress) -> Result<Node> {
    let machine = Machine::prepare(node, progress)?;
    Ok(match machine.no_node {
        None => Node::Ready,
        Some(reason) => Node::Absent { reason },
    })
}

impl Machine {
    fn prepare(node: bool, progress: Progress) -> Result<Self> {
        let cache = Cache::of_user()?;
        let missing = packages::prepare(&cache, node, components::given("etcd").is_some(), progress)?;
        if let Some(reason) = missing.for_want_of(Need::Store) {
            anyhow::bail!("no etcd, no API server: {reason}");
        }
        let components = Components::prepare(&cache, progress)?;
        for name in ["etcd", "kube-apiserver", "kubectl"] {
            components.need(name)?;
        }
        let no_namespaces = no_namespaces(&missing);
        let no_node = if node {
            no_namespaces
                .clone()
                .or_else(|| missing.for_want_of(Need::Node))
                .or_else(|| node::obstacle(&components))
        } else {
            Some("it was not asked for".to_owned())
        };
        Ok(Self { components, no_namespaces, no_node })
    }
}

fn no_namespaces(missing: &Missing) -> Option<String> {
    if !geteuid().is_root() {
        return Some("only root can run a node: start it as root, or with sudo".to_owned());
    }
    missing.for_want_of(Need::Namespaces)
}

pub(super) fn start(options: &Options) -> Result<Cluster> {
    ensure!(gettid() == getpid(), "a cluster must be started from the main thread: it ends with its thread");
    let progress = options.progress;
    let machine = Machine::prepare(options.node, progress)?;
    let begun = Instant::now();

    let base = Base::open()?;
    let lock = base.lock()?;
    sweep::sweep(&base, progress)?;
    if machine.no_node.is_none() {
        sysctls::remember(&base)?;
    }
    let run = base.create()?;
    drop(lock);

    let interrupt = Interrupt::default();
    interrupt.listen({
        let (base, run) = (base.clone(), run.clone());
        move || {
            progress.say("interrupted: taking the cluster down");
            sweep::take_down(&base, &run);
        }
    })?;
    let mut processes = Processes::new(run.clone(), interrupt);
    match assemble(&machine, options, &run, &mut processes) {
        Ok(running) => {
            progress.say(format!("{} is up after {:.1} s", run.id, begun.elapsed().as_secs_f32()));
            Ok(Cluster { base, run, running, processes })
        }
        Err(error) => {
            processes.yield_to_interrupt();
            let kept = base.file("logs-of-last-failure");
            let _ = fs::remove_dir_all(&kept);
            let _ = fs::rename(run.path("logs"), &kept);
            sweep::take_down(&base, &run);
            processes.reap();
            Err(error.context(format!("the cluster does not start; all logs are in {}", kept.display())))
        }
    }
}

fn assemble(machine: &Machine, options: &Options, run: &Run, processes: &mut Processes) -> Result<Running> {
    let components = &machine.components;
    let progress = options.progress;
    for folder in ["logs", "tmp", "home"] {
        fs::create_dir_all(run.path(folder))?;
    }
    let (namespaces, no_node) = settle(machine, run, processes)?;
    let endpoints = match namespaces {
        Some(_) => Endpoints::OWN_NETWORK,
        None => Endpoints::on_loopback()?,
    };
    let pki = Pki::create(&run.path("pki"))?;
    let credentials = Credentials::create(&pki, &endpoints, run)?;
    let running = Running {
        id: run.id.clone(),
        folder: run.folder.clone(),
        owner: getpid().as_raw(),
        server: endpoints.url(),
        kubeconfig: run.path("kubeconfig"),
        kubectl: components.need("kubectl")?.to_owned(),
        node: match &no_node {
            None => Node::Ready,
            Some(reason) => Node::Absent { reason: reason.clone() },
        },
        node_address: namespaces.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |_| NODE_ADDRESS),
        namespaces,
    };

    progress.say("starting etcd and the API server");
    etcd::start(components, run, endpoints.etcd_port, processes)?;
    control_plane::start_apiserver(components, &pki, &credentials, &endpoints, processes)?;
    if no_node.is_none() {
        node::start_containerd(run, processes)?;
        node::wait_for_containerd(run, processes)?;
        for image in [Image::pause(), Image::app()] {
            images::load(&image, &run.folder)?;
        }
    }
    control_plane::wait_for_apiserver(&running, processes)?;

    let controllers =
        control_plane::start_controllers(components, &pki, &credentials, &endpoints, run, processes)?;
    if no_node.is_none() {
        progress.say("starting the node");
        node::start(components, &pki, &endpoints, run, processes)?;
        dns::start(components, &pki, &endpoints, &options.hosts, &running, run, processes)?;
    }
    match controllers {
        Ok(()) => control_plane::wait_for_service_account(&running, processes)?,
        Err(reason) => progress.say(format!("no controllers: {reason}")),
    }
    match &no_node {
        None => {
            dns::wait(&running, processes)?;
            node::wait(&running, processes)?;
        }
        Some(reason) => progress.say(format!("no node: {reason}")),
    }
    running.save().context("cannot record that the cluster is up")?;
    Ok(running)
}

/// Makes the namespaces. A root that may not (inside most containers) has its cluster without a node.
fn settle(
    machine: &Machine,
    run: &Run,
    processes: &mut Processes,
) -> Result<(Option<Namespaces>, Option<String>)> {
    if let Some(reason) = &machine.no_namespaces {
        return Ok((None, Some(reason.clone())));
    }
    match Namespaces::make(run) {
        Ok((namespaces, anchor)) => {
            processes.settle(namespaces, anchor)?;
            fs::write(run.path(sweep::NETWORK), namespaces.net_identity()?)?;
            namespaces.set_up_network(SERVICES)?;
            Ok((Some(namespaces), machine.no_node.clone()))
        }
        Err(error) => Ok((
            None,
            Some(format!(
                "root may not make namespaces here, as inside an unprivileged container: {error:#}"
            )),
        )),
    }
}
