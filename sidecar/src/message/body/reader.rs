//! Reads a body, piece after piece, wherever its octets lie.

use std::io;

use super::{Body, Front};

/// What is read from the file at a time: large enough for the way to another thread not to count,
/// and few are read at once, since each connection to the relay reads one.
const READ: u64 = 128 * 1024;

/// A place in a body. A new one begins wherever it is told to: a second attempt reads everything
/// again.
#[derive(Debug)]
pub struct Reader<'a> {
    body: &'a Body,
    at: u64,
    buffer: Vec<u8>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(body: &'a Body, at: u64) -> Self {
        Self { body, at, buffer: Vec::new() }
    }

    /// The next octets, as many as are at hand. `None` only behind the last one that came in: a file
    /// that is shorter than what was written, or a body that was not held as a whole, is an error, and
    /// so is a reader that begins behind the end.
    ///
    /// Dropping the future before its end loses nothing.
    pub async fn next(&mut self) -> io::Result<Option<&[u8]>> {
        let spilled = self.body.spilled();
        if let Front::File(spill) = &self.body.front
            && self.at < spilled
        {
            let mut buffer = std::mem::take(&mut self.buffer);
            buffer.resize(usize::try_from(READ.min(spilled - self.at)).map_err(io::Error::other)?, 0);
            self.buffer = spill.read(buffer, self.at).await?;
            self.at += self.buffer.len() as u64;
            return Ok(Some(&self.buffer));
        }
        let within = usize::try_from(self.at - spilled).map_err(io::Error::other)?;
        match self.body.tail.get(within..) {
            Some(rest) if !rest.is_empty() => {
                self.at += rest.len() as u64;
                Ok(Some(rest))
            }
            Some(_) | None if self.at == self.body.content().size => Ok(None),
            Some(_) | None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}
