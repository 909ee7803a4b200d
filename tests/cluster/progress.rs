//! Says on stderr what takes long, while it takes long.

use std::fs::File;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::host;

/// How often a step that is still running says so.
const TICK: Duration = Duration::from_secs(5);

/// Where to report, and whether at all.
#[derive(Debug, Clone, Copy)]
pub struct Progress {
    speaks: bool,
}

impl Progress {
    /// One line per step, and one every few seconds while it lasts.
    pub const STDERR: Self = Self { speaks: true };
    /// Nothing but errors.
    pub const SILENT: Self = Self { speaks: false };

    pub(crate) fn say(self, line: impl AsRef<str>) {
        if self.speaks {
            eprintln!("cluster: {}", line.as_ref());
        }
    }

    /// Begins a step that may take long.
    pub(crate) fn step(self, what: impl Into<String>) -> Step {
        let now = Instant::now();
        Step { progress: self, what: what.into(), begun: now, said: now }
    }

    /// Runs a command to its end with its output in a file, ticking meanwhile.
    ///
    /// No thread is spawned for that: the caller may be about to change its namespace.
    pub(crate) fn run(self, what: &str, command: &mut Command, log: &Path) -> Result<ExitStatus> {
        let output = File::options()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("cannot write {}", log.display()))?;
        let program = command.get_program().to_string_lossy().into_owned();
        self.say(what);
        let mut step = self.step(what);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("cannot run {program}"))?;
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            step.tick();
            host::breathe();
        }
    }
}

/// A step under way.
pub(crate) struct Step {
    progress: Progress,
    what: String,
    begun: Instant,
    said: Instant,
}

impl Step {
    /// Repeats what is going on, with the time it has taken, every few seconds.
    pub(crate) fn tick(&mut self) {
        if self.said.elapsed() >= TICK {
            self.said = Instant::now();
            let seconds = self.begun.elapsed().as_secs();
            self.progress.say(format!("{} … {seconds} s", self.what));
        }
    }
}
