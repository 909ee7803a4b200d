//! Whether there is room, and when.

use std::time::{Duration, Instant};

use super::{Booking, GRACE, Pacing, SENT_WITHIN, STEP, Taken};
use crate::answer::Why;
use crate::profile::Profile;
use crate::window::Window;

impl Taken {
    /// When its message has been sent, as far as one can tell.
    fn sent_by(&self, now: Instant) -> Instant {
        (self.given + SENT_WITHIN).max(now)
    }
}

impl Booking {
    /// When its message will have been sent, as far as one can tell.
    fn sent_by(&self, now: Instant) -> Instant {
        (self.at + GRACE).max(now) + SENT_WITHIN
    }
}

impl Pacing {
    /// Whether a connection is free.
    pub(super) fn has_connection(&self) -> bool {
        self.allowed().connections.is_none_or(|limit| self.busy() < limit as usize)
    }

    /// Whether one more message fits besides those that were sent or may be sent at any moment.
    pub(super) fn fits(&self, recipients: u32) -> bool {
        let unsent = || self.slots.values().filter(|taken| !taken.sent);
        let messages = self.messages.sum() + unsent().count() as u64;
        let hourly = self.hourly.sum() + unsent().count() as u64;
        let to = self.recipients.sum() + unsent().map(|taken| u64::from(taken.recipients)).sum::<u64>();
        self.allowed().messages_per_minute.is_none_or(|limit| messages < u64::from(limit))
            && self.limits.messages_per_hour.is_none_or(|limit| hourly < u64::from(limit))
            && (self.limits.recipients_per_day)
                .is_none_or(|limit| to + u64::from(recipients) <= u64::from(limit))
    }

    /// Whether one more message can go now without anybody missing what was booked.
    pub(super) fn fits_beside_bookings(&self, recipients: u32, now: Instant) -> bool {
        self.fits(recipients)
            && (self.bookings.is_empty()
                || self.earliest(recipients, now, SENT_WITHIN, None, false, now).0 == now)
    }

    /// The first instant, not before `from`, at which a message can be booked, and what stood in
    /// the way longest. `keep` is how long it may take from then until it is sent. `spaced`: for
    /// one who is sent away, so that not all come back at once.
    pub(super) fn earliest(
        &self,
        recipients: u32,
        from: Instant,
        keep: Duration,
        except: Option<u64>,
        spaced: bool,
        now: Instant,
    ) -> (Instant, Why) {
        let allowed = self.allowed();
        let messages = allowed.messages_per_minute.map(|limit| {
            let profile = self.profile(&self.messages, |_| 1, except, now);
            (profile, keep + self.messages.reach(), u64::from(limit) - 1)
        });
        let hourly = self.limits.messages_per_hour.map(|limit| {
            let profile = self.profile(&self.hourly, |_| 1, except, now);
            (profile, keep + self.hourly.reach(), u64::from(limit) - 1)
        });
        let to = self.limits.recipients_per_day.map(|limit| {
            let profile = self.profile(&self.recipients, u64::from, except, now);
            let length = keep + self.recipients.reach();
            // who must wait for it leaves something to those who come until then
            let room = u64::from(limit.saturating_sub(recipients));
            let some = room - room.min(u64::from(limit / 10));
            let short = spaced && profile.earliest(from, length, room) > from;
            (profile, length, if short { some } else { room })
        });
        let steps = allowed.connections.filter(|_| spaced).map(|limit| {
            let mut profile = Profile::default();
            for (_, booking) in self.bookings.iter().filter(|(id, _)| Some(**id) != except) {
                profile.add(booking.at, booking.at + STEP, 1);
            }
            (profile.finish(), STEP, u64::from(limit) - 1)
        });
        let slowed = self.slowing.messages().is_some();
        let measures = [
            (to, Why::RecipientsPerDay),
            (hourly, Why::MessagesPerHour),
            (messages, if slowed { Why::SlowedDown } else { Why::MessagesPerMinute }),
            (steps, Why::Connections),
        ];
        let mut at = from;
        let mut longest = (Duration::ZERO, Why::Connections);
        loop {
            let before = at;
            for (measure, why) in &measures {
                let Some((profile, length, room)) = measure else { continue };
                let fits = profile.earliest(at, *length, *room);
                // in that order: what merely spaces promises is named only where nothing else is
                if fits - at > longest.0 && (*why != Why::Connections || longest.0.is_zero()) {
                    longest = (fits - at, *why);
                }
                at = fits;
            }
            if at == before {
                return (at, longest.1);
            }
        }
    }

    /// What is taken of one limit from now on.
    fn profile(
        &self,
        window: &Window,
        weight: impl Fn(u32) -> u64,
        except: Option<u64>,
        now: Instant,
    ) -> Profile {
        let mut profile = Profile::default();
        for (until, amount) in window.entries() {
            profile.add(now, until, amount);
        }
        for taken in self.slots.values().filter(|taken| !taken.sent) {
            profile.add(now, taken.sent_by(now) + window.reach(), weight(taken.recipients));
        }
        for (_, booking) in self.bookings.iter().filter(|(id, _)| Some(**id) != except) {
            let until = booking.sent_by(now) + window.reach();
            profile.add(booking.at.max(now), until, weight(booking.recipients));
        }
        profile.finish()
    }
}
