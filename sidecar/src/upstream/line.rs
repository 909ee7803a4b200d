//! Moves octets between a stream and the dialogue, and nothing waits without a deadline.

use std::io;
use std::pin::pin;
use std::time::Duration;

use mail_egress_entra::fault::Fault;
use mail_egress_smtp::client::{Action, Dialogue};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::time::timeout;

use crate::clock::{now, past};
use crate::drain::Drain;

const READ: usize = 4 * 1024;
/// For the last words; a relay that does not take them is left alone.
const PARTING_TIME: Duration = Duration::from_secs(1);

/// A stream that can be written to while it is listened to: a relay that refuses in the middle of
/// a message, or closes, is heard at once.
#[derive(Debug)]
pub(super) struct Line<S> {
    reader: ReadHalf<S>,
    writer: WriteHalf<S>,
    drain: Drain,
    /// Something could not be written as a whole: what follows would be misunderstood.
    broken: bool,
    /// What the relay's TLS has against our certificate, which it says behind the handshake.
    objection: Option<Fault>,
}

/// Why there is nothing more to wait for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// The time to drain is over.
    Ending,
    /// The relay closed, and no attempt was under way that could end by it.
    Closed,
}

/// What one wait brought.
enum Woken {
    Written(io::Result<()>),
    Read(io::Result<usize>),
    Late,
    Ending,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Line<S> {
    pub(super) fn new(stream: S, drain: Drain) -> Self {
        let (reader, writer) = split(stream);
        Self { reader, writer, drain, broken: false, objection: None }
    }

    /// The stream, with nothing read ahead of what the dialogue was fed.
    pub(super) fn into_stream(self) -> (S, Drain) {
        (self.reader.unsplit(self.writer), self.drain)
    }

    /// Whether what was written arrived as a whole, so that more may follow.
    pub(super) fn is_sound(&self) -> bool {
        !self.broken
    }

    /// Why the relay has closed, where its TLS has said so.
    pub(super) fn objection(&self) -> Option<&Fault> {
        self.objection.as_ref()
    }

    /// Writes what the dialogue has to say and listens, until there is something to do.
    pub(super) async fn action(&mut self, dialogue: &mut Dialogue) -> Result<Action, Cut> {
        loop {
            let out = dialogue.take_output();
            if let Some(action) = self.exchange(&out, dialogue).await? {
                return Ok(action);
            }
        }
    }

    /// Writes `out`, listening meanwhile; with nothing to write, listens once.
    ///
    /// An action that comes before everything is written waits for that, unless it ends the
    /// attempt: then the rest is not written, and the line is broken.
    pub(super) async fn exchange(
        &mut self,
        out: &[u8],
        dialogue: &mut Dialogue,
    ) -> Result<Option<Action>, Cut> {
        let Self { reader, writer, drain, broken, objection } = self;
        let mut writing = pin!(async {
            writer.write_all(out).await?;
            writer.flush().await
        });
        let mut is_writing = !out.is_empty();
        let mut gained = None;
        let mut input = [0; READ];
        loop {
            let woken = tokio::select! {
                written = &mut writing, if is_writing => Woken::Written(written),
                read = reader.read(&mut input), if gained.is_none() => Woken::Read(read),
                () = past(dialogue.deadline()) => Woken::Late,
                () = drain.over() => Woken::Ending,
            };
            let action = match woken {
                Woken::Written(Ok(())) => return Ok(gained),
                Woken::Written(Err(_)) => {
                    // the relay may have said why before it closed: that can still be read
                    *broken = true;
                    is_writing = false;
                    None
                }
                Woken::Read(Ok(0)) => Some(dialogue.closed().ok_or(Cut::Closed)?),
                Woken::Read(Err(error)) => {
                    *objection = Fault::of_objection(&error);
                    Some(dialogue.closed().ok_or(Cut::Closed)?)
                }
                Woken::Read(Ok(read)) => dialogue.feed(input.get(..read).unwrap_or_default(), now()),
                Woken::Late => dialogue.handle_timeout(now()),
                Woken::Ending => return ending(dialogue),
            };
            match action {
                Some(end @ Action::Finished(_)) => {
                    *broken |= is_writing;
                    return Ok(Some(end));
                }
                Some(action) if is_writing => gained = Some(action),
                Some(action) => return Ok(Some(action)),
                None if !is_writing && !*broken => return Ok(None),
                None => {}
            }
        }
    }

    /// Writes the dialogue's last words (QUIT, whose answer nobody waits for) and closes.
    pub(super) async fn close(&mut self, dialogue: &mut Dialogue) {
        let out = dialogue.take_output();
        let parting = async {
            if self.is_sound() {
                self.writer.write_all(&out).await?;
            }
            self.writer.shutdown().await
        };
        // whether it arrives changes nothing
        let _ = timeout(PARTING_TIME, parting).await;
    }
}

/// Behind the final dot the end of our time makes the outcome uncertain; before it, nothing was
/// sent.
fn ending(dialogue: &mut Dialogue) -> Result<Option<Action>, Cut> {
    use mail_egress_smtp::client::Attempt;
    match dialogue.closed() {
        Some(uncertain @ Action::Finished(Attempt::Uncertain(_))) => Ok(Some(uncertain)),
        Some(_) | None => Err(Cut::Ending),
    }
}

#[cfg(test)]
mod tests {
    use mail_egress_smtp::client::{Login, Security, Settings, Timeouts, XOAuth2};
    use tokio::io::duplex;

    use super::*;
    use crate::drain;

    /// Signed in, with no message under way.
    fn idle() -> Dialogue {
        let user = "billing@contoso.com".to_owned();
        let login = Login::XOAuth2(XOAuth2 { user, token: "t".into() });
        let timeouts = Timeouts::default();
        let settings = Settings { name: String::new(), security: Security::Implicit, login, timeouts };
        let mut dialogue = Dialogue::new(settings, now());
        for reply in ["220 relay\r\n", "250-relay\r\n250 AUTH XOAUTH2\r\n", "235 in\r\n"] {
            let _ = dialogue.feed(reply.as_bytes(), now());
            let _ = dialogue.take_output();
        }
        assert!(dialogue.is_ready());
        dialogue
    }

    #[tokio::test]
    async fn a_relay_that_closes_is_not_the_end_of_the_pod() {
        let (ours, relays) = duplex(64);
        let (start, drain) = drain::channel();
        drop(relays);
        let mut line = Line::new(ours, drain.clone());
        assert_eq!(line.exchange(b"", &mut idle()).await, Err(Cut::Closed));

        let (ours, _relays) = duplex(64);
        start.begin(Duration::ZERO);
        let mut line = Line::new(ours, drain);
        assert_eq!(line.exchange(b"", &mut idle()).await, Err(Cut::Ending));
    }
}
