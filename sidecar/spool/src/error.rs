//! What can go wrong, in words that say how to mend it.

use std::io;
use std::path::{Path, PathBuf};

use crate::Id;

/// Why the folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Nothing is mounted there, or something that is no folder.
    #[error("the spool folder {} does not exist: mount a volume there", .0.display())]
    Missing(PathBuf),
    /// The volume is mounted read-only.
    #[error("the spool folder {} is read-only: mount its volume with readOnly: false", .0.display())]
    ReadOnly(PathBuf),
    /// Not ours to write.
    #[error(
        "the spool folder {} cannot be written by this user: set fsGroup in the pod's securityContext, or give the folder to the user",
        .0.display()
    )]
    Denied(PathBuf),
    /// No room for so much as a folder and a lock.
    #[error("the volume of the spool folder {} is full: free space on it, or make it larger", .0.display())]
    NoSpace(PathBuf),
    /// Another process uses it.
    #[error(
        "another process uses the spool folder of {pod} in {}: give each pod a name of its own, and stop the other one",
        root.display()
    )]
    Locked {
        /// The folder given.
        root: PathBuf,
        /// The pod's folder in it.
        pod: String,
    },
    /// The pod's name cannot be the name of a folder.
    #[error("'{0}' cannot name a spool folder: use letters, digits, '-', '_' and '.', at most 253")]
    Name(String),
    /// Something else.
    #[error("the spool folder {} cannot be used ({source}): check the volume", root.display())]
    Io {
        /// The folder given.
        root: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl OpenError {
    pub(crate) fn of(root: &Path, source: io::Error) -> Self {
        let root = root.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::Missing(root),
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly(root),
            io::ErrorKind::PermissionDenied => Self::Denied(root),
            kind if is_full(kind) => Self::NoSpace(root),
            _ => Self::Io { root, source },
        }
    }
}

/// Why a message was not taken, or its state not noted.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// The limit on octets is reached, dead letters included.
    #[error("the spool holds {held} of {limit} octets: wait until mail has left, or remove dead letters")]
    Octets {
        /// On disk, and promised to messages on their way in.
        held: u64,
        /// What was told.
        limit: u64,
    },
    /// The limit on messages is reached, dead letters included.
    #[error("the spool holds {held} of {limit} messages: wait until mail has left, or remove dead letters")]
    Entries {
        /// In the queue, dead, and on their way in.
        held: usize,
        /// What was told.
        limit: usize,
    },
    /// The volume is full before our own limit is.
    #[error("the spool's volume is full: free space on it, or make it larger")]
    Disk(#[source] io::Error),
    /// There is a message of this name.
    #[error("there is a message {0} already")]
    Exists(Id),
    /// There is no message of this name in the queue.
    #[error("there is no message {0} in the spool")]
    Unknown(Id),
    /// The envelope is longer than a head may be.
    #[error("the envelope is too long to be spooled")]
    Envelope,
    /// Something else.
    #[error("the spool cannot be written: {0}")]
    Io(#[source] io::Error),
}

impl SpoolError {
    /// Whether there is no room: 452, before anything was accepted.
    #[must_use]
    pub fn is_full(&self) -> bool {
        match self {
            Self::Octets { .. } | Self::Entries { .. } | Self::Disk(_) => true,
            Self::Exists(_) | Self::Unknown(_) | Self::Envelope | Self::Io(_) => false,
        }
    }
}

impl From<io::Error> for SpoolError {
    fn from(error: io::Error) -> Self {
        if is_full(error.kind()) { Self::Disk(error) } else { Self::Io(error) }
    }
}

/// Why a message cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file is not what was written: never to be sent, and to be buried with this reason.
    #[error("the spooled file is damaged: {0}")]
    Damaged(&'static str),
    /// The system could not read it; another time it may.
    #[error("the spooled file cannot be read: {0}")]
    Io(#[from] io::Error),
}

fn is_full(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_trouble_with_the_folder_says_how_to_mend_it() {
        for (kind, words) in [
            (io::ErrorKind::NotFound, "mount a volume there"),
            (io::ErrorKind::ReadOnlyFilesystem, "readOnly: false"),
            (io::ErrorKind::PermissionDenied, "fsGroup"),
            (io::ErrorKind::StorageFull, "free space"),
            (io::ErrorKind::QuotaExceeded, "free space"),
            (io::ErrorKind::Other, "check the volume"),
        ] {
            let text = OpenError::of(Path::new("/spool"), kind.into()).to_string();
            assert!(text.contains("/spool") && text.contains(words), "{text}");
        }
    }

    #[test]
    fn a_full_disk_is_full() {
        assert!(SpoolError::from(io::Error::from(io::ErrorKind::StorageFull)).is_full());
        assert!(!SpoolError::from(io::Error::from(io::ErrorKind::Other)).is_full());
    }
}
