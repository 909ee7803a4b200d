//! The paths of one pod's folder, and how a change in it is made to last.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::Id;

/// A pod's folder and the one for dead letters in it, both open so that they can be synced.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) path: PathBuf,
    pub(crate) dead: PathBuf,
    handle: File,
    dead_handle: File,
}

/// What a file in the folder is, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Draft,
    Ready,
    Dotted,
    State,
    Verdict,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Draft, Self::Ready, Self::Dotted, Self::State, Self::Verdict];

    fn suffix(self) -> &'static str {
        match self {
            Self::Draft => "tmp",
            Self::Ready => "mail",
            Self::Dotted => "dotted",
            Self::State => "state",
            Self::Verdict => "json",
        }
    }
}

impl Folder {
    /// Makes what is missing; the parent must be there.
    pub(crate) fn create(path: PathBuf) -> io::Result<Self> {
        let dead = path.join("dead");
        make(&path)?;
        make(&dead)?;
        if let Some(parent) = path.parent() {
            File::open(parent)?.sync_all()?;
        }
        let (handle, dead_handle) = (File::open(&path)?, File::open(&dead)?);
        handle.sync_all()?;
        Ok(Self { path, dead, handle, dead_handle })
    }

    pub(crate) fn file(&self, id: &Id, kind: Kind) -> PathBuf {
        self.path.join(format!("{id}.{}", kind.suffix()))
    }

    pub(crate) fn dead_file(&self, id: &Id, kind: Kind) -> PathBuf {
        self.dead.join(format!("{id}.{}", kind.suffix()))
    }

    /// Makes creations, renames and removals in the folder last.
    pub(crate) fn sync(&self) -> io::Result<()> {
        self.handle.sync_all()
    }

    pub(crate) fn sync_dead(&self) -> io::Result<()> {
        self.dead_handle.sync_all()
    }
}

/// What lies in a folder, as far as the names are ours; the length in octets beside it.
pub(crate) fn list(folder: &Path) -> io::Result<Vec<(Id, Kind, u64)>> {
    let mut found = Vec::new();
    for item in fs::read_dir(folder)? {
        let item = item?;
        let name = item.file_name();
        let Some((id, suffix)) = name.to_str().and_then(|name| name.split_once('.')) else { continue };
        let kind = Kind::ALL.into_iter().find(|kind| kind.suffix() == suffix);
        if let (Ok(id), Some(kind)) = (id.parse(), kind) {
            match item.metadata() {
                Ok(metadata) => found.push((id, kind, metadata.len())),
                // a person removed a dead letter just now
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(found)
}

/// Removes a file; one that is not there is fine.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Whether content must be on the disk before its name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lasting {
    Yes,
    /// It may be lost with the power, not with the process.
    No,
}

/// Writes a small JSON file as a whole or not at all: by another name, then renamed.
pub(crate) fn replace(path: &Path, value: &impl Serialize, lasting: Lasting) -> io::Result<()> {
    let text = serde_json::to_vec(value)?;
    let draft = path.with_extension("tmp");
    let written = (|| {
        let mut file = private().truncate(true).create(true).open(&draft)?;
        file.write_all(&text)?;
        if lasting == Lasting::Yes {
            file.sync_data()?;
        }
        fs::rename(&draft, path)
    })();
    if written.is_err() {
        // the first error is the one to tell; what is left is removed on the next open
        let _ = remove(&draft);
    }
    written
}

/// For a new file: mail, and what a relay said of it, is nobody else's business, also on a volume
/// that pods share.
pub(crate) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    options
}

/// A folder that may be there already.
pub(crate) fn make(path: &Path) -> io::Result<()> {
    match fs::create_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        made => made,
    }
}
