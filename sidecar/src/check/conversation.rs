//! Talks with the relay, and remembers what it said: never what was said to it.

use std::time::Duration;

use mail_egress_diagnosis::words;
use mail_egress_entra::fault::Fault;
use mail_egress_smtp::client::{Action, Attempt, Dialogue, Failure, Lost, Phase, Refusal, UpstreamReply};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::timeout;

use crate::clock::{now, past};

const READ: usize = 4 * 1024;
/// The most that a reply to a command of our own may have.
const LONGEST_REPLY: usize = 16 * 1024;
/// For QUIT and the close.
const FAREWELL: Duration = Duration::from_secs(1);

/// A connection and what was heard on it, phase by phase.
pub(super) struct Conversation<S> {
    stream: S,
    heard: Vec<(Phase, Vec<u8>)>,
    /// Octets of a message were written, among which a command would be text.
    in_message: bool,
    /// What the relay's TLS has against our certificate, which it says behind the handshake.
    objection: Option<Fault>,
}

/// Why listening has ended.
pub(super) enum Next {
    /// The dialogue wants something, or is over.
    Action(Action),
    /// It has come to the phase that was named, and has said nothing of it.
    Reached,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Conversation<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, heard: Vec::new(), in_message: false, objection: None }
    }

    /// Why the relay has closed, where its TLS has said so.
    pub(super) fn objection(&self) -> Option<&Fault> {
        self.objection.as_ref()
    }

    pub(super) fn stream(&self) -> &S {
        &self.stream
    }

    pub(super) fn into_stream(self) -> S {
        self.stream
    }

    /// Speaks and listens until there is something to do, at most until `stop` is reached: what
    /// the dialogue would say there is not written.
    pub(super) async fn go(&mut self, dialogue: &mut Dialogue, stop: Option<Phase>) -> Next {
        loop {
            if stop.is_some_and(|stop| stop == dialogue.phase()) {
                return Next::Reached;
            }
            let out = dialogue.take_output();
            let mut input = [0; READ];
            let read = tokio::select! {
                read = exchange(&mut self.stream, &out, &mut input) => Some(read),
                () = past(dialogue.deadline()) => None,
            };
            let phase = dialogue.phase();
            let action = match read {
                Some(Ok(read @ 1..)) => {
                    let input = input.get(..read).unwrap_or_default();
                    self.heard.push((phase, input.to_vec()));
                    dialogue.feed(input, now())
                }
                Some(Ok(0)) => Some(dialogue.closed().unwrap_or(lost(Lost::Closed(phase)))),
                Some(Err(error)) => {
                    self.objection = Fault::of_objection(&error);
                    Some(dialogue.closed().unwrap_or(lost(Lost::Closed(phase))))
                }
                None => dialogue.handle_timeout(now()),
            };
            if let Some(action) = action {
                return Next::Action(action);
            }
        }
    }

    /// Says a command of our own between two messages, and waits for a reply that says yes. The
    /// error is how an attempt would have ended.
    pub(super) async fn ask(
        &mut self,
        command: &str,
        phase: Phase,
        within: Duration,
    ) -> Result<UpstreamReply, Attempt> {
        let asked = async {
            let mut out = format!("{command}\r\n").into_bytes();
            let mut reply = Vec::new();
            let mut input = [0; READ];
            loop {
                let read = exchange(&mut self.stream, &out, &mut input).await.unwrap_or(0);
                if read == 0 {
                    return Err(Lost::Closed(phase));
                }
                out.clear();
                reply.extend_from_slice(input.get(..read).unwrap_or_default());
                match UpstreamReply::read(&reply) {
                    Ok(Some(reply)) => return Ok(reply),
                    Ok(None) if reply.len() <= LONGEST_REPLY => {}
                    Ok(None) => return Err(Lost::Garbled { phase, what: "a reply is too long" }),
                    Err(what) => return Err(Lost::Garbled { phase, what }),
                }
            }
        };
        match timeout(within, asked).await.unwrap_or(Err(Lost::TimedOut(phase))) {
            Ok(reply) if reply.code / 100 == 2 => Ok(reply),
            Ok(reply) if reply.code >= 400 => Err(Attempt::Refused(Refusal::new(phase, reply))),
            Ok(_) => Err(Attempt::Failed(Lost::Garbled { phase, what: "a reply out of place" }.into())),
            Err(lost) => Err(Attempt::Failed(lost.into())),
        }
    }

    /// Writes a message's octets.
    pub(super) async fn write(&mut self, out: &[u8], within: Duration) -> Result<(), Failure> {
        self.in_message = true;
        let lost = |lost: fn(Phase) -> Lost| Failure::from(lost(Phase::Body));
        match timeout(within, self.stream.write_all(out)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(lost(Lost::Closed)),
            Err(_elapsed) => Err(lost(Lost::TimedOut)),
        }
    }

    /// The last line that was heard in this phase, cleaned.
    pub(super) fn said(&self, phase: Phase) -> String {
        let all: Vec<u8> =
            self.heard.iter().filter(|(at, _)| *at == phase).flat_map(|(_, it)| it.clone()).collect();
        words(String::from_utf8_lossy(&all).trim_end().lines().next_back().unwrap_or_default())
    }

    /// Says QUIT, unless a message is cut off, and closes; whether the relay hears it changes nothing.
    pub(super) async fn farewell(mut self, dialogue: &Dialogue) {
        let parting = async {
            if !self.in_message || dialogue.is_ready() {
                self.stream.write_all(b"QUIT\r\n").await?;
            }
            self.stream.shutdown().await
        };
        let _ = timeout(FAREWELL, parting).await;
    }
}

fn lost(lost: Lost) -> Action {
    Action::Finished(Attempt::Failed(lost.into()))
}

/// Writes, then reads once; 0 at the stream's end.
async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    out: &[u8],
    input: &mut [u8],
) -> std::io::Result<usize> {
    stream.write_all(out).await?;
    stream.flush().await?;
    stream.read(input).await
}

/// The reply, where one ended the attempt: as the diagnosis quotes it.
pub(super) fn words_of(attempt: &Attempt) -> Option<String> {
    match attempt {
        Attempt::Refused(refusal) => Some(in_words(&refusal.reply)),
        Attempt::Accepted(_) | Attempt::Unsendable(_) | Attempt::Failed(_) | Attempt::Uncertain(_) => None,
    }
}

/// `250 2.1.0 Sender OK`.
pub(super) fn in_words(reply: &UpstreamReply) -> String {
    let enhanced = reply.enhanced.map(|code| format!(" {code}")).unwrap_or_default();
    words(&format!("{}{enhanced} {}", reply.code, reply.text))
}

#[cfg(test)]
mod tests {
    use mail_egress_smtp::client::{Login, Security, Settings, Timeouts, XOAuth2};
    use tokio::io::duplex;

    use super::*;

    #[tokio::test]
    async fn stops_before_a_word_of_auth_is_written() {
        let (ours, mut relay) = duplex(4096);
        relay.write_all(b"220 relay\r\n").await.unwrap();
        let user = "a@b.test".to_owned();
        let login = Login::XOAuth2(XOAuth2 { user, token: "s3cret".into() });
        let (security, timeouts) = (Security::Implicit, Timeouts::default());
        let mut dialogue = Dialogue::new(Settings { name: String::new(), security, login, timeouts }, now());
        let mut conversation = Conversation::new(ours);
        let talk = async {
            let mut heard = [0; 100];
            let read = relay.read(&mut heard).await.unwrap();
            relay.write_all(b"250-relay\r\n250 AUTH XOAUTH2\r\n").await.unwrap();
            (relay, String::from_utf8_lossy(&heard[..read]).into_owned())
        };
        let (next, (mut relay, heard)) =
            tokio::join!(conversation.go(&mut dialogue, Some(Phase::Auth)), talk);
        assert!(matches!(next, Next::Reached) && heard == "EHLO [127.0.0.1]\r\n", "{heard}");
        assert_eq!(conversation.said(Phase::Greeting), "220 relay");
        drop(conversation);
        let mut rest = Vec::new();
        relay.read_to_end(&mut rest).await.unwrap();
        assert!(rest.is_empty());
    }

    #[tokio::test]
    async fn a_reply_may_come_in_pieces_and_a_no_is_a_refusal() {
        let (ours, mut relay) = duplex(4096);
        let mut conversation = Conversation::new(ours);
        relay.write_all(b"250-2.1.0 Sender\r\n250 2.1.0 OK\r\n").await.unwrap();
        let patience = Duration::from_secs(5);
        let reply = conversation.ask("MAIL FROM:<a@b.test>", Phase::Mail, patience).await.unwrap();
        assert_eq!(in_words(&reply), "250 2.1.0 Sender OK");
        relay.write_all(b"550 5.7.1 no\r\n").await.unwrap();
        let refused = conversation.ask("MAIL FROM:<a@b.test>", Phase::Mail, patience).await.unwrap_err();
        assert_eq!(words_of(&refused).unwrap(), "550 5.7.1 no");
        drop(relay);
        let closed = conversation.ask("RSET", Phase::Reset, patience).await.unwrap_err();
        assert_eq!(closed, Attempt::Failed(Lost::Closed(Phase::Reset).into()));
    }
}
