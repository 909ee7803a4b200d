//! How the relay's own complaints slow the pace down, and how it recovers.
//!
//! ```text
//!             Rate, Connections: halved, at most once in 5 s
//!   full ────────────────────────────────────────────▶ eased ──┐ halved again
//!     ▲      + a step by successes, + a step by time     │ ◀───┘
//!     └──────────────────────────────────────────────────┘
//!             Quota                    a probe each 15 min
//!   open ────────────────────────────▶ closed ──┐
//!     ▲   a success, or 24 h           │ ◀──────┘ refused again
//!     └────────────────────────────────┘
//! ```

use std::time::{Duration, Instant};

/// Several sessions that are refused at the same moment are one complaint.
const ONE_COMPLAINT: Duration = Duration::from_secs(5);
/// How often a message is let through to a mailbox whose quota is used up.
pub const PROBE_EVERY: Duration = Duration::from_secs(15 * 60);
/// After so long a quota is full again (fact sheet C, `SubmissionQuotaExceededException`).
const QUOTA_CLEARS: Duration = Duration::from_secs(24 * 60 * 60);
/// No relay's Retry-After stops us for longer.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 60 * 60);

/// What the relay said about our pace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Too many connections at once (432).
    Connections,
    /// Too many messages (421, 451, 429).
    Rate,
    /// Nothing for so long (Retry-After); more than a day counts as a day.
    RetryAfter(Duration),
    /// The mailbox has sent all that it may in a day: it clears by itself within 24 hours.
    Quota,
}

#[derive(Debug, Default)]
pub(crate) struct Slowing {
    messages: Option<Eased>,
    connections: Option<Eased>,
    paused: Option<Instant>,
    quota: Option<Quota>,
}

/// A limit below its usual value, on its way back.
#[derive(Debug)]
struct Eased {
    usual: u32,
    allowed: u32,
    least: u32,
    step: u32,
    /// A step back up after so long without a complaint,
    every: Duration,
    /// or after so many successes.
    run: u32,
    successes: u32,
    cut: Instant,
    changed: Instant,
}

#[derive(Debug)]
struct Quota {
    since: Instant,
    probe: Instant,
}

impl Slowing {
    /// The relay complained. `messages` and `connections` are what is allowed and what is in use.
    pub(crate) fn throttled(
        &mut self,
        signal: Signal,
        messages: (Option<u32>, u32),
        connections: (Option<u32>, u32),
        now: Instant,
    ) {
        match signal {
            Signal::Rate => cut(&mut self.messages, now, || Eased::messages(messages, now)),
            Signal::Connections => cut(&mut self.connections, now, || Eased::connections(connections, now)),
            Signal::RetryAfter(pause) => {
                let until = now + pause.min(LONGEST_PAUSE);
                self.paused = Some(self.paused.map_or(until, |paused| paused.max(until)));
            }
            Signal::Quota => {
                let probe = now + PROBE_EVERY;
                self.quota.get_or_insert(Quota { since: now, probe }).probe = probe;
            }
        }
    }

    /// The relay took a message: a step towards the usual pace, and the quota is there again.
    /// Whether more is allowed than before.
    pub(crate) fn succeeded(&mut self) -> bool {
        let reopened = self.quota.take().is_some();
        let messages = self.messages.as_mut().is_some_and(Eased::succeeded);
        let connections = self.connections.as_mut().is_some_and(Eased::succeeded);
        self.drop_recovered();
        reopened || messages || connections
    }

    /// Time heals: whether more is allowed than before.
    pub(crate) fn recover(&mut self, now: Instant) -> bool {
        let resumed = self.paused.take_if(|until| *until <= now).is_some();
        let reopened = self.quota.take_if(|quota| quota.since + QUOTA_CLEARS <= now).is_some();
        let messages = self.messages.as_mut().is_some_and(|eased| eased.recover(now));
        let connections = self.connections.as_mut().is_some_and(|eased| eased.recover(now));
        self.drop_recovered();
        resumed || reopened || messages || connections
    }

    fn drop_recovered(&mut self) {
        self.messages.take_if(|eased| eased.allowed >= eased.usual);
        self.connections.take_if(|eased| eased.allowed >= eased.usual);
    }

    /// Messages a minute, where fewer than usual.
    pub(crate) fn messages(&self) -> Option<u32> {
        self.messages.as_ref().map(|eased| eased.allowed)
    }

    /// Connections, where fewer than usual.
    pub(crate) fn connections(&self) -> Option<u32> {
        self.connections.as_ref().map(|eased| eased.allowed)
    }

    /// Until when nothing may go.
    pub(crate) fn paused(&self) -> Option<Instant> {
        self.paused
    }

    /// When the next message may try a mailbox whose quota is used up.
    pub(crate) fn probe(&self) -> Option<Instant> {
        self.quota.as_ref().map(|quota| quota.probe)
    }

    /// A message goes; where the quota is used up, as a probe.
    pub(crate) fn goes(&mut self, now: Instant) {
        if let Some(quota) = &mut self.quota {
            quota.probe = now + PROBE_EVERY;
        }
    }

    /// When something changes without anybody doing anything.
    pub(crate) fn next(&self) -> Option<Instant> {
        let eased = [&self.messages, &self.connections].into_iter().flatten();
        eased.map(|eased| eased.changed + eased.every).chain(self.paused).min()
    }
}

fn cut(eased: &mut Option<Eased>, now: Instant, usual: impl FnOnce() -> Eased) {
    match eased {
        Some(eased) if now < eased.cut + ONE_COMPLAINT => {}
        Some(eased) => eased.halve(now),
        None => {
            let mut begun = usual();
            begun.halve(now);
            *eased = (begun.allowed < begun.usual).then_some(begun);
        }
    }
}

impl Eased {
    fn messages((limit, used): (Option<u32>, u32), now: Instant) -> Self {
        let usual = limit.unwrap_or(used.max(1));
        let tenth = (usual / 10).max(1);
        let allowed = used.clamp(tenth, usual.max(tenth));
        let every = Duration::from_secs(30);
        Self {
            usual,
            allowed,
            least: tenth,
            step: tenth,
            every,
            run: 10,
            successes: 0,
            cut: now,
            changed: now,
        }
    }

    fn connections((limit, used): (Option<u32>, u32), now: Instant) -> Self {
        let usual = limit.unwrap_or(used.max(1));
        let allowed = used.clamp(1, usual.max(1));
        let every = Duration::from_secs(60);
        Self { usual, allowed, least: 1, step: 1, every, run: 20, successes: 0, cut: now, changed: now }
    }

    fn halve(&mut self, now: Instant) {
        self.allowed = (self.allowed / 2).max(self.least);
        self.successes = 0;
        self.cut = now;
        self.changed = now;
    }

    fn up(&mut self) {
        self.allowed = self.allowed.saturating_add(self.step).min(self.usual);
    }

    fn succeeded(&mut self) -> bool {
        self.successes += 1;
        let up = self.successes >= self.run;
        if up {
            self.successes = 0;
            self.up();
        }
        up
    }

    fn recover(&mut self, now: Instant) -> bool {
        let mut up = false;
        while self.allowed < self.usual && self.changed + self.every <= now {
            self.changed += self.every;
            self.up();
            up = true;
        }
        up
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: ((Option<u32>, u32), (Option<u32>, u32)) = ((Some(30), 30), (Some(3), 3));

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn throttled(slowing: &mut Slowing, signal: Signal, now: Instant) {
        slowing.throttled(signal, FULL.0, FULL.1, now);
    }

    #[test]
    fn the_rate_is_halved_once_for_all_who_are_refused_at_the_same_moment() {
        let now = Instant::now();
        let mut slowing = Slowing::default();
        throttled(&mut slowing, Signal::Rate, now);
        throttled(&mut slowing, Signal::Rate, now + s(1));
        assert_eq!(slowing.messages(), Some(15));
        throttled(&mut slowing, Signal::Rate, now + s(6));
        assert_eq!(slowing.messages(), Some(7));
    }

    #[test]
    fn it_never_falls_to_nothing() {
        let now = Instant::now();
        let mut slowing = Slowing::default();
        for minute in 0..100 {
            throttled(&mut slowing, Signal::Rate, now + s(6 * minute));
            throttled(&mut slowing, Signal::Connections, now + s(6 * minute));
        }
        assert_eq!((slowing.messages(), slowing.connections()), (Some(3), Some(1)));
    }

    #[test]
    fn time_alone_brings_the_usual_pace_back() {
        let now = Instant::now();
        let mut slowing = Slowing::default();
        throttled(&mut slowing, Signal::Rate, now);
        throttled(&mut slowing, Signal::Connections, now);
        assert!(!slowing.recover(now + s(29)));
        assert!(slowing.recover(now + s(30)));
        assert_eq!((slowing.messages(), slowing.connections()), (Some(18), Some(1)));
        slowing.recover(now + s(150));
        assert_eq!((slowing.messages(), slowing.connections()), (None, None));
    }

    #[test]
    fn successes_bring_it_back_sooner() {
        let now = Instant::now();
        let mut slowing = Slowing::default();
        throttled(&mut slowing, Signal::Rate, now);
        assert_eq!((0..50).filter(|_| slowing.succeeded()).count(), 5);
        assert_eq!(slowing.messages(), None);
    }

    #[test]
    fn a_pace_without_a_limit_is_halved_from_what_was_sent() {
        let now = Instant::now();
        let mut slowing = Slowing::default();
        slowing.throttled(Signal::Rate, (None, 400), (None, 8), now);
        slowing.throttled(Signal::Connections, (None, 400), (None, 8), now);
        assert_eq!((slowing.messages(), slowing.connections()), (Some(200), Some(4)));
    }

    #[test]
    fn the_longest_pause_holds_and_none_is_longer_than_a_day() {
        let now = Instant::now();
        let mut slowing = Slowing::default();
        throttled(&mut slowing, Signal::RetryAfter(s(60)), now);
        throttled(&mut slowing, Signal::RetryAfter(s(10)), now);
        assert_eq!(slowing.paused(), Some(now + s(60)));
        assert!(slowing.recover(now + s(60)));
        throttled(&mut slowing, Signal::RetryAfter(Duration::MAX), now);
        assert_eq!(slowing.paused(), Some(now + LONGEST_PAUSE));
    }

    #[test]
    fn a_used_up_quota_ends_by_a_success_or_by_a_day() {
        let now = Instant::now();
        let mut slowing = Slowing::default();
        throttled(&mut slowing, Signal::Quota, now);
        assert_eq!(slowing.probe(), Some(now + PROBE_EVERY));
        assert!(slowing.succeeded());
        assert_eq!(slowing.probe(), None);
        throttled(&mut slowing, Signal::Quota, now);
        throttled(&mut slowing, Signal::Quota, now + s(80_000));
        assert!(!slowing.recover(now + s(86_399)));
        assert!(slowing.recover(now + s(86_400)));
    }
}
