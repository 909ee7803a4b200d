//! A message too large for one request: a draft, its attachments, and then `send`.
//!
//! ```text
//! prepare: create ─ attach (small) ─ session, upload … (large) ─▶ Draft ─ conclude: send ─▶ Accepted
//!    whatever fails, or is dropped: the draft is deleted in the background, as far as that succeeds
//! ```
//!
//! Up to `send` everything can be taken back. The token is shown to the endpoint alone, never to the
//! URL that a piece is uploaded to.

mod ask;
mod plan;

use std::future::pending;

use http::Method;
use http::header::CONTENT_RANGE;
use hyper::body::Bytes;
use mail_egress_entra::fault::{Fault, Peer};
use mail_egress_entra::https::{self, Url};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite};

use crate::answer::{Accepted, Refused};
use crate::send::{Ended, MAX_BODY};
use crate::{Endpoint, Sender};
use ask::{Answered, Asking};
use plan::File;
pub use plan::Plan;

/// From this size on an attachment goes by an upload session: in one request it must have less than 3 MB
/// (fact sheet D, "Graph"), and its base64 less than 4 MB with all else.
const BY_SESSION: usize = 2_500_000;
/// One piece of an upload: at most 4 MB (fact sheet D), and a multiple of 320 KiB as Microsoft's upload
/// sessions for files want it.
const PIECE: usize = 12 * 320 * 1024;

/// Makes connections whose peer has proved its name.
pub trait Dial: Clone + Send + Sync + 'static {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Unpin + Send + 'static;

    /// Dials this peer.
    fn dial(&self, peer: &Peer) -> impl Future<Output = Result<Self::Stream, Fault>> + Send;
}

/// A draft that is complete. Dropped, it is deleted in the background.
pub struct Draft<D: Dial> {
    /// Taken where the draft is not to be deleted.
    held: Option<Held<D>>,
}

#[derive(Clone)]
struct Held<D> {
    dial: D,
    endpoint: Endpoint,
    sender: Sender,
    id: String,
}

/// Makes the draft of a message.
///
/// # Errors
/// Why there is none. Nothing was sent.
pub async fn prepare<D: Dial>(
    dial: D,
    endpoint: &Endpoint,
    sender: &Sender,
    plan: &Plan,
) -> Result<Draft<D>, Ended> {
    let mut held = Held { dial, endpoint: endpoint.clone(), sender: sender.clone(), id: String::new() };
    // the whole message is answered, perhaps with each of its characters escaped
    let echo = MAX_BODY + 6 * plan.text_octets();
    let created = held.post(&["messages"], &plan.message, Some(echo)).await.map_err(denied)?;
    held.id = text(&created, "id")?;
    let draft = Draft { held: Some(held.clone()) };
    for file in &plan.attachments {
        if file.content.len() < BY_SESSION {
            // answered with its content
            held.post(&["messages", &held.id, "attachments"], &file.whole(), None).await?;
        } else {
            held.upload(file).await?;
        }
    }
    Ok(draft)
}

impl<D: Dial> Draft<D> {
    /// Sends it, and waits for the answer, for five minutes at most and no longer than until `ending`.
    ///
    /// To be awaited to its end: once the request is written a lost answer is an uncertain outcome.
    ///
    /// # Errors
    /// The refusal; or, by its class, that the outcome is uncertain.
    pub async fn conclude(mut self, ending: impl Future<Output = ()>) -> Result<Accepted, Refused> {
        let Some(held) = &self.held else { return Err(Refused::lost("the draft is gone")) };
        let path = ["messages", held.id.as_str(), "send"];
        let asking = held.asking(Method::POST, &held.endpoint.of(&held.sender.mailbox, &path), Bytes::new());
        let refused = |ended: Ended| Refused::unsent(ended.diagnosis(held.endpoint.peer()));
        let stream = held.dial.dial(held.endpoint.peer()).await.map_err(Ended::Fault).map_err(refused)?;
        let outcome = asking.concluded(stream, ending).await;
        // what may have been sent is not deleted
        if outcome.is_ok() || outcome.as_ref().is_err_and(Refused::is_uncertain) {
            self.held = None;
        }
        outcome
    }
}

impl<D: Dial> Drop for Draft<D> {
    fn drop(&mut self) {
        if let Some(held) = self.held.take() {
            tokio::spawn(async move {
                let url = held.endpoint.of(&held.sender.mailbox, &["messages", &held.id]);
                // as well as it can be done: a draft that stays is one more in the mailbox
                let _ = held.ask(held.asking(Method::DELETE, &url, Bytes::new())).await;
            });
        }
    }
}

impl<D: Dial> std::fmt::Debug for Draft<D> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Draft").finish_non_exhaustive()
    }
}

impl<D: Dial> Held<D> {
    fn asking(&self, method: Method, url: &Url, body: Bytes) -> Asking {
        Asking {
            method,
            url: url.clone(),
            peer: self.endpoint.peer().clone(),
            shown: Some(self.sender.clone()),
            range: None,
            body,
            read: None,
        }
    }

    async fn ask(&self, asking: Asking) -> Result<Answered, Ended> {
        let stream = self.dial.dial(&asking.peer).await.map_err(Ended::Fault)?;
        asking.answered(stream, &self.sender.token, pending()).await
    }

    async fn post(&self, path: &[&str], body: &Value, read: Option<usize>) -> Result<Value, Ended> {
        let url = self.endpoint.of(&self.sender.mailbox, path);
        let asking = self.asking(Method::POST, &url, body.to_string().into());
        let answered = self.ask(Asking { read, ..asking }).await?;
        Ok(answered.json())
    }

    /// Piece after piece, each behind the answer to the one before.
    async fn upload(&self, file: &File) -> Result<(), Ended> {
        let path = ["messages", self.id.as_str(), "attachments", "createUploadSession"];
        let begun = self.post(&path, &json!({"AttachmentItem": file.item()}), Some(MAX_BODY)).await?;
        let url = text(&begun, "uploadUrl")?;
        // never shown: whoever has it can write the attachment
        let url = Url::parse(&url).map_err(|_| odd("an upload URL that is none"))?;
        let peer = https::peer(&url).map_err(|_| odd("an upload URL that is not https"))?;
        let size = file.content.len();
        let mut begin = 0;
        for piece in file.content.chunks(PIECE) {
            let end = begin + piece.len();
            let range = format!("bytes {begin}-{}/{size}", end - 1);
            let asking = Asking {
                method: Method::PUT,
                url: url.clone(),
                peer: peer.clone(),
                shown: None,
                range: Some((CONTENT_RANGE, range)),
                body: Bytes::copy_from_slice(piece),
                read: None,
            };
            self.ask(asking).await?;
            begin = end;
        }
        Ok(())
    }
}

/// What is missing where the mailbox may not be written to.
fn denied(ended: Ended) -> Ended {
    match ended {
        Ended::Refused(mut refused) if refused.status == 403 => {
            let fix = "grant the application the permission Mail.ReadWrite of Microsoft Graph too, which a draft needs, or set spec.graph.largeMessages of the MailRoute to Refuse";
            refused.diagnosis = refused.diagnosis.with_fix(fix);
            Ended::Refused(refused)
        }
        ended => ended,
    }
}

fn text(answer: &Value, field: &str) -> Result<String, Ended> {
    let text = answer[field].as_str().filter(|text| !text.is_empty());
    text.map(str::to_owned).ok_or_else(|| odd(&format!("no {field}")))
}

fn odd(what: &str) -> Ended {
    Ended::Fault(Fault::Protocol(format!("its answer holds {what}")))
}
