//! `sendMail` with MIME, and what is kept of it.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;

use super::Draft;
use super::access::Admitted;
use super::answer::Refusal;
use crate::lab::directory::Directory;
use crate::lab::header;

/// A message that Graph took.
#[derive(Clone, Debug)]
pub struct GraphMessage {
    /// Counted from 1 in the order of acceptance.
    pub number: usize,
    /// When it was taken.
    pub time: Timestamp,
    /// The mailbox that it was sent from.
    pub mailbox: String,
    /// The client id of the app.
    pub client_id: String,
    /// Whom it went to: all whom To, Cc and Bcc name, in that order.
    pub recipients: Vec<String>,
    /// The MIME, decoded; empty where it was a draft.
    pub content: Vec<u8>,
    /// What it was built from, where it was a draft.
    pub draft: Option<Draft>,
}

impl GraphMessage {
    /// The first header field of this name, unfolded, without the name.
    pub fn header(&self, name: &str) -> Option<String> {
        header::field(&self.content, name)
    }
}

impl fmt::Display for GraphMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (to, octets) = (self.recipients.join(", "), self.content.len());
        write!(f, "graph: message {} from {} to {to}, {octets} octets", self.number, self.mailbox)
    }
}

/// Reads the body of a `sendMail` request as Graph does.
pub(super) fn read(
    directory: &Directory,
    by: &Admitted,
    content_type: &str,
    body: &[u8],
) -> Result<GraphMessage, Refusal> {
    if content_type != "text/plain" {
        return Err(Refusal::new(415, "UnsupportedMediaType", "MIME is sent as text/plain."));
    }
    let content = STANDARD.decode(body).map_err(|_| {
        Refusal::new(400, "ErrorMimeContentInvalidBase64String", "Invalid base64 string for MIME content.")
    })?;
    let named =
        |name| header::field(&content, name).map(|value| header::addresses(&value)).unwrap_or_default();
    let recipients: Vec<_> = ["To", "Cc", "Bcc"].into_iter().flat_map(named).collect();
    if recipients.is_empty() {
        let why = "At least one recipient isn't valid.";
        return Err(Refusal::new(400, "ErrorInvalidRecipients", why));
    }
    sends_as(directory, by, named("From").first())?;
    Ok(GraphMessage {
        number: 0,
        time: Timestamp::now(),
        mailbox: by.mailbox.clone(),
        client_id: by.client_id.clone(),
        recipients,
        content,
        draft: None,
    })
}

/// Whether the mailbox may send as this author; without one it is the mailbox itself.
pub(super) fn sends_as(directory: &Directory, by: &Admitted, author: Option<&String>) -> Result<(), Refusal> {
    let owns = |author| directory.mailbox(&by.mailbox).is_some_and(|mailbox| mailbox.sends_as(author));
    match author {
        Some(author) if !owns(author) => Err(Refusal::new(
            403,
            "ErrorSendAsDenied",
            "The user account which was used to submit this request does not have the right to send mail on behalf of the specified sending account.",
        )),
        Some(_) | None => Ok(()),
    }
}
