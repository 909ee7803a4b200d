//! The spool itself: what it holds, and what may happen to a message in it.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;

use crate::folder::{Folder, Kind, Lasting, list, remove, replace};
use crate::format::{Head, Letter};
use crate::open::{self, Limits, Recovered};
use crate::{Death, Draft, Id, LoadError, OpenError, Progress, SpoolError};

/// What files take of a disk, and what is counted.
const BLOCK: u64 = 4096;

/// One pod's folder, held for as long as a clone lives; cheap to clone.
///
/// Every method blocks for as long as the disk does. What happens to one message must happen in
/// turn: two tasks never work on the same one.
#[derive(Clone, Debug)]
pub struct Spool(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folder: Folder,
    limits: Limits,
    books: Mutex<Books>,
    _lock: File,
}

#[derive(Debug, Default)]
struct Books {
    /// The queue, and messages on their way in, with what each takes.
    held: HashMap<Id, u64>,
    octets: u64,
    dead: usize,
    dead_octets: u64,
}

/// How full it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Messages in the queue and on their way in.
    pub entries: usize,
    /// What those take of the disk.
    pub octets: u64,
    /// Dead letters.
    pub dead: usize,
    /// What those take of the disk.
    pub dead_octets: u64,
}

impl Spool {
    /// Takes the folder `pod` in `root` (which must be there), removes what was never answered 250,
    /// sets aside what is damaged, and lists the rest.
    pub fn open(
        root: impl AsRef<Path>,
        pod: &str,
        limits: Limits,
        now: Timestamp,
    ) -> Result<(Self, Recovered), OpenError> {
        open::open(root.as_ref(), pod, limits, now)
    }

    /// Room for one message of about so many octets, before anything of it is accepted.
    pub fn begin(&self, head: Head, announced: u64) -> Result<Draft, SpoolError> {
        Draft::begin(self.clone(), head, announced)
    }

    /// Reads a message, wholly checked; its content passes by `each`, piece after piece.
    pub fn load(&self, id: &Id, mut each: impl FnMut(&[u8])) -> Result<Letter, LoadError> {
        match Letter::open(&self.folder().file(id, Kind::Ready), id, &mut each) {
            Err(LoadError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {
                Letter::open(&self.folder().file(id, Kind::Dotted), id, each)
            }
            read => read,
        }
    }

    /// Notes, synced, that the final dot is about to be written. Only then may it be.
    ///
    /// After an error the dot must not be written, and the mark may be there all the same: note the
    /// attempt by [`Self::retry`], which takes it away.
    pub fn dot(&self, id: &Id) -> Result<(), SpoolError> {
        let folder = self.folder();
        match fs::rename(folder.file(id, Kind::Ready), folder.file(id, Kind::Dotted)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // at-least-once: dotted before, and tried again
                self.entry(id).and_then(|(_, kind)| match kind {
                    Kind::Dotted => Ok(()),
                    _ => Err(error.into()),
                })?;
            }
            renamed => renamed?,
        }
        Ok(folder.sync()?)
    }

    /// Notes that an attempt ended without the message being accepted, and when the next is due. A
    /// message that was dotted is ready again: its fate is known, or it may be doubled.
    pub fn retry(&self, id: &Id, progress: &Progress) -> Result<(), SpoolError> {
        let folder = self.folder();
        let (path, kind) = self.entry(id)?;
        replace(&folder.file(id, Kind::State), progress, Lasting::No)?;
        if kind == Kind::Dotted {
            fs::rename(path, folder.file(id, Kind::Ready))?;
            folder.sync()?;
        }
        Ok(())
    }

    /// The relay has it: nothing is left here.
    pub fn done(&self, id: &Id) -> Result<(), SpoolError> {
        let folder = self.folder();
        let (path, _) = self.entry(id)?;
        remove(&path)?;
        folder.sync()?;
        self.forget(id);
        // alone it means nothing, and is removed on the next open at the latest
        let _ = remove(&folder.file(id, Kind::State));
        Ok(())
    }

    /// It will not be sent any more: it is kept among the dead letters, with the reason.
    pub fn bury(&self, id: &Id, death: &Death) -> Result<(), SpoolError> {
        let (path, _) = self.entry(id)?;
        Ok(self.lay_aside(id, &path, death)?)
    }

    /// How full it is.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let books = self.books();
        Standing {
            entries: books.held.len(),
            octets: books.octets,
            dead: books.dead,
            dead_octets: books.dead_octets,
        }
    }

    /// How much it may hold.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    pub(crate) fn new(folder: Folder, lock: File, limits: Limits) -> Self {
        Self(Arc::new(Inner { folder, limits, books: Mutex::default(), _lock: lock }))
    }

    pub(crate) fn folder(&self) -> &Folder {
        &self.0.folder
    }

    /// Books are whole after every statement, so a panic elsewhere spoils nothing.
    fn books(&self) -> MutexGuard<'_, Books> {
        self.0.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entry(&self, id: &Id) -> Result<(PathBuf, Kind), SpoolError> {
        let kinds = [Kind::Ready, Kind::Dotted].into_iter();
        let mut there =
            kinds.map(|kind| (self.folder().file(id, kind), kind)).filter(|(path, _)| path.exists());
        there.next().ok_or_else(|| SpoolError::Unknown(id.clone()))
    }

    /// The verdict first: whoever finds it beside a message in the queue completes the burial.
    pub(crate) fn lay_aside(&self, id: &Id, path: &Path, death: &Death) -> io::Result<()> {
        let folder = self.folder();
        let verdict = folder.dead_file(id, Kind::Verdict);
        replace(&verdict, death, Lasting::Yes)?;
        let moved = folder.sync_dead().and_then(|()| self.finish_burial(id, path));
        if moved.is_err() && path.exists() {
            // it is still in the queue, and may yet be sent
            let _ = remove(&verdict);
        }
        moved
    }

    pub(crate) fn finish_burial(&self, id: &Id, path: &Path) -> io::Result<()> {
        let folder = self.folder();
        let grave = folder.dead_file(id, Kind::Ready);
        fs::rename(path, &grave)?;
        let octets = room(grave.metadata().map_or(0, |it| it.len()));
        {
            let mut books = self.books();
            books.forget(id);
            books.dead += 1;
            books.dead_octets += octets;
        }
        folder.sync_dead()?;
        folder.sync()?;
        remove(&folder.file(id, Kind::State))
    }

    pub(crate) fn adopt(&self, id: &Id, length: u64) {
        let mut books = self.books();
        books.held.insert(id.clone(), room(length));
        books.octets += room(length);
    }

    pub(crate) fn holds(&self, id: &Id) -> bool {
        self.books().held.contains_key(id)
    }

    fn forget(&self, id: &Id) {
        self.books().forget(id);
    }

    /// Looks how many dead letters there are: a person may have removed some.
    pub(crate) fn count_dead(&self) -> io::Result<()> {
        let found = list(&self.folder().dead)?;
        let lengths =
            found.iter().filter(|(_, kind, _)| *kind == Kind::Ready).map(|(_, _, length)| room(*length));
        let (count, octets) = lengths.fold((0, 0), |(count, sum), length| (count + 1, sum + length));
        let mut books = self.books();
        (books.dead, books.dead_octets) = (count, octets);
        Ok(())
    }

    pub(crate) fn reserve(&self, id: &Id, length: u64) -> Result<Room, SpoolError> {
        let dead = self.folder().dead_file(id, Kind::Ready);
        if self.holds(id) || dead.exists() {
            return Err(SpoolError::Exists(id.clone()));
        }
        self.take(id, room(length))?;
        Ok(Room { spool: self.clone(), id: id.clone(), kept: false })
    }

    /// Gives `id` so much room in all; looks at the dead letters again before it says no.
    fn take(&self, id: &Id, wanted: u64) -> Result<(), SpoolError> {
        let limits = &self.0.limits;
        if self.books().take(id, wanted, limits).is_ok() {
            return Ok(());
        }
        self.count_dead()?;
        self.books().take(id, wanted, limits)
    }
}

impl Books {
    fn take(&mut self, id: &Id, wanted: u64, limits: &Limits) -> Result<(), SpoolError> {
        let has = self.held.get(id).copied();
        let others = self.octets - has.unwrap_or(0);
        let held = others.saturating_add(self.dead_octets);
        if held.saturating_add(wanted) > limits.octets {
            return Err(SpoolError::Octets { held, limit: limits.octets });
        }
        let entries = self.held.len() + self.dead;
        if has.is_none() && entries >= limits.entries {
            return Err(SpoolError::Entries { held: entries, limit: limits.entries });
        }
        self.held.insert(id.clone(), wanted);
        self.octets = others + wanted;
        Ok(())
    }

    fn forget(&mut self, id: &Id) {
        self.octets -= self.held.remove(id).unwrap_or(0);
    }
}

/// A draft's share of the limits, given back when dropped unless it is kept.
#[derive(Debug)]
pub(crate) struct Room {
    spool: Spool,
    id: Id,
    kept: bool,
}

impl Room {
    pub(crate) fn grow_to(&mut self, length: u64) -> Result<(), SpoolError> {
        let has = self.spool.books().held.get(&self.id).copied().unwrap_or(0);
        if room(length) <= has { Ok(()) } else { self.spool.take(&self.id, room(length)) }
    }

    /// The message is there, and so long: what was announced beyond that is free again.
    pub(crate) fn keep(&mut self, length: u64) {
        self.kept = true;
        self.spool.forget(&self.id);
        self.spool.adopt(&self.id, length);
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if !self.kept {
            self.spool.forget(&self.id);
        }
    }
}

/// What a message takes: its file in whole blocks, and one for its state.
fn room(length: u64) -> u64 {
    length.div_ceil(BLOCK).saturating_add(1).saturating_mul(BLOCK)
}
