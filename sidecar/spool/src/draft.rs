//! A message on its way into the spool, and the proof that it is there.

use std::fmt;
use std::fs::{self, File};
use std::io::BufWriter;

use crate::folder::{Kind, private, remove};
use crate::format::{Head, Writing, first_part, length};
use crate::spool::{Room, Spool};
use crate::{SpoolError, Ticket};

const BUFFER: usize = 16 * 1024;

/// A message of which 250 must not be said yet. Dropped, nothing is left of it.
pub struct Draft {
    spool: Spool,
    head: Head,
    /// The head's length in the file.
    first: usize,
    writing: Option<Writing<BufWriter<File>>>,
    room: Room,
    /// A file of ours may lie there.
    left: bool,
}

/// Proof that a message and its envelope are synced to disk: it survives the process and the node,
/// as far as its volume does. Only [`Draft::commit`] makes one.
#[derive(Debug)]
pub struct Spooled {
    ticket: Ticket,
}

impl Spooled {
    /// The message in the queue.
    #[must_use]
    pub fn ticket(&self) -> &Ticket {
        &self.ticket
    }
}

impl Draft {
    pub(crate) fn begin(spool: Spool, head: Head, announced: u64) -> Result<Self, SpoolError> {
        let first = first_part(&head)?;
        let room = spool.reserve(&head.id, length(first.len(), announced))?;
        let path = spool.folder().file(&head.id, Kind::Draft);
        let file = private().create_new(true).open(path)?;
        let mut draft = Self { spool, head, first: first.len(), writing: None, room, left: true };
        draft.writing = Some(Writing::begin(BufWriter::with_capacity(BUFFER, file), &first)?);
        Ok(draft)
    }

    /// Appends to the content. After an error nothing but dropping it is of use.
    pub fn write(&mut self, piece: &[u8]) -> Result<(), SpoolError> {
        let writing = self.writing.as_mut().ok_or_else(broken)?;
        let needed = length(self.first, writing.octets().saturating_add(piece.len() as u64));
        let written = self.room.grow_to(needed).and_then(|()| Ok(writing.content(piece)?));
        if written.is_err() {
            self.writing = None;
        }
        written
    }

    /// Makes it last: content synced, named, name synced. Only then may 250 be said.
    ///
    /// On an error the message is not in the queue, unless the disk refuses to take the name back
    /// too: then it may be sent although the app was told to try again.
    pub fn commit(mut self) -> Result<Spooled, SpoolError> {
        let writing = self.writing.take().ok_or_else(broken)?;
        let octets = writing.octets();
        let file = writing.end()?.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        file.sync_data()?;
        let (folder, id) = (self.spool.folder(), &self.head.id);
        let ready = folder.file(id, Kind::Ready);
        fs::rename(folder.file(id, Kind::Draft), &ready)?;
        if let Err(error) = folder.sync() {
            // the first error is the one to tell
            let _ = remove(&ready);
            return Err(error.into());
        }
        self.left = false;
        self.room.keep(length(self.first, octets));
        let ticket = Ticket {
            id: id.clone(),
            accepted_at: self.head.accepted_at,
            octets,
            dotted: false,
            progress: None,
        };
        Ok(Spooled { ticket })
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.left {
            // what cannot be removed now is removed on the next open
            let _ = remove(&self.spool.folder().file(&self.head.id, Kind::Draft));
        }
    }
}

impl fmt::Debug for Draft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Draft").field("id", &self.head.id).finish_non_exhaustive()
    }
}

fn broken() -> SpoolError {
    SpoolError::Io(std::io::Error::other("an earlier write of this message failed"))
}
