//! When a message may go to the relay: now, after a wait, or at a time to come back at.
//!
//! No clock and no tasks: the caller tells the time, waits, and asks again.
//!
//! ```text
//!          ask ──────────────▶ Go(Slot) ── sent ──▶ release
//!           │                    ▲   └───────────▶ release (unsent: its share goes to the next)
//!           ├─▶ Wait(Turn) ──────┤
//!           │        └─ look ────┴─▶ Later
//!           └─▶ Later ─ ask at that time ─▶ Go
//! ```
//!
//! # What is guaranteed
//! - **Limits**: never more messages are counted as [sent](Pacing::sent) in any minute, nor more
//!   recipients in any 24 hours, than allowed; never more slots than connections. A slot counts
//!   from when it is given, so that it can always be used. (Not where a slot that has lapsed, see
//!   [`SENT_WITHIN`], is used all the same.)
//! - **Promises**: a [`Later`] that is `promised` has a share of the limits of its own, from
//!   [`Later::at`] for [`GRACE`]: whoever asks then under the same name goes before all who came
//!   later. It waits for a connection at most, at the head of the queue. A promise cannot be kept,
//!   and another time is named, where no connection becomes free within the hold, where the limits
//!   are lowered or the relay slows us down or pauses us meanwhile, or where a message that holds a
//!   connection takes longer than [`SENT_WITHIN`] to be sent.
//! - **Order**: those who wait go in the order in which they came, or were promised. Recipients
//!   that do not fit today never wait in the queue: they get a time, and a tenth of the day's
//!   recipients is left to others until then.
//! - **Memory** is bounded: by the number of slots and turns that the caller holds, and by
//!   [`RESERVATIONS`].

mod answer;
mod pacing;
mod profile;
mod slowing;
mod window;

pub use answer::{Allowed, Answer, Ask, Later, Slot, Turn, Why};
pub use pacing::{GRACE, Pacing, RESERVATIONS, SENT_WITHIN};
pub use slowing::{PROBE_EVERY, Signal};
