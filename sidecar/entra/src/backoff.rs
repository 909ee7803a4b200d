//! How long to wait after a failure: growing, capped, and spread so that nobody comes in step.

use std::time::Duration;

/// A series of growing delays.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// The delay after the first failure.
    pub first: Duration,
    /// No delay is longer than this, before it is spread.
    pub longest: Duration,
}

impl Backoff {
    /// The delay after `failures` failures in a row (1 is the first), doubled each time and spread
    /// over 75 % to 125 % by `spread`, which lies in `0.0..1.0`.
    #[must_use]
    pub fn delay(self, failures: u32, spread: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(20);
        let grown = self.first.saturating_mul(1 << doublings).min(self.longest);
        grown.mul_f64(0.75 + 0.5 * spread.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff { first: Duration::from_secs(5), longest: Duration::from_secs(300) };

    #[test]
    fn doubles_up_to_the_longest() {
        let middle = |failures| BACKOFF.delay(failures, 0.5).as_secs();
        assert_eq!([1, 2, 3, 4, 7, 8, u32::MAX].map(middle), [5, 10, 20, 40, 300, 300, 300]);
    }

    #[test]
    fn spreads_by_a_quarter_to_each_side() {
        assert_eq!(BACKOFF.delay(2, 0.0), Duration::from_millis(7_500));
        assert_eq!(BACKOFF.delay(2, 1.0), Duration::from_millis(12_500));
        assert_eq!(BACKOFF.delay(2, 7.0), Duration::from_millis(12_500));
    }
}
