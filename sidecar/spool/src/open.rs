//! Taking over a pod's folder: the lock, and what an earlier process left.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

use crate::folder::{Folder, Kind, list, make, remove};
use crate::format::outline;
use crate::spool::Spool;
use crate::{Death, Id, LoadError, OpenError, Progress, Ticket};

/// The reason of a message that is set aside because its file is damaged.
const DAMAGED: &str = "SpoolDamaged";

/// How much a spool may hold: in the queue, dead, and on its way in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Octets on disk, whole blocks of 4 KiB.
    pub octets: u64,
    /// Messages.
    pub entries: usize,
}

/// What an earlier process left.
#[derive(Debug, Default)]
pub struct Recovered {
    /// The queue, oldest first. What becomes of the dotted ones the caller decides.
    pub tickets: Vec<Ticket>,
    /// What was damaged and now lies among the dead letters.
    pub set_aside: Vec<SetAside>,
    /// Messages that were never answered 250 and are removed.
    pub drafts: usize,
}

/// A damaged file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SetAside {
    /// Whose.
    pub id: Id,
    /// What was wrong with it.
    pub why: String,
}

/// Takes the folder `pod` in `root`, which must be there, and looks through it.
pub(crate) fn open(
    root: &Path,
    pod: &str,
    limits: Limits,
    now: Timestamp,
) -> Result<(Spool, Recovered), OpenError> {
    if !is_name(pod) {
        return Err(OpenError::Name(pod.to_owned()));
    }
    let trouble = |error| OpenError::of(root, error);
    if !root.is_dir() {
        return Err(trouble(root.metadata().err().unwrap_or(io::ErrorKind::NotADirectory.into())));
    }
    let folder = Folder::create(root.join(pod)).map_err(trouble)?;
    let lock = take_lock(&folder).map_err(|refused| match refused {
        TryLockError::WouldBlock => OpenError::Locked { root: root.to_owned(), pod: pod.to_owned() },
        TryLockError::Error(error) => OpenError::of(root, error),
    })?;
    let spool = Spool::new(folder, lock, limits);
    let recovered = recover(&spool, now).map_err(trouble)?;
    Ok((spool, recovered))
}

/// The folder of one sender in a volume that several may share: `root/NAME`, made where it is
/// missing. `root` must be there.
pub fn sender_folder(root: &Path, name: &str) -> Result<PathBuf, OpenError> {
    if !is_name(name) {
        return Err(OpenError::Name(name.to_owned()));
    }
    let trouble = |error| OpenError::of(root, error);
    if !root.is_dir() {
        return Err(trouble(root.metadata().err().unwrap_or(io::ErrorKind::NotADirectory.into())));
    }
    let path = root.join(name);
    make(&path).and_then(|()| File::open(root)?.sync_all()).map_err(trouble)?;
    Ok(path)
}

/// The pods that have a folder with messages in this one, in the order of their names.
pub fn pods_with_mail(folder: &Path) -> io::Result<Vec<String>> {
    let mut pods = Vec::new();
    for item in fs::read_dir(folder)? {
        let item = item?;
        let name = item.file_name();
        let Some(pod) = name.to_str().filter(|name| is_name(name)) else { continue };
        let has_mail = item.file_type()?.is_dir()
            && list(&item.path())?.iter().any(|(_, kind, _)| matches!(kind, Kind::Ready | Kind::Dotted));
        if has_mail {
            pods.push(pod.to_owned());
        }
    }
    pods.sort();
    Ok(pods)
}

/// The file stays when the lock goes: with its name gone, two processes could hold two locks.
fn take_lock(folder: &Folder) -> Result<File, TryLockError> {
    let path = folder.path.join("lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(path);
    let file = file.map_err(TryLockError::Error)?;
    file.try_lock()?;
    Ok(file)
}

fn is_name(pod: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    (1..=253).contains(&pod.len()) && pod.bytes().all(fits) && !pod.starts_with('.')
}

fn recover(spool: &Spool, now: Timestamp) -> io::Result<Recovered> {
    let folder = spool.folder();
    let mut recovered = Recovered::default();
    let mut verdicts = Vec::new();
    for (id, kind, _) in list(&folder.dead)? {
        match kind {
            Kind::Draft => remove(&folder.dead_file(&id, kind))?,
            Kind::Verdict => verdicts.push(id),
            Kind::Ready | Kind::Dotted | Kind::State => {}
        }
    }
    let found = list(&folder.path)?;
    for (id, kind, _) in &found {
        match kind {
            Kind::Draft => {
                remove(&folder.file(id, *kind))?;
                recovered.drafts += 1;
            }
            Kind::Ready | Kind::Dotted if verdicts.contains(id) => {
                spool.finish_burial(id, &folder.file(id, *kind))?;
            }
            Kind::Ready | Kind::Dotted => match entry(folder, id, *kind) {
                Ok((ticket, room)) => {
                    spool.adopt(id, room);
                    recovered.tickets.push(ticket);
                }
                Err(LoadError::Io(error)) => return Err(error),
                Err(damaged @ LoadError::Damaged(_)) => {
                    let why = damaged.to_string();
                    let death = Death {
                        at: now,
                        reason: DAMAGED.to_owned(),
                        sentence: why.clone(),
                        uncertain: *kind == Kind::Dotted,
                        attempts: 0,
                    };
                    spool.lay_aside(id, &folder.file(id, *kind), &death)?;
                    recovered.set_aside.push(SetAside { id: id.clone(), why });
                }
            },
            Kind::State | Kind::Verdict => {}
        }
    }
    for (id, kind, _) in &found {
        if *kind == Kind::State && !spool.holds(id) {
            remove(&folder.file(id, Kind::State))?;
        }
    }
    spool.count_dead()?;
    recovered.tickets.sort_by(|a, b| (a.accepted_at, &a.id).cmp(&(b.accepted_at, &b.id)));
    Ok(recovered)
}

/// The entry and its length on disk.
fn entry(folder: &Folder, id: &Id, kind: Kind) -> Result<(Ticket, u64), LoadError> {
    let file = File::open(folder.file(id, kind))?;
    let outline = outline(&file, id)?;
    // one that is missing, or was lost with the power: tried at once
    let progress: Option<Progress> =
        std::fs::read(folder.file(id, Kind::State)).ok().and_then(|text| serde_json::from_slice(&text).ok());
    let ticket = Ticket {
        id: id.clone(),
        accepted_at: outline.head.accepted_at,
        octets: outline.octets,
        dotted: kind == Kind::Dotted,
        progress,
    };
    Ok((ticket, file.metadata()?.len()))
}
