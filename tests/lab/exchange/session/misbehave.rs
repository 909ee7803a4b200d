//! Faults that strike at a point of the dialogue.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

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
        let Some(act) = act.or_else(|| self.dice(phase)) else { return Ok(false) };
        self.note(format!("misbehaves at {phase:?}: {act:?}"));
        self.inner.seen.send_modify(|seen| seen.counters.misbehaved += 1);
        self.flush().await?;
        match act {
            Act::Drop => Err(Ended::Dropped),
            Act::Stall => {
                self.inner.faults.cleared(before).await;
                Err(Ended::Dropped)
            }
            Act::Pause(time) => {
                tokio::time::sleep(time).await;
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

    /// What chance has in store for this point of the dialogue.
    fn dice(&mut self, phase: Phase) -> Option<Act> {
        let (seed, per_mille) = self.inner.faults.strike(self.number, |fault| match fault {
            ExchangeFault::Random { seed, per_mille } => Some((*seed, *per_mille)),
            _ => None,
        })?;
        let number = self.number;
        let dice = self.dice.get_or_insert_with(|| {
            // neighbours must not look alike: SplitMix64's step
            StdRng::seed_from_u64(seed ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15))
        });
        if !dice.random_ratio(per_mille, 1000) {
            return None;
        }
        // a refusal of what was kept would be a lie that no client can see through
        let kinds = if phase == Phase::AfterDotAccepted { 2 } else { 4 };
        Some(match dice.random_range(0..kinds) {
            0 => Act::Drop,
            1 => Act::Pause(Duration::from_millis(dice.random_range(10..200))),
            2 => Act::Reply("421 4.3.2 Service not available".to_owned()),
            _ => Act::Reply("451 4.7.0 Temporary server error. Please try again later. PRX4".to_owned()),
        })
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
