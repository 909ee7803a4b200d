//! One message's content, from the 354 until its fate is known.
//!
//! The only place that knows where the octets lie: in memory, in pieces, within a share of the
//! budget. What is to lie on disk one day goes in here, and nothing around it changes.

use std::fmt;

use mail_egress_smtp::data::{Content, Scan};

use crate::message::budget::{Budget, Share};

/// How the memory is taken, and the most that one piece holds.
pub const PIECE: usize = 64 * 1024;

/// A message's content. Its `Debug` tells how much it is and nothing of it.
pub struct Body {
    pieces: Vec<Vec<u8>>,
    scan: Scan,
    share: Share,
    /// The budget was used up on the way: what was held is gone.
    overrun: bool,
}

impl Body {
    /// Takes memory for a message that is expected to have `announced` octets (a guess is fine), so
    /// that the app hears before it sends that there is no room. `None`: there is none.
    #[must_use]
    pub fn begin(budget: &Budget, announced: usize) -> Option<Self> {
        let share = budget.share(rounded(announced))?;
        Some(Self { pieces: Vec::new(), scan: Scan::default(), share, overrun: false })
    }

    /// Appends what came. Beyond the budget everything is dropped, its memory is free for others at
    /// once, and [`Self::is_whole`] says so.
    pub fn push(&mut self, mut input: &[u8]) {
        self.scan.feed(input);
        if self.overrun || !self.share.grow_to(rounded(self.octets())) {
            self.overrun = true;
            self.pieces = Vec::new();
            self.share.release();
            return;
        }
        while !input.is_empty() {
            match self.pieces.last_mut() {
                Some(last) if last.len() < PIECE => {
                    let (now, later) = input.split_at(input.len().min(PIECE - last.len()));
                    last.extend_from_slice(now);
                    input = later;
                }
                Some(_) | None => self.pieces.push(Vec::new()),
            }
        }
    }

    /// Octets that came in, also those dropped.
    #[must_use]
    pub fn octets(&self) -> usize {
        usize::try_from(self.scan.content().size).unwrap_or(usize::MAX)
    }

    /// Whether every octet that came in is held.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        !self.overrun
    }

    /// What the relay must be told about it.
    #[must_use]
    pub fn content(&self) -> Content {
        self.scan.content()
    }

    /// The content in order; pieces are cut anywhere.
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        self.pieces.iter().map(Vec::as_slice)
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (octets, whole) = (self.octets(), self.is_whole());
        f.debug_struct("Body").field("octets", &octets).field("whole", &whole).finish_non_exhaustive()
    }
}

/// Memory is taken by whole pieces, so that a share is not taken anew with every packet.
fn rounded(octets: usize) -> usize {
    octets.max(1).div_ceil(PIECE).saturating_mul(PIECE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gives_back_what_came_in() {
        let mut body = Body::begin(&Budget::new(1 << 20), 0).unwrap();
        let text: Vec<u8> = (0..200_000_u32).flat_map(u32::to_le_bytes).collect();
        for input in text.chunks(999) {
            body.push(input);
        }
        assert_eq!(body.pieces().collect::<Vec<_>>().concat(), text);
        assert!(body.is_whole());
        assert_eq!(body.octets(), text.len());
    }

    #[test]
    fn an_announced_message_that_does_not_fit_is_not_begun() {
        let budget = Budget::new(4 * PIECE);
        assert!(Body::begin(&budget, 4 * PIECE + 1).is_none());
        let _other = Body::begin(&budget, 3 * PIECE).unwrap();
        assert!(Body::begin(&budget, 2 * PIECE).is_none());
        assert!(Body::begin(&budget, 10).is_some());
    }

    #[test]
    fn beyond_the_budget_nothing_is_held_and_it_says_so() {
        let budget = Budget::new(2 * PIECE);
        let mut body = Body::begin(&budget, 0).unwrap();
        body.push(&vec![b'x'; 2 * PIECE]);
        assert!(body.is_whole());
        body.push(b"x");
        assert!(!body.is_whole());
        assert_eq!((body.pieces().count(), body.octets()), (0, 2 * PIECE + 1));
        assert_eq!(budget.free(), 2 * PIECE, "others wait until the app ends");
        body.push(b"more");
        drop(body);
        assert_eq!(budget.free(), 2 * PIECE);
    }

    #[test]
    fn debug_shows_nothing_of_the_content() {
        let mut body = Body::begin(&Budget::new(PIECE), 0).unwrap();
        body.push(b"@@@@");
        assert_eq!(format!("{body:?}"), "Body { octets: 4, whole: true, .. }");
    }
}
