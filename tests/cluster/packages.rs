//! Debian's packages: etcd, the container runtime and its plugins, and small tools.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use super::cache::Cache;
use super::components::in_path;
use super::processes::tail;
use super::progress::Progress;

/// What a program or file is needed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Need {
    /// Without it there is no API server.
    Store,
    /// Without it there is no network of one's own, and no node.
    Namespaces,
    /// Without it there is no node.
    Node,
    /// The cluster does without; scenarios that use it say so.
    Scenarios,
}

/// Programs, the packages that hold them, and what for.
const PROGRAMS: [(&str, &str, Need); 13] = [
    ("etcd", "etcd-server", Need::Store),
    ("ip", "iproute2", Need::Namespaces),
    ("nsenter", "util-linux", Need::Namespaces),
    ("unshare", "util-linux", Need::Namespaces),
    ("setpriv", "util-linux", Need::Namespaces),
    ("containerd", "containerd", Need::Node),
    ("ctr", "containerd", Need::Node),
    ("runc", "runc", Need::Node),
    ("nft", "nftables", Need::Node),
    ("conntrack", "conntrack", Need::Node),
    ("busybox", "busybox-static", Need::Node),
    ("curl", "curl", Need::Scenarios),
    ("faketime", "faketime", Need::Scenarios),
];

const PLUGINS: &str = "containernetworking-plugins";

/// Packages that are needed and not there, after an attempt to install them.
#[derive(Debug, Default)]
pub(crate) struct Missing {
    lacking: Vec<(&'static str, Need)>,
    why: String,
}

impl Missing {
    /// A sentence that names the packages without which there is none of what they are needed for.
    pub(crate) fn for_want_of(&self, need: Need) -> Option<String> {
        let names: Vec<&str> =
            self.lacking.iter().filter(|(_, what)| *what == need).map(|(package, _)| *package).collect();
        (!names.is_empty()).then(|| format!("missing packages: {}; {}", names.join(" "), self.why))
    }
}

/// Installs what is missing, where that can be done. `etcd_given`: one is there without a package.
pub(crate) fn prepare(cache: &Cache, node: bool, etcd_given: bool, progress: Progress) -> Result<Missing> {
    let look = || lacking(node, etcd_given);
    if look().is_empty() {
        return Ok(Missing::default());
    }
    let by_hand = |packages: &[(&'static str, Need)]| {
        let names: Vec<&str> = packages.iter().map(|(package, _)| *package).collect();
        format!("`apt-get install {}` as root adds them", names.join(" "))
    };
    if !nix::unistd::geteuid().is_root() || in_path("apt-get").is_none() {
        let lacking = look();
        return Ok(Missing { why: by_hand(&lacking), lacking });
    }
    let _lock = cache.lock(progress)?;
    let wanted = look(); // another run may have installed them meanwhile
    let installed = if wanted.is_empty() { Ok(()) } else { install(cache, &wanted, progress) };
    let lacking = look();
    let why = installed.map_or_else(|error| format!("{error:#}"), |()| by_hand(&lacking));
    Ok(Missing { lacking, why })
}

fn install(cache: &Cache, wanted: &[(&'static str, Need)], progress: Progress) -> Result<()> {
    let log = cache.log("packages.log");
    let _ = fs::remove_file(&log);
    let names: Vec<&str> = wanted.iter().map(|(package, _)| *package).collect();
    let apt = |arguments: &[&str]| {
        let mut command = Command::new("apt-get");
        command.args(["--quiet", "--option", "DPkg::Lock::Timeout=300"]).args(arguments);
        command.env("DEBIAN_FRONTEND", "noninteractive");
        command.process_group(0); // a Ctrl-C must not leave packages half installed
        command
    };
    // What a power failure left half installed would make apt-get refuse.
    let mut configure = Command::new("dpkg");
    progress.run("looking after the packages that are there", configure.args(["--configure", "-a"]), &log)?;
    progress.run("fetching the list of packages", &mut apt(&["update"]), &log)?;
    let what = format!("installing {}", names.join(" "));
    let mut command = apt(&["install", "--yes", "--no-install-recommends"]);
    let status = progress.run(&what, command.args(&names), &log)?;
    ensure!(status.success(), "{what} failed; the end of {}:\n{}", log.display(), tail(&log));
    Ok(())
}

fn lacking(node: bool, etcd_given: bool) -> Vec<(&'static str, Need)> {
    let wanted = |need: Need| match need {
        Need::Store => !etcd_given,
        Need::Namespaces | Need::Scenarios => true,
        Need::Node => node,
    };
    let mut found: Vec<(&'static str, Need)> = PROGRAMS
        .into_iter()
        .filter(|(program, _, need)| wanted(*need) && in_path(program).is_none())
        .map(|(_, package, need)| (package, need))
        .collect();
    if node && cni().is_none() {
        found.push((PLUGINS, Need::Node));
    }
    found.dedup();
    found
}

/// The folder of the network plugins: Debian's, or the one that everybody else uses.
pub(crate) fn cni() -> Option<PathBuf> {
    ["/usr/lib/cni", "/opt/cni/bin"]
        .map(Path::new)
        .into_iter()
        .find(|folder| ["ptp", "host-local", "loopback"].iter().all(|plugin| folder.join(plugin).is_file()))
        .map(Path::to_owned)
}
