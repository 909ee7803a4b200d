//! The namespaces that one run lives in: network, mounts and processes of its own.
//!
//! They are made by one process, the anchor, and hang by the process that owns the run:
//!
//! ```text
//! owner ── unshare (dies with the owner) ── pid 1 of the namespace (dies with unshare)
//!       └─ nsenter ── etcd, kube-apiserver, containerd, kubelet …
//! ```
//!
//! When pid 1 of a process namespace dies, the kernel kills everything in it, shims and containers
//! included; with the last process go the network (bridges, veths, nft tables) and the mounts. So even
//! `kill -9` of the owner leaves nothing but files and empty cgroups.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::host;
use super::processes::tail;
use super::run::Run;

/// The node's address, and the gateway of its pods.
pub(crate) const NODE_ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 244, 0, 1));

/// How long mounts and a bridge may take on a busy machine.
const LIMIT: Duration = Duration::from_secs(20);

/// Which namespaces to enter: those that the anchor holds.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Namespaces {
    anchor: u32,
}

impl Namespaces {
    /// Makes them. The anchor must be reaped by the caller in the end.
    pub(crate) fn make(run: &Run) -> Result<(Self, Child)> {
        let script = run.path("anchor.sh");
        let ready = run.path("anchored");
        let log = run.path("logs/anchor.log");
        fs::write(&script, include_str!("namespaces/anchor.sh"))?;
        let output = fs::File::create(&log)?;
        let mut anchor = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "unshare", "--net", "--mount", "--pid"])
            .args(["--fork", "--kill-child=KILL", "--mount-proc", "--propagation", "private", "sh"])
            .args([&script, &ready])
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .context("cannot run setpriv and unshare")?;
        let mut ended = None;
        host::poll(LIMIT, || {
            ended = anchor.try_wait().ok().flatten();
            ended.is_some() || ready.exists()
        });
        if ended.is_some() || !ready.exists() {
            let _ = anchor.kill();
            let _ = anchor.wait();
            anyhow::bail!("{}", tail(&log));
        }
        let this = Self { anchor: anchor.id() };
        Ok((this, anchor))
    }

    /// Brings up the node's address and the way to the Services; there is no way out.
    pub(crate) fn set_up_network(self, services: &str) -> Result<()> {
        let steps = [
            "link set lo up".to_owned(),
            "link add node type bridge".to_owned(),
            format!("address add {NODE_ADDRESS}/32 dev node"),
            "link set node up".to_owned(),
            format!("route add {services} dev node"), // kube-proxy redirects it before it would leave
        ];
        for step in steps {
            let output =
                self.net_command("ip").args(step.split(' ')).output().context("cannot run nsenter and ip")?;
            ensure!(output.status.success(), "ip {step}: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }

    /// The network namespace, as a file to enter it by.
    pub(crate) fn net(self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/ns/net", self.anchor))
    }

    /// The network namespace's own name, which tells its processes from others.
    pub(crate) fn net_identity(self) -> Result<String> {
        let link = fs::read_link(self.net()).context("cannot read the network namespace's name")?;
        Ok(link.to_string_lossy().into_owned())
    }

    /// A program in this network, with the machine's own files and processes.
    pub(crate) fn net_command(self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net={}", self.net().display())).arg("--").arg(program);
        command
    }

    /// A component of the cluster: in all three namespaces. nsenter stays as its parent, since a
    /// process namespace holds only what is born in it.
    pub(crate) fn component_command(self, program: &Path) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net=/proc/{}/ns/net", self.anchor))
            .arg(format!("--mount=/proc/{}/ns/mnt", self.anchor))
            .arg(format!("--pid=/proc/{}/ns/pid_for_children", self.anchor))
            .arg("--")
            .arg(program);
        command
    }
}
