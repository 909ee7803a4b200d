//! What a relay's process and its descendants have used, as /proc tells it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// Clock ticks a second in /proc: USER_HZ, 100 on every architecture that Linux has here.
const TICKS: f64 = 100.0;

/// Used so far by a process and all of its descendants.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Usage {
    /// Seconds of processor time, in user and in kernel mode; of reaped children too.
    pub(super) cpu: f64,
    /// Octets of memory that are resident now.
    pub(super) resident: u64,
    /// The most that ever were; of several processes the sum, an upper bound.
    pub(super) peak: u64,
}

/// One process of `/proc/PID/stat` and `/proc/PID/status`.
#[derive(Clone, Copy, Debug, PartialEq)]
struct One {
    pid: u32,
    parent: u32,
    usage: Usage,
}

/// Asks for a process and its descendants.
pub(super) fn usage(root: u32) -> Result<Usage> {
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // one that has just ended is its parent's
        all.extend(one(pid, &entry.path()));
    }
    all.iter().find(|process| process.pid == root).context("the relay has ended")?;
    Ok(total(&all, root))
}

fn one(pid: u32, folder: &Path) -> Option<One> {
    let (parent, cpu) = stat(&fs::read_to_string(folder.join("stat")).ok()?)?;
    let status = fs::read_to_string(folder.join("status")).ok()?;
    let octets = |field| memory(&status, field).unwrap_or_default();
    Some(One { pid, parent, usage: Usage { cpu, resident: octets("VmRSS:"), peak: octets("VmHWM:") } })
}

/// The parent, and the seconds: fields 4 and 14 to 17 of proc_pid_stat(5). The name in field 2 may
/// hold blanks and brackets.
fn stat(text: &str) -> Option<(u32, f64)> {
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = fields.get(11..15)?.iter().map(|field| field.parse::<f64>().ok()).sum::<Option<f64>>()?;
    Some((fields.get(1)?.parse().ok()?, ticks / TICKS))
}

/// A field of proc_pid_status(5) in kB, as octets.
fn memory(status: &str, field: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

fn total(all: &[One], root: u32) -> Usage {
    let mut sum = Usage::default();
    let mut left = vec![root];
    while let Some(pid) = left.pop() {
        left.extend(all.iter().filter(|process| process.parent == pid).map(|process| process.pid));
        for process in all.iter().filter(|process| process.pid == pid) {
            sum.cpu += process.usage.cpu;
            sum.resident += process.usage.resident;
            sum.peak += process.usage.peak;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_kernels_files() {
        let text = "7 (a) b (c) S 3 7 7 0 -1 4 1 0 0 0 100 50 20 30 20 0 1 0 99 1 1";
        assert_eq!(stat(text), Some((3, 2.0)));
        assert_eq!(stat("7 (a) S 3"), None);
        let status = "Name:\tx\nVmHWM:\t   6144 kB\nVmRSS:\t    4 kB\n";
        assert_eq!((memory(status, "VmHWM:"), memory(status, "VmRSS:")), (Some(6_291_456), Some(4096)));
        assert_eq!(memory(status, "VmSwap:"), None);
    }

    #[test]
    fn descendants_count_and_others_do_not() {
        let one = |pid, parent, cpu| One { pid, parent, usage: Usage { cpu, resident: 1, peak: 2 } };
        let all = [one(1, 0, 8.0), one(2, 1, 1.0), one(3, 2, 2.0), one(4, 3, 4.0)];
        assert_eq!(total(&all, 2), Usage { cpu: 7.0, resident: 3, peak: 6 });
    }
}
