//! Which clusters there are, and taking down one that belongs to another process.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use serde::Serialize;

use super::host;
use super::progress::Progress;
use super::run::{Base, Fate, Run};
use super::running::Running;

/// Longer than a cluster takes to go in order.
const LIMIT: Duration = Duration::from_secs(40);

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It can be used.
    Up,
    /// Its owner is starting it, or taking it down.
    Changing,
    /// Its owner is dead; the next start sweeps it up.
    Dead,
}

/// A run of this user.
#[derive(Debug, Clone, Serialize)]
pub struct Standing {
    /// The name of the run.
    pub id: String,
    /// How it stands.
    pub state: State,
    /// The process that it belongs to.
    pub owner: Option<i32>,
    /// Where its files lie.
    pub folder: PathBuf,
    /// How to use it, when it is up.
    pub cluster: Option<Running>,
}

impl Standing {
    /// All runs, alive or dead.
    pub fn all() -> Result<Vec<Self>> {
        Ok(Base::open()?.runs()?.iter().map(Self::of).collect())
    }

    fn of(run: &Run) -> Self {
        let cluster = Running::load(run);
        let state = match (run.fate(), &cluster) {
            (Fate::Lives, Some(_)) => State::Up,
            (Fate::Lives, None) => State::Changing,
            (Fate::Orphaned | Fate::Outlived, _) => State::Dead,
        };
        Self {
            id: run.id.clone(),
            state,
            owner: run.owner().map(|owner| owner.pid),
            folder: run.folder.clone(),
            cluster,
        }
    }
}

/// Asks the owner of a cluster to take it down, and waits for that; an owner that does not obey is
/// killed, and its run swept up. Returns the cluster's name.
pub fn down(id: Option<&str>, progress: Progress) -> Result<String> {
    let base = Base::open()?;
    let mut runs = base.runs()?;
    runs.retain(|run| id.is_none_or(|id| run.id == id));
    ensure!(runs.len() <= 1, "there are several clusters: say which one ({})", names(&runs));
    let run = runs.pop().context("there is no such cluster: `cluster status` says what there is")?;
    if run.fate() == Fate::Lives {
        let owner = run.owner().context("the run has no owner")?.pid;
        host::signal(owner, Signal::SIGTERM).with_context(|| format!("cannot stop process {owner}"))?;
        let gone = host::poll(LIMIT, || !run.folder.exists() || run.fate() != Fate::Lives);
        if !gone {
            progress.say(format!("process {owner} does not end: killing it"));
            host::signal(owner, Signal::SIGKILL)?;
            host::poll(LIMIT, || run.fate() != Fate::Lives);
        }
    }
    super::sweep(progress)?;
    ensure!(!run.folder.exists(), "{} is still there", run.folder.display());
    Ok(run.id)
}

fn names(runs: &[Run]) -> String {
    runs.iter().map(|run| run.id.as_str()).collect::<Vec<_>>().join(", ")
}
