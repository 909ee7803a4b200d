//! One connection to the relay, from TCP to the farewell.

use std::fmt;
use std::future;
use std::sync::Arc;
use std::time::Duration;

use mail_egress_config::SmtpRoute;
use mail_egress_entra::dial::{Deadline, handshake};
use mail_egress_entra::fault::{Fault, Peer, Phase};
use mail_egress_smtp::OutOfTurn;
use mail_egress_smtp::client::{Action, Attempt, Dialogue, Login, Security, Settings, Timeouts};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::Trouble;
use super::line::{Cut, Line};
use crate::clock::now;
use crate::drain::Drain;
use crate::message::outgoing::Outgoing;
use crate::sender::clearance::Clearance;

/// What is framed and written at a time.
const BLOCK: usize = 16 * 1024;
/// For QUIT, its answer and the close, all together.
const FAREWELL: Duration = Duration::from_secs(5);

/// Within verified TLS, or without it where somebody has asked for that.
type Stream = Box<dyn Octets>;

trait Octets: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + fmt::Debug + Send + Unpin> Octets for S {}

/// Signed in, where the relay wants that.
#[derive(Debug)]
pub(super) struct Connection {
    line: Line<Stream>,
    dialogue: Dialogue,
    peer: Peer,
    /// The end of a message, framed and not written yet: it leaves together with the dot.
    held: Vec<u8>,
}

impl Cut {
    fn trouble(self, peer: &Peer) -> Trouble {
        match self {
            Self::Ending => Trouble::Ending,
            Self::Closed => Trouble::Fault { peer: peer.clone(), fault: Fault::Closed(Phase::Answer) },
        }
    }
}

impl Connection {
    /// From the greeting to the answer to AUTH. The inner error is the relay's: it refused, or is
    /// not as it must be. In either case `greeting` becomes what it greeted with.
    pub(super) async fn open(
        stream: TcpStream,
        peer: Peer,
        (route, cleared): (&SmtpRoute, &Clearance),
        drain: Drain,
        greeting: &mut String,
    ) -> Result<Result<Self, Attempt>, Trouble> {
        let settings = |security| settings(cleared.login(route), security);
        let (stream, mut dialogue, drain): (Stream, _, _) = match route.security {
            mail_egress_config::Security::ImplicitTls => {
                let (stream, drain) = secured(stream, cleared, &peer, drain).await?;
                (stream, Dialogue::new(settings(Security::Implicit), now()), drain)
            }
            mail_egress_config::Security::Plaintext => {
                (Box::new(stream), Dialogue::new(settings(Security::Plaintext), now()), drain)
            }
            mail_egress_config::Security::StartTls => {
                let mut dialogue = Dialogue::new(settings(Security::StartTls), now());
                let mut line = Line::new(stream, drain);
                let action = line.action(&mut dialogue).await;
                dialogue.greeting().clone_into(greeting);
                match action.map_err(|cut| cut.trouble(&peer))? {
                    Action::StartTls => {}
                    Action::Finished(attempt) => {
                        line.close(&mut dialogue).await;
                        return Ok(Err(attempt));
                    }
                    Action::Ready | Action::SendBody => return Err(OutOfTurn.into()),
                }
                let (stream, drain) = line.into_stream();
                let (stream, drain) = secured(stream, cleared, &peer, drain).await?;
                dialogue.tls_established(now())?;
                (stream, dialogue, drain)
            }
        };
        let mut line = Line::new(stream, drain);
        let action = line.action(&mut dialogue).await;
        dialogue.greeting().clone_into(greeting);
        match action.map_err(|cut| cut.trouble(&peer))? {
            Action::Ready => Ok(Ok(Self { line, dialogue, peer, held: Vec::new() })),
            Action::Finished(attempt) => {
                if let Some(fault) = line.objection() {
                    return Err(Trouble::Fault { peer, fault: fault.clone() });
                }
                line.close(&mut dialogue).await;
                Ok(Err(attempt))
            }
            Action::StartTls | Action::SendBody => Err(OutOfTurn.into()),
        }
    }

    /// What the relay greeted with.
    pub(super) fn greeting(&self) -> &str {
        self.dialogue.greeting()
    }

    /// Sends one message but for its final dot. `None`: only that is missing, and at most one block
    /// of the content, which waits for it. `Some`: it ended before, and the relay has nothing of it.
    pub(super) async fn send_undotted(
        &mut self,
        outgoing: &Outgoing<'_>,
    ) -> Result<Option<Attempt>, Trouble> {
        let action = match self.dialogue.send(outgoing.message(), now())? {
            Some(action) => action,
            None => self.line.action(&mut self.dialogue).await.map_err(|cut| self.trouble(cut))?,
        };
        match action {
            Action::Finished(attempt) => return Ok(Some(attempt)),
            Action::SendBody => {}
            Action::StartTls | Action::Ready => return Err(OutOfTurn.into()),
        }
        let mut out = Vec::with_capacity(BLOCK + BLOCK / 8);
        // the head waits for the first piece, and each piece for the next: what is small leaves with
        // its dot in one write, which spares the relay a record and a wake-up
        for block in outgoing.head().chunks(BLOCK) {
            self.dialogue.body(block, &mut out, now())?;
        }
        let mut rest = outgoing.rest();
        while let Some(piece) = rest.next().await.map_err(Trouble::Unread)? {
            for block in piece.chunks(BLOCK) {
                if out.len() + block.len() > BLOCK {
                    let heard = self.line.exchange(&out, &mut self.dialogue).await;
                    if let Some(action) = heard.map_err(|cut| self.trouble(cut))? {
                        return finished(action).map(Some);
                    }
                    out.clear();
                }
                self.dialogue.body(block, &mut out, now())?;
            }
        }
        self.held = out;
        Ok(None)
    }

    /// Writes what is held of the message and the final dot, and waits for what the relay says to it.
    pub(super) async fn dot(&mut self) -> Result<Attempt, Trouble> {
        let mut out = std::mem::take(&mut self.held);
        self.dialogue.end_of_body(&mut out, now())?;
        let heard = match self.line.exchange(&out, &mut self.dialogue).await {
            Ok(None) => self.line.action(&mut self.dialogue).await,
            Ok(Some(action)) => Ok(action),
            Err(cut) => Err(cut),
        };
        finished(heard.map_err(|cut| self.trouble(cut))?)
    }

    /// Whether another message may be sent: signed in, nothing under way, all written.
    pub(super) fn is_ready(&self) -> bool {
        self.dialogue.is_ready() && self.line.is_sound()
    }

    /// Whether the relay has said nothing since the last message, and is still there: an idle one
    /// has nothing to say but that it ends.
    pub(super) async fn is_quiet(&mut self) -> bool {
        // asked once, without a timer: one that is due at once would wake the runtime up for itself
        let has_spoken = tokio::select! {
            biased;
            _heard = self.line.exchange(&[], &mut self.dialogue) => true,
            () = future::ready(()) => false,
        };
        !has_spoken && self.is_ready()
    }

    fn trouble(&self, cut: Cut) -> Trouble {
        cut.trouble(&self.peer)
    }

    /// Says QUIT where that can be said, and closes.
    pub(super) async fn farewell(mut self) {
        let quit = async {
            if self.dialogue.is_ready() && self.line.is_sound() && self.dialogue.quit(now()).is_ok() {
                while !self.dialogue.is_ended() {
                    let out = self.dialogue.take_output();
                    if self.line.exchange(&out, &mut self.dialogue).await.is_err() {
                        break;
                    }
                }
            }
            self.line.close(&mut self.dialogue).await;
        };
        if timeout(FAREWELL, quit).await.is_err() {
            tracing::debug!("the relay did not answer QUIT in time");
        }
    }
}

fn settings(login: Login, security: Security) -> Settings {
    // no host name, so [127.0.0.1] is said: the relay learns nothing of pod or node
    Settings { name: String::new(), security, login, timeouts: Timeouts::default() }
}

/// Makes it TLS; the relay's certificate is verified for the route's host.
async fn secured(
    stream: TcpStream,
    cleared: &Clearance,
    peer: &Peer,
    mut drain: Drain,
) -> Result<(Stream, Drain), Trouble> {
    let deadline = Deadline::after(Timeouts::default().setup);
    let shaken = tokio::select! {
        shaken = handshake(stream, Arc::clone(cleared.tls()), peer, deadline) => shaken,
        () = drain.over() => return Err(Trouble::Ending),
    };
    let stream = shaken.map_err(|fault| Trouble::Fault { peer: peer.clone(), fault })?;
    Ok((Box::new(stream), drain))
}

/// What must be the end of an attempt.
fn finished(action: Action) -> Result<Attempt, Trouble> {
    match action {
        Action::Finished(attempt) => Ok(attempt),
        Action::StartTls | Action::Ready | Action::SendBody => Err(OutOfTurn.into()),
    }
}
