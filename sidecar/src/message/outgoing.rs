//! A message as it leaves: what the rules made of its envelope and header, and the body behind.

mod rest;

use std::borrow::Cow;
use std::fmt;
use std::io;

use jiff::Timestamp;
use mail_egress_graph::Unfit;
use mail_egress_policy::{Context, Denied, Sender};
use mail_egress_smtp::client::Message;
use mail_egress_smtp::data::Content;
use mail_egress_smtp::{Envelope, ReversePath};
use mail_egress_spool::Letter;

use super::refusal::Refusal;
use super::submission::Submission;
use super::trace::received;
use crate::sender::loaded::Loaded;

/// The longest header section that is read, and one octet more, by which a longer one is known.
const LONGEST_HEADER: usize = 256 * 1024 + 1;

/// A message as it leaves. Its `Debug` tells nothing of it.
pub struct Outgoing<'a> {
    /// As the app gave it, or as it was spooled.
    asked: Cow<'a, Envelope>,
    envelope: Envelope,
    /// Of head and rest together.
    content: Content,
    head: Vec<u8>,
    rest: Rest<'a>,
    /// For the log.
    pub message_id: String,
}

pub use rest::Reader;
use rest::Rest;

impl<'a> Outgoing<'a> {
    /// Applies the sender's rules: the envelope's sender becomes the mailbox unless it may stay, the
    /// header is completed or rewritten, and a trace line put before it.
    ///
    /// # Errors
    /// Why the message may not leave, or cannot be read.
    pub async fn prepare(submission: &'a Submission, loaded: &Loaded) -> Result<Self, Refusal> {
        let Submission { id, envelope, body, .. } = submission;
        if let Some(full) = body.fault() {
            return Err(Refusal::of(full.reason()));
        }
        let asked = Cow::Borrowed(envelope);
        let envelope = judged(envelope, loaded)?;
        let head = body.head(LONGEST_HEADER).await;
        let head = head.map_err(|_| Refusal::of(mail_egress_diagnosis::reason::SPILL_DISK_FAILED))?;
        let header = usize::try_from(body.content().header_size).unwrap_or(usize::MAX);
        let now = Timestamp::now();
        let domain = loaded.mailbox.as_str().rsplit_once('@').map_or("localhost", |(_, domain)| domain);
        let context = Context {
            now,
            message_id: &format!("{id}@{domain}"),
            received: &received(id, envelope.smtputf8, now),
        };
        let edit = loaded
            .policy
            .header(head.get(..header).unwrap_or(&head), &context)
            .map_err(|why| denied(&why))?;
        let content = body.content().with_head(&edit.head, edit.replaces);
        let rest = Rest::Body { body, skip: edit.replaces };
        Ok(Self { asked, envelope, content, head: edit.head, rest, message_id: edit.message_id })
    }

    /// A message that was spooled as it is to leave; `content` is what was found in it, and `envelope`
    /// what its head says. The rules on its envelope are those of now.
    ///
    /// # Errors
    /// Why it may not leave.
    pub fn spooled(
        envelope: Envelope,
        content: Content,
        letter: Letter,
        loaded: &Loaded,
    ) -> Result<Self, Refusal> {
        let message_id = letter.head.message_id.clone().unwrap_or_default();
        Ok(Self {
            envelope: judged(&envelope, loaded)?,
            asked: Cow::Owned(envelope),
            content,
            head: Vec::new(),
            rest: Rest::Letter(letter.into()),
            message_id,
        })
    }

    /// What the relay is told about it.
    #[must_use]
    pub fn message(&self) -> Message {
        Message { envelope: self.envelope.clone(), content: self.content }
    }

    /// Sender and recipients as the app gave them, by which a message that comes back is known.
    #[must_use]
    pub fn asked(&self) -> &Envelope {
        &self.asked
    }

    /// Sender and recipients as they are said to the relay.
    #[must_use]
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// All of it, in octets.
    #[must_use]
    pub fn octets(&self) -> u64 {
        self.content.size
    }

    /// The header lines that go out first.
    #[must_use]
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// The Bcc field by which it would go to its envelope's recipients where a route sends to whom the
    /// header names; or why it cannot go that way. The error: it cannot be read.
    pub async fn bcc(&self) -> io::Result<Result<String, Unfit>> {
        let octets = usize::try_from(self.content.header_size).unwrap_or(usize::MAX).min(LONGEST_HEADER);
        let mut header = self.head.get(..octets).unwrap_or(&self.head).to_vec();
        let mut rest = self.rest();
        while header.len() < octets
            && let Some(piece) = rest.next().await?
        {
            header.extend_from_slice(piece.get(..octets - header.len()).unwrap_or(piece));
        }
        let to: Vec<_> = self.envelope.to.iter().map(|to| to.address.as_str()).collect();
        Ok(mail_egress_graph::bcc(&header, &to))
    }

    /// All of it in memory, with `first` before it.
    pub async fn whole(&self, first: &str) -> io::Result<Vec<u8>> {
        let octets = usize::try_from(self.octets()).map_err(io::Error::other)?;
        let mut whole = Vec::with_capacity(first.len() + octets);
        whole.extend_from_slice(first.as_bytes());
        whole.extend_from_slice(&self.head);
        let mut rest = self.rest();
        while let Some(piece) = rest.next().await? {
            whole.extend_from_slice(piece);
        }
        Ok(whole)
    }

    /// What goes out behind them.
    #[must_use]
    pub fn rest(&self) -> Reader<'_> {
        self.rest.reader()
    }
}

/// The envelope as the rules let it leave.
fn judged(envelope: &Envelope, loaded: &Loaded) -> Result<Envelope, Refusal> {
    let mut envelope = envelope.clone();
    // again: at RCPT other rules were in force, or none had come yet
    envelope
        .to
        .iter()
        .try_for_each(|to| loaded.policy.recipient(to.address.as_str()))
        .map_err(|why| denied(&why))?;
    match loaded.policy.sender(&envelope.from.to_string()).map_err(|why| denied(&why))? {
        Sender::Kept => {}
        Sender::Mailbox => envelope.from = ReversePath::Address(loaded.mailbox.clone()),
    }
    Ok(envelope)
}

/// The same for the app, which alone is told of addresses.
pub fn denied(denied: &Denied) -> Refusal {
    let refusal = Refusal::from(denied.diagnosis());
    match denied.whom() {
        Some(whom) => refusal.naming(format!("It is about <{whom}>")),
        None => refusal,
    }
}

/// The same for a message that Graph cannot carry.
pub fn unfit(unfit: &Unfit) -> Refusal {
    let refusal = Refusal::from(unfit.diagnosis());
    match unfit.whom() {
        Some(whom) => refusal.naming(format!("It is about <{whom}>")),
        None => refusal,
    }
}

impl fmt::Debug for Outgoing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outgoing")
            .field("content", &self.content)
            .field("rest", &self.rest)
            .finish_non_exhaustive()
    }
}
