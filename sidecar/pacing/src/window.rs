//! How much was sent in the last minute, or in the last day, in bounded memory.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What was sent within a sliding span. What is sent within one grain of time is kept as one
/// entry, which counts until the last of it could have left the span: too long by a grain at most,
/// never too short.
#[derive(Debug)]
pub(crate) struct Window {
    span: Duration,
    grain: Duration,
    /// Until when each entry counts, and how much it is; the oldest first.
    entries: VecDeque<(Instant, u64)>,
    sum: u64,
}

impl Window {
    pub(crate) const MINUTE: Duration = Duration::from_secs(60);
    pub(crate) const HOUR: Duration = Duration::from_secs(60 * 60);
    pub(crate) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    /// Any minute, in grains of a quarter of a second: 241 entries at most.
    pub(crate) fn minute() -> Self {
        Self::new(Self::MINUTE, Duration::from_millis(250))
    }

    /// Any hour, in grains of a quarter of a minute: 241 entries at most.
    pub(crate) fn hour() -> Self {
        Self::new(Self::HOUR, Duration::from_secs(15))
    }

    /// Any 24 hours, in grains of five minutes: 289 entries at most.
    pub(crate) fn day() -> Self {
        Self::new(Self::DAY, Duration::from_secs(300))
    }

    fn new(span: Duration, grain: Duration) -> Self {
        Self { span, grain, entries: VecDeque::new(), sum: 0 }
    }

    /// For how long at most something counts after it was sent.
    pub(crate) fn reach(&self) -> Duration {
        self.span + self.grain
    }

    /// So much was sent now.
    pub(crate) fn add(&mut self, amount: u64, now: Instant) {
        self.sum += amount;
        match self.entries.back_mut() {
            Some((until, sum)) if now + self.span <= *until => *sum += amount,
            _ => self.entries.push_back((now + self.reach(), amount)),
        }
    }

    /// Forgets what counts no longer; whether there was any.
    pub(crate) fn forget(&mut self, now: Instant) -> bool {
        let before = self.entries.len();
        while let Some((until, amount)) = self.entries.front() {
            if *until > now {
                break;
            }
            self.sum -= amount;
            self.entries.pop_front();
        }
        self.entries.len() < before
    }

    /// What counts, as of the last [`Self::forget`].
    pub(crate) fn sum(&self) -> u64 {
        self.sum
    }

    /// Until when each entry counts, and how much it is.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (Instant, u64)> {
        self.entries.iter().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_leaves_the_span_too_early_and_nothing_stays_a_grain_too_long() {
        let start = Instant::now();
        let mut window = Window::minute();
        window.add(1, start);
        window.add(1, start + Duration::from_millis(250));
        window.add(1, start + Duration::from_millis(251));
        window.forget(start + Duration::from_millis(60_249));
        assert_eq!(window.sum(), 3);
        window.forget(start + Duration::from_millis(60_250));
        assert_eq!(window.sum(), 1);
        window.forget(start + Duration::from_millis(60_501));
        assert_eq!(window.sum(), 0);
    }

    #[test]
    fn memory_is_bounded_however_much_is_sent() {
        let start = Instant::now();
        let mut window = Window::day();
        for second in 0..200_000 {
            let now = start + Duration::from_secs(second);
            window.forget(now);
            window.add(7, now);
            assert!(window.entries.len() <= 289);
        }
    }
}
