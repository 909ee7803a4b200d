//! A run's folder, and who owns it.
//!
//! All runs of a user lie in one place that does not depend on the environment, so that every start
//! finds what an interrupted run left. A folder appears and disappears by rename: one without an
//! owner's record is on its way out.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::host;

/// On disk also after a reboot, and long enough a name is still short enough for Unix sockets below.
const PLACE: &str = "/var/tmp/mail-egress-cluster";

const OWNER: &str = "owner.json";

/// The place where all runs of this user lie.
#[derive(Debug, Clone)]
pub(crate) struct Base {
    root: PathBuf,
}

/// One run's folder.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    pub(crate) id: String,
    pub(crate) folder: PathBuf,
}

/// The process that started a run; when it is gone, so should be the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owner {
    pub(crate) pid: i32,
    pub(crate) start: u64,
    pub(crate) boot: String,
}

/// What is to be done about a run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Its owner lives: hands off.
    Lives,
    /// Its owner died: whatever is left of it goes.
    Orphaned,
    /// The machine was restarted since: only files can be left, and no pid recorded means anything.
    Outlived,
}

impl Base {
    /// The user's place, made at first need; nobody else may write there.
    pub(crate) fn open() -> Result<Self> {
        let uid = nix::unistd::geteuid().as_raw();
        let root = PathBuf::from(format!("{PLACE}-{uid}"));
        match fs::create_dir(&root) {
            Ok(()) => fs::set_permissions(&root, Permissions::from_mode(0o700))?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).with_context(|| format!("cannot create {}", root.display())),
        }
        let found = fs::symlink_metadata(&root)?;
        ensure!(
            found.is_dir() && found.uid() == uid && found.mode() & 0o022 == 0,
            "{} is not a folder that only this user can write: remove it",
            root.display()
        );
        Ok(Self { root })
    }

    /// Held while runs are counted, created and swept.
    pub(crate) fn lock(&self) -> Result<File> {
        let path = self.root.join("lock");
        let file = File::options().create(true).append(true).open(&path)?;
        file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
        Ok(file)
    }

    /// A new run that belongs to the calling process.
    pub(crate) fn create(&self) -> Result<Run> {
        let pid = std::process::id().cast_signed();
        let start = host::stat(pid).context("/proc does not show this process")?.start;
        let owner = Owner { pid, start, boot: host::boot_id() };
        for n in 1.. {
            let id = format!("{pid}-{n}");
            let folder = self.root.join(&id);
            if folder.exists() {
                continue;
            }
            let hidden = self.root.join(format!(".new-{id}"));
            fs::create_dir(&hidden).with_context(|| format!("cannot create {}", hidden.display()))?;
            fs::write(hidden.join(OWNER), serde_json::to_vec(&owner)?)?;
            fs::rename(&hidden, &folder)?;
            return Ok(Run { id, folder });
        }
        unreachable!("the numbers do not end")
    }

    /// All runs there are, whoever owns them.
    pub(crate) fn runs(&self) -> Result<Vec<Run>> {
        let mut runs = Vec::new();
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            let id = entry.file_name().to_string_lossy().into_owned();
            if id.starts_with(|c: char| c.is_ascii_digit()) && entry.file_type()?.is_dir() {
                runs.push(Run { id, folder: entry.path() });
            }
        }
        runs.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(runs)
    }

    /// Removes folders that were being created or removed when somebody died. The caller holds the
    /// lock, so a creation that is under way cannot be hit.
    pub(crate) fn remove_hidden(&self) {
        for entry in fs::read_dir(&self.root).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with('.') {
                remove(&entry.path());
            }
        }
    }

    /// A file beside the runs.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }
}

impl Run {
    pub(crate) fn owner(&self) -> Option<Owner> {
        serde_json::from_slice(&fs::read(self.folder.join(OWNER)).ok()?).ok()
    }

    pub(crate) fn fate(&self) -> Fate {
        decide(self.owner().as_ref(), &host::boot_id(), |pid| host::stat(pid).map(|stat| stat.start))
    }

    /// A path inside the folder.
    pub(crate) fn path(&self, inside: impl AsRef<Path>) -> PathBuf {
        self.folder.join(inside)
    }

    /// The folder and all in it, at once for everybody who looks.
    pub(crate) fn remove(&self) {
        let hidden = self.folder.with_file_name(format!(".gone-{}", self.id));
        match fs::rename(&self.folder, &hidden) {
            Ok(()) => remove(&hidden),
            Err(_) => remove(&self.folder),
        }
    }
}

/// Two sweepers may be at the same files, so one that is gone is no error; what stays is for the next.
fn remove(folder: &Path) {
    for _ in 0..5 {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => host::breathe(),
            _ => return,
        }
    }
}

/// A process is the owner only if pid, start and boot agree: pids come round again.
fn decide(owner: Option<&Owner>, boot: &str, start_of: impl Fn(i32) -> Option<u64>) -> Fate {
    match owner {
        None => Fate::Orphaned,
        Some(owner) if owner.boot != boot => Fate::Outlived,
        Some(owner) if start_of(owner.pid) == Some(owner.start) => Fate::Lives,
        Some(_) => Fate::Orphaned,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owner() -> Owner {
        Owner { pid: 7, start: 100, boot: "today".to_owned() }
    }

    #[test]
    fn a_run_whose_owner_lives_is_left_alone() {
        assert_eq!(decide(Some(&owner()), "today", |_| Some(100)), Fate::Lives);
    }

    #[test]
    fn a_run_whose_owner_died_is_swept() {
        assert_eq!(decide(Some(&owner()), "today", |_| None), Fate::Orphaned);
    }

    #[test]
    fn another_process_with_the_same_pid_is_not_the_owner() {
        assert_eq!(decide(Some(&owner()), "today", |_| Some(101)), Fate::Orphaned);
    }

    #[test]
    fn after_a_restart_no_pid_means_anything() {
        assert_eq!(decide(Some(&owner()), "tomorrow", |_| Some(100)), Fate::Outlived);
    }

    #[test]
    fn a_half_removed_folder_is_swept() {
        assert_eq!(decide(None, "today", |_| Some(100)), Fate::Orphaned);
    }
}
