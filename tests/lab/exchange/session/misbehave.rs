//! Faults that strike at a point of the dialogue.

use super::Session;
use crate::lab::exchange::fault::{Act, ExchangeFault, Phase, reply_code};
use crate::lab::exchange::wire::Ended;

impl Session {
    /// Whether a fault has taken the place of what would be done at this point.
    pub(super) async fn misbehaves(&mut self, phase: Phase) -> Result<bool, Ended> {
        let before = self.inner.faults.times_cleared();
        let act = self.inner.faults.strike(self.number, |fault| match fault {
            ExchangeFault::At(at, act) if *at == phase => Some(act.clone()),
            _ => None,
        });
        let Some(act) = act else { return Ok(false) };
        self.note(format!("misbehaves at {phase:?}: {act:?}"));
        self.inner.seen.send_modify(|seen| seen.counters.misbehaved += 1);
        self.flush().await?;
        match act {
            Act::Drop => Err(Ended::Dropped),
            Act::Stall => {
                self.inner.faults.cleared(before).await;
                Err(Ended::Dropped)
            }
            Act::Reply(text) => {
                text.split('\n').for_each(|line| self.put_line(line.to_owned()));
                self.flush().await?;
                if reply_code(&text) == Some(421) { Err(Ended::InOrder) } else { Ok(true) }
            }
            Act::EndlessLines => self.flood(&b"250-and yet another line\r\n".repeat(100)).await,
            Act::EndlessLine => {
                self.wire.put(b"250-");
                self.flood(&[b'x'; 4096]).await
            }
        }
    }

    /// Writes until the client has had enough.
    pub(super) async fn flood(&mut self, block: &[u8]) -> Result<bool, Ended> {
        loop {
            self.wire.put(block);
            self.wire.flush().await?;
        }
    }

    /// Whether a fault without details is in force here.
    pub(super) fn strikes(&self, wanted: &ExchangeFault) -> bool {
        self.inner.faults.strike(self.number, |fault| (fault == wanted).then_some(())).is_some()
    }
}
