//! The bytes of one connection, in plaintext and then in TLS: buffered in both directions, so
//! that replies to pipelined commands go out together.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
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
    idle: Duration,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, idle: Duration) -> Self {
        Self { stream: Stream::Plain(stream), input: Vec::new(), consumed: 0, output: Vec::new(), idle }
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

    /// Waits for more to be buffered.
    pub(super) async fn fill(&mut self) -> Result<(), Ended> {
        self.input.drain(..self.consumed);
        self.consumed = 0;
        self.input.reserve(READ);
        let read = async {
            match &mut self.stream {
                Stream::Plain(stream) => stream.read_buf(&mut self.input).await,
                Stream::Tls(stream) => stream.read_buf(&mut self.input).await,
                Stream::Gone => Ok(0),
            }
        };
        match tokio::time::timeout(self.idle, read).await {
            Err(_elapsed) => Err(Ended::Idle),
            Ok(Ok(0)) => Err(Ended::ClientLeft),
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.into()),
        }
    }

    /// Writes into the buffer.
    pub(super) fn put(&mut self, bytes: &[u8]) {
        self.output.extend_from_slice(bytes);
    }

    /// Whether something waits to go out.
    pub(super) fn has_output(&self) -> bool {
        !self.output.is_empty()
    }

    /// Sends what was written.
    pub(super) async fn flush(&mut self) -> Result<(), Ended> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.write_all(&self.output).await?,
            Stream::Tls(stream) => {
                stream.write_all(&self.output).await?;
                stream.flush().await?;
            }
            Stream::Gone => {}
        }
        self.output.clear();
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
