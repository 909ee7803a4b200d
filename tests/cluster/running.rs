//! A cluster as its users see it, from the process that owns it and from any other.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{IpAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::sched::{CloneFlags, setns};
use serde::{Deserialize, Serialize};

use super::images::{self, Image};
use super::namespaces::Namespaces;
use super::processes;
use super::run::{Base, Fate, Run};

/// Written into the run's folder when all is up.
const RECORD: &str = "cluster.json";

/// Whether there is a node that runs pods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum Node {
    /// Pods run.
    Ready,
    /// Pods stay pending: only what needs the API server alone can be tried.
    Absent {
        /// A sentence that says what to do about it.
        reason: String,
    },
}

/// How to reach and use a cluster that is up.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Running {
    pub(crate) id: String,
    pub(crate) folder: PathBuf,
    pub(crate) owner: i32,
    pub(crate) server: String,
    pub(crate) kubeconfig: PathBuf,
    pub(crate) kubectl: PathBuf,
    pub(crate) node: Node,
    pub(crate) node_address: IpAddr,
    pub(crate) namespaces: Option<Namespaces>,
}

impl Running {
    /// All clusters of this user that are up and whose owner lives.
    pub fn all() -> Result<Vec<Self>> {
        let runs = Base::open()?.runs()?;
        Ok(runs.iter().filter(|run| run.fate() == Fate::Lives).filter_map(Self::load).collect())
    }

    /// The cluster of that name, or the only one.
    pub fn find(id: Option<&str>) -> Result<Self> {
        let mut all = Self::all()?;
        let names = all.iter().map(|running| running.id.clone()).collect::<Vec<_>>().join(", ");
        if let Some(id) = id {
            let found = all.into_iter().find(|running| running.id == id);
            return found.with_context(|| format!("there is no cluster {id} (there are: {names})"));
        }
        match all.pop() {
            None => bail!("no cluster is up: start one with `cluster up`"),
            Some(only) if all.is_empty() => Ok(only),
            Some(_) => bail!("several clusters are up: say which one ({names})"),
        }
    }

    pub(crate) fn load(run: &Run) -> Option<Self> {
        serde_json::from_slice(&fs::read(run.path(RECORD)).ok()?).ok()
    }

    pub(crate) fn save(&self) -> Result<()> {
        let hidden = self.folder.join(format!(".{RECORD}"));
        fs::write(&hidden, serde_json::to_vec_pretty(self)?)?;
        fs::rename(&hidden, self.folder.join(RECORD))?;
        Ok(())
    }

    /// The name of the run: the pid of its owner and a number.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The process that started the cluster and ends with it.
    pub fn owner(&self) -> i32 {
        self.owner
    }

    /// Everything of this run lies here: `logs/` among it.
    pub fn run_dir(&self) -> &Path {
        &self.folder
    }

    /// The administrator's kubeconfig. Its server is reached from within [`command`](Self::command) or
    /// after [`enter`](Self::enter).
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Whether pods run.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// The address where a server of the tests listens for the pods to reach it; without a network of
    /// its own, the loopback address.
    pub fn node_address(&self) -> IpAddr {
        self.node_address
    }

    /// A program in the cluster's network, with the machine's own files.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        match self.namespaces {
            Some(namespaces) => namespaces.net_command(program),
            None => Command::new(program),
        }
    }

    /// kubectl of the cluster's own version, as its administrator.
    pub fn kubectl(&self) -> Command {
        let mut command = self.command(&self.kubectl);
        command.env("KUBECONFIG", &self.kubeconfig).env("KUBECACHEDIR", self.folder.join("kubectl"));
        command
    }

    /// Moves the calling thread, and all threads that it will spawn, into the cluster's network: call
    /// it before a runtime starts. Without a network of its own there is nothing to do.
    pub fn enter(&self) -> Result<()> {
        let Some(namespaces) = self.namespaces else { return Ok(()) };
        let path = namespaces.net();
        let file = File::open(&path)
            .with_context(|| format!("cannot open {}: is the cluster up?", path.display()))?;
        setns(file, CloneFlags::CLONE_NEWNET)
            .context("cannot enter the cluster's network namespace (are you root?)")
    }

    /// Whether all components still run; the error names those that do not, with the ends of their logs.
    pub fn check(&self) -> Result<()> {
        let run = Run { id: self.id.clone(), folder: self.folder.clone() };
        let ended = processes::ended(&run);
        let logs: Vec<String> = ended
            .iter()
            .map(|name| {
                format!(
                    "{name} ended; the end of its log:\n{}",
                    processes::tail(&run.path(format!("logs/{name}.log")))
                )
            })
            .collect();
        ensure!(logs.is_empty(), "{}", logs.join("\n"));
        Ok(())
    }

    /// Asks a readiness endpoint inside; an error unless it answers 200.
    pub(crate) fn ask(&self, address: &str, path: &str) -> Result<(), String> {
        let ask = || -> Result<String> {
            self.enter()?;
            let mut connection = TcpStream::connect(address)?;
            connection.set_read_timeout(Some(Duration::from_secs(5)))?;
            write!(connection, "GET {path} HTTP/1.0\r\n\r\n")?;
            let mut answer = String::new();
            connection.read_to_string(&mut answer)?;
            Ok(answer)
        };
        // A thread of its own, so that the caller stays in its network.
        let answer = thread::scope(|scope| scope.spawn(ask).join());
        match answer {
            Ok(Ok(answer)) if answer.starts_with("HTTP/1.0 200") || answer.starts_with("HTTP/1.1 200") => {
                Ok(())
            }
            Ok(Ok(answer)) => Err(answer),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("the question panicked".to_owned()),
        }
    }

    /// Builds an image and gives it to the node; pods name it with `imagePullPolicy: Never`.
    pub fn load_image(&self, image: &Image) -> Result<()> {
        if let Node::Absent { reason } = &self.node {
            bail!("there is no node to load {} into: {reason}", image.name());
        }
        images::load(image, &self.folder)
    }
}
