//! The file that takes the front of a large message. It has no name, so whatever ends the process
//! ends it too, and no other process of the pod can open it by one.
//!
//! Files are read and written on tokio's blocking threads: a disk that makes a write wait, as a full
//! page cache does, must not hold up the other sessions.

use std::fmt;
use std::fs::{DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, PermissionsExt};
use std::path::PathBuf;
use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::task::spawn_blocking;

use super::Full;
use crate::message::budget::Share;

/// Where the files are made.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

/// One message's file.
pub(super) struct Spill {
    folder: Arc<Folder>,
    /// `None` only while it is dropped.
    file: Option<Arc<File>>,
    written: u64,
    /// Of the limit: what was written, and what was announced.
    share: Share,
}

impl Folder {
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// A new file with mode 0600 and no name: `O_TMPFILE`, or created and unlinked where the file
    /// system has no such thing. The folder itself is made where only it is missing: a volume is
    /// mounted above it.
    pub(super) fn file(&self) -> io::Result<File> {
        let file = match tempfile::tempfile_in(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                DirBuilder::new().mode(0o700).create(&self.path)?;
                tempfile::tempfile_in(&self.path)?
            }
            made => made?,
        };
        // tempfile 3.27 leaves the mode of an O_TMPFILE to the umask; nothing is in it yet
        file.set_permissions(Permissions::from_mode(0o600))?;
        Ok(file)
    }
}

impl fmt::Display for Folder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.path.display().fmt(f)
    }
}

impl Spill {
    pub(super) async fn open(folder: Arc<Folder>, share: Share) -> Result<Self, Full> {
        let within = Arc::clone(&folder);
        match blocking(move || within.file()).await {
            Ok(file) => Ok(Self { folder, file: Some(Arc::new(file)), written: 0, share }),
            Err(error) => {
                tracing::warn!(%folder, %error, "no file can be made in --spill-dir");
                Err(Full::Folder)
            }
        }
    }

    /// Octets that lie in it.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// Appends what `tail` holds and empties it; where that fails, `tail` is as it was, unless the
    /// blocking thread itself is gone.
    pub(super) async fn append(&mut self, tail: &mut Vec<u8>) -> Result<(), Full> {
        let end = self.written.saturating_add(tail.len() as u64);
        if !self.share.grow_to(usize::try_from(end).unwrap_or(usize::MAX)) {
            return Err(Full::Limit);
        }
        let (file, at, octets) = (self.file()?, self.written, std::mem::take(tail));
        let writing = blocking(move || {
            let written = file.write_all_at(&octets, at);
            Ok((written, octets))
        });
        let written = match writing.await {
            Ok((written, octets)) => {
                *tail = octets;
                written
            }
            Err(error) => Err(error),
        };
        match written {
            Ok(()) => {
                tail.clear();
                self.written = end;
                Ok(())
            }
            // ENOSPC, EDQUOT, EFBIG, EIO: what it is only tells a person what to mend
            Err(error) => {
                tracing::warn!(folder = %self.folder, %error, "a message cannot be written to --spill-dir");
                Err(Full::Disk)
            }
        }
    }

    /// Fills `buffer` with what lies at `at`, and gives it back; a file that is shorter is an error.
    pub(super) async fn read(&self, mut buffer: Vec<u8>, at: u64) -> io::Result<Vec<u8>> {
        let file = self.file().map_err(io::Error::other)?;
        blocking(move || file.read_exact_at(&mut buffer, at).map(|()| buffer)).await
    }

    fn file(&self) -> Result<Arc<File>, Full> {
        self.file.clone().ok_or(Full::Disk)
    }

    #[cfg(test)]
    pub(super) fn shorten(&self, octets: u64) {
        self.file().unwrap().set_len(octets).unwrap();
    }
}

impl Drop for Spill {
    /// The last close of a file without a name frees its blocks, which takes milliseconds for a large
    /// one: not here either. The share is free at once.
    fn drop(&mut self) {
        if let (Some(file), Ok(runtime)) = (self.file.take(), Handle::try_current()) {
            runtime.spawn_blocking(move || drop(file));
        }
    }
}

/// Does it on a blocking thread. One that is gone, as in a runtime that ends, is an error too.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    spawn_blocking(work).await.unwrap_or_else(|gone| Err(io::Error::other(gone)))
}
