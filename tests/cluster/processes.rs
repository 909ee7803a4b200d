//! Starting components, watching that they live, and saying why they do not.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::Signal;

use super::host;
use super::interrupt::Interrupt;
use super::namespaces::Namespaces;
use super::run::Run;

/// Lines `PID START NAME`, one per process of the run.
const RECORD: &str = "processes";

/// The processes of a run, in the order of their start.
#[derive(Debug)]
pub(crate) struct Processes {
    run: Run,
    namespaces: Option<Namespaces>,
    interrupt: Interrupt,
    started: Vec<Process>,
}

#[derive(Debug)]
struct Process {
    name: &'static str,
    child: Child,
    log: PathBuf,
}

impl Processes {
    pub(crate) fn new(run: Run, interrupt: Interrupt) -> Self {
        Self { run, namespaces: None, interrupt, started: Vec::new() }
    }

    /// From now on components start in these namespaces; `anchor` is watched like them.
    pub(crate) fn settle(&mut self, namespaces: Namespaces, anchor: Child) -> Result<()> {
        self.namespaces = Some(namespaces);
        self.adopt("anchor", anchor, self.run.path("logs/anchor.log"))
    }

    /// Starts a component. It dies with the owner, hears no Ctrl-C, and knows nothing of the user.
    pub(crate) fn start(&mut self, name: &'static str, program: &Path, arguments: &[String]) -> Result<()> {
        self.interrupt.stop_here_if_it_came();
        let log = self.run.path(format!("logs/{name}.log"));
        let output = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut command = match self.namespaces {
            Some(namespaces) => namespaces.component_command(program),
            None => {
                let mut command = Command::new("setpriv");
                command.args(["--pdeathsig", "KILL"]).arg(program);
                command
            }
        };
        let child = command
            .args(arguments)
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("HOME", self.run.path("home"))
            .env("TMPDIR", self.run.path("tmp"))
            .current_dir(&self.run.folder)
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("cannot start {name}"))?;
        self.adopt(name, child, log)
    }

    fn adopt(&mut self, name: &'static str, child: Child, log: PathBuf) -> Result<()> {
        let pid = child.id().cast_signed();
        let start = host::stat(pid).map_or(0, |stat| stat.start);
        self.started.push(Process { name, child, log });
        let mut record = File::options().create(true).append(true).open(self.run.path(RECORD))?;
        writeln!(record, "{pid} {start} {name}")?;
        Ok(())
    }

    /// Fails with the end of its log if a component has ended.
    pub(crate) fn check(&mut self) -> Result<()> {
        self.interrupt.stop_here_if_it_came();
        for process in &mut self.started {
            if let Some(status) = process.child.try_wait()? {
                bail!(
                    "{} ended by itself ({status}); the end of its log:\n{}",
                    process.name,
                    tail(&process.log)
                );
            }
        }
        Ok(())
    }

    /// Polls until `ready` is `Ok`, watching all components meanwhile. When the time is up, the
    /// error holds the last answer and the end of the log of `blame`.
    pub(crate) fn wait(
        &mut self,
        blame: &str,
        limit: Duration,
        mut ready: impl FnMut() -> Result<(), String>,
    ) -> Result<()> {
        let begun = Instant::now();
        loop {
            let Err(answer) = ready() else { return Ok(()) };
            self.check()?;
            if begun.elapsed() >= limit {
                let log = tail(&self.run.path(format!("logs/{blame}.log")));
                bail!(
                    "{blame} was not ready after {} s: {answer}; the end of its log:\n{log}",
                    limit.as_secs()
                );
            }
            host::breathe();
        }
    }

    /// If an interruption came, another thread is taking the run down.
    pub(crate) fn yield_to_interrupt(&self) {
        self.interrupt.stop_here_if_it_came();
    }

    /// After the run is gone: no zombies.
    pub(crate) fn reap(&mut self) {
        for process in &mut self.started {
            let _ = process.child.wait();
        }
    }
}

/// Runs a command to its end; its standard output, or what it said of its failure.
pub(crate) fn answer(command: &mut Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}

/// The names of recorded processes that live no more.
pub(crate) fn ended(run: &Run) -> Vec<String> {
    let living = recorded(run);
    let record = fs::read_to_string(run.path(RECORD)).unwrap_or_default();
    let names = record.lines().filter_map(|line| line.splitn(3, ' ').nth(2));
    names.filter(|name| living.iter().all(|(_, living)| living != name)).map(str::to_owned).collect()
}

/// The recorded processes that still live.
pub(crate) fn recorded(run: &Run) -> Vec<(i32, String)> {
    let record = fs::read_to_string(run.path(RECORD)).unwrap_or_default();
    let parse = |line: &str| {
        let mut fields = line.splitn(3, ' ');
        let pid: i32 = fields.next()?.parse().ok()?;
        let start: u64 = fields.next()?.parse().ok()?;
        let name = fields.next()?.to_owned();
        (host::stat(pid)?.start == start).then_some((pid, name))
    };
    record.lines().filter_map(parse).collect()
}

/// Asks processes to end, by name and all at once, and waits for that.
pub(crate) fn end(run: &Run, names: &[&str], limit: Duration) {
    let wanted = |(_, name): &(i32, String)| names.contains(&name.as_str());
    for (pid, _) in recorded(run).into_iter().filter(wanted) {
        for target in component(pid) {
            let _ = host::signal(target, Signal::SIGTERM);
        }
    }
    host::poll(limit, || !recorded(run).iter().any(wanted));
}

/// The component itself: nsenter, which waits for it, would not pass a signal on.
fn component(pid: i32) -> Vec<i32> {
    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    if name.trim() != "nsenter" {
        return vec![pid];
    }
    host::pids()
        .into_iter()
        .filter(|child| host::stat(*child).is_some_and(|stat| stat.parent == pid))
        .collect()
}

/// The end of a log, for an error message.
pub(crate) fn tail(log: &Path) -> String {
    const LINES: usize = 15;
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n")
}
