//! A raw client: says lines, hears replies, trusts one authority, and speaks HTTP as far as a
//! token request needs.

use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use rustls::client::WantsClientCert;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use secrecy::ExposeSecret;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::PATIENCE;
use crate::lab::{
    ClientCertificate, DEFAULT_CLIENT_ID, DEFAULT_MAILBOX, DEFAULT_SECRET, DEFAULT_TENANT, Form, Lab,
};

pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A client of the submission server.
pub(super) struct Client {
    stream: BufReader<Box<dyn Stream>>,
}

impl Client {
    /// Connects and hears nothing yet.
    pub(super) async fn dial(lab: &Lab) -> Self {
        Self::dial_at(lab.exchange().address()).await
    }

    /// Connects to a port of choice.
    pub(super) async fn dial_at(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        Self { stream: BufReader::new(Box::new(stream)) }
    }

    /// Connects and goes as far as the second EHLO.
    pub(super) async fn in_tls(lab: &Lab) -> Self {
        let mut client = Self::dial(lab).await;
        client.hear().await.unwrap();
        client.ask("EHLO client.test").await;
        client.ask("STARTTLS").await;
        let mut client = client.start_tls(lab, "smtp.lab.test").await.unwrap();
        client.ask("EHLO client.test").await;
        client
    }

    /// Connects and signs in with a token of the usual app.
    pub(super) async fn signed_in(lab: &Lab) -> Self {
        let mut client = Self::in_tls(lab).await;
        let reply = client.ask(&format!("AUTH XOAUTH2 {}", usual_response(lab))).await;
        assert_eq!(reply, "235 2.7.0 Authentication successful");
        client
    }

    pub(super) async fn start_tls(self, lab: &Lab, name: &str) -> std::io::Result<Self> {
        self.start_tls_by(connector(lab.exchange().ca_pem()), name).await
    }

    async fn start_tls_by(self, connector: TlsConnector, name: &str) -> std::io::Result<Self> {
        let stream = connector
            .connect(ServerName::try_from(name.to_owned()).unwrap(), self.stream.into_inner())
            .await?;
        Ok(Self { stream: BufReader::new(Box::new(stream)) })
    }

    /// Connects and goes as far as the second EHLO, showing this certificate.
    pub(super) async fn certified(lab: &Lab, certificate: &ClientCertificate) -> Self {
        let mut client = Self::dial(lab).await;
        client.hear().await.unwrap();
        client.ask("EHLO client.test").await;
        client.ask("STARTTLS").await;
        let chain = vec![CertificateDer::from_pem_slice(certificate.certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(certificate.key.expose_secret().as_bytes()).unwrap();
        let config = trusting(lab.exchange().ca_pem()).with_client_auth_cert(chain, key).unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        let mut client = client.start_tls_by(connector, "smtp.lab.test").await.unwrap();
        client.ask("EHLO client.test").await;
        client
    }

    /// Writes bytes as they are.
    pub(super) async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.get_mut().write_all(bytes.as_ref()).await.unwrap();
        self.stream.get_mut().flush().await.unwrap();
    }

    /// A whole reply, its lines joined by `\n`; or how the connection ended instead.
    pub(super) async fn hear(&mut self) -> std::io::Result<String> {
        let mut reply = String::new();
        loop {
            let start = reply.len();
            let read = tokio::time::timeout(PATIENCE, self.stream.read_line(&mut reply)).await;
            if read.expect("the server says something in time")? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            assert!(reply.ends_with("\r\n"), "{reply:?}");
            reply.truncate(reply.len() - 2);
            if reply.as_bytes().get(start + 3) != Some(&b'-') {
                return Ok(reply);
            }
            reply.push('\n');
        }
    }

    /// Says a line and hears the reply.
    pub(super) async fn ask(&mut self, line: &str) -> String {
        self.try_ask(line).await.unwrap()
    }

    pub(super) async fn try_ask(&mut self, line: &str) -> std::io::Result<String> {
        self.stream.get_mut().write_all(format!("{line}\r\n").as_bytes()).await?;
        self.stream.get_mut().flush().await?;
        self.hear().await
    }

    /// Sends a message in one transaction; the reply to the final dot.
    pub(super) async fn send(&mut self, stuffed: &[u8]) -> String {
        self.envelope(&["a@example.net"]).await;
        assert!(self.ask("DATA").await.starts_with("354 "));
        self.say(stuffed).await;
        self.ask(".").await
    }

    pub(super) async fn envelope(&mut self, recipients: &[&str]) {
        let mail = format!("MAIL FROM:<{DEFAULT_MAILBOX}> BODY=8BITMIME");
        assert_eq!(self.ask(&mail).await, "250 2.1.0 Sender OK");
        for recipient in recipients {
            assert_eq!(self.ask(&format!("RCPT TO:<{recipient}>")).await, "250 2.1.5 Recipient OK");
        }
    }

    /// How many octets come before the connection ends or `limit` is reached.
    pub(super) async fn drain(&mut self, limit: usize) -> usize {
        let (mut buffer, mut octets) = (vec![0; 65_536], 0);
        while octets < limit {
            match tokio::time::timeout(PATIENCE, self.stream.read(&mut buffer)).await.unwrap() {
                Ok(0) | Err(_) => break,
                Ok(read) => octets += read,
            }
        }
        octets
    }
}

/// The SASL response of a user and a token.
pub(super) fn response(user: &str, token: &str) -> String {
    STANDARD.encode(format!("user={user}\u{1}auth=Bearer {token}\u{1}\u{1}"))
}

/// The right SASL response of the default app and mailbox.
pub(super) fn usual_response(lab: &Lab) -> String {
    let claims = lab.entra().claims(DEFAULT_CLIENT_ID).unwrap();
    response(DEFAULT_MAILBOX, lab.entra().mint(&claims, Form::Jwt).unwrap().expose_secret())
}

pub(super) fn connector(ca_pem: &str) -> TlsConnector {
    TlsConnector::from(Arc::new(trusting(ca_pem).with_no_client_auth()))
}

fn trusting(ca_pem: &str) -> rustls::ConfigBuilder<rustls::ClientConfig, WantsClientCert> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca_pem.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
}

/// An HTTP answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) retry_after: Option<String>,
    pub(super) content_type: String,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

/// The form of a right token request.
pub(super) fn form(scope: &str) -> String {
    form_urlencoded::Serializer::new(String::new())
        .append_pair("client_id", DEFAULT_CLIENT_ID)
        .append_pair("client_secret", DEFAULT_SECRET)
        .append_pair("grant_type", "client_credentials")
        .append_pair("scope", scope)
        .finish()
}

pub(super) async fn ask_token(lab: &Lab) -> anyhow::Result<Answer> {
    let form = form("https://outlook.office365.com/.default");
    post(lab, &format!("/{DEFAULT_TENANT}/oauth2/v2.0/token"), &form).await
}

pub(super) async fn post(lab: &Lab, path: &str, form: &str) -> anyhow::Result<Answer> {
    let request = hyper::Request::post(path)
        .header("host", "login.lab.test")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form.to_owned())?;
    ask(lab.entra().address(), lab.entra().ca_pem(), request).await
}

/// Sends one request on a connection of its own.
pub(super) async fn ask(
    address: SocketAddr,
    ca_pem: &str,
    request: hyper::Request<String>,
) -> anyhow::Result<Answer> {
    let answer = exchange(address, ca_pem, request).await?;
    let header = |name: &str| answer.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let (status, retry_after) = (answer.status().as_u16(), header("retry-after"));
    let content_type = header("content-type").unwrap_or_default();
    let mut body = Vec::new();
    let mut stream = answer.into_body();
    // an endless body is cut here
    while body.len() < 1_000_000 {
        let Some(frame) = stream.frame().await else { break };
        body.extend_from_slice(frame?.data_ref().map_or(&[][..], |data| data));
    }
    Ok(Answer { status, retry_after, content_type, body: String::from_utf8(body)? })
}

async fn exchange(
    address: SocketAddr,
    ca_pem: &str,
    request: hyper::Request<String>,
) -> anyhow::Result<hyper::Response<hyper::body::Incoming>> {
    let stream = TcpStream::connect(address).await?;
    let stream = connector(ca_pem).connect(ServerName::from(address.ip()), stream).await?;
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender.send_request(request).await?)
}
