//! What the kernel says about processes.

use std::fs;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// The parts of `/proc/PID/stat` that matter here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    /// The parent.
    pub(crate) parent: i32,
    /// Clock ticks since boot: with the pid and the boot it names one process for ever.
    pub(crate) start: u64,
}

/// A living process; zombies count as dead.
pub(crate) fn stat(pid: i32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The command's name stands in parentheses and may itself hold spaces and parentheses.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, after_name) = text.rsplit_once(')')?;
    let fields: Vec<&str> = after_name.split_ascii_whitespace().collect();
    let state = *fields.first()?;
    if matches!(state, "Z" | "X" | "x") {
        return None;
    }
    Some(Stat { parent: fields.get(1)?.parse().ok()?, start: fields.get(19)?.parse().ok()? })
}

/// All processes that this one can see.
pub(crate) fn pids() -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
}

/// This process and all that it descends from.
pub(crate) fn lineage() -> Vec<i32> {
    let mut line = vec![std::process::id().cast_signed()];
    while let Some(parent) =
        line.last().and_then(|pid| stat(*pid)).map(|stat| stat.parent).filter(|pid| *pid > 0)
    {
        line.push(parent);
    }
    line
}

/// Which boot of the machine this is.
pub(crate) fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned()
}

/// Sends a signal; a process that is gone is as good as one that obeyed.
pub(crate) fn signal(pid: i32, signal: Signal) -> Result<(), Errno> {
    match kill(Pid::from_raw(pid), signal) {
        Err(Errno::ESRCH) => Ok(()),
        other => other,
    }
}

/// Asks until the answer is yes; false when the time is up.
pub(crate) fn poll(limit: Duration, mut done: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    loop {
        if done() {
            return true;
        }
        if begun.elapsed() >= limit {
            return false;
        }
        breathe();
    }
}

/// The one wait between two questions of a poll that has a deadline.
#[allow(clippy::disallowed_methods, reason = "the test bed starts before any runtime exists")]
pub(crate) fn breathe() {
    std::thread::sleep(Duration::from_millis(30));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let text = "42 (a) b (c) S 7 42 42 0 -1 4194560 0 0 0 0 1 2 3 4 20 0 1 0 98765 1000 10";
        assert_eq!(parse_stat(text), Some(Stat { parent: 7, start: 98765 }));
    }

    #[test]
    fn a_zombie_is_dead() {
        assert_eq!(parse_stat("42 (etcd) Z 7 42 42 0 -1 0 0 0 0 0 1 2 3 4 20 0 1 0 98765 0 0"), None);
    }

    #[test]
    fn this_process_is_alive() {
        let me = std::process::id().cast_signed();
        assert!(stat(me).is_some());
        assert_eq!(lineage()[0], me);
    }
}
