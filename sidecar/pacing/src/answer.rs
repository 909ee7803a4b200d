//! What is asked, and what is answered.

use std::time::{Duration, Instant};

/// A message that wants to go.
#[derive(Debug, Clone, Copy)]
pub struct Ask {
    /// Under which name a promise is kept: a hash of sender, recipients and announced size. The
    /// more it tells messages apart, the better the promises are kept.
    pub whom: u64,
    /// How many recipients it has.
    pub recipients: u32,
    /// How long it may wait.
    pub hold: Duration,
}

/// What comes of an [`Ask`].
#[derive(Debug)]
#[must_use]
pub enum Answer {
    /// It may go now.
    Go(Slot),
    /// It waits, until [`Turn::until`] at most: then, and when something has changed, look again.
    Wait(Turn),
    /// Not within its hold.
    Later(Later),
    /// It has more recipients than may be sent to in a day: it never goes.
    TooManyRecipients {
        /// Recipients in any 24 hours.
        limit: u32,
    },
}

/// The right to send one message over one connection. Give it back by
/// [`Pacing::release`](crate::Pacing::release).
#[derive(Debug, PartialEq, Eq)]
pub struct Slot {
    pub(crate) id: u64,
    pub(crate) recipients: u32,
}

/// A place in the queue. Give it up by [`Pacing::leave`](crate::Pacing::leave).
#[derive(Debug, PartialEq, Eq)]
pub struct Turn {
    pub(crate) id: u64,
    /// When to look again, at the latest.
    pub until: Instant,
}

/// A message that must come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Later {
    /// When it is taken if it asks again, at once or after a wait for a connection.
    pub at: Instant,
    /// Whether that is promised; otherwise it is an estimate.
    pub promised: bool,
    /// What stands in the way.
    pub why: Why,
}

/// What stands in a message's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Why {
    /// As many messages were sent in the last minute as are allowed.
    MessagesPerMinute,
    /// As many messages were sent in the last hour as are allowed.
    MessagesPerHour,
    /// As many recipients were sent to in the last 24 hours as are allowed.
    RecipientsPerDay,
    /// All connections are in use.
    Connections,
    /// The relay complained, so that fewer go than usual.
    SlowedDown,
    /// The relay wants nothing for a while, or the mailbox's quota is used up.
    Paused,
}

/// How fast it goes at present; `None` is without limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allowed {
    /// Messages in any minute.
    pub messages_per_minute: Option<u32>,
    /// Connections at once.
    pub connections: Option<u32>,
}
