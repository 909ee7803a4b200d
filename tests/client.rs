//! An app's SMTP client for the scenarios: says exactly what it is told, and shows what it hears.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpStream, ToSocketAddrs};
use tokio::time::timeout;

/// Longer than any reply of the sidecar may take in a test.
const PATIENCE: Duration = Duration::from_secs(90);

/// A reply: its code, and its text without codes, lines joined by a space.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The basic code.
    pub code: u16,
    /// Everything behind the basic code on all lines.
    pub text: String,
}

/// A session with the sidecar.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Connects and reads the greeting.
    ///
    /// # Errors
    /// When nothing listens, or the greeting is not 220.
    pub async fn connect(address: impl ToSocketAddrs) -> Result<Self> {
        let mut client = Self { stream: BufReader::new(TcpStream::connect(address).await?) };
        let greeting = client.answer().await?;
        ensure!(greeting.code == 220, "greeted with {greeting:?}");
        Ok(client)
    }

    /// Sends a line and reads its reply.
    ///
    /// # Errors
    /// When the connection ends, or no reply comes.
    pub async fn say(&mut self, line: &str) -> Result<Answer> {
        self.write(format!("{line}\r\n").as_bytes()).await?;
        self.answer().await.with_context(|| format!("after {line}"))
    }

    /// Writes bytes as they are.
    ///
    /// # Errors
    /// When the connection has ended.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes).await?)
    }

    /// Reads one reply.
    ///
    /// # Errors
    /// When the connection ends, no reply comes in time, or it is none.
    pub async fn answer(&mut self) -> Result<Answer> {
        let mut text = String::new();
        loop {
            let mut line = String::new();
            let read =
                timeout(PATIENCE, self.stream.read_line(&mut line)).await.context("no reply in time")??;
            ensure!(read > 0, "the connection was closed");
            ensure!(line.ends_with("\r\n") && line.len() <= 512 && line.is_ascii(), "no SMTP line: {line:?}");
            let line = line.trim_end();
            let code = line.get(..3).and_then(|code| code.parse().ok()).context("a reply without a code")?;
            text.push_str(line.get(4..).unwrap_or_default());
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(Answer { code, text });
            }
            text.push(' ');
        }
    }

    /// EHLO, MAIL, RCPT and DATA, each of which must succeed, then the message with its dots stuffed.
    /// Returns the reply to the final dot; or, where one comes earlier, the first refusal.
    ///
    /// # Errors
    /// When the connection ends.
    pub async fn send(&mut self, from: &str, to: &[&str], message: &[u8]) -> Result<Answer> {
        let mut lines = vec!["EHLO app.test".to_owned(), format!("MAIL FROM:<{from}>")];
        lines.extend(to.iter().map(|to| format!("RCPT TO:<{to}>")));
        lines.push("DATA".to_owned());
        for line in lines {
            let answer = self.say(&line).await?;
            if answer.code >= 400 {
                return Ok(answer);
            }
        }
        self.write(&stuffed(message)).await?;
        self.answer().await
    }
}

/// The message as DATA carries it (RFC 5321 section 4.5.2), with the final dot.
fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 64);
    for line in message.split_inclusive(|&byte| byte == b'\n') {
        if line.starts_with(b".") {
            out.push(b'.');
        }
        out.extend_from_slice(line);
    }
    out.extend_from_slice(b".\r\n");
    out
}
