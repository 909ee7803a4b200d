//! One connection to the relay, from TCP to the farewell.

use std::sync::Arc;
use std::time::Duration;

use mail_egress_smtp::OutOfTurn;
use mail_egress_smtp::client::{Action, Attempt, Dialogue, Message, Security, Settings, Timeouts};
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::Trouble;
use super::line::{Cut, Line};
use crate::body::Body;
use crate::delivery::Clearance;
use crate::drain::Drain;
use crate::pace::{now, past};

/// What is framed and written at a time.
const BLOCK: usize = 16 * 1024;
/// For QUIT, its answer and the close, all together.
const FAREWELL: Duration = Duration::from_secs(5);

/// Signed in, within verified TLS.
pub(super) struct Connection {
    line: Line<TlsStream<TcpStream>>,
    dialogue: Dialogue,
}

impl From<Cut> for Trouble {
    fn from(_: Cut) -> Self {
        Self::Ending
    }
}

impl Connection {
    /// From the greeting to the answer to AUTH. The inner error is the relay's: it refused, or is
    /// not as it must be.
    pub(super) async fn open(
        stream: TcpStream,
        cleared: &Clearance,
        drain: Drain,
    ) -> Result<Result<Self, Attempt>, Trouble> {
        let settings = Settings {
            // no host name, so [127.0.0.1] is said: the relay learns nothing of pod or node
            name: String::new(),
            security: Security::StartTls,
            login: cleared.login().clone(),
            timeouts: Timeouts::default(),
        };
        let mut dialogue = Dialogue::new(settings, now());
        let mut line = Line::new(stream, drain);
        match line.action(&mut dialogue).await? {
            Action::StartTls => {}
            Action::Finished(attempt) => {
                line.close(&mut dialogue).await;
                return Ok(Err(attempt));
            }
            Action::Ready | Action::SendBody => return Err(OutOfTurn.into()),
        }
        let (stream, drain) = line.into_stream();
        let stream = match handshake(stream, cleared, &mut dialogue, drain.clone()).await? {
            Ok(stream) => stream,
            Err(attempt) => return Ok(Err(attempt)),
        };
        dialogue.tls_established(now())?;
        let mut line = Line::new(stream, drain);
        match line.action(&mut dialogue).await? {
            Action::Ready => Ok(Ok(Self { line, dialogue })),
            Action::Finished(attempt) => {
                line.close(&mut dialogue).await;
                Ok(Err(attempt))
            }
            Action::StartTls | Action::SendBody => Err(OutOfTurn.into()),
        }
    }

    /// Sends one message.
    pub(super) async fn send(&mut self, message: Message, body: &Body) -> Result<Attempt, Trouble> {
        let mut action = match self.dialogue.send(message, now())? {
            Some(action) => action,
            None => self.line.action(&mut self.dialogue).await?,
        };
        if matches!(action, Action::SendBody) {
            action = self.send_body(body).await?;
        }
        match action {
            Action::Finished(attempt) => Ok(attempt),
            Action::StartTls | Action::Ready | Action::SendBody => Err(OutOfTurn.into()),
        }
    }

    /// The final dot is written only when all before it is.
    async fn send_body(&mut self, body: &Body) -> Result<Action, Trouble> {
        let mut out = Vec::with_capacity(BLOCK + BLOCK / 8);
        for block in body.pieces().flat_map(|piece| piece.chunks(BLOCK)) {
            out.clear();
            self.dialogue.body(block, &mut out, now())?;
            if let Some(action) = self.line.exchange(&out, &mut self.dialogue).await? {
                return Ok(action);
            }
        }
        out.clear();
        self.dialogue.end_of_body(&mut out, now())?;
        match self.line.exchange(&out, &mut self.dialogue).await? {
            Some(action) => Ok(action),
            None => Ok(self.line.action(&mut self.dialogue).await?),
        }
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

/// TLS with the relay's certificate verified for the route's host.
async fn handshake(
    stream: TcpStream,
    cleared: &Clearance,
    dialogue: &mut Dialogue,
    mut drain: Drain,
) -> Result<Result<TlsStream<TcpStream>, Attempt>, Trouble> {
    let host = cleared.route().host.trim_matches(['[', ']']).trim_end_matches('.');
    let name = ServerName::try_from(host.to_owned()).map_err(|_| Trouble::HostName(host.to_owned()))?;
    let connect = TlsConnector::from(Arc::clone(cleared.tls())).connect(name, stream);
    let lost = tokio::select! {
        connected = connect => match connected {
            Ok(stream) => return Ok(Ok(stream)),
            Err(error) => match error.get_ref().and_then(|inner| inner.downcast_ref()) {
                Some(error) => return Err(Trouble::Tls(rustls::Error::clone(error))),
                None => dialogue.closed(),
            },
        },
        () = past(dialogue.deadline()) => dialogue.handle_timeout(now()),
        () = drain.over() => return Err(Trouble::Ending),
    };
    match lost {
        Some(Action::Finished(attempt)) => Ok(Err(attempt)),
        Some(Action::StartTls | Action::Ready | Action::SendBody) | None => Err(OutOfTurn.into()),
    }
}
