//! The file of one message: what stands in it, how it is written, and how damage is recognised.
//!
//! ```text
//! mail-egress-spool 1 XXXXXXXX⏎      the length of the JSON, 8 hexadecimal digits
//! {"id": …, "envelope": …}⏎
//! the content, as it will leave but for dot stuffing
//! ⏎NNNNNNNNNNNNNNNN SSSS…⏎           the content's length, and SHA-256 of all that stands before
//! ```
//!
//! The end has a fixed length, so a file that was cut off has none that fits.

use std::fmt::{self, Write as _};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{Envelope, Id, LoadError, SpoolError};

const MAGIC: &[u8] = b"mail-egress-spool 1 ";
/// Magic, eight digits, line feed.
const FIRST: usize = MAGIC.len() + 9;
/// Line feed, sixteen digits, space, sixty-four digits, line feed.
const TAIL: usize = 83;
/// The longest JSON: a thousand recipients with every DSN parameter fit.
const MOST_JSON: usize = 4 * 1024 * 1024;
const BLOCK: usize = 64 * 1024;

/// What stands above the content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Head {
    /// The message's name, which the file must have too.
    pub id: Id,
    /// When it was taken.
    pub accepted_at: Timestamp,
    /// The content's Message-ID with its angle brackets; the same in every attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// From whom and to whom.
    pub envelope: Envelope,
}

/// A message that was read and found whole. Reads its content, from the beginning.
pub struct Letter {
    /// What stands above the content.
    pub head: Head,
    /// The content, in octets.
    pub octets: u64,
    file: File,
    start: u64,
    at: u64,
}

/// Writes one file, in order.
pub(crate) struct Writing<W> {
    to: W,
    hash: Sha256,
    octets: u64,
}

/// What the beginning and the end of a file say.
pub(crate) struct Outline {
    pub(crate) head: Head,
    pub(crate) octets: u64,
    start: u64,
    sum: String,
}

/// What stands above the content.
pub(crate) fn first_part(head: &Head) -> Result<Vec<u8>, SpoolError> {
    let json = serde_json::to_vec(head).map_err(|error| SpoolError::Io(error.into()))?;
    if json.len() > MOST_JSON {
        return Err(SpoolError::Envelope);
    }
    let mut out = Vec::with_capacity(FIRST + json.len() + 1);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(format!("{:08x}\n", json.len()).as_bytes());
    out.extend_from_slice(&json);
    out.push(b'\n');
    Ok(out)
}

/// The length of a file, from what [`first_part`] gave and the content's length.
pub(crate) fn length(first: usize, octets: u64) -> u64 {
    octets.saturating_add((first + TAIL) as u64)
}

impl<W: Write> Writing<W> {
    pub(crate) fn begin(mut to: W, first: &[u8]) -> io::Result<Self> {
        to.write_all(first)?;
        Ok(Self { to, hash: Sha256::new_with_prefix(first), octets: 0 })
    }

    pub(crate) fn octets(&self) -> u64 {
        self.octets
    }

    pub(crate) fn content(&mut self, piece: &[u8]) -> io::Result<()> {
        self.to.write_all(piece)?;
        self.hash.update(piece);
        self.octets += piece.len() as u64;
        Ok(())
    }

    pub(crate) fn end(mut self) -> io::Result<W> {
        let tail = format!("\n{:016x} {}\n", self.octets, hex(&self.hash.finalize()));
        self.to.write_all(tail.as_bytes())?;
        Ok(self.to)
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::with_capacity(octets.len() * 2), |mut out, octet| {
        // writing to a String cannot fail
        let _ = write!(out, "{octet:02x}");
        out
    })
}

/// Reads the beginning and the end: a file that was cut off or is another's is found out, one
/// whose content has changed is not.
pub(crate) fn outline(file: &File, id: &Id) -> Result<Outline, LoadError> {
    let damaged = LoadError::Damaged;
    let length = file.metadata()?.len();
    let mut first = [0; FIRST];
    exact(file, &mut first, 0, "it is cut off in its first line")?;
    let digits = first.strip_prefix(MAGIC).ok_or(damaged("it does not begin as a spooled message"))?;
    let json = number(digits.strip_suffix(b"\n")).ok_or(damaged("its first line is not one"))?;
    let start = (FIRST as u64).saturating_add(json).saturating_add(1);
    if json > MOST_JSON as u64 || length < start.saturating_add(TAIL as u64) {
        return Err(damaged("it is shorter than its first line says"));
    }
    let mut text = vec![0; usize::try_from(json).unwrap_or(MOST_JSON)];
    exact(file, &mut text, FIRST as u64, "it is cut off in its envelope")?;
    let head: Head =
        serde_json::from_slice(&text).map_err(|_| damaged("its envelope cannot be understood"))?;
    if head.id != *id {
        return Err(damaged("it is another message's file"));
    }
    let octets = length - start - TAIL as u64;
    let mut tail = [0; TAIL];
    exact(file, &mut tail, length - TAIL as u64, "it is cut off at its end")?;
    let inner = tail.strip_prefix(b"\n").and_then(|rest| rest.strip_suffix(b"\n"));
    let text = inner.and_then(|inner| std::str::from_utf8(inner).ok());
    let (count, sum) = text.and_then(|text| text.split_once(' ')).ok_or(damaged("it has no end"))?;
    if number(Some(count.as_bytes())) != Some(octets) {
        return Err(damaged("its length is not what its end says"));
    }
    Ok(Outline { head, octets, start, sum: sum.to_owned() })
}

fn number(digits: Option<&[u8]>) -> Option<u64> {
    let text = std::str::from_utf8(digits?).ok()?;
    u64::from_str_radix(text, 16).ok()
}

fn exact(file: &File, out: &mut [u8], at: u64, cut_off: &'static str) -> Result<(), LoadError> {
    file.read_exact_at(out, at).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => LoadError::Damaged(cut_off),
        _ => LoadError::Io(error),
    })
}

impl Letter {
    /// Opens a file and reads all of it once, so that what is damaged is never begun to be sent; the
    /// content passes by `each`, piece after piece.
    pub(crate) fn open(path: &Path, id: &Id, mut each: impl FnMut(&[u8])) -> Result<Self, LoadError> {
        let mut file = File::open(path)?;
        let Outline { head, octets, start, sum } = outline(&file, id)?;
        let mut hash = Sha256::new();
        let mut block = vec![0; BLOCK];
        let mut part = |mut left: u64, look: &mut dyn FnMut(&[u8])| {
            while left > 0 {
                let most = usize::try_from(left).unwrap_or(BLOCK).min(BLOCK);
                let read = file.read(block.get_mut(..most).unwrap_or_default())?;
                if read == 0 {
                    return Err(LoadError::Damaged("it became shorter while it was read"));
                }
                let piece = block.get(..read).unwrap_or_default();
                hash.update(piece);
                look(piece);
                left -= read as u64;
            }
            Ok(())
        };
        part(start, &mut |_| ())?;
        part(octets, &mut each)?;
        if hex(&hash.finalize()) != sum {
            return Err(LoadError::Damaged("its checksum does not fit"));
        }
        file.seek(SeekFrom::Start(start))?;
        Ok(Self { head, octets, file, start, at: 0 })
    }

    /// Reads the content from its octet `at` on, as much as fits; a file that has become shorter is
    /// an error, never an end. `0` only behind the last octet, or into nothing.
    pub fn read_at(&self, out: &mut [u8], at: u64) -> io::Result<usize> {
        let left = self.octets.saturating_sub(at);
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(out.len());
        let part = out.get_mut(..most).unwrap_or_default();
        self.file.read_exact_at(part, self.start.saturating_add(at)).map(|()| most)
    }

    /// From the beginning again.
    pub fn rewind(&mut self) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.start))?;
        self.at = 0;
        Ok(())
    }
}

impl Read for Letter {
    /// The content alone. A file that has become shorter is an error, never an end.
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let left = self.octets - self.at;
        if left == 0 || out.is_empty() {
            return Ok(0);
        }
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(out.len());
        let read = self.file.read(out.get_mut(..most).unwrap_or_default())?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += read as u64;
        Ok(read)
    }
}

impl fmt::Debug for Letter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Letter")
            .field("id", &self.head.id)
            .field("octets", &self.octets)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
#[path = "format/tests.rs"]
mod tests;
