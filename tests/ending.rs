//! A server with children of its own, which ends with the test that started it.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::cluster::host;

/// What servers need to end their children.
const END: Duration = Duration::from_secs(10);

/// A running server: it is told to end when this is dropped, and when the thread that started it ends.
#[derive(Debug)]
pub struct Ending(Child);

impl Ending {
    /// Starts `program ARGUMENTS CONFIGURATION`, which must stay in the foreground.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(program: &str, arguments: &[&str], configuration: &Path, output: &File) -> Result<Self> {
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "TERM", program])
            .args(arguments)
            .arg(configuration)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output.try_clone()?)
            .spawn()
            .with_context(|| format!("{program} cannot be started"))?;
        Ok(Self(child))
    }
}

impl Drop for Ending {
    fn drop(&mut self) {
        let Ok(pid) = i32::try_from(self.0.id()).map(Pid::from_raw) else { return };
        // it passes that on to its children; those of one that is killed notice, and end too
        let _ = kill(pid, Signal::SIGTERM);
        if !host::poll(END, || !matches!(self.0.try_wait(), Ok(None))) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}
