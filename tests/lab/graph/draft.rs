//! Drafts, their attachments and upload sessions.

use std::collections::HashMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::body::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::access::Admitted;
use super::answer::{Answer, Refusal, empty, with_json};
use super::message::{GraphMessage, sends_as};
use super::{Inner, locked};
use crate::lab::stamp;

/// An attachment in one request has less (fact sheet D, "Graph").
const ATTACHMENT_LIMIT: usize = 3 * 1024 * 1024;
/// One piece of an upload has no more.
const PIECE_LIMIT: u64 = 4 * 1024 * 1024;
/// An upload session is for no more.
const SESSION_LIMIT: u64 = 150 * 1024 * 1024;

/// What a draft was built from.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// The JSON that it was created by.
    pub message: Value,
    /// In order.
    pub attachments: Vec<Attachment>,
}

/// An attachment of a draft.
#[derive(Clone, Debug, PartialEq)]
pub struct Attachment {
    /// The JSON that described it, without its content.
    pub item: Value,
    /// Its octets.
    pub content: Vec<u8>,
    /// Whether it came by an upload session.
    pub uploaded: bool,
}

#[derive(Debug, Default)]
pub(super) struct Drafts {
    drafts: HashMap<String, Draft>,
    uploads: HashMap<String, Upload>,
}

#[derive(Debug)]
struct Upload {
    draft: String,
    item: Value,
    size: u64,
    content: Vec<u8>,
}

impl Drafts {
    pub(super) fn len(&self) -> usize {
        self.drafts.len()
    }

    fn of(&mut self, id: &str) -> Result<&mut Draft, Refusal> {
        let missing = || Refusal::new(404, "ErrorItemNotFound", "The specified object was not found.");
        self.drafts.get_mut(id).ok_or_else(missing)
    }
}

fn invalid(why: &str) -> Refusal {
    Refusal::new(400, "RequestBodyRead", why)
}

fn json_of(body: &Bytes) -> Result<Value, Refusal> {
    serde_json::from_slice(body).map_err(|_| invalid("The body is no JSON."))
}

pub(super) fn create(inner: &Inner, by: &Admitted, body: &Bytes) -> Result<Answer, Refusal> {
    let mut message = json_of(body)?;
    let author = message["from"]["emailAddress"]["address"].as_str().map(str::to_owned);
    sends_as(&inner.directory.borrow(), by, author.as_ref())?;
    let mut attachments = Vec::new();
    if let Some(Value::Array(given)) = message.as_object_mut().and_then(|it| it.remove("attachments")) {
        for item in given {
            attachments.push(attachment(item)?);
        }
    }
    let id = stamp::hex_id();
    // the whole message is answered
    let mut answer = message.clone();
    answer["id"] = id.as_str().into();
    answer["isDraft"] = true.into();
    locked(&inner.drafts).drafts.insert(id, Draft { message, attachments });
    Ok(with_json(201, &answer))
}

fn attachment(mut item: Value) -> Result<Attachment, Refusal> {
    let content = item.as_object_mut().and_then(|it| it.remove("contentBytes"));
    let content = content.as_ref().and_then(Value::as_str).and_then(|text| STANDARD.decode(text).ok());
    let content = content.ok_or_else(|| invalid("An attachment has no content."))?;
    if content.len() >= ATTACHMENT_LIMIT {
        return Err(Refusal::new(413, "ErrorMessageSizeExceeded", "The attachment is too large."));
    }
    Ok(Attachment { item, content, uploaded: false })
}

pub(super) fn attach(inner: &Inner, id: &str, body: &Bytes) -> Result<Answer, Refusal> {
    // answered with its content
    let mut answer = json_of(body)?;
    let attachment = attachment(answer.clone())?;
    locked(&inner.drafts).of(id)?.attachments.push(attachment);
    answer["id"] = stamp::hex_id().into();
    Ok(with_json(201, &answer))
}

pub(super) fn session(inner: &Inner, id: &str, host: &str, body: &Bytes) -> Result<Answer, Refusal> {
    let item = json_of(body)?["AttachmentItem"].take();
    let size = item["size"].as_u64().filter(|size| (1..=SESSION_LIMIT).contains(size));
    let size = size.ok_or_else(|| invalid("The size is missing, or none that an upload may have."))?;
    let mut drafts = locked(&inner.drafts);
    drafts.of(id)?;
    let upload = stamp::hex_id();
    let begun = Upload { draft: id.to_owned(), item, size, content: Vec::new() };
    drafts.uploads.insert(upload.clone(), begun);
    let url = format!("https://{host}/upload/{upload}?authtoken={}", stamp::hex_id());
    Ok(with_json(
        201,
        &json!({
            "uploadUrl": url,
            "expirationDateTime": "2099-01-01T00:00:00Z",
            "nextExpectedRanges": ["0-"],
        }),
    ))
}

pub(super) fn upload(inner: &Inner, id: &str, range: &str, body: &Bytes) -> Result<Answer, Refusal> {
    let mut drafts = locked(&inner.drafts);
    let missing = || Refusal::new(404, "UploadSessionNotFound", "The upload session was not found.");
    let upload = drafts.uploads.get_mut(id).ok_or_else(missing)?;
    let (begin, end, size) = read_range(range).ok_or_else(|| invalid("Content-Range cannot be read."))?;
    let octets = body.len() as u64;
    let in_turn = begin == upload.content.len() as u64 && size == upload.size && end < size;
    if !in_turn || end + 1 - begin != octets || octets > PIECE_LIMIT {
        return Err(Refusal::new(416, "InvalidContentRange", "The range is not the next one."));
    }
    upload.content.extend_from_slice(body);
    if end + 1 < size {
        let next = format!("{}-", end + 1);
        return Ok(with_json(200, &json!({"nextExpectedRanges": [next]})));
    }
    let Some(Upload { draft, item, content, .. }) = drafts.uploads.remove(id) else { return Err(missing()) };
    drafts.of(&draft)?.attachments.push(Attachment { item, content, uploaded: true });
    Ok(empty(201))
}

/// `bytes 0-9/10`.
fn read_range(text: &str) -> Option<(u64, u64, u64)> {
    let (range, size) = text.strip_prefix("bytes ")?.split_once('/')?;
    let (begin, end) = range.split_once('-')?;
    let (begin, end) = (begin.parse().ok()?, end.parse().ok()?);
    (begin <= end).then_some((begin, end, size.parse().ok()?))
}

pub(super) fn send(inner: &Inner, by: &Admitted, id: &str) -> Result<Answer, Refusal> {
    let draft = {
        let mut drafts = locked(&inner.drafts);
        drafts.of(id)?;
        drafts.drafts.remove(id)
    };
    let Some(draft) = draft else { return Ok(empty(404)) };
    let addresses = |field: &str| -> Vec<String> {
        let all = draft.message[field].as_array().cloned().unwrap_or_default();
        let address = |one: &Value| one["emailAddress"]["address"].as_str().map(str::to_owned);
        all.iter().filter_map(address).collect()
    };
    let fields = ["toRecipients", "ccRecipients", "bccRecipients"];
    let recipients: Vec<_> = fields.into_iter().flat_map(addresses).collect();
    if recipients.is_empty() {
        return Err(Refusal::new(400, "ErrorInvalidRecipients", "At least one recipient isn't valid."));
    }
    inner.take(GraphMessage {
        number: 0,
        time: Timestamp::now(),
        mailbox: by.mailbox.clone(),
        client_id: by.client_id.clone(),
        recipients,
        content: Vec::new(),
        draft: Some(draft),
    });
    Ok(empty(202))
}

pub(super) fn delete(inner: &Inner, id: &str) -> Result<Answer, Refusal> {
    let mut drafts = locked(&inner.drafts);
    drafts.of(id)?;
    drafts.drafts.remove(id);
    drafts.uploads.retain(|_, upload| upload.draft != id);
    drop(drafts);
    inner.count(|counters| counters.drafts_deleted += 1);
    Ok(empty(204))
}
