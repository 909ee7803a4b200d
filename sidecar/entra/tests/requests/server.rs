//! A login host on loopback: one certificate, one scripted answer for every connection.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use mail_egress_entra::dial::Resolver;
use mail_egress_entra::{
    Credential, Endpoint, Granted, Limits, Token, TokenClient, TokenError, TokenRequest, tls,
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls_pki_types::PrivatePkcs8KeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// A secret whose every odd character changes when it is sent as a form.
pub(crate) const SECRET: &str = "s3cr~et+with/odd=&chars% and space";

/// What the server does with a connection once it has read a whole request.
#[derive(Clone)]
pub(crate) enum Script {
    /// Writes this and closes.
    Answer(String),
    /// Writes this and then neither writes nor closes.
    Stall(String),
    /// Writes the first once and the second for as long as it is read.
    Endless(String, String),
}

/// Which certificate the server shows; all are from the server's own CA.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Shown {
    Valid,
    WrongName,
    Expired,
    NotYetValid,
}

/// Ends with the test.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) ca: String,
    requests: mpsc::UnboundedReceiver<String>,
    accepting: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(script: Script) -> Self {
        Self::with_certificate(Shown::Valid, script).await
    }

    pub(crate) async fn with_certificate(shown: Shown, script: Script) -> Self {
        let (ca, config) = certificate(shown);
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, requests) = mpsc::unbounded_channel();
        let accepting = tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                serve(connection, acceptor.clone(), script.clone(), seen.clone()).await;
            }
        });
        Self { address, ca, requests, accepting }
    }

    /// The request that a token is asked for with here.
    pub(crate) fn request(&self) -> TokenRequest {
        TokenRequest {
            endpoint: at(format!("https://{}", self.address)),
            client_id: "11111111-2222-3333-4444-555555555555".to_owned(),
            scope: "https://outlook.office365.com/.default".to_owned(),
            credential: Credential::ClientSecret(SECRET.into()),
            ca_bundle: Some(self.ca.clone()),
        }
    }

    pub(crate) async fn ask(&self) -> Result<Token, TokenError> {
        ask(&self.request()).await
    }

    /// The requests that arrived, as they were on the wire.
    pub(crate) fn requests(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.requests.try_recv().ok()).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// Entra at this URL.
pub(crate) fn at(login_url: String) -> Endpoint {
    Endpoint::Entra { login_url, tenant: "contoso.onmicrosoft.com".to_owned() }
}

pub(crate) fn now() -> Timestamp {
    "2026-11-22T10:00:00Z".parse().unwrap()
}

pub(crate) async fn ask(request: &TokenRequest) -> Result<Token, TokenError> {
    ask_within(request, Limits::default()).await
}

pub(crate) async fn ask_within(request: &TokenRequest, limits: Limits) -> Result<Token, TokenError> {
    grant_within(request, limits).await.map(|granted| granted.token)
}

/// With what came beside the token.
pub(crate) async fn grant(request: &TokenRequest) -> Result<Granted, TokenError> {
    grant_within(request, Limits::default()).await
}

async fn grant_within(request: &TokenRequest, limits: Limits) -> Result<Granted, TokenError> {
    TokenClient::new(Resolver::system().unwrap(), limits).request(request, now()).await
}

/// For answers that never end: as long as a busy machine may need for all before.
pub(crate) fn brief_answer() -> Limits {
    Limits { whole: Duration::from_secs(1), ..Limits::default() }
}

/// For connections that never come.
pub(crate) fn brief_connect() -> Limits {
    Limits { connect: Duration::from_millis(250), ..Limits::default() }
}

/// An HTTP answer of a length that it states.
pub(crate) fn http(status: &str, fields: &str, body: &str) -> Script {
    Script::Answer(format!("HTTP/1.1 {status}\r\n{fields}Content-Length: {}\r\n\r\n{body}", body.len()))
}

/// As Entra writes it.
pub(crate) fn json(status: &str, body: &str) -> Script {
    http(status, "Content-Type: application/json; charset=utf-8\r\n", body)
}

async fn serve(
    connection: TcpStream,
    acceptor: TlsAcceptor,
    script: Script,
    seen: mpsc::UnboundedSender<String>,
) {
    let Ok(mut connection) = acceptor.accept(connection).await else {
        return; // the client did not like the certificate
    };
    let Some(request) = whole_request(&mut connection).await else {
        return;
    };
    seen.send(request).unwrap();
    match script {
        Script::Answer(text) => {
            let _ = connection.write_all(text.as_bytes()).await;
            let _ = connection.shutdown().await;
        }
        Script::Stall(text) => {
            let _ = connection.write_all(text.as_bytes()).await;
            let _ = connection.flush().await;
            pending::<()>().await;
        }
        Script::Endless(text, more) => {
            let _ = connection.write_all(text.as_bytes()).await;
            while connection.write_all(more.as_bytes()).await.is_ok() {}
        }
    }
}

async fn whole_request(connection: &mut (impl AsyncReadExt + Unpin)) -> Option<String> {
    let mut read = Vec::new();
    loop {
        if connection.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
        let text = String::from_utf8(read.clone()).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else {
            continue;
        };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        if body.len() >= length.parse().unwrap() {
            return Some(text);
        }
    }
}

fn certificate(shown: Shown) -> (String, ServerConfig) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let names = match shown {
        Shown::WrongName => vec!["elsewhere.test".to_owned()],
        Shown::Valid | Shown::Expired | Shown::NotYetValid => {
            vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "login.test".to_owned()]
        }
    };
    let mut params = CertificateParams::new(names).unwrap();
    match shown {
        Shown::Expired => params.not_after = date_time_ymd(2020, 1, 1),
        Shown::NotYetValid => params.not_before = date_time_ymd(3000, 1, 1),
        Shown::Valid | Shown::WrongName => {}
    }
    let key = KeyPair::generate().unwrap();
    let leaf = params.signed_by(&key, &ca).unwrap();
    let config = ServerConfig::builder_with_provider(tls::provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], PrivatePkcs8KeyDer::from(key.serialize_der()).into())
        .unwrap();
    (ca.pem(), config)
}
