//! One message's content, from the 354 until its fate is known.
//!
//! The only place that knows where the octets lie. A body fills a small buffer in memory; each time
//! that is full it goes to the end of a file, so that the front of a large message lies on disk and
//! its tail in memory:
//!
//! ```text
//! 0            spilled()                size
//! ├── file ───────┼── tail (memory) ──────┤
//! ```
//!
//! Where no file is to be had, the tail grows for as long as memory lasts. A body that could not be
//! held reads as an error, never as a shorter message.

mod reader;
mod spill;
mod store;

use std::borrow::Cow;
use std::fmt;
use std::io;

use mail_egress_smtp::data::{Content, Scan};

use crate::message::budget::Share;
use spill::Spill;

pub use reader::Reader;
pub use store::{Full, Held, Store};

/// The least memory that a message takes: what one read of the app's socket brings, so that a
/// thousand apps that send at once need 16 MiB.
pub const PIECE: usize = 16 * 1024;
/// The most that a message keeps in memory while it can go to disk: ten large messages together take
/// 2.5 MiB, mails of the usual 100 KB never touch the disk, and a write is large enough for its
/// way to another thread not to count.
pub const KEPT: usize = 256 * 1024;

/// A message's content. Its `Debug` tells how much it is and nothing of it. Dropped, it gives back
/// its memory and its place on disk at once.
pub struct Body {
    store: Store,
    scan: Scan,
    tail: Vec<u8>,
    /// At least as large as what `tail` has allocated.
    memory: Share,
    front: Front,
    fault: Option<Full>,
}

/// Where what does not stay in memory goes.
enum Front {
    /// There was no need yet.
    Nowhere,
    File(Spill),
    /// There is no file to be had: everything stays in memory, while that lasts.
    Barred(Full),
}

impl Body {
    /// Appends what came, and waits for the disk where it must. What cannot be held is read and
    /// dropped: all of the message is gone then, its memory and disk are free for others at once, and
    /// [`Self::fault`] says why.
    ///
    /// Not to be dropped before its end: a body whose octets got lost so can only be read up to
    /// there, and then fails.
    pub async fn push(&mut self, input: &[u8]) {
        self.scan.feed(input);
        if self.fault.is_some() {
            return;
        }
        if let Err(full) = self.keep(input).await {
            self.tail = Vec::new();
            self.memory.release();
            self.front = Front::Barred(full);
            self.fault = Some(full);
        }
    }

    async fn keep(&mut self, mut input: &[u8]) -> Result<(), Full> {
        while !input.is_empty() {
            match self.room(input.len()) {
                0 => self.spill().await?,
                room => {
                    let (now, later) = input.split_at(room.min(input.len()));
                    self.tail.extend_from_slice(now);
                    input = later;
                }
            }
        }
        Ok(())
    }

    /// Makes room in memory for `more` octets, or for as many of them as may be; says for how many.
    fn room(&mut self, more: usize) -> usize {
        let most = if matches!(self.front, Front::Barred(_)) { usize::MAX } else { KEPT };
        let wanted = self.tail.len().saturating_add(more).min(most);
        let granted = self.memory.grow_to(stepped(wanted)) || self.memory.grow_to(rounded(wanted));
        let wanted = if granted { wanted } else { wanted.min(self.memory.octets()) };
        if wanted > self.tail.capacity() {
            let capacity = stepped(wanted).min(self.memory.octets());
            self.tail.reserve_exact(capacity.saturating_sub(self.tail.len()));
        }
        wanted.saturating_sub(self.tail.len())
    }

    /// Moves the tail to the file. Where that fails while nothing lies there yet, all goes on in
    /// memory.
    async fn spill(&mut self) -> Result<(), Full> {
        let octets = self.tail.len();
        let opened = match &mut self.front {
            Front::Barred(full) => return Err(*full),
            Front::Nowhere => self.store.spill(octets).await.map(|spill| self.front = Front::File(spill)),
            Front::File(_) => Ok(()),
        };
        let Front::File(spill) = &mut self.front else {
            self.front = Front::Barred(opened.err().unwrap_or(Full::Disk));
            return Ok(());
        };
        let first = spill.written() == 0;
        match spill.append(&mut self.tail).await {
            Ok(()) => Ok(()),
            Err(full) if first && self.tail.len() == octets => {
                self.front = Front::Barred(full);
                Ok(())
            }
            Err(full) => Err(full),
        }
    }

    /// Octets that came in, also those dropped.
    #[must_use]
    pub fn octets(&self) -> usize {
        usize::try_from(self.scan.content().size).unwrap_or(usize::MAX)
    }

    /// Why it could not be held as a whole, if it could not: then nothing of it is there.
    #[must_use]
    pub fn fault(&self) -> Option<Full> {
        self.fault
    }

    /// What the relay must be told about it.
    #[must_use]
    pub fn content(&self) -> Content {
        self.scan.content()
    }

    /// Reads from the octet `from` on; any number of times, and several at once.
    #[must_use]
    pub fn reader(&self, from: u64) -> Reader<'_> {
        Reader::new(self, from)
    }

    /// The first octets, as many as there are up to `limit`. An error says that the disk cannot be
    /// read, or that the body was not held.
    pub async fn head(&self, limit: usize) -> io::Result<Cow<'_, [u8]>> {
        if self.spilled() == 0 && self.fault.is_none() {
            return Ok(Cow::Borrowed(self.tail.get(..limit).unwrap_or(&self.tail)));
        }
        let mut reader = self.reader(0);
        let mut head = Vec::new();
        while head.len() < limit
            && let Some(piece) = reader.next().await?
        {
            head.extend_from_slice(piece.get(..limit - head.len()).unwrap_or(piece));
        }
        Ok(Cow::Owned(head))
    }

    /// How many octets, from the first on, lie in the file.
    fn spilled(&self) -> u64 {
        match &self.front {
            Front::File(spill) => spill.written(),
            Front::Nowhere | Front::Barred(_) => 0,
        }
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (octets, spilled) = (self.octets(), self.spilled());
        f.debug_struct("Body")
            .field("octets", &octets)
            .field("spilled", &spilled)
            .field("fault", &self.fault)
            .finish_non_exhaustive()
    }
}

/// What is taken at a time, so that neither share nor allocation changes with every packet: twice as
/// much each time up to [`KEPT`], and beyond that by as much again.
fn stepped(octets: usize) -> usize {
    if octets > KEPT {
        return octets.div_ceil(KEPT).saturating_mul(KEPT);
    }
    octets.max(PIECE).next_power_of_two()
}

/// Whole pieces.
fn rounded(octets: usize) -> usize {
    octets.max(1).div_ceil(PIECE).saturating_mul(PIECE)
}

#[cfg(test)]
mod tests;
