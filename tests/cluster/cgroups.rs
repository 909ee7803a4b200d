//! The control groups of a run's pods: one root per run, in every hierarchy of version 1, or in the one
//! of version 2.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;

use super::host;
use super::run::Run;

/// What the kernel needs to end the last processes of a group.
const LIMIT: Duration = Duration::from_secs(5);

/// Makes the root under which kubelet puts its own groups, and returns its name.
pub(crate) fn create(run: &Run) -> Result<String> {
    let name = name(run);
    let hierarchies = hierarchies()?;
    for hierarchy in &hierarchies {
        if hierarchy.unified && hierarchies.len() > 1 {
            continue; // a machine with both leaves the controllers to version 1
        }
        let group = hierarchy.mount.join(&name);
        if hierarchy.unified {
            let control = hierarchy.mount.join("cgroup.subtree_control");
            let offered = fs::read_to_string(hierarchy.mount.join("cgroup.controllers"))?;
            for controller in offered.split_whitespace() {
                let _ = fs::write(&control, format!("+{controller}")); // kubelet says which it misses
            }
        }
        match fs::create_dir(&group) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(error).with_context(|| format!("cannot create {}", group.display()));
            }
            _ => {}
        }
        inherit_cpus(&hierarchy.mount, &group);
    }
    Ok(name)
}

/// Kills what is still in the run's groups, and removes them.
pub(crate) fn remove(run: &Run) {
    let name = name(run);
    for hierarchy in hierarchies().unwrap_or_default() {
        let group = hierarchy.mount.join(&name);
        host::poll(LIMIT, || {
            for process in processes(&group) {
                let _ = host::signal(process, Signal::SIGKILL);
            }
            remove_tree(&group);
            !group.exists()
        });
    }
}

fn name(run: &Run) -> String {
    format!("mail-egress-{}", run.id)
}

/// A cpuset group of version 1 begins without any processor and takes nobody in.
fn inherit_cpus(parent: &Path, group: &Path) {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        if let Ok(value) = fs::read_to_string(parent.join(file)) {
            let _ = fs::write(group.join(file), value);
        }
    }
}

fn processes(group: &Path) -> Vec<i32> {
    let mut found: Vec<i32> = fs::read_to_string(group.join("cgroup.procs"))
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.parse().ok())
        .collect();
    found.extend(children(group).iter().flat_map(|child| processes(child)));
    found
}

/// From the leaves up: the files in a group are not files.
fn remove_tree(group: &Path) {
    for child in children(group) {
        remove_tree(&child);
    }
    let _ = fs::remove_dir(group);
}

fn children(group: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(group).into_iter().flatten().flatten();
    entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .map(|entry| entry.path())
        .collect()
}

#[derive(Debug, PartialEq, Eq)]
struct Hierarchy {
    mount: PathBuf,
    unified: bool,
}

fn hierarchies() -> Result<Vec<Hierarchy>> {
    Ok(parse_mounts(&fs::read_to_string("/proc/self/mounts")?))
}

/// A hierarchy mounted twice counts once: where it was mounted first.
fn parse_mounts(mounts: &str) -> Vec<Hierarchy> {
    let mut seen = Vec::new();
    let mut found = Vec::new();
    for line in mounts.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        let [_, mount, kind @ ("cgroup" | "cgroup2"), options, ..] = fields.as_slice() else { continue };
        if !seen.contains(&(*kind, *options)) {
            seen.push((*kind, *options));
            found.push(Hierarchy { mount: PathBuf::from(mount), unified: *kind == "cgroup2" });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hierarchy_counts_once() {
        let mounts = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\n\
            cgroup /sys/fs/cgroup/cpu cgroup rw,relatime,cpu 0 0\n\
            cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0\n\
            cgroup /mnt/cpu cgroup rw,relatime,cpu 0 0\n";
        let found = parse_mounts(mounts);
        assert_eq!(
            found,
            [
                Hierarchy { mount: "/sys/fs/cgroup/cpu".into(), unified: false },
                Hierarchy { mount: "/sys/fs/cgroup/unified".into(), unified: true },
            ]
        );
    }
}
