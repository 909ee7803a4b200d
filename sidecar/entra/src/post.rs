//! One HTTPS POST: every step has its deadline, every part of the answer its cap, and a redirect
//! is an answer like any other.

use std::error::Error as _;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};

use http::header::{CONNECTION, HOST, RETRY_AFTER, USER_AGENT};
use http::response::Parts;
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use oauth2::{AsyncHttpClient, HttpRequest, HttpResponse};
use rustls::ClientConfig;

use crate::client::Limits;
use crate::dial::{self, Deadline, Resolver};
use crate::error::Head;
use crate::fault::{Fault, Peer, Phase};

/// Longest body that is read; a token response is 2 to 20 KiB.
const MAX_BODY: usize = 64 * 1024;

/// Longest head that is read, in octets and in fields.
const MAX_HEAD: usize = 32 * 1024;
const MAX_FIELDS: usize = 64;

const AGENT: &str = concat!("mail-egress/", env!("CARGO_PKG_VERSION"));

/// Sends one request, and remembers what oauth2 does not pass on.
pub(crate) struct Post<'a> {
    resolver: &'a Resolver,
    limits: Limits,
    tls: Arc<ClientConfig>,
    peer: &'a Peer,
    head: OnceLock<Head>,
}

impl<'a> Post<'a> {
    pub(crate) fn new(resolver: &'a Resolver, limits: Limits, mut tls: ClientConfig, peer: &'a Peer) -> Self {
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self { resolver, limits, tls: Arc::new(tls), peer, head: OnceLock::new() }
    }

    /// The head of the answer, as soon as it was there, whatever became of the body.
    pub(crate) fn head(&self) -> Option<&Head> {
        self.head.get()
    }

    /// Sends `request` on a connection of its own and reads the whole answer.
    ///
    /// Token requests are half an hour apart: a pooled connection would be dead by then, and on
    /// one of our own each step can say what went wrong with it. When the future is dropped, so
    /// is the connection.
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, Fault> {
        let whole = Deadline::after(self.limits.whole);
        let connect = Deadline::after(self.limits.connect).min(whole);
        let request = addressed(request, self.peer)?;
        let connection = dial::connect(self.resolver, self.peer, connect).await?;
        let connection = dial::handshake(connection, Arc::clone(&self.tls), self.peer, connect).await?;
        whole.bound(Phase::Answer, self.converse(TokioIo::new(connection), request)).await
    }

    async fn converse<C>(&self, connection: C, request: Request<Full<Bytes>>) -> Result<HttpResponse, Fault>
    where
        C: hyper::rt::Read + hyper::rt::Write + Unpin,
    {
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_HEAD)
            .max_headers(MAX_FIELDS)
            .handshake(connection)
            .await
            .map_err(|e| fault(&e))?;
        let mut answer = pin!(async move {
            let (head, body) = sender.send_request(request).await.map_err(|e| fault(&e))?.into_parts();
            // At once: a 429 is one even if its body never ends.
            self.head.get_or_init(|| remembered(&head));
            Ok(Response::from_parts(head, capped(body).await?))
        });
        tokio::select! {
            biased;
            done = &mut answer => done,
            // What was read before the connection ended is still to be handed over.
            _ = connection => answer.await,
        }
    }
}

impl<'c> AsyncHttpClient<'c> for Post<'_> {
    type Error = Fault;

    // Boxed: of a closure that borrows, the compiler cannot prove that its future is Send.
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Fault>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

async fn capped(mut body: Incoming) -> Result<Vec<u8>, Fault> {
    let mut read = Vec::new();
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|e| fault(&e))?.into_data() else {
            continue; // trailers
        };
        if read.len() + data.len() > MAX_BODY {
            return Err(Fault::Protocol(format!("its answer is longer than {} KiB", MAX_BODY / 1024)));
        }
        read.extend_from_slice(&data);
    }
    Ok(read)
}

fn remembered(head: &Parts) -> Head {
    let retry_after = head.headers.get(RETRY_AFTER).and_then(|field| field.to_str().ok());
    Head { status: head.status.as_u16(), retry_after: retry_after.map(str::to_owned) }
}

/// With the target in origin form and the fields that hyper leaves to its caller.
fn addressed(request: HttpRequest, peer: &Peer) -> Result<Request<Full<Bytes>>, Fault> {
    let unfit = || Fault::Protocol("its URL does not fit into a request".to_owned());
    let (mut head, body) = request.into_parts();
    let host = match head.uri.authority() {
        Some(authority) => authority.to_string(),
        None => peer.to_string(),
    };
    head.headers.insert(HOST, HeaderValue::from_str(&host).map_err(|_| unfit())?);
    head.headers.insert(USER_AGENT, HeaderValue::from_static(AGENT));
    head.headers.insert(CONNECTION, HeaderValue::from_static("close"));
    let target = head.uri.path_and_query().cloned().ok_or_else(unfit)?;
    head.uri = Uri::from(target);
    Ok(Request::from_parts(head, Full::new(Bytes::from(body))))
}

fn fault(error: &hyper::Error) -> Fault {
    let io = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    match io {
        // In TLS 1.3 the server's objections come after our side of the handshake is done.
        Some(io) if io.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) => Fault::of_handshake(io),
        Some(_) => Fault::Closed(Phase::Answer),
        None if error.is_parse() => Fault::Protocol(format!(
            "its answer is no HTTP, or has a head of more than {} KiB",
            MAX_HEAD / 1024
        )),
        None => Fault::Closed(Phase::Answer),
    }
}
