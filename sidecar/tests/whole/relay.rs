//! A relay that does as it is told: STARTTLS, XOAUTH2, and one way to misbehave.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;

/// What the relay does otherwise than a good one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Good,
    /// Says nothing behind the dot until it is allowed to.
    WaitsBehindDot,
    /// Answers each RCPT only when it is allowed to.
    WaitsAtRcpt,
    NoStartTls,
    /// Offers nothing within TLS but the login.
    OffersNothing,
    /// Sends a reply in plaintext behind the 220 to STARTTLS.
    Injects,
    /// Is TLS from the first octet.
    ImplicitTls,
    /// Closes the connection behind each message that it took.
    EndsAfterMessage,
    /// Answers the second MAIL of a connection with 421.
    TiresOfSecondMessage,
    /// Falls silent here: `greeting`, `handshake`, a command, `EHLO in TLS`, or `message`.
    StallsAt(&'static str),
    /// Refuses in the middle of the message, and reads no more of it.
    RefusesInBody,
    /// Knows no recipient.
    RefusesRecipients,
}

pub(crate) struct Relay {
    pub(crate) address: SocketAddr,
    pub(crate) ca_bundle: String,
    /// Lets one dot after another be answered.
    pub(crate) answers: Arc<Semaphore>,
    seen: Arc<Mutex<Seen>>,
    changed: Arc<tokio::sync::Notify>,
}

#[derive(Default, Clone)]
pub(crate) struct Seen {
    /// Every command, of all connections.
    pub(crate) commands: Vec<String>,
    /// Every message up to its dot, as it came.
    pub(crate) messages: Vec<String>,
    /// Connections that have ended.
    pub(crate) ended: usize,
    /// It has fallen silent where it is to.
    pub(crate) silent: bool,
}

impl Relay {
    pub(crate) async fn start(way: Way) -> Self {
        let issued = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(issued.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![issued.cert.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let relay = Self {
            address: listener.local_addr().unwrap(),
            ca_bundle: issued.cert.pem(),
            answers: Arc::new(Semaphore::new(0)),
            seen: Arc::default(),
            changed: Arc::default(),
        };
        let peer = Peer {
            way,
            tls: TlsAcceptor::from(Arc::new(config)),
            answers: Arc::clone(&relay.answers),
            seen: Arc::clone(&relay.seen),
            changed: Arc::clone(&relay.changed),
        };
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let peer = peer.clone();
                tokio::spawn(async move {
                    peer.clone().serve(stream).await;
                    peer.note(|seen| seen.ended += 1);
                });
            }
        });
        relay
    }

    pub(crate) fn seen(&self) -> Seen {
        self.seen.lock().unwrap().clone()
    }

    /// Waits until what was seen fulfils the condition.
    pub(crate) async fn until(&self, condition: impl Fn(&Seen) -> bool) {
        loop {
            let change = self.changed.notified();
            if condition(&self.seen()) {
                return;
            }
            change.await;
        }
    }
}

#[derive(Clone)]
struct Peer {
    way: Way,
    tls: TlsAcceptor,
    answers: Arc<Semaphore>,
    seen: Arc<Mutex<Seen>>,
    changed: Arc<tokio::sync::Notify>,
}

impl Peer {
    async fn serve(self, stream: TcpStream) {
        if self.way == Way::ImplicitTls {
            if let Ok(stream) = self.tls.accept(stream).await {
                let mut secure = BufReader::new(stream);
                secure.write_all(b"220 relay ESMTP\r\n").await.unwrap();
                self.commands(&mut secure, true).await;
            }
            return;
        }
        let mut plain = BufReader::new(stream);
        self.stalls_at("greeting").await;
        plain.write_all(b"220 relay ESMTP\r\n").await.unwrap();
        if !self.commands(&mut plain, false).await {
            return;
        }
        self.stalls_at("handshake").await;
        if let Ok(stream) = self.tls.accept(plain.into_inner()).await {
            self.commands(&mut BufReader::new(stream), true).await;
        }
    }

    async fn stalls_at(&self, point: &str) {
        if matches!(self.way, Way::StallsAt(here) if here == point) {
            self.note(|seen| seen.silent = true);
            std::future::pending::<()>().await;
        }
    }

    /// Serves until STARTTLS (`true`) or the end.
    async fn commands<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        stream: &mut BufReader<S>,
        secure: bool,
    ) -> bool {
        let mut mails = 0;
        loop {
            let Some(line) = read_line(stream).await else { return false };
            self.note(|seen| seen.commands.push(line.clone()));
            let verb = line.split(' ').next().unwrap_or_default().to_ascii_uppercase();
            self.stalls_at(if secure && verb == "EHLO" { "EHLO in TLS" } else { &verb }).await;
            let reply = match verb.as_str() {
                "EHLO" if secure && self.way == Way::OffersNothing => "250-relay\r\n250 AUTH XOAUTH2\r\n",
                "EHLO" if secure => {
                    "250-relay\r\n250-PIPELINING\r\n250-DSN\r\n250-8BITMIME\r\n250-SIZE 40000000\r\n250-SMTPUTF8\r\n250 AUTH XOAUTH2\r\n"
                }
                "EHLO" if self.way == Way::NoStartTls => "250-relay\r\n250 AUTH XOAUTH2\r\n",
                "EHLO" => "250-relay\r\n250 STARTTLS\r\n",
                "STARTTLS" if self.way == Way::Injects => "220 go\r\n250-relay\r\n250 AUTH XOAUTH2\r\n",
                "STARTTLS" => "220 go\r\n",
                "AUTH" => "235 2.7.0 in\r\n",
                "MAIL" if self.way == Way::TiresOfSecondMessage && mails > 0 => {
                    let _ = stream.write_all(b"421 4.3.2 that is enough\r\n").await;
                    return false;
                }
                "MAIL" => {
                    mails += 1;
                    "250 2.1.0 OK\r\n"
                }
                "RCPT" if self.way == Way::RefusesRecipients => "550 5.1.1 nobody of that name\r\n",
                "DATA" if self.way == Way::RefusesRecipients => "503 5.5.1 no recipient\r\n",
                "DATA" => "354 go\r\n",
                "QUIT" => "221 2.0.0 bye\r\n",
                _ => "250 2.1.0 OK\r\n",
            };
            if verb == "RCPT" && self.way == Way::WaitsAtRcpt {
                self.answers.acquire().await.unwrap().forget();
            }
            if stream.write_all(reply.as_bytes()).await.is_err() {
                return false;
            }
            match verb.as_str() {
                "STARTTLS" => return true,
                "QUIT" => return false,
                "DATA"
                    if reply.starts_with("354")
                        && (!self.message(stream).await || self.way == Way::EndsAfterMessage) =>
                {
                    return false;
                }
                _ => {}
            }
        }
    }

    async fn message<S: AsyncRead + AsyncWrite + Unpin>(&self, stream: &mut BufReader<S>) -> bool {
        if self.way == Way::RefusesInBody {
            let mut some = [0; 1024];
            let _ = stream.read(&mut some).await;
            let _ = stream.write_all(b"554 5.3.2 no more of this\r\n").await;
            std::future::pending::<()>().await;
        }
        self.stalls_at("message").await;
        let mut message = String::new();
        loop {
            match read_line(stream).await {
                Some(line) if line == "." => break,
                Some(line) => message.push_str(&format!("{line}\r\n")),
                None => return false,
            }
        }
        self.note(|seen| seen.messages.push(message.clone()));
        if self.way == Way::WaitsBehindDot {
            self.note(|seen| seen.silent = true);
            self.answers.acquire().await.unwrap().forget();
        }
        stream.write_all(b"250 2.0.0 OK <1@relay> [Hostname=relay]\r\n").await.is_ok()
    }

    fn note(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().unwrap());
        self.changed.notify_waiters();
    }
}

async fn read_line<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut BufReader<S>) -> Option<String> {
    let mut line = String::new();
    match stream.read_line(&mut line).await {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(line.trim_end_matches(['\r', '\n']).to_owned()),
    }
}
