//! Behind the app's dot: the message, as it is to leave, goes to disk, and then 250 is said.

use std::future::Future;
use std::pin::pin;

use jiff::Timestamp;
use mail_egress_config::Mode;
use mail_egress_diagnosis::{local, reason};
use mail_egress_smtp::Envelope;
use mail_egress_smtp::server::{Kept, Outcome};
use mail_egress_spool::{Draft, Head, Id, Spool, SpoolError, Spooled};
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::wire;
use crate::message::account::Account;
use crate::message::outgoing::Outgoing;
use crate::message::refusal::Refusal;
use crate::message::submission::{Submission, Submissions};

/// What is collected before it goes to a thread of the disk: most messages go there once, as a whole.
const BLOCK: usize = 256 * 1024;

impl Submissions {
    /// Before the 354: the folder that the message will be kept in, in spool mode; `None` in direct
    /// mode. A sender that may not send keeps nothing either; one whose token has ended does.
    pub(crate) fn spool_for(&self, envelope: &Envelope) -> Result<Option<Spool>, Refusal> {
        let Some(loaded) = self.loaded() else { return Ok(None) };
        if loaded.file.delivery.mode == Mode::Direct {
            return Ok(None);
        }
        self.configured()?;
        if let Some(most) = loaded.limits.recipients_per_day
            && u32::try_from(envelope.to.len()).unwrap_or(u32::MAX) > most
        {
            let words = format!("at most {most} recipients in 24 hours");
            return Err(local(reason::RECIPIENTS_BEYOND_A_DAY).with_words(&words).into());
        }
        self.queue.folder(&loaded.file.delivery).map(Some)
    }

    /// Behind the app's dot, in spool mode: `None` where the app has left before all was on disk; then
    /// nothing is kept, since it tries again.
    pub(crate) async fn keep(
        &self,
        submission: &Submission,
        spool: Spool,
        gone: impl Future<Output = ()>,
    ) -> Option<Outcome> {
        let began = Instant::now();
        let account = Account::begin(submission.permitted.elapsed());
        let kept = {
            let mut gone = pin!(gone);
            let written = tokio::select! {
                biased;
                () = &mut gone => {
                    self.abandoned(submission);
                    return None;
                }
                written = self.written(submission, spool.clone()) => written,
            };
            match written {
                // to its end: what is committed stays
                Ok((draft, message_id)) => committed(draft).await.map(|kept| (kept, message_id)),
                Err(refusal) => Err(refusal),
            }
        };
        Some(match kept {
            Ok((spooled, message_id)) => {
                self.queue.add(spool, spooled.ticket().clone());
                account.spooled(&self.metrics, submission, &message_id, began.elapsed());
                Outcome::Kept(Kept::under(spooled.ticket().id.as_str()))
            }
            Err(refusal) => {
                let reply = refusal.reply();
                account.close(&self.metrics, submission, &Err(refusal), began.elapsed());
                Outcome::Refused(reply)
            }
        })
    }

    /// All but the commit: dropped, nothing stays.
    async fn written(&self, submission: &Submission, spool: Spool) -> Result<(Draft, String), Refusal> {
        let loaded = self.configured()?;
        let outgoing = self.judged(submission, &loaded).await?;
        let (octets, limit) = (outgoing.octets(), spool.limits().octets);
        if octets >= limit {
            let words = format!("{octets} octets, and the spool holds {limit}");
            return Err(local(reason::MESSAGE_TOO_LARGE).with_words(&words).into());
        }
        let head = head(submission, &outgoing)?;
        let mut draft = Writing::Not(spool, Box::new(head), octets);
        let mut block = outgoing.head().to_vec();
        let mut rest = outgoing.rest();
        let unread = |_| Refusal::of(reason::SPILL_DISK_FAILED);
        while let Some(piece) = rest.next().await.map_err(unread)? {
            if block.len() + piece.len() > BLOCK {
                draft = Writing::Begun(Box::new(draft.append(std::mem::take(&mut block)).await?));
            }
            block.extend_from_slice(piece);
        }
        Ok((draft.append(block).await?, outgoing.message_id.clone()))
    }
}

/// A message on its way to disk.
enum Writing {
    Not(Spool, Box<Head>, u64),
    Begun(Box<Draft>),
}

impl Writing {
    async fn append(self, block: Vec<u8>) -> Result<Draft, Refusal> {
        on_disk(move || {
            let mut draft = match self {
                Self::Not(spool, head, octets) => spool.begin(*head, octets)?,
                Self::Begun(draft) => *draft,
            };
            draft.write(&block)?;
            Ok(draft)
        })
        .await
    }
}

async fn committed(draft: Draft) -> Result<Spooled, Refusal> {
    on_disk(move || draft.commit()).await
}

fn head(submission: &Submission, outgoing: &Outgoing<'_>) -> Result<Head, Refusal> {
    // our own names always are such
    let id: Id = submission.id.to_string().parse().map_err(|_| Refusal::of(reason::SPOOL_DISK_FAILED))?;
    let message_id = Some(outgoing.message_id.clone()).filter(|id| !id.is_empty());
    Ok(Head { id, accepted_at: Timestamp::now(), message_id, envelope: wire::written(outgoing.envelope()) })
}

/// Does it on a thread for the disk.
async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, SpoolError> + Send + 'static,
) -> Result<T, Refusal> {
    let done = spawn_blocking(work).await;
    done.unwrap_or_else(|gone| Err(SpoolError::Io(std::io::Error::other(gone))))
        .map_err(|error| refusal(&error))
}

/// What the app is told of it.
pub(super) fn refusal(error: &SpoolError) -> Refusal {
    let reason = if error.is_full() { reason::SPOOL_FULL } else { reason::SPOOL_DISK_FAILED };
    tracing::warn!(%error, "the spool did not take a message or a mark");
    local(reason).with_words(&error.to_string()).into()
}
