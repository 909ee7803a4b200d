//! A real Kubernetes on one machine: etcd, API server, controllers, DNS, and a node that runs pods.
//!
//! Everything lies in namespaces and a folder of its own, so clusters stand side by side and touch
//! neither each other nor the machine. What is not there is installed or built, once per version and
//! user. Where a machine cannot run a node, the control plane starts all the same, and
//! [`Cluster::node`] says why.
//!
//! ```no_run
//! use mail_egress_tests::cluster::{Cluster, Image, Options};
//!
//! fn main() -> anyhow::Result<()> {
//!     let cluster = Cluster::start(&Options::default())?; // before any thread exists
//!     cluster.enter()?; // this thread, and those to come, now see the pods
//!     cluster.load_image(&Image::new("localhost/tool:1").program("target/debug/tool", "/tool"))?;
//!     cluster.kubectl().args(["get", "nodes"]).status()?;
//!     cluster.stop()
//! }
//! ```

pub(crate) mod cache;
mod cgroups;
mod components;
mod control_plane;
mod dns;
mod etcd;
mod golang;
pub(crate) mod host;
mod images;
mod interrupt;
mod ldd;
mod namespaces;
mod node;
mod packages;
mod pki;
mod processes;
pub(crate) mod progress;
mod run;
mod running;
mod standing;
mod start;
mod sweep;
mod sysctls;
mod versions;

use std::ffi::OsStr;
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

pub use images::Image;
pub use progress::Progress;
pub use running::{Node, Running};
pub use standing::{Standing, State, down};
pub use start::{Options, prepare};

use processes::Processes;
use run::{Base, Run};

/// A cluster that belongs to this process.
///
/// Dropping it takes it down, as well as that can be done without saying what went wrong;
/// [`stop`](Self::stop) says it. SIGINT, SIGTERM and SIGHUP take it down too and end the process. If
/// the process is killed, the kernel ends all that the cluster runs, and the next start sweeps up the
/// files.
#[derive(Debug)]
pub struct Cluster {
    base: Base,
    run: Run,
    running: Running,
    processes: Processes,
}

impl Cluster {
    /// Starts a cluster: installs and builds what lacks, sweeps up what dead runs left, and returns
    /// when pods can be created (without a node: when objects can).
    ///
    /// Call it from the main thread, before a runtime starts: the components end when the thread that
    /// started them does.
    ///
    /// # Errors
    /// If a component cannot be had or does not get ready; the message ends with its log. A machine
    /// that cannot run a node is no error.
    pub fn start(options: &Options) -> Result<Self> {
        start::start(options)
    }

    /// See [`Running::enter`].
    pub fn enter(&self) -> Result<()> {
        self.running.enter()
    }

    /// See [`Running::kubeconfig`].
    pub fn kubeconfig(&self) -> &Path {
        self.running.kubeconfig()
    }

    /// See [`Running::node`].
    pub fn node(&self) -> &Node {
        self.running.node()
    }

    /// See [`Running::node_address`].
    pub fn node_address(&self) -> IpAddr {
        self.running.node_address()
    }

    /// See [`Running::run_dir`].
    pub fn run_dir(&self) -> &Path {
        self.running.run_dir()
    }

    /// See [`Running::kubectl`].
    pub fn kubectl(&self) -> Command {
        self.running.kubectl()
    }

    /// See [`Running::command`].
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        self.running.command(program)
    }

    /// See [`Running::load_image`].
    pub fn load_image(&self, image: &Image) -> Result<()> {
        self.running.load_image(image)
    }

    /// See [`Running::check`].
    pub fn check(&self) -> Result<()> {
        self.running.check()
    }

    /// What other processes see of it.
    pub fn running(&self) -> &Running {
        &self.running
    }

    /// Takes it down: pods first, then the node, the control plane, and what is left by force.
    ///
    /// # Errors
    /// If anything of it stays behind.
    pub fn stop(mut self) -> Result<()> {
        self.take_down();
        anyhow::ensure!(!self.run.folder.exists(), "{} cannot be removed", self.run.folder.display());
        Ok(())
    }

    fn take_down(&mut self) {
        self.processes.yield_to_interrupt();
        sweep::take_down(&self.base, &self.run);
        self.processes.reap();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if self.run.folder.exists() {
            self.take_down();
        }
    }
}

/// Ends and removes what dead runs left; returns their names.
pub fn sweep(progress: Progress) -> Result<Vec<String>> {
    let base = Base::open()?;
    let _lock = base.lock()?;
    sweep::sweep(&base, progress)
}
