//! One `sendMail` request: everything but its last octets, and then those.

use std::fmt;
use std::pin::{Pin, pin};
use std::time::Duration;

use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE};
use http::{Method, Request, Response};
use http_body_util::channel::{self, Channel};
use hyper::body::{Bytes, Incoming};
use jiff::Timestamp;
use mail_egress_diagnosis::{Diagnosis, local, reason};
use mail_egress_entra::fault::{Fault, Peer, Phase};
use mail_egress_entra::https;
use secrecy::SecretString;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::answer::{Accepted, Head, Refused};
use crate::base64::{Encoder, length};
use crate::{Endpoint, Sender};

/// Octets of base64 that are written at a time.
const BLOCK: usize = 16 * 1024;
/// Longest body of an answer that is read; an error of Graph's has less than 1 KiB.
pub(crate) const MAX_BODY: usize = 64 * 1024;
/// From the last octet of the request to the head of the answer. Graph's own gateways give up earlier
/// and say 504; who gives up before them knows less.
pub(crate) const ANSWER_TIME: Duration = Duration::from_secs(5 * 60);
/// For the body of an answer, which only explains its status.
const EXPLANATION_TIME: Duration = Duration::from_secs(10);

type Answer = Pin<Box<dyn Future<Output = hyper::Result<Response<Incoming>>> + Send>>;

/// A request that is being written. Dropped, it ends the connection: nothing is sent.
pub struct Sending {
    request: Asked,
    encoder: Encoder,
    /// Encoded, and not given away yet.
    block: Vec<u8>,
    /// Octets of the message that are still to come.
    missing: u64,
}

/// A request of which only the last octets are missing. Dropped, it ends the connection: nothing is
/// sent.
pub struct Unsent {
    request: Asked,
    last: Vec<u8>,
}

/// A request on its connection.
struct Asked {
    body: channel::Sender<Bytes>,
    answer: Answer,
    /// Drives the connection, for as long as this is held.
    _driver: JoinSet<()>,
    token: SecretString,
    peer: Peer,
}

/// Why a request ended before it was whole. Nothing was sent.
#[derive(Debug)]
pub enum Ended {
    /// Graph answered early.
    Refused(Box<Refused>),
    /// There was no answer.
    Fault(Fault),
    /// More or fewer octets came than were announced: a defect of the caller's.
    Length,
}

impl Ended {
    /// The same in the table's words; `peer` is whom it happened with.
    #[must_use]
    pub fn diagnosis(&self, peer: &Peer) -> Diagnosis {
        match self {
            Self::Refused(refused) => refused.diagnosis.clone(),
            Self::Fault(fault) => fault.relay(peer),
            Self::Length => Fault::Protocol("the message is not as long as was said".to_owned()).relay(peer),
        }
    }
}

impl Sending {
    /// Begins a request for a message of `octets` of MIME, on a connection whose peer has proved that
    /// it is the endpoint's.
    ///
    /// # Errors
    /// Why there is no request. Nothing was sent.
    pub async fn begin<S>(stream: S, endpoint: &Endpoint, sender: &Sender, octets: u64) -> Result<Self, Ended>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let unfit = |what: &str| Ended::Fault(Fault::Protocol(what.to_owned()));
        let (name, value) = sender.authorization().ok_or_else(|| unfit("the token fits into no request"))?;
        let (body, channel) = Channel::new(1);
        let request = Request::builder()
            .method(Method::POST)
            .uri(endpoint.of(&sender.mailbox, &["sendMail"]).as_str())
            .header(name, value)
            .header(CONTENT_TYPE, "text/plain")
            .header(CONTENT_LENGTH, length(octets))
            .header(ACCEPT, "application/json")
            .body(channel)
            .map_err(|_| unfit("its URL does not fit into a request"))?;
        let peer = endpoint.peer().clone();
        let request = https::addressed(request, &peer).map_err(Ended::Fault)?;
        let (mut requests, connection) =
            https::open::<_, Channel<Bytes>>(stream).await.map_err(Ended::Fault)?;
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            // what goes wrong with it, the answer says
            let _ = connection.await;
        });
        // asked now, not when the answer is first waited for
        let answered = requests.send_request(request);
        let answer: Answer = Box::pin(async move {
            let _open = requests;
            answered.await
        });
        let token = sender.token.clone();
        Ok(Self {
            request: Asked { body, answer, _driver: driver, token, peer },
            encoder: Encoder::default(),
            block: Vec::with_capacity(BLOCK),
            missing: octets,
        })
    }

    /// The next octets of the message. Waits for the connection to take what came before.
    ///
    /// # Errors
    /// Graph wants no more of it, or is gone. Nothing was sent.
    pub async fn write(&mut self, piece: &[u8]) -> Result<(), Ended> {
        self.missing = self.missing.checked_sub(piece.len() as u64).ok_or(Ended::Length)?;
        // what is encoded of each part fits into a block of its own
        for part in piece.chunks(BLOCK / 4 * 3 - 3) {
            if self.block.len() + part.len().div_ceil(3) * 4 > BLOCK {
                let block = std::mem::replace(&mut self.block, Vec::with_capacity(BLOCK));
                self.request.write(block).await?;
            }
            self.encoder.push(part, &mut self.block);
        }
        Ok(())
    }

    /// All octets came: what is held back can be sent.
    ///
    /// # Errors
    /// [`Ended::Length`].
    pub fn finish(self) -> Result<Unsent, Ended> {
        let Self { request, encoder, block: mut last, missing } = self;
        encoder.finish(&mut last);
        // without a last octet to hold back, nothing could be taken back
        if missing > 0 || last.is_empty() { Err(Ended::Length) } else { Ok(Unsent { request, last }) }
    }
}

impl Unsent {
    /// Whom it goes to.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        &self.request.peer
    }

    /// Writes the last octets and waits for the answer, for five minutes at most, and no longer than
    /// until `ending`.
    ///
    /// To be awaited to its end: from here on a lost answer is an uncertain outcome.
    ///
    /// # Errors
    /// The refusal; or, by its class, that the outcome is uncertain.
    pub async fn conclude(self, ending: impl Future<Output = ()>) -> Result<Accepted, Refused> {
        let Self { request: Asked { mut body, mut answer, _driver, token, peer }, last } = self;
        let mut ending = pin!(ending);
        // who answers before that has not read the message, and who is gone does not get it
        let early = async {
            tokio::select! {
                biased;
                answered = &mut answer => Some(answered),
                taken = body.send_data(last.into()) => match taken {
                    Ok(()) => None,
                    Err(_) => Some((&mut answer).await),
                },
            }
        };
        let late = Fault::Timeout { phase: Phase::Answer, within: ANSWER_TIME };
        let early = tokio::select! {
            early = timeout(ANSWER_TIME, early) => early.map_err(|_elapsed| late.relay(&peer)),
            () = &mut ending => Err(local(reason::SHUTTING_DOWN)),
        };
        let early = early.map_err(Refused::unsent)?;
        drop(body);
        match early {
            Some(Ok(response)) => return judged(response, false, &token).await,
            Some(Err(error)) => return Err(Refused::unsent(https::fault(&error).relay(&peer))),
            None => {}
        }
        let answered = tokio::select! {
            answered = timeout(ANSWER_TIME, answer) => answered,
            () = &mut ending => return Err(Refused::lost("the sidecar ended before the answer came")),
        };
        match answered {
            Ok(Ok(response)) => judged(response, true, &token).await,
            Ok(Err(error)) => Err(Refused::lost(&https::fault(&error).to_string())),
            Err(_elapsed) => Err(Refused::lost(&format!("no answer within {} s", ANSWER_TIME.as_secs()))),
        }
    }
}

impl Asked {
    /// Gives a block to the connection.
    async fn write(&mut self, block: Vec<u8>) -> Result<(), Ended> {
        let taken = tokio::select! {
            biased;
            answered = &mut self.answer => return Err(ended(answered, &self.token).await),
            taken = self.body.send_data(block.into()) => taken,
        };
        match taken {
            Ok(()) => Ok(()),
            // the connection has dropped it, and is about to say why
            Err(_) => {
                let answered = (&mut self.answer).await;
                Err(ended(answered, &self.token).await)
            }
        }
    }
}

/// What an answer means that came before the request was whole.
async fn ended(answered: hyper::Result<Response<Incoming>>, token: &SecretString) -> Ended {
    match answered {
        Ok(response) => match judged(response, false, token).await {
            Err(refused) => Ended::Refused(Box::new(refused)),
            // never: it did not have the whole message
            Ok(_) => Ended::Length,
        },
        Err(error) => Ended::Fault(https::fault(&error)),
    }
}

pub(crate) async fn judged(
    response: Response<Incoming>,
    whole: bool,
    token: &SecretString,
) -> Result<Accepted, Refused> {
    let (head, body) = response.into_parts();
    let head = Head::read(head.status.as_u16(), &head.headers, Timestamp::now());
    // 202 has no body (fact sheet D), and whatever comes in its place changes nothing
    let body = match head.accepts() {
        true => Vec::new(),
        // a status is one even where its body cannot be read
        false => match timeout(EXPLANATION_TIME, https::capped(body, MAX_BODY)).await {
            Ok(Ok(body)) => body,
            Ok(Err(_)) | Err(_) => Vec::new(),
        },
    };
    head.judge(whole, &body, token)
}

impl fmt::Debug for Sending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending").field("missing", &self.missing).finish_non_exhaustive()
    }
}

impl fmt::Debug for Unsent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unsent").field("last", &self.last.len()).finish_non_exhaustive()
    }
}
