//! One connection from its greeting to its end.

mod auth;
mod misbehave;
mod talk;
mod tls;
mod transaction;

use std::sync::{Arc, Mutex};

use rand::rngs::StdRng;
use tokio::net::TcpStream;

use super::Inner;
use super::attribution::Client;
use super::command::{BadCommand, Command};
use super::fault::{ExchangeFault, Phase};
use super::reply::{self, Host};
use super::transcript::{Transcript, redacted};
use super::wire::{Ended, Wire};
use crate::lab::stamp;
use auth::Account;
use transaction::Transaction;

/// The server's side of a connection.
///
/// ```text
/// connected --EHLO--> greeted --STARTTLS--> connected within TLS --EHLO--> greeted
///     --AUTH--> signed in --MAIL, RCPT, DATA or BDAT--> signed in
/// ```
struct Session {
    inner: Arc<Inner>,
    wire: Wire,
    number: u64,
    host: Host,
    client: Client,
    transcript: Arc<Mutex<Transcript>>,
    greeted: bool,
    starttls_hidden: bool,
    /// The extensions that the last EHLO left out, in capitals.
    withheld: Vec<&'static str>,
    tls: Option<&'static str>,
    /// Of [`ExchangeFault::Random`], once it was in force here.
    dice: Option<StdRng>,
    account: Option<Account>,
    /// The text of the last 535, which the 530 to a MAIL repeats.
    refusal: Option<String>,
    transaction: Option<Transaction>,
}

/// Counts a connection as open for as long as it lives, however it ends.
struct Open(Arc<Inner>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.seen.send_modify(|seen| seen.counters.open -= 1);
    }
}

/// Serves one connection, in TLS from its first octet (RFC 8314) or by STARTTLS.
pub(super) async fn run(inner: Arc<Inner>, stream: TcpStream, implicit_tls: bool) {
    let number = inner.next_connection();
    inner.seen.send_modify(|seen| {
        seen.counters.connections += 1;
        seen.counters.open += 1;
    });
    let _open = Open(Arc::clone(&inner));
    let address = stream.peer_addr().ok().map(|peer| peer.ip());
    let host = Host {
        name: format!("LABP000CA0001.{}", inner.name),
        session: stamp::hex_id(),
        peer: address.map_or_else(|| "unknown".to_owned(), |address| address.to_string()),
    };
    let mut session = Session {
        wire: Wire::new(stream, inner.settings().idle, inner.settings().session),
        transcript: inner.new_transcript(number),
        inner,
        number,
        host,
        client: Client { names: Vec::new(), address },
        greeted: false,
        starttls_hidden: false,
        withheld: Vec::new(),
        tls: None,
        dice: None,
        account: None,
        refusal: None,
        transaction: None,
    };
    let Err(ended) = session.converse(implicit_tls).await;
    session.note(ended.to_string());
    match ended {
        Ended::InOrder | Ended::Idle | Ended::Session | Ended::Violation(_) | Ended::ClientLeft => {
            session.wire.close().await;
        }
        // no close_notify: a connection that breaks does not say so
        Ended::Dropped | Ended::Io(_) => {}
    }
}

impl Session {
    async fn converse(&mut self, implicit_tls: bool) -> Result<std::convert::Infallible, Ended> {
        if implicit_tls {
            self.handshake().await?;
            if self.tls.is_none() {
                return Err(Ended::Violation("plaintext on a port that is for TLS alone"));
            }
        }
        if !self.misbehaves(Phase::Greeting).await? {
            self.say(&reply::greeting(&self.host)).await?;
        }
        loop {
            let line = self.line().await?;
            self.heard(&redacted(&line));
            let too_long = match line.split(' ').next().unwrap_or_default().to_ascii_uppercase().as_str() {
                "AUTH" => false,
                "MAIL" | "RCPT" => line.len() > 2048, // each extension adds some (RFC 5321 section 4.5.3.1.4)
                _ => line.len() > 510,
            };
            if too_long {
                self.violation("a command line was too long");
                self.say(&reply::line_too_long()).await?;
                continue;
            }
            match Command::parse(&line) {
                Ok(command) => {
                    let alone = command.ends_group() || self.withheld.contains(&"PIPELINING");
                    if alone && !self.wire.buffered().is_empty() {
                        self.violation("more was said before the reply to a command that must be awaited");
                    }
                    self.obey(command, line.len()).await?;
                }
                Err(BadCommand::Unknown(word)) => {
                    self.say(&reply::unknown_command(&word, &self.host)).await?;
                }
                Err(BadCommand::Arguments) => self.say(&reply::bad_arguments()).await?,
                Err(BadCommand::Address) => self.say(&reply::bad_address()).await?,
            }
        }
    }

    async fn obey(&mut self, command: Command, length: usize) -> Result<(), Ended> {
        match command {
            Command::Ehlo(_) => self.hello(true).await,
            Command::Helo(_) => self.hello(false).await,
            Command::StartTls => self.start_tls().await,
            Command::Auth(mechanism, initial) => self.auth(&mechanism, initial, length).await,
            Command::Mail(envelope) => self.mail(envelope).await,
            Command::Rcpt(recipient) => self.rcpt(recipient).await,
            Command::Data => self.data().await,
            Command::Bdat(octets, last) => self.bdat(octets, last).await,
            Command::Rset => {
                if self.misbehaves(Phase::Rset).await? {
                    return Ok(());
                }
                self.transaction = None;
                self.inner.seen.send_modify(|seen| seen.counters.resets += 1);
                self.say(&reply::reset()).await
            }
            Command::Noop => self.say(&reply::noop()).await,
            Command::Vrfy => self.say(&reply::cannot_verify()).await,
            Command::Help => self.say(&reply::help()).await,
            Command::Quit => {
                if self.misbehaves(Phase::Quit).await? {
                    return Ok(());
                }
                self.say(&reply::bye()).await?;
                self.flush().await?;
                Err(Ended::InOrder)
            }
        }
    }

    async fn hello(&mut self, extended: bool) -> Result<(), Ended> {
        let phase = if self.tls.is_some() { Phase::EhloAfterTls } else { Phase::Ehlo };
        if self.misbehaves(phase).await? {
            return Ok(());
        }
        self.greeted = true;
        self.transaction = None;
        if !extended {
            return self.say(&reply::helo(&self.host)).await;
        }
        let kind = self.inner.kind;
        self.starttls_hidden =
            self.tls.is_none() && (!kind.offers_starttls() || self.strikes(&ExchangeFault::NoStartTls));
        let (inner, number) = (&self.inner, self.number);
        let without = |keyword: &str| {
            let named = inner.faults.strike(number, |fault| {
                if let ExchangeFault::Without(one) = fault {
                    one.eq_ignore_ascii_case(keyword).then_some(())
                } else {
                    None
                }
            });
            named.is_some()
                || (self.starttls_hidden && keyword == "STARTTLS")
                || (!kind.wants_login() && keyword == "AUTH")
        };
        let size = self.inner.settings().limits.message_bytes;
        let mechanisms = self.tls.map(|_| kind.mechanisms().join(" "));
        let (reply, withheld) = reply::hello(&self.host, size, mechanisms.as_deref(), without);
        self.withheld = withheld;
        self.say(&reply).await
    }
}
