//! What goes out behind the head: a body that came just now, or a message from the spool.

use std::io;
use std::sync::Arc;

use mail_egress_spool::Letter;

use crate::message::body::{self, Body};

/// As of a body: few are read at once, and each read goes to another thread.
const READ: usize = 128 * 1024;

/// Where the octets behind the head are.
#[derive(Debug)]
pub(super) enum Rest<'a> {
    /// A body without its first `skip` octets.
    Body { body: &'a Body, skip: u64 },
    /// A file of the spool.
    Letter(Arc<Letter>),
}

/// Reads them, piece after piece.
#[derive(Debug)]
pub struct Reader<'a>(From<'a>);

#[derive(Debug)]
enum From<'a> {
    Body(body::Reader<'a>),
    Letter { letter: &'a Arc<Letter>, at: u64, buffer: Vec<u8> },
}

impl Rest<'_> {
    /// From the first octet on; any number of times.
    pub(super) fn reader(&self) -> Reader<'_> {
        Reader(match self {
            Self::Body { body, skip } => From::Body(body.reader(*skip)),
            Self::Letter(letter) => From::Letter { letter, at: 0, buffer: Vec::new() },
        })
    }
}

impl Reader<'_> {
    /// The next octets, as many as are at hand. `None` only behind the last one: whatever cannot be
    /// read as it was written is an error.
    pub async fn next(&mut self) -> io::Result<Option<&[u8]>> {
        match &mut self.0 {
            From::Body(reader) => reader.next().await,
            From::Letter { letter, at, buffer } => {
                let left = letter.octets.saturating_sub(*at);
                if left == 0 {
                    return Ok(None);
                }
                let mut block = std::mem::take(buffer);
                block.resize(usize::try_from(left).unwrap_or(READ).min(READ), 0);
                let (letter, from) = (Arc::clone(letter), *at);
                let reading = move || letter.read_at(&mut block, from).map(|octets| (block, octets));
                let (block, octets) =
                    tokio::task::spawn_blocking(reading).await.map_err(io::Error::other)??;
                *buffer = block;
                *at += octets as u64;
                Ok(buffer.get(..octets))
            }
        }
    }
}
