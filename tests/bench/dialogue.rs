//! A client that does not pipeline: ordinary SMTP to a relay, or with STARTTLS and XOAUTH2 to the
//! lab's Exchange itself.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::client::Resumption;
use rustls_pki_types::ServerName;
use secrecy::ExposeSecret;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::lab::{DEFAULT_CLIENT_ID, DEFAULT_MAILBOX, Form, Lab};

const RECIPIENT: &str = "customer@fabrikam.example";

/// Where a client sends to.
#[derive(Clone)]
pub(super) enum Target {
    /// A relay that takes plain SMTP, where one is wanted behind this AUTH line.
    Relay { address: SocketAddr, auth: Option<Arc<str>> },
    /// The lab's Exchange.
    Direct(Arc<Direct>),
}

/// What the direct path needs.
pub(super) struct Direct {
    address: SocketAddr,
    name: ServerName<'static>,
    tls: TlsConnector,
    auth: String,
}

impl Direct {
    /// With a fresh token. Each connection makes a whole handshake: mail libraries do not resume.
    pub(super) fn new(lab: &Lab) -> Result<Self> {
        let mut tls = mail_egress_entra::tls::client_config(Some(lab.exchange().ca_pem()))?;
        tls.resumption = Resumption::disabled();
        let token = lab.entra().mint(&lab.entra().claims(DEFAULT_CLIENT_ID)?, Form::Jwt)?;
        let response = format!("user={DEFAULT_MAILBOX}\x01auth=Bearer {}\x01\x01", token.expose_secret());
        Ok(Self {
            address: lab.exchange().address(),
            name: ServerName::try_from(lab.exchange().name().to_owned()).context("the lab's name")?,
            tls: TlsConnector::from(Arc::new(tls)),
            auth: format!("AUTH XOAUTH2 {}\r\n", STANDARD.encode(response)),
        })
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// An open session.
pub(super) struct Dialogue {
    stream: BufReader<Box<dyn Stream>>,
    line: String,
}

impl Dialogue {
    /// Connects, and reads the greeting.
    pub(super) async fn greeted(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let mut dialogue = Self { stream: BufReader::new(Box::new(stream)), line: String::new() };
        dialogue.expect(220).await?;
        Ok(dialogue)
    }

    /// Up to the point at which MAIL may come.
    pub(super) async fn open(target: &Target) -> Result<Self> {
        match target {
            Target::Relay { address, auth } => {
                let mut dialogue = Self::greeted(*address).await?;
                dialogue.say("EHLO bench.test\r\n", 250).await?;
                if let Some(auth) = auth {
                    dialogue.say(auth, 235).await.context("AUTH")?;
                }
                Ok(dialogue)
            }
            Target::Direct(direct) => {
                let mut plain = Self::greeted(direct.address).await?;
                plain.say("EHLO bench.test\r\n", 250).await?;
                plain.say("STARTTLS\r\n", 220).await?;
                let stream = direct.tls.connect(direct.name.clone(), plain.stream.into_inner()).await?;
                let mut dialogue = Self { stream: BufReader::new(Box::new(stream)), line: plain.line };
                dialogue.say("EHLO bench.test\r\n", 250).await?;
                dialogue.say(&direct.auth, 235).await.context("AUTH")?;
                Ok(dialogue)
            }
        }
    }

    /// Sends one message, each command after the reply to the one before.
    pub(super) async fn send(&mut self, content: &[u8]) -> Result<()> {
        self.say(&format!("MAIL FROM:<{DEFAULT_MAILBOX}>\r\n"), 250).await?;
        self.say(&format!("RCPT TO:<{RECIPIENT}>\r\n"), 250).await?;
        self.say("DATA\r\n", 354).await?;
        self.stream.write_all(content).await?;
        self.stream.flush().await?;
        self.expect(250).await
    }

    /// Takes leave.
    pub(super) async fn quit(mut self) -> Result<()> {
        self.say("QUIT\r\n", 221).await
    }

    async fn say(&mut self, command: &str, code: u16) -> Result<()> {
        self.stream.write_all(command.as_bytes()).await?;
        self.stream.flush().await?;
        self.expect(code).await
    }

    async fn expect(&mut self, code: u16) -> Result<()> {
        loop {
            self.line.clear();
            if self.stream.read_line(&mut self.line).await? == 0 {
                bail!("the connection was closed");
            }
            let line = self.line.trim_end();
            if line.get(..3).and_then(|digits| digits.parse().ok()) != Some(code) {
                bail!("{line}");
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(());
            }
        }
    }
}

/// A message of so many octets as DATA carries it, with its final dot: text in lines of 76.
pub(super) fn content(octets: usize) -> Vec<u8> {
    let mut content = format!(
        "From: Billing <{DEFAULT_MAILBOX}>\r\nTo: <{RECIPIENT}>\r\nSubject: bench\r\n\
         Date: Mon, 2 Nov 2026 10:00:00 +0000\r\nMessage-ID: <bench@contoso.com>\r\n\r\n"
    )
    .into_bytes();
    while content.len() < octets {
        let line = 76.min(octets.saturating_sub(content.len() + 2)).max(1);
        content.resize(content.len() + line, b'x');
        content.extend_from_slice(b"\r\n");
    }
    content.extend_from_slice(b".\r\n");
    content
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_has_its_size_in_whole_lines_and_ends_once() {
        for octets in [2 * 1024, 100 * 1024] {
            let content = content(octets);
            assert!((octets..octets + 4).contains(&(content.len() - 3)), "{}", content.len());
            assert!(content.ends_with(b"x\r\n.\r\n"));
            let text = String::from_utf8(content).unwrap();
            assert_eq!(text.matches("\r\n.").count(), 1);
            assert!(text.split("\r\n").all(|line| line.len() <= 76 && !line.contains('\n')));
        }
    }
}
