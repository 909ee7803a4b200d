//! A message that is too large for one request to Graph: as a draft, up to its sending.

use mail_egress_graph::{Draft, Endpoint, Plan, Sender, prepare};
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use super::graph::{Dialler, over, refusal};
use super::{Handed, Times, Trouble, Upstream};
use crate::drain::Drain;
use crate::message::outgoing::{Outgoing, unfit};
use crate::message::refusal::Refusal;
use crate::sender::clearance::Clearance;
use crate::upstream::accepted::Accepted;
use crate::upstream::gate::Place;

/// For the largest attachment that goes in one request: in base64, and in the request.
const REQUEST: u64 = 7_000_000;

/// A draft of which only the sending is missing. Dropped, it is deleted in the background.
#[derive(Debug)]
pub struct Drafted {
    draft: Draft<Dialler>,
    place: Place,
    drain: Drain,
}

impl Upstream {
    /// Makes the draft. The message is in memory meanwhile, once as it is and once decoded.
    pub(super) async fn draft(
        &self,
        (cleared, endpoint, sender): (&Clearance, &Endpoint, &Sender),
        outgoing: &Outgoing<'_>,
        place: Place,
        times: &mut Times,
    ) -> Result<Handed, Trouble> {
        let octets = outgoing.octets() + cleared.bcc().len() as u64;
        let need = octets.saturating_mul(2).saturating_add(REQUEST);
        if !self.store.could_have_room(need) {
            return Err(Trouble::NeverRoom(octets));
        }
        let Some(_room) = self.store.room(need) else { return Err(Trouble::NoRoom(octets)) };
        let mime = outgoing.whole(cleared.bcc()).await.map_err(Trouble::Unread)?;
        // it takes a while, and whoever shares this thread need not wait
        let to: Vec<_> = outgoing.envelope().to.iter().map(|to| to.address.to_string()).collect();
        let read = spawn_blocking(move || Plan::read(&mime, &to)).await;
        let plan = match read.map_err(|gone| Trouble::Unread(std::io::Error::other(gone)))? {
            Ok(plan) => plan,
            Err(why) => return Ok(Handed::Refused(Box::new(unfit(&why)))),
        };
        let began = Instant::now();
        let drafted = prepare(self.dialler(cleared), endpoint, sender, &plan).await;
        times.transfer = began.elapsed();
        match drafted {
            Ok(draft) => {
                let drain = self.drain.clone();
                Ok(Handed::Drafted(Box::new(Drafted { draft, place, drain })))
            }
            Err(ended) => over(ended, endpoint),
        }
    }
}

impl Drafted {
    /// Sends it and waits for the answer.
    pub(super) async fn conclude(self, times: &mut Times) -> Result<Accepted, Refusal> {
        let Self { draft, place, mut drain } = self;
        let began = Instant::now();
        place.sent();
        let concluded = draft.conclude(drain.over()).await;
        times.transfer += began.elapsed();
        drop(place);
        concluded.map(Accepted::by_graph).map_err(|refused| refusal(&refused))
    }
}
