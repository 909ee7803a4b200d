//! The bytes of one connection, in plaintext and then in TLS: buffered in both directions, so
//! that replies to pipelined commands go out together.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use rustls_pki_types::CertificateDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How much is read at once, in octets.
const READ: usize = 64 * 1024;

/// Why a connection is over.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    /// QUIT, or a reply that closes.
    #[error("closed in order")]
    InOrder,
    /// A fault.
    #[error("dropped, as ordered")]
    Dropped,
    /// The client closed without QUIT.
    #[error("the client left")]
    ClientLeft,
    /// Nothing came for too long.
    #[error("the client was silent for too long")]
    Idle,
    /// The connection has lasted as long as one may.
    #[error("the session lasted too long")]
    Session,
    /// The client did what no client may do, and the server cannot go on.
    #[error("{0}")]
    Violation(&'static str),
    /// Reading or writing failed.
    #[error("{0}")]
    Io(#[from] io::Error),
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// Between the two, and after a failed handshake.
    Gone,
}

/// A connection.
pub(super) struct Wire {
    stream: Stream,
    input: Vec<u8>,
    consumed: usize,
    output: Vec<u8>,
    /// Replies on their way, each with the time at which it leaves.
    delayed: VecDeque<(Instant, Vec<u8>)>,
    /// When the last of what was read came.
    heard: Instant,
    idle: Duration,
    end: Instant,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, idle: Duration, session: Duration) -> Self {
        let now = Instant::now();
        Self {
            stream: Stream::Plain(stream),
            input: Vec::new(),
            consumed: 0,
            output: Vec::new(),
            delayed: VecDeque::new(),
            heard: now,
            idle,
            end: now + session,
        }
    }

    /// What was read and not yet consumed.
    pub(super) fn buffered(&self) -> &[u8] {
        &self.input[self.consumed..]
    }

    /// Takes so many octets off the buffer.
    pub(super) fn consume(&mut self, octets: usize) {
        self.consumed = (self.consumed + octets).min(self.input.len());
    }

    /// A whole line off the buffer, its LF included, where there is one.
    pub(super) fn take_line(&mut self) -> Option<Vec<u8>> {
        let length = self.buffered().iter().position(|&b| b == b'\n')? + 1;
        let line = self.buffered()[..length].to_vec();
        self.consume(length);
        Some(line)
    }

    /// Waits for more to be buffered; what is on its way out leaves meanwhile.
    pub(super) async fn fill(&mut self) -> Result<(), Ended> {
        self.input.drain(..self.consumed);
        self.consumed = 0;
        self.input.reserve(READ);
        let idle = Instant::now() + self.idle;
        loop {
            let due = self.delayed.front().map(|(due, _)| *due);
            let read = async {
                match &mut self.stream {
                    Stream::Plain(stream) => stream.read_buf(&mut self.input).await,
                    Stream::Tls(stream) => stream.read_buf(&mut self.input).await,
                    Stream::Gone => Ok(0),
                }
            };
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(due.unwrap_or(idle)), if due.is_some() => self.send_first().await?,
                read = read => {
                    self.heard = Instant::now();
                    return match read? {
                        0 => Err(Ended::ClientLeft),
                        _ => Ok(()),
                    };
                }
                () = tokio::time::sleep_until(idle.min(self.end)) => {
                    return Err(if idle < self.end { Ended::Idle } else { Ended::Session });
                }
            }
        }
    }

    /// Writes into the buffer.
    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.output.extend_from_slice(bytes);
    }

    /// Lets what was written leave so long after what it answers came, while
    /// [`fill`](Self::fill) waits; so commands that came together cost one delay.
    pub(super) fn post(&mut self, delay: Duration) {
        let output = std::mem::take(&mut self.output);
        if !output.is_empty() {
            self.delayed.push_back((self.heard + delay, output));
        }
    }

    /// Sends what was written, behind all that is still on its way.
    pub(super) async fn flush(&mut self) -> Result<(), Ended> {
        while let Some(due) = self.delayed.front().map(|(due, _)| *due) {
            tokio::time::sleep_until(due).await;
            self.send_first().await?;
        }
        let output = std::mem::take(&mut self.output);
        self.send(&output).await
    }

    async fn send_first(&mut self) -> Result<(), Ended> {
        match self.delayed.pop_front() {
            Some((_, bytes)) => self.send(&bytes).await,
            None => Ok(()),
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), Ended> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.write_all(bytes).await?,
            Stream::Tls(stream) => {
                stream.write_all(bytes).await?;
                stream.flush().await?;
            }
            Stream::Gone => {}
        }
        Ok(())
    }

    /// Whether the client's next byte begins a TLS handshake; `None` when it left instead.
    pub(super) async fn begins_handshake(&self) -> Result<Option<bool>, Ended> {
        let Stream::Plain(stream) = &self.stream else { return Ok(None) };
        let mut first = [0];
        let peeked = tokio::time::timeout(self.idle, stream.peek(&mut first)).await;
        match peeked.map_err(|_elapsed| Ended::Idle)?? {
            0 => Ok(None),
            // ContentType handshake (RFC 8446 section 5.1)
            _ => Ok(Some(first == [22])),
        }
    }

    /// Does the handshake, and tells the version it came to.
    pub(super) async fn start_tls(&mut self, acceptor: TlsAcceptor) -> Result<&'static str, Ended> {
        let Stream::Plain(stream) = std::mem::replace(&mut self.stream, Stream::Gone) else {
            return Err(Ended::Violation("TLS within TLS"));
        };
        let handshake = tokio::time::timeout(self.idle, acceptor.accept(stream)).await;
        let stream = handshake.map_err(|_elapsed| Ended::Idle)??;
        let version = match stream.get_ref().1.protocol_version() {
            Some(rustls::ProtocolVersion::TLSv1_3) => "TLSv1.3",
            Some(rustls::ProtocolVersion::TLSv1_2) => "TLSv1.2",
            Some(_) | None => "unknown",
        };
        self.stream = Stream::Tls(Box::new(stream));
        Ok(version)
    }

    /// The certificates that the client showed, its own first.
    pub(super) fn shown_certificates(&self) -> &[CertificateDer<'static>] {
        match &self.stream {
            Stream::Tls(stream) => stream.get_ref().1.peer_certificates().unwrap_or_default(),
            Stream::Plain(_) | Stream::Gone => &[],
        }
    }

    /// Closes in order: close_notify within TLS, then FIN.
    pub(super) async fn close(&mut self) {
        // the client may be gone already, which is no worse
        let _gone = match &mut self.stream {
            Stream::Plain(stream) => stream.shutdown().await,
            Stream::Tls(stream) => stream.shutdown().await,
            Stream::Gone => Ok(()),
        };
    }
}
