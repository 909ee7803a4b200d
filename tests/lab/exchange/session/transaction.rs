//! MAIL, RCPT, DATA and BDAT, to the reply that says what became of the message.

use std::sync::Arc;
use std::time::Instant;

use jiff::Timestamp;

use super::Session;
use crate::lab::directory::matches;
use crate::lab::event::Event;
use crate::lab::exchange::fault::{ExchangeFault, Phase};
use crate::lab::exchange::framing::Framing;
use crate::lab::exchange::kind::Kind;
use crate::lab::exchange::limits::Verdict;
use crate::lab::exchange::message::{Body, Envelope, Message, Recipient, Transfer};
use crate::lab::exchange::reply::{self, Reply};
use crate::lab::exchange::submission::Submission;
use crate::lab::exchange::wire::Ended;

/// A message on its way in.
#[derive(Default)]
pub(super) struct Transaction {
    submission: Submission,
    chunks: usize,
}

impl Session {
    pub(super) async fn mail(&mut self, envelope: Envelope) -> Result<(), Ended> {
        if self.misbehaves(Phase::Mail).await? {
            return Ok(());
        }
        let kind = self.inner.kind;
        let reply = match () {
            () if kind.wants_login() && self.tls.is_none() => reply::starttls_first(),
            () if kind.wants_login() && self.account.is_none() => {
                reply::not_authenticated(&self.host, self.refusal.as_deref())
            }
            () if !self.greeted => reply::hello_first(),
            () if self.transaction.is_some() => reply::sender_already(),
            () if envelope.size.is_some_and(|size| size > self.inner.settings().limits.message_bytes) => {
                reply::too_large()
            }
            () if needs_smtputf8(envelope.sender.as_deref(), &envelope) => reply::address_needs_smtputf8(),
            () if self.uses_withheld(&envelope) => reply::bad_arguments(),
            () => {
                let submission = Submission { envelope, ..Submission::default() };
                self.transaction = Some(Transaction { submission, chunks: 0 });
                reply::sender_ok()
            }
        };
        self.say(&reply).await
    }

    pub(super) async fn rcpt(&mut self, recipient: Recipient) -> Result<(), Ended> {
        if self.misbehaves(Phase::Rcpt).await? {
            return Ok(());
        }
        let refused = self.inner.faults.strike(self.number, |fault| match fault {
            ExchangeFault::RefuseRecipient(pattern, reply) if matches(pattern, &recipient.address) => {
                Some(reply.clone())
            }
            _ => None,
        });
        if let Some(text) = refused {
            text.split('\n').for_each(|line| self.put_line(line.to_owned()));
            return Ok(());
        }
        if (recipient.notify.is_some() || recipient.orcpt.is_some()) && self.withholds("DSN") {
            return self.say(&reply::bad_arguments()).await;
        }
        let most = self.inner.settings().limits.recipients_per_message;
        let unreachable = self.may_reach(&recipient.address);
        let reply = match &mut self.transaction {
            None => reply::mail_first(),
            Some(transaction) => {
                let envelope = &mut transaction.submission.envelope;
                if most.is_some_and(|most| envelope.recipients.len() >= most) {
                    reply::too_many_recipients()
                } else if needs_smtputf8(Some(&recipient.address), envelope) {
                    reply::address_needs_smtputf8()
                } else if let Err(reply) = unreachable {
                    reply
                } else {
                    envelope.recipients.push(recipient);
                    reply::recipient_ok()
                }
            }
        };
        self.say(&reply).await
    }

    fn may_reach(&self, recipient: &str) -> Result<(), Reply> {
        let organization = &self.inner.directory.borrow().organization;
        let sender = self.transaction.as_ref().and_then(|one| one.submission.envelope.sender.as_deref());
        match self.inner.kind {
            Kind::HighVolumeEmail if !organization.is_internal(recipient) => Err(reply::internal_only()),
            Kind::MailProtection => self.client.may_reach(organization, sender, recipient, &self.host),
            _ => Ok(()),
        }
    }

    pub(super) async fn data(&mut self) -> Result<(), Ended> {
        if self.misbehaves(Phase::Data).await? {
            return Ok(());
        }
        if let Some(reply) = self.not_ready(|transaction| {
            transaction.chunks > 0 || transaction.submission.envelope.body == Body::BinaryMime
        }) {
            return self.say(&reply).await;
        }
        self.say(&reply::go_ahead()).await?;
        let limit = self.inner.settings().limits.message_bytes;
        let mut framing = Framing::new();
        let (mut octets, mut too_large, mut answered, mut begun) = (0, false, false, false);
        loop {
            self.more_body().await?;
            let available = self.wire.buffered().len();
            let end = framing.take(self.wire.buffered());
            self.wire.consume(end.unwrap_or(available));
            octets += end.unwrap_or(available);
            too_large |= framing.len() as u64 > limit;
            if too_large {
                framing.forget();
            }
            if !begun {
                begun = true;
                answered = self.misbehaves(Phase::MidBody).await?;
            }
            if end.is_some() {
                break;
            }
        }
        self.note(format!("{octets} octets of message"));
        let Some(mut transaction) = self.transaction.take().filter(|_| !answered) else { return Ok(()) };
        (transaction.submission.content, transaction.submission.bare) = framing.finish();
        transaction.submission.too_large = too_large;
        self.whole(transaction.submission, Transfer::Data).await
    }

    pub(super) async fn bdat(&mut self, octets: usize, last: bool) -> Result<(), Ended> {
        let limit = self.inner.settings().limits.message_bytes;
        self.withholds("CHUNKING");
        let not_ready = self.not_ready(|_| false);
        let begins = self.transaction.as_ref().is_some_and(|transaction| transaction.chunks == 0);
        let (mut left, mut answered, mut begun) = (octets, false, false);
        while left > 0 {
            self.more_body().await?;
            let piece = self.wire.buffered().len().min(left);
            if let Some(transaction) = self.transaction.as_mut().filter(|_| not_ready.is_none()) {
                let submission = &mut transaction.submission;
                submission.too_large |= (submission.content.len() + piece) as u64 > limit;
                if submission.too_large {
                    submission.content.clear();
                } else {
                    submission.content.extend_from_slice(&self.wire.buffered()[..piece]);
                }
            }
            self.wire.consume(piece);
            left -= piece;
            if begins && !begun {
                begun = true;
                answered = self.misbehaves(Phase::MidBody).await?;
            }
        }
        self.note(format!("{octets} octets of message"));
        // a chunk that is not taken ends the transaction (RFC 3030 section 2)
        if answered || (begins && self.misbehaves(Phase::Data).await?) {
            self.transaction = None;
            return Ok(());
        }
        if let Some(reply) = not_ready {
            return self.say(&reply).await;
        }
        let Some(mut transaction) = self.transaction.take() else { return Ok(()) };
        transaction.chunks += 1;
        if !last {
            self.transaction = Some(transaction);
            return self.say(&reply::chunk_ok(octets)).await;
        }
        transaction.submission.bare = has_bare(&transaction.submission.content);
        self.whole(transaction.submission, Transfer::Bdat(transaction.chunks)).await
    }

    /// Judges a whole message, keeps it, and says so.
    async fn whole(&mut self, submission: Submission, transfer: Transfer) -> Result<(), Ended> {
        if self.misbehaves(Phase::AfterDot).await? {
            return Ok(());
        }
        if let Err(reply) = self.admit(&submission).await? {
            return self.say(&reply).await;
        }
        let id = submission.id(self.inner.kind, &self.host);
        let reply = match self.inner.kind {
            Kind::MailProtection => reply::queued(&id, submission.content.len(), &self.host),
            _ => reply::taken(&id, &self.host),
        };
        self.keep(submission, transfer);
        if self.misbehaves(Phase::AfterDotAccepted).await? {
            return Ok(());
        }
        self.say(&reply).await
    }

    async fn admit(&mut self, submission: &Submission) -> Result<Result<(), Reply>, Ended> {
        if let Err(reply) = submission.judge_form() {
            return Ok(Err(reply));
        }
        let kind = self.inner.kind;
        let Some(address) = self.account.as_ref().map(|account| account.admitted.mailbox.clone()) else {
            return Ok(if kind.wants_login() {
                Err(reply::not_authenticated(&self.host, None))
            } else {
                Ok(())
            });
        };
        let judged = match self.inner.directory.borrow().mailbox(&address) {
            _ if kind == Kind::AzureCommunicationServices => Ok(()), // it knows no mailboxes
            Some(mailbox) => submission.judge(mailbox, &self.host),
            None => Err(reply::unsuccessful(&self.host)), // it was deleted meanwhile
        };
        if let Err(reply) = judged {
            return Ok(Err(reply));
        }
        let mut waited = false;
        loop {
            let limits = self.inner.settings().limits;
            let recipients = submission.envelope.recipients.len();
            let verdict = self.inner.usage().entry(address.clone()).or_default().judge(
                &limits,
                recipients,
                Instant::now(),
            );
            match verdict {
                Verdict::Take => return Ok(Ok(())),
                Verdict::Connections => {
                    self.inner.seen.send_modify(|seen| seen.counters.over_connections += 1);
                    return Ok(Err(reply::too_many_connections(&self.host)));
                }
                Verdict::Quota => return Ok(Err(reply::quota_exceeded(&self.host))),
                Verdict::Wait(_) if kind == Kind::AzureCommunicationServices => {
                    self.inner.seen.send_modify(|seen| seen.counters.throttled += 1);
                    return Ok(Err(reply::too_fast()));
                }
                Verdict::Wait(time) => {
                    if !waited {
                        self.inner.seen.send_modify(|seen| seen.counters.throttled += 1);
                        waited = true;
                    }
                    self.flush().await?;
                    tokio::time::sleep(time).await;
                }
            }
        }
    }

    fn keep(&self, submission: Submission, transfer: Transfer) {
        let admitted = self.account.as_ref().map(|account| account.admitted.clone()).unwrap_or_default();
        let mut kept = None;
        self.inner.seen.send_modify(|seen| {
            seen.counters.messages += 1;
            let message = Arc::new(Message {
                number: seen.counters.messages,
                time: Timestamp::now(),
                connection: self.number,
                tls: self.tls.unwrap_or("none"),
                mailbox: admitted.mailbox,
                client_id: admitted.client_id,
                envelope: submission.envelope,
                transfer,
                content: submission.content,
            });
            seen.messages.push(Arc::clone(&message));
            kept = Some(message);
        });
        if let Some(message) = kept {
            self.inner.tell(Event::MessageTaken(message));
        }
    }

    /// Why content cannot be taken now, if it cannot.
    fn not_ready(&self, wrong_transfer: impl Fn(&Transaction) -> bool) -> Option<Reply> {
        match &self.transaction {
            None => Some(reply::mail_first()),
            Some(one) if one.submission.envelope.recipients.is_empty() => Some(reply::rcpt_first()),
            Some(one) if wrong_transfer(one) => Some(reply::wrong_transfer()),
            Some(_) => None,
        }
    }

    /// The next piece of a body.
    async fn more_body(&mut self) -> Result<(), Ended> {
        if !self.wire.buffered().is_empty() {
            return Ok(());
        }
        if let Some(pause) = self.inner.faults.strike(self.number, |fault| {
            if let ExchangeFault::SlowBody(pause) = fault { Some(*pause) } else { None }
        }) {
            self.flush().await?;
            tokio::time::sleep(pause).await;
        }
        self.more().await
    }

    /// Whether this extension was left out of EHLO's list, which a client that uses it is held
    /// against.
    fn withholds(&self, extension: &'static str) -> bool {
        let withheld = self.withheld.contains(&extension);
        if withheld {
            self.violation(&format!("{extension} was used and is not offered"));
        }
        withheld
    }

    fn uses_withheld(&self, envelope: &Envelope) -> bool {
        let used = [
            ("SIZE", envelope.size.is_some()),
            ("8BITMIME", envelope.body == Body::EightBitMime),
            ("BINARYMIME", envelope.body == Body::BinaryMime),
            ("SMTPUTF8", envelope.smtputf8),
            ("DSN", envelope.ret.is_some() || envelope.envid.is_some()),
        ];
        used.into_iter().any(|(extension, used)| used && self.withholds(extension))
    }
}

fn needs_smtputf8(address: Option<&str>, envelope: &Envelope) -> bool {
    !envelope.smtputf8 && address.is_some_and(|address| !address.is_ascii())
}

/// Whether a CR or LF stands alone.
fn has_bare(content: &[u8]) -> bool {
    let mut previous = 0;
    let bare = content.iter().any(|&octet| {
        let bare = (previous == b'\r') != (octet == b'\n');
        previous = octet;
        bare
    });
    bare || previous == b'\r'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_ending_is_both_or_it_is_bare() {
        assert!(!has_bare(b"a\r\nb\r\n") && !has_bare(b""));
        for bare in [&b"a\nb"[..], b"a\rb", b"a\r", b"\n", b"\r\r\n"] {
            assert!(has_bare(bare), "{bare:?}");
        }
    }
}
