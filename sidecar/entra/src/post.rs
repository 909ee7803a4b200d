//! One token request by HTTPS: every step has its deadline.

use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};

use http::header::RETRY_AFTER;
use http::response::Parts;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Bytes;
use oauth2::{AsyncHttpClient, HttpRequest, HttpResponse};
use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::client::Limits;
use crate::dial::{self, Deadline, Proxy, Resolver};
use crate::error::Head;
use crate::fault::{Fault, Peer, Phase};
use crate::https;

/// Longest body that is read; a token response is 2 to 20 KiB.
const MAX_BODY: usize = 64 * 1024;

/// Sends one request, and remembers what oauth2 does not pass on.
pub(crate) struct Post<'a> {
    resolver: &'a Resolver,
    limits: Limits,
    tls: Arc<ClientConfig>,
    peer: &'a Peer,
    proxy: Option<&'a Proxy>,
    head: OnceLock<Head>,
}

impl<'a> Post<'a> {
    pub(crate) fn new(resolver: &'a Resolver, limits: Limits, tls: ClientConfig, peer: &'a Peer) -> Self {
        let tls = Arc::new(https::alone(tls));
        Self { resolver, limits, tls, peer, proxy: None, head: OnceLock::new() }
    }

    pub(crate) fn through(mut self, proxy: Option<&'a Proxy>) -> Self {
        self.proxy = proxy;
        self
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
    pub(crate) async fn send(&self, request: HttpRequest) -> Result<HttpResponse, Fault> {
        let whole = Deadline::after(self.limits.whole);
        let connect = Deadline::after(self.limits.connect).min(whole);
        let request = https::addressed(request.map(|body| Full::new(Bytes::from(body))), self.peer)?;
        let connection = dial::connect_through(self.resolver, self.peer, self.proxy, connect).await?;
        let connection = dial::handshake(connection, Arc::clone(&self.tls), self.peer, connect).await?;
        whole.bound(Phase::Answer, self.converse(connection, request)).await
    }

    async fn converse<C>(&self, connection: C, request: Request<Full<Bytes>>) -> Result<HttpResponse, Fault>
    where
        C: AsyncRead + AsyncWrite + Unpin,
    {
        let (mut sender, connection) = https::open(connection).await?;
        let mut answer = pin!(async move {
            let answer = sender.send_request(request).await.map_err(|e| https::fault(&e))?;
            let (head, body) = answer.into_parts();
            // At once: a 429 is one even if its body never ends.
            self.head.get_or_init(|| remembered(&head));
            Ok(Response::from_parts(head, https::capped(body, MAX_BODY).await?))
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

fn remembered(head: &Parts) -> Head {
    let retry_after = head.headers.get(RETRY_AFTER).and_then(|field| field.to_str().ok());
    Head { status: head.status.as_u16(), retry_after: retry_after.map(str::to_owned) }
}
