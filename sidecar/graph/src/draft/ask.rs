//! One small request on a connection of its own.

use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE, HeaderName};
use http::{Method, Request, Response};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use jiff::Timestamp;
use mail_egress_entra::fault::{Fault, Peer, Phase};
use mail_egress_entra::https::{self, Url};
use secrecy::SecretString;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::Sender;
use crate::answer::{Accepted, Head, Refused};
use crate::send::{ANSWER_TIME, Ended, MAX_BODY, judged};

/// For one step that can be taken back.
const STEP_TIME: Duration = Duration::from_secs(60);

/// What is asked, and of whom.
pub(super) struct Asking {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) peer: Peer,
    /// Whose token is shown; `None`: nobody's.
    pub(super) shown: Option<Sender>,
    pub(super) range: Option<(HeaderName, String)>,
    pub(super) body: Bytes,
    /// How much of a 2xx answer is read; `None`: nothing, its status says all.
    pub(super) read: Option<usize>,
}

/// A 2xx answer.
pub(super) struct Answered(Vec<u8>);

impl Answered {
    /// What it says; `null` where that is no JSON.
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.0).unwrap_or_default()
    }
}

impl Asking {
    fn request(self) -> Result<Request<Full<Bytes>>, Fault> {
        let unfit = || Fault::Protocol("its URL or the token fits into no request".to_owned());
        let mut request = Request::builder().method(self.method).uri(self.url.as_str());
        if let Some(sender) = &self.shown {
            let (name, value) = sender.authorization().ok_or_else(unfit)?;
            request = request.header(name, value).header(CONTENT_TYPE, "application/json");
        }
        if let Some((name, value)) = self.range {
            request = request.header(name, value).header(CONTENT_TYPE, "application/octet-stream");
        }
        let request = request.header(ACCEPT, "application/json").body(Full::new(self.body));
        https::addressed(request.map_err(|_| unfit())?, &self.peer)
    }

    async fn sent<S>(self, stream: S) -> Result<Response<Incoming>, Fault>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let request = self.request()?;
        let (mut requests, connection) = https::open(stream).await?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // what goes wrong with it, the answer says
            let _ = connection.await;
        });
        let (head, body) = requests.send_request(request).await.map_err(|e| https::fault(&e))?.into_parts();
        // the body still needs the connection
        tokio::spawn(async move { while driver.join_next().await.is_some() {} });
        Ok(Response::from_parts(head, body))
    }

    /// Asks what can be taken back; a 2xx answer is success.
    pub(super) async fn answered<S>(
        self,
        stream: S,
        token: &SecretString,
        ending: impl Future<Output = ()>,
    ) -> Result<Answered, Ended>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let most = self.read;
        let asking = async {
            let response = self.sent(stream).await.map_err(Ended::Fault)?;
            let (head, body) = response.into_parts();
            let status = head.status;
            if status.is_success() {
                return match most {
                    Some(most) => https::capped(body, most).await.map(Answered).map_err(Ended::Fault),
                    None => Ok(Answered(Vec::new())),
                };
            }
            let read = https::capped(body, MAX_BODY).await;
            let head = Head::read(status.as_u16(), &head.headers, Timestamp::now());
            match head.judge(false, &read.unwrap_or_default(), token) {
                Err(refused) => Err(Ended::Refused(Box::new(refused))),
                // never: it is no 2xx
                Ok(_) => Err(Ended::Length),
            }
        };
        let late = Fault::Timeout { phase: Phase::Answer, within: STEP_TIME };
        tokio::select! {
            answered = timeout(STEP_TIME, asking) => answered.unwrap_or(Err(Ended::Fault(late))),
            () = ending => Err(Ended::Fault(Fault::Closed(Phase::Answer))),
        }
    }

    /// Asks what cannot be taken back; only 202 is success.
    pub(super) async fn concluded<S>(
        self,
        stream: S,
        ending: impl Future<Output = ()>,
    ) -> Result<Accepted, Refused>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let token = self.shown.as_ref().map(|sender| sender.token.clone()).unwrap_or_default();
        let lost = |why: &str| Err(Refused::lost(why));
        tokio::select! {
            sent = timeout(ANSWER_TIME, self.sent(stream)) => match sent {
                Ok(Ok(response)) => judged(response, true, &token).await,
                Ok(Err(fault)) => lost(&fault.to_string()),
                Err(_elapsed) => lost(&format!("no answer within {} s", ANSWER_TIME.as_secs())),
            },
            () = ending => lost("the sidecar ended before the answer came"),
        }
    }
}
