//! The user's cache folder: what was built once is there for every run and every clone.
//!
//! Files appear by rename, so one that is there is complete. Only one run builds at a time; readers
//! take no lock.

use std::env;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::host;
use super::progress::Progress;

/// The folder that holds every version of everything.
#[derive(Debug, Clone)]
pub(crate) struct Cache {
    root: PathBuf,
}

impl Cache {
    /// `${XDG_CACHE_HOME:-$HOME/.cache}/mail-egress/cluster`
    pub(crate) fn of_user() -> Result<Self> {
        let base = match env::var_os("XDG_CACHE_HOME").filter(|dir| Path::new(dir).is_absolute()) {
            Some(dir) => PathBuf::from(dir),
            None => {
                let home = env::home_dir()
                    .context("neither XDG_CACHE_HOME nor HOME is set: there is no cache folder")?;
                home.join(".cache")
            }
        };
        Ok(Self { root: base.join("mail-egress").join("cluster") })
    }

    /// The folder of one version of one thing, for this kind of machine; not created.
    pub(crate) fn folder(&self, what: &str, version: &str) -> PathBuf {
        let machine = format!("{}-{}", env::consts::OS, env::consts::ARCH);
        self.root.join(what).join(version).join(machine)
    }

    /// A log of what is not of one version.
    pub(crate) fn log(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Waits until nobody else builds, and keeps others waiting until the guard is dropped (or its
    /// process dies).
    pub(crate) fn lock(&self, progress: Progress) -> Result<Lock> {
        fs::create_dir_all(&self.root).with_context(|| format!("cannot create {}", self.root.display()))?;
        let path = self.root.join("lock");
        let file = File::options()
            .create(true)
            .append(true)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        let mut step = progress.step("another run is building: waiting for it");
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Lock { _file: file }),
                Err(TryLockError::WouldBlock) => {
                    step.tick();
                    host::breathe();
                }
                Err(TryLockError::Error(error)) => {
                    return Err(error).with_context(|| format!("cannot lock {}", path.display()));
                }
            }
        }
    }
}

/// Held while building.
pub(crate) struct Lock {
    _file: File,
}

/// An empty folder beside the files to come, on the same file system, so that they can be renamed
/// into place. Those of dead runs are removed, since the caller holds the lock; a compiler that
/// outlived its run still writes into that one's and into no other.
pub(crate) fn workplace(folder: &Path) -> Result<PathBuf> {
    const PREFIX: &str = ".building-";
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(PREFIX) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    let place = folder.join(format!("{PREFIX}{}", std::process::id()));
    fs::create_dir_all(&place).with_context(|| format!("cannot create {}", place.display()))?;
    Ok(place)
}

/// Makes a finished file or folder visible under its final name.
pub(crate) fn publish(finished: &Path, name: &Path) -> Result<()> {
    fs::rename(finished, name)
        .with_context(|| format!("cannot move {} to {}", finished.display(), name.display()))
}
