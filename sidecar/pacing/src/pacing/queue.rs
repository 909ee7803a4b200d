//! Who waits, who is next, and who was promised what.

use std::time::{Duration, Instant};

use super::{BUSY, Booking, COMES_BACK, GRACE, Pacing, RESERVATIONS, RESERVATIONS_ALIKE, SENT_WITHIN, Taken};
use crate::answer::{Answer, Ask, Later, Slot, Turn, Why};

impl Pacing {
    /// Time has passed: forgets what is over and gives slots to those whose turn it is.
    pub(super) fn pass(&mut self, now: Instant) {
        self.freed |= self.messages.forget(now);
        self.freed |= self.hourly.forget(now);
        self.freed |= self.recipients.forget(now);
        self.freed |= self.slowing.recover(now);
        let before = self.slots.len() + self.bookings.len();
        self.slots.retain(|_, taken| taken.connected || now < taken.given + SENT_WITHIN);
        self.bookings.retain(|_, booking| booking.waits.is_some() || now < booking.at + GRACE);
        self.freed |= self.slots.len() + self.bookings.len() < before;
        if self.closed(now).is_none() {
            if std::mem::take(&mut self.freed) {
                self.move_up(now);
            }
            self.call(now);
        }
    }

    /// What was freed may let those who wait go sooner than they thought.
    fn move_up(&mut self, now: Instant) {
        let waiting = self.bookings.iter().filter(|(_, booking)| booking.waits.is_some() && booking.at > now);
        let mut waiting: Vec<(Instant, u64)> = waiting.map(|(id, booking)| (booking.at, *id)).collect();
        waiting.sort_unstable();
        for (at, id) in waiting {
            let Some(recipients) = self.bookings.get(&id).map(|booking| booking.recipients) else { continue };
            let (sooner, _) =
                self.earliest(recipients, self.open(now), GRACE + SENT_WITHIN, Some(id), false, now);
            if let Some(booking) = self.bookings.get_mut(&id) {
                booking.at = sooner.min(at);
                self.moved |= sooner < at;
            }
        }
    }

    /// Gives slots to those who are due, in the order in which they were due, while there are
    /// connections.
    fn call(&mut self, now: Instant) {
        if self.bookings.is_empty() {
            return;
        }
        let due = self.bookings.iter().filter(|(_, booking)| booking.waits.is_some() && booking.at <= now);
        let mut due: Vec<(Instant, u64)> = due.map(|(id, booking)| (booking.at, *id)).collect();
        due.sort_unstable();
        for (_, id) in due {
            if !self.has_connection() || self.closed(now).is_some() {
                return;
            }
            let Some(recipients) = self.bookings.get(&id).map(|booking| booking.recipients) else { continue };
            let open = self.open(now);
            if open > now || !self.fits(recipients) {
                // the limits were lowered, or a message took long to be sent
                let (at, why) = self.earliest(recipients, open, GRACE + SENT_WITHIN, Some(id), false, now);
                if let Some(booking) = self.bookings.get_mut(&id) {
                    booking.at = at;
                    booking.why = if open > now { Why::Paused } else { why };
                }
            } else {
                self.bookings.remove(&id);
                let slot = self.give(recipients, now);
                self.ready.insert(id, slot);
            }
        }
    }

    fn give(&mut self, recipients: u32, now: Instant) -> Slot {
        let id = self.number();
        self.slots.insert(id, Taken { given: now, recipients, connected: true, sent: false });
        self.slowing.goes(now);
        Slot { id, recipients }
    }

    /// From when on anything may go.
    fn open(&self, now: Instant) -> Instant {
        self.slowing.paused().map_or(now, |until| until.max(now))
    }

    /// Where the mailbox's quota is used up, and no probe is due: when to come back.
    pub(super) fn closed(&self, now: Instant) -> Option<Instant> {
        let probe = self.slowing.probe()?;
        if self.slots.values().any(|taken| taken.connected) {
            // what is on its way will tell more
            return Some(now + GRACE);
        }
        (now < probe).then_some(probe)
    }

    pub(super) fn book(
        &mut self,
        ask: &Ask,
        at: Instant,
        waits: Option<Instant>,
        told: Option<Instant>,
        why: Why,
    ) -> u64 {
        let id = self.number();
        let Ask { whom, recipients, .. } = *ask;
        self.bookings.insert(id, Booking { whom, recipients, at, waits, told, why });
        id
    }

    /// The promise that this message was given: one that is due, else the one that was told
    /// longest ago.
    pub(super) fn promise_to(&self, ask: &Ask, now: Instant) -> Option<u64> {
        let alike = || self.alike(ask).filter_map(|(id, booking)| Some((id, booking.at, booking.told?)));
        let due = alike().filter(|(_, at, _)| *at <= now).min_by_key(|(_, at, _)| *at);
        let full = alike().count() >= RESERVATIONS_ALIKE;
        let early = alike().filter(|(_, _, told)| full || *told + COMES_BACK <= now);
        due.or_else(|| early.min_by_key(|(_, _, told)| *told)).map(|(id, ..)| id)
    }

    fn alike(&self, ask: &Ask) -> impl Iterator<Item = (u64, &Booking)> {
        let Ask { whom, recipients, .. } = *ask;
        let kept = self.bookings.iter().filter(|(_, booking)| booking.waits.is_none());
        kept.filter(move |(_, booking)| booking.whom == whom && booking.recipients == recipients)
            .map(|(id, booking)| (*id, booking))
    }

    /// Somebody has come for a promise.
    pub(super) fn take_up(&mut self, id: u64, hold: Duration, now: Instant) -> Answer {
        let until = now + hold;
        let recipients = self.bookings.get(&id).map_or(1, |booking| booking.recipients);
        let (sooner, _) =
            self.earliest(recipients, self.open(now), GRACE + SENT_WITHIN, Some(id), false, now);
        if let Some(booking) = self.bookings.get_mut(&id) {
            if booking.at.min(sooner) > until {
                booking.told = Some(now);
                return Answer::Later(Later { at: booking.at, promised: true, why: booking.why });
            }
            booking.at = booking.at.min(sooner);
            booking.waits = Some(until);
        }
        self.call(now);
        self.wait_on(id, now)
    }

    /// Somebody has come whom nobody knows.
    pub(super) fn newcomer(&mut self, ask: &Ask, now: Instant) -> Answer {
        let open = self.open(now);
        if open == now && self.has_connection() && self.fits_beside_bookings(ask.recipients, now) {
            return Answer::Go(self.give(ask.recipients, now));
        }
        let (at, why) = self.earliest(ask.recipients, open, GRACE + SENT_WITHIN, None, false, now);
        let why = if at == open && open > now { Why::Paused } else { why };
        if at <= now + ask.hold {
            let id = self.book(ask, at, Some(now + ask.hold), None, why);
            self.call(now);
            return self.wait_on(id, now);
        }
        self.promise(ask, open, why, now)
    }

    /// The slot, if it is there; the wait, if it is not over; otherwise a time to come back.
    pub(super) fn wait_on(&mut self, id: u64, now: Instant) -> Answer {
        if let Some(slot) = self.ready.remove(&id) {
            return Answer::Go(slot);
        }
        match self.bookings.get(&id) {
            Some(&Booking { at, waits: Some(waits), .. }) if waits > now && at <= waits => {
                // due: only an event helps
                let until = if at > now { at } else { waits };
                Answer::Wait(Turn { id, until: until.min(self.next_change().unwrap_or(until)) })
            }
            Some(&Booking { whom, recipients, at, why, .. }) => {
                self.bookings.remove(&id);
                let busy = at <= now;
                let why = if busy { Why::Connections } else { why };
                let ask = Ask { whom, recipients, hold: Duration::ZERO };
                self.promise(&ask, if busy { now + BUSY } else { now }, why, now)
            }
            // cannot be: a turn has a booking or a slot
            None => Answer::Later(Later { at: now + BUSY, promised: false, why: Why::Connections }),
        }
    }

    /// When something is freed by time alone.
    fn next_change(&self) -> Option<Instant> {
        let unclaimed = self.bookings.values().filter(|booking| booking.waits.is_none());
        let unconnected = self.slots.values().filter(|taken| !taken.connected);
        let lapses = unclaimed.map(|booking| booking.at + GRACE);
        lapses.chain(unconnected.map(|taken| taken.given + SENT_WITHIN)).chain(self.slowing.next()).min()
    }

    /// Sends somebody away until `from` or later.
    fn promise(&mut self, ask: &Ask, from: Instant, why: Why, now: Instant) -> Answer {
        let from = from.max(self.open(now));
        // what stood in the way first is what is told
        let (at, _) = self.earliest(ask.recipients, from, GRACE + SENT_WITHIN, None, true, now);
        let promised = self.reserved() < RESERVATIONS && self.alike(ask).count() < RESERVATIONS_ALIKE;
        if promised {
            self.book(ask, at, None, Some(now), why);
        }
        Answer::Later(Later { at, promised, why })
    }
}
