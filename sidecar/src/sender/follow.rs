//! Follows the file that the operator writes, and publishes what is in force.
//!
//! The kubelet swaps the symlink `..data` beside the file; an editor renames a
//! new file over it. Both change what the path leads to, so once a second the
//! path is looked up and, where device, inode, times or size differ, read again.
//! Not inotify: its instances are counted per user on the whole node (128 by
//! default), and all sidecars of a node run as the same user.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mail_egress_config::{LIMIT, State, parse};
use mail_egress_smtp::server;
use tokio::sync::watch;

use crate::sender::loaded::{Generation, Loaded};
use crate::sender::tokens::Tokens;

/// How often the path is looked up.
const INTERVAL: Duration = Duration::from_secs(1);

/// What is in force.
#[derive(Debug, Clone)]
pub enum Current {
    /// There is no file: no MailSender, or the kubelet has not brought it yet.
    Missing,
    /// There is a file that cannot be used, and there was none before that could.
    Unusable(Arc<str>),
    /// The newest file that could be used.
    Usable(Arc<Loaded>),
}

impl Current {
    /// What the sessions tell the app.
    #[must_use]
    pub fn session_settings(&self) -> Arc<server::Settings> {
        match self {
            Self::Usable(loaded) => Arc::clone(&loaded.session),
            Self::Missing | Self::Unusable(_) => Arc::default(),
        }
    }
}

impl Current {
    /// Whether the sidecar gets its tokens by itself.
    #[must_use]
    pub fn asks_for_its_own_tokens(&self) -> bool {
        matches!(self, Self::Usable(loaded) if loaded.file.token_source.is_some())
    }

    /// The configurations by which messages leave; none while none may.
    #[must_use]
    pub fn generations(&self) -> Vec<Generation> {
        match self {
            Self::Usable(loaded) => match loaded.file.state {
                State::Ready => loaded.ways().map(|way| way.generation.clone()).collect(),
                State::Unready(_) => Vec::new(),
            },
            Self::Missing | Self::Unusable(_) => Vec::new(),
        }
    }
}

/// What one look at the path brought.
#[derive(Debug)]
pub enum Seen {
    /// Nothing changed since the last look.
    Same,
    /// The file is not there (any more).
    Missing,
    /// A file that can be used.
    Usable(Arc<Loaded>),
    /// A file that cannot be used, and why: one line that names the field and repeats no value.
    Unusable(String),
}

/// Looks at one path again and again.
#[derive(Debug)]
pub struct Follower {
    path: PathBuf,
    most: u64,
    last: Option<Stamp>,
    current: Current,
    tokens: Tokens,
}

/// What changes whenever the path leads to other content.
#[derive(Debug, PartialEq, Eq)]
enum Stamp {
    Absent,
    Refused(io::ErrorKind),
    There([i128; 7]),
}

impl Follower {
    /// A follower that has not looked yet; `most` is for [`Loaded::new`].
    pub fn new(path: PathBuf, most: u64) -> Self {
        Self { path, most, last: None, current: Current::Missing, tokens: Tokens::default() }
    }

    /// What every file that is loaded shares.
    #[must_use]
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// What is in force after the last look.
    pub fn current(&self) -> &Current {
        &self.current
    }

    /// Looks once. Reads at most [`LIMIT`] octets, and only if something changed.
    ///
    /// Blocks for as long as the file system does: a Secret's volume is memory.
    pub fn look(&mut self) -> Seen {
        let now = Stamp::of(std::fs::metadata(&self.path));
        if self.last.as_ref() == Some(&now) {
            return Seen::Same;
        }
        let (stamp, seen) = match now {
            Stamp::There(_) => self.read(),
            Stamp::Absent | Stamp::Refused(_) => refused(now),
        };
        self.last = Some(stamp);
        self.current = next(&self.current, &seen);
        seen
    }

    /// Reads the file; the stamp is that of what was read, which a swap may have put there just now.
    fn read(&self) -> (Stamp, Seen) {
        let opened = File::open(&self.path).and_then(|file| Ok((file.metadata()?, file)));
        let (metadata, file) = match opened {
            Ok(opened) => opened,
            Err(error) => return refused(Stamp::of(Err(error))),
        };
        let mut bytes = Vec::new();
        let seen = match file.take(LIMIT as u64 + 1).read_to_end(&mut bytes) {
            Err(error) => Seen::Unusable(format!("it cannot be read: {}", error.kind())),
            Ok(_) => self.understand(&bytes),
        };
        (Stamp::of(Ok(metadata)), seen)
    }

    fn understand(&self, bytes: &[u8]) -> Seen {
        let before = match &self.current {
            Current::Usable(loaded) => Some(&**loaded),
            Current::Missing | Current::Unusable(_) => None,
        };
        let file = parse(bytes).map_err(|error| error.to_string());
        match file.and_then(|file| Loaded::new(file, self.most, before)) {
            Ok(loaded) => Seen::Usable(Arc::new(Loaded { tokens: self.tokens.clone(), ..loaded })),
            Err(why) => Seen::Unusable(why),
        }
    }

    /// Looks every second for as long as anybody listens, publishes what is in force, and tells
    /// `report` each change.
    pub async fn run(mut self, publish: watch::Sender<Current>, mut report: impl FnMut(&Seen, &Current)) {
        let mut ticks = tokio::time::interval(INTERVAL);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = ticks.tick() => {}
                () = publish.closed() => return,
            }
            let seen = self.look();
            if !matches!(seen, Seen::Same) {
                report(&seen, &self.current);
                publish.send_replace(self.current.clone());
            }
        }
    }
}

impl Stamp {
    fn of(metadata: io::Result<Metadata>) -> Self {
        match metadata {
            Ok(it) => Self::There([
                it.dev().into(),
                it.ino().into(),
                it.size().into(),
                it.mtime().into(),
                it.mtime_nsec().into(),
                it.ctime().into(),
                it.ctime_nsec().into(),
            ]),
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Self::Absent,
                kind => Self::Refused(kind),
            },
        }
    }
}

/// What a path that could not be opened means.
fn refused(stamp: Stamp) -> (Stamp, Seen) {
    let seen = match &stamp {
        Stamp::Refused(kind) => Seen::Unusable(format!("it cannot be read: {kind}")),
        Stamp::Absent | Stamp::There(_) => Seen::Missing,
    };
    (stamp, seen)
}

/// What is in force after `seen`: an unusable file leaves the last good one, a missing one ends it.
fn next(current: &Current, seen: &Seen) -> Current {
    match (seen, current) {
        (Seen::Same, _) | (Seen::Unusable(_), Current::Usable(_)) => current.clone(),
        (Seen::Missing, _) => Current::Missing,
        (Seen::Usable(file), _) => Current::Usable(Arc::clone(file)),
        (Seen::Unusable(why), Current::Missing | Current::Unusable(_)) => {
            Current::Unusable(why.as_str().into())
        }
    }
}

#[cfg(test)]
#[path = "follow/tests.rs"]
mod tests;
