//! What all bodies share: the memory, the folder, and how much of each may be used.

use std::path::PathBuf;
use std::sync::Arc;

use mail_egress_diagnosis::reason;

use super::spill::{Folder, Spill};
use super::{Body, Front, KEPT, PIECE, rounded};
use crate::message::budget::{Budget, Share};

/// Where bodies are held; cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    memory: Budget,
    disk: Budget,
    folder: Arc<Folder>,
    largest: u64,
}

/// Why a message cannot be held. Each is 452: others may be done soon, or somebody may mend it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Full {
    /// The memory budget is used up.
    #[error("the memory for messages is used up")]
    Memory,
    /// Together with what lies there it would be more on disk than the limit allows.
    #[error("the limit for messages on disk is reached")]
    Limit,
    /// No file can be made in the folder, and memory is too small for it.
    #[error("the folder for large messages cannot be used")]
    Folder,
    /// The disk took no more: full, over quota, or broken.
    #[error("the disk takes no more")]
    Disk,
}

/// What is taken by bodies, in octets.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Of the memory budget.
    pub memory: usize,
    /// On disk, announced ones included: what counts against the limit.
    pub disk: usize,
}

impl Full {
    /// The row of the diagnosis table.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Memory => reason::MEMORY_BUDGET,
            Self::Limit => reason::SPILL_LIMIT,
            Self::Folder => reason::SPILL_FOLDER_UNUSABLE,
            Self::Disk => reason::SPILL_DISK_FAILED,
        }
    }
}

impl Store {
    /// Holds up to `memory` octets in memory and `limit` in files of `folder`; without a limit, as
    /// many as the disk takes. The folder may be missing: it is looked at when it is needed.
    #[must_use]
    pub fn new(memory: usize, folder: PathBuf, limit: Option<usize>) -> Self {
        let disk = limit.unwrap_or(usize::MAX);
        let largest = u64::try_from(memory.max(disk)).unwrap_or(u64::MAX);
        Self {
            memory: Budget::new(memory),
            disk: Budget::new(disk),
            folder: Arc::new(Folder::new(folder)),
            largest,
        }
    }

    /// Says in the log where the folder cannot be used, since the first large message may come late.
    /// Touches the disk.
    pub fn try_folder(&self) {
        if let Err(error) = self.folder.file() {
            tracing::warn!(
                folder = %self.folder,
                %error,
                "no file can be made in --spill-dir: a message must fit into --memory-budget or is answered 452"
            );
        }
    }

    /// The largest message that could be held if there were no other, in octets.
    #[must_use]
    pub fn largest(&self) -> u64 {
        self.largest
    }

    /// Memory for something else that is made of a message, for as long as the answer is held.
    #[must_use]
    pub fn room(&self, octets: u64) -> Option<Share> {
        self.memory.share(usize::try_from(octets).ok()?)
    }

    /// Whether there is ever so much memory, whatever else is held.
    #[must_use]
    pub fn could_have_room(&self, octets: u64) -> bool {
        usize::try_from(octets).is_ok_and(|octets| octets <= self.memory.total())
    }

    /// What is taken now.
    #[must_use]
    pub fn held(&self) -> Held {
        Held { memory: self.memory.taken(), disk: self.disk.taken() }
    }

    /// Takes memory or disk for a message that is expected to have `announced` octets (a guess is
    /// fine, 0 means unknown), so that the app hears before it sends that there is no room.
    pub async fn begin(&self, announced: u64) -> Result<Body, Full> {
        let announced = usize::try_from(announced).unwrap_or(usize::MAX);
        let in_memory = |octets| self.memory.share(rounded(octets));
        let least = || self.memory.share(PIECE).ok_or(Full::Memory);
        let (memory, front) = match (announced <= KEPT).then(|| in_memory(announced)).flatten() {
            Some(memory) => (memory, Front::Nowhere),
            None => match self.spill(announced).await {
                Ok(spill) => (least()?, Front::File(spill)),
                Err(full) => {
                    // what would fit into memory but for the others is refused on account of that
                    let full = if announced <= KEPT { Full::Memory } else { full };
                    (in_memory(announced).ok_or(full)?, Front::Barred(full))
                }
            },
        };
        Ok(Body {
            store: self.clone(),
            scan: mail_egress_smtp::data::Scan::default(),
            tail: Vec::new(),
            memory,
            front,
            fault: None,
        })
    }

    /// A file with room for `octets`.
    pub(super) async fn spill(&self, octets: usize) -> Result<Spill, Full> {
        let share = self.disk.share(octets).ok_or(Full::Limit)?;
        Spill::open(Arc::clone(&self.folder), share).await
    }
}
