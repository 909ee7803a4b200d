//! Slots, the queue, and the promises.

mod capacity;
mod queue;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use mail_egress_config::Limits;

use crate::answer::{Allowed, Answer, Ask, Later, Slot, Turn, Why};
use crate::slowing::{Signal, Slowing};
use crate::window::Window;

/// How long a promised share is kept for who is late.
pub const GRACE: Duration = Duration::from_secs(30);
/// Within what time of its slot a message is expected to be sent. The share of one that has given
/// back its connection lapses then; promises reckon with it.
pub const SENT_WITHIN: Duration = Duration::from_secs(10);
/// How many promises are kept at once; who comes beyond gets an estimate.
pub const RESERVATIONS: usize = 256;
/// How many of them under the same name: an app that comes back again and again at once must not
/// hold them all.
const RESERVATIONS_ALIKE: usize = 64;
/// Who asks under the same name sooner than this is another message, not the same one come back
/// early.
const COMES_BACK: Duration = Duration::from_secs(5);
/// For how long those who found all connections busy are sent away.
const BUSY: Duration = Duration::from_secs(10);
/// Promises are laid so that in so long no more come back than there are connections: about the
/// time that Exchange takes for a message.
const STEP: Duration = Duration::from_secs(2);

/// The pace of one mailbox on one route. The order of time must be kept: no `now` may lie before
/// that of an earlier call.
#[derive(Debug)]
pub struct Pacing {
    limits: Limits,
    messages: Window,
    hourly: Window,
    recipients: Window,
    slots: BTreeMap<u64, Taken>,
    bookings: BTreeMap<u64, Booking>,
    /// Turns whose slot is there and not yet fetched.
    ready: BTreeMap<u64, Slot>,
    slowing: Slowing,
    /// Something was freed since the queue was last looked at.
    freed: bool,
    /// Somebody may go sooner than its turn says, and nobody has looked since.
    moved: bool,
    next: u64,
}

/// A slot that was given.
#[derive(Debug)]
struct Taken {
    given: Instant,
    recipients: u32,
    connected: bool,
    sent: bool,
}

/// A share of the limits in time to come, for somebody who waits or who was told to come back.
#[derive(Debug)]
struct Booking {
    whom: u64,
    recipients: u32,
    /// From when on it can be had.
    at: Instant,
    /// Until when somebody waits for it; `None` while nobody does.
    waits: Option<Instant>,
    /// When it was last promised; `None` where nobody was told.
    told: Option<Instant>,
    why: Why,
}

impl Pacing {
    /// Nothing was sent yet.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            messages: Window::minute(),
            hourly: Window::hour(),
            recipients: Window::day(),
            slots: BTreeMap::new(),
            bookings: BTreeMap::new(),
            ready: BTreeMap::new(),
            slowing: Slowing::default(),
            freed: false,
            moved: false,
            next: 0,
        }
    }

    /// A message wants to go. Who was refused and comes back under the same name takes up its
    /// promise; too early, it gets the same promise again, unless it can go by now.
    pub fn ask(&mut self, ask: Ask, now: Instant) -> Answer {
        self.pass(now);
        match self.limits.recipients_per_day {
            Some(limit) if ask.recipients > limit => return Answer::TooManyRecipients { limit },
            _ => {}
        }
        if let Some(at) = self.closed(now) {
            return Answer::Later(Later { at, promised: false, why: Why::Paused });
        }
        match self.promise_to(&ask, now) {
            Some(id) => self.take_up(id, ask.hold, now),
            None => self.newcomer(&ask, now),
        }
    }

    /// Whether one who waits may go by now. Look when [`Self::is_someone_called`] says so, when the
    /// relay has complained, and at [`Turn::until`].
    #[expect(clippy::needless_pass_by_value, reason = "the answer holds the next turn")]
    pub fn look(&mut self, turn: Turn, now: Instant) -> Answer {
        self.moved = false;
        self.pass(now);
        if let Some(slot) = self.ready.remove(&turn.id) {
            return Answer::Go(slot);
        }
        if let Some(at) = self.closed(now) {
            self.drop_turn(turn.id, now);
            return Answer::Later(Later { at, promised: false, why: Why::Paused });
        }
        self.wait_on(turn.id, now)
    }

    /// One who waits goes away. If it had come for its promise, that is kept for as long as before.
    #[expect(clippy::needless_pass_by_value, reason = "the turn is over")]
    pub fn leave(&mut self, turn: Turn, now: Instant) {
        self.drop_turn(turn.id, now);
        self.pass(now);
    }

    fn drop_turn(&mut self, id: u64, now: Instant) {
        if let Some(slot) = self.ready.remove(&id) {
            return self.release(slot, now);
        }
        match self.bookings.get_mut(&id) {
            Some(booking) if booking.told.is_some() => booking.waits = None,
            Some(_) => drop(self.bookings.remove(&id)),
            None => {}
        }
        self.freed = true;
    }

    /// The message has left, all of it: it counts from now on. The connection stays taken until
    /// [`Self::release`].
    pub fn sent(&mut self, slot: &Slot, now: Instant) {
        // one that was sent before is sent again: it counts again
        if let Some(taken) = self.slots.get_mut(&slot.id) {
            taken.sent = true;
        }
        self.messages.forget(now);
        self.hourly.forget(now);
        self.recipients.forget(now);
        self.messages.add(1, now);
        self.hourly.add(1, now);
        self.recipients.add(u64::from(slot.recipients), now);
        self.freed = true;
        self.pass(now);
    }

    /// The slot is over. If its message was not sent, its share goes to the next.
    #[expect(clippy::needless_pass_by_value, reason = "the slot is over")]
    pub fn release(&mut self, slot: Slot, now: Instant) {
        self.slots.remove(&slot.id);
        self.freed = true;
        self.pass(now);
    }

    /// The app is slow: others may use the connection. The message keeps its share until
    /// [`SENT_WITHIN`] of its slot; before it is sent it must [`Self::resume`].
    pub fn give_back_connection(&mut self, slot: &Slot, now: Instant) {
        if let Some(taken) = self.slots.get_mut(&slot.id) {
            taken.connected = false;
        }
        self.freed = true;
        self.pass(now);
    }

    /// A message that has given back its connection, or that was sent and refused, wants to go
    /// (again). While its share has not lapsed and is not used up, it goes before all who came
    /// after it; otherwise it asks like any other.
    #[expect(clippy::needless_pass_by_value, reason = "another takes its place")]
    pub fn resume(&mut self, slot: Slot, ask: Ask, now: Instant) -> Answer {
        self.pass(now);
        self.freed = true;
        match self.slots.remove(&slot.id) {
            Some(taken) if !taken.sent && self.closed(now).is_none() => {
                let id = self.book(&ask, taken.given, Some(now + ask.hold), None, Why::Connections);
                self.pass(now);
                self.wait_on(id, now)
            }
            _ => self.ask(ask, now),
        }
    }

    /// Other limits from now on. What was sent and what was promised is kept.
    pub fn limits(&mut self, limits: Limits, now: Instant) {
        self.limits = limits;
        self.freed = true;
        self.pass(now);
    }

    /// The relay complained about the pace.
    pub fn throttled(&mut self, signal: Signal, now: Instant) {
        self.pass(now);
        let sent = u32::try_from(self.messages.sum()).unwrap_or(u32::MAX);
        let connections = u32::try_from(self.busy()).unwrap_or(u32::MAX);
        let limits = (self.limits.messages_per_minute, self.limits.connections);
        self.slowing.throttled(signal, (limits.0, sent), (limits.1, connections), now);
    }

    /// The relay took a message.
    pub fn succeeded(&mut self, now: Instant) {
        self.freed |= self.slowing.succeeded();
        self.pass(now);
    }

    /// Whether those who wait should all look again: slots are there for some, or some may go
    /// sooner than their [`Turn::until`] says. Ask after each call.
    #[must_use]
    pub fn is_someone_called(&self) -> bool {
        !self.ready.is_empty() || (self.moved && self.waiting() > 0)
    }

    /// How many connections are in use.
    #[must_use]
    pub fn busy(&self) -> usize {
        self.slots.values().filter(|taken| taken.connected).count()
    }

    /// How many wait.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.bookings.values().filter(|booking| booking.waits.is_some()).count()
    }

    /// How many promises are kept for those who were sent away.
    #[must_use]
    pub fn reserved(&self) -> usize {
        self.bookings.values().filter(|booking| booking.waits.is_none()).count()
    }

    /// How fast it goes, by the limits and by what the relay made of them.
    #[must_use]
    pub fn allowed(&self) -> Allowed {
        Allowed {
            messages_per_minute: lower(self.limits.messages_per_minute, self.slowing.messages()),
            connections: lower(self.limits.connections, self.slowing.connections()),
        }
    }

    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }
}

/// The lower of two limits; never nothing at all, since a sender that may not send is suspended,
/// not paced.
fn lower(limit: Option<u32>, other: Option<u32>) -> Option<u32> {
    limit.into_iter().chain(other).min().map(|limit| limit.max(1))
}
