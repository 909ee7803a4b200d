//! A limit on a process's memory, as a container's: a control group of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::cluster::host;

/// What the kernel needs to see the last process of a group off.
const END: Duration = Duration::from_secs(5);

/// A control group with a limit on memory. Dropping it removes it; its processes must have ended.
#[derive(Debug)]
pub struct MemoryLimit {
    group: PathBuf,
    /// The file that counts the processes that were killed for want of memory.
    events: &'static str,
}

impl MemoryLimit {
    /// Makes a group that may take so many octets, page cache and kernel memory included. Needs root.
    ///
    /// # Errors
    /// When no control group for memory can be made here.
    pub fn of(octets: usize) -> Result<Self> {
        let mounts = fs::read_to_string("/proc/self/mounts")?;
        let (mount, unified) = hierarchy(&mounts)
            .context("no hierarchy of control groups limits memory: neither version 1 nor 2 is mounted")?;
        let names = if unified {
            // the group that this process is in may hold processes and no groups, so it is the root's
            let control = mount.join("cgroup.subtree_control");
            fs::write(&control, "+memory").with_context(|| format!("cannot write {}", control.display()))?;
            ("memory.max", "memory.events")
        } else {
            ("memory.limit_in_bytes", "memory.oom_control")
        };
        let group =
            mount.join(format!("mail-egress-memory-{}-{:x}", std::process::id(), rand::random::<u32>()));
        fs::create_dir(&group).with_context(|| format!("cannot create {} (root can)", group.display()))?;
        let limit = Self { group, events: names.1 };
        limit.write(names.0, octets)?;
        // what cannot stay in memory must not go to swap, where there is any; absent without it
        let swap = if unified { ("memory.swap.max", 0) } else { ("memory.memsw.limit_in_bytes", octets) };
        if limit.group.join(swap.0).exists() {
            limit.write(swap.0, swap.1)?;
        }
        Ok(limit)
    }

    /// The words of a command that becomes the one appended to it, within the limit.
    #[must_use]
    pub fn within(&self) -> Vec<String> {
        let enter = r#"echo $$ > "$1" && shift && exec "$@""#;
        let file = self.group.join("cgroup.procs").display().to_string();
        ["sh", "-c", enter, "sh", &file].map(str::to_owned).to_vec()
    }

    /// Processes that were killed because the limit was reached.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn kills(&self) -> Result<u32> {
        let events = fs::read_to_string(self.group.join(self.events))?;
        let count = events.lines().find_map(|line| line.strip_prefix("oom_kill "));
        count.context("no oom_kill in the group's events")?.parse().context("oom_kill is no number")
    }

    fn write(&self, name: &str, value: usize) -> Result<()> {
        let file = self.group.join(name);
        fs::write(&file, value.to_string()).with_context(|| format!("cannot write {}", file.display()))
    }
}

impl Drop for MemoryLimit {
    fn drop(&mut self) {
        host::poll(END, || fs::remove_dir(&self.group).is_ok() || !self.group.exists());
    }
}

/// Where memory is limited, and whether that is version 2.
fn hierarchy(mounts: &str) -> Option<(&Path, bool)> {
    let mut unified = None;
    for line in mounts.lines() {
        let fields: Vec<&str> = line.split(' ').collect();
        match fields.as_slice() {
            [_, mount, "cgroup", options, ..] if options.split(',').any(|option| option == "memory") => {
                return Some((Path::new(*mount), false));
            }
            [_, mount, "cgroup2", ..] => unified = unified.or(Some((Path::new(*mount), true))),
            _ => {}
        }
    }
    unified
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_1_is_taken_where_it_has_the_memory() {
        let first = "cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0\n";
        let second = "cgroup2 /sys/fs/cgroup/unified cgroup2 rw,relatime 0 0\n";
        assert_eq!(hierarchy(&format!("{second}{first}")), Some((Path::new("/sys/fs/cgroup/memory"), false)));
        assert_eq!(hierarchy(second), Some((Path::new("/sys/fs/cgroup/unified"), true)));
        assert_eq!(hierarchy("cgroup /x cgroup rw,cpu 0 0\n"), None);
    }
}
