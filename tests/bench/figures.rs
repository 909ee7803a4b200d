//! Percentiles, medians, and the figures of a round and of several.

use std::time::Duration;

use serde::Serialize;

use super::load::Tally;

/// What one round came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Round {
    /// Messages accepted.
    pub(super) messages: f64,
    /// A second, until the last had arrived.
    pub(super) messages_per_second: f64,
    /// Milliseconds of one message.
    pub(super) median_ms: f64,
    /// The same of the slowest hundredth.
    pub(super) p99_ms: f64,
    /// Seconds of processor time for 1,000 messages.
    pub(super) cpu_per_1000: Option<f64>,
    /// Octets of memory, at most.
    pub(super) peak_resident: Option<u64>,
    /// Connections to the lab that were open at the same time, at most.
    pub(super) upstream_open: f64,
    /// Connections to the lab that were dialled while it was measured.
    pub(super) upstream_dialled: f64,
    /// Connections that did not end as they should.
    pub(super) refused: usize,
    /// What was heard on the first of these.
    pub(super) refusal: Option<String>,
}

impl Round {
    /// From a tally whose times are sorted.
    pub(super) fn of(tally: &Tally, elapsed: Duration) -> Self {
        let milliseconds = |share| percentile(&tally.times, share).as_secs_f64() * 1000.0;
        let messages = number(tally.times.len());
        Self {
            messages,
            messages_per_second: messages / elapsed.as_secs_f64(),
            median_ms: milliseconds(50),
            p99_ms: milliseconds(99),
            refused: tally.refused,
            refusal: tally.refusal.clone(),
            ..Self::default()
        }
    }

    pub(super) fn with_process(mut self, cpu: Option<f64>, peak: Option<u64>) -> Self {
        self.cpu_per_1000 = cpu.filter(|_| self.messages > 0.0).map(|cpu| cpu * 1000.0 / self.messages);
        self.peak_resident = peak;
        self
    }

    pub(super) fn with_upstream(mut self, open: usize, dialled: usize) -> Self {
        (self.upstream_open, self.upstream_dialled) = (number(open), number(dialled));
        self
    }

    /// Each figure's median; refusals are added up.
    pub(super) fn median(rounds: &[Self]) -> Self {
        let of = |figure: fn(&Self) -> f64| median(rounds.iter().map(figure).collect()).unwrap_or_default();
        let optional = |figure: fn(&Self) -> Option<f64>| median(rounds.iter().filter_map(figure).collect());
        Self {
            messages: of(|round| round.messages),
            messages_per_second: of(|round| round.messages_per_second),
            median_ms: of(|round| round.median_ms),
            p99_ms: of(|round| round.p99_ms),
            cpu_per_1000: optional(|round| round.cpu_per_1000),
            peak_resident: middle(rounds.iter().filter_map(|round| round.peak_resident).collect()),
            upstream_open: of(|round| round.upstream_open),
            upstream_dialled: of(|round| round.upstream_dialled),
            refused: rounds.iter().map(|round| round.refused).sum(),
            refusal: rounds.iter().find_map(|round| round.refusal.clone()),
        }
    }
}

/// The smallest value that at least so many hundredths of all do not exceed (nearest rank); zero
/// of none. The values are sorted.
fn percentile(sorted: &[Duration], hundredths: usize) -> Duration {
    let rank = (sorted.len() * hundredths).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

/// The middle, or the mean of the two in the middle.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    if values.len() % 2 == 1 {
        return Some(upper);
    }
    Some(f64::midpoint(*values.get(values.len() / 2 - 1)?, upper))
}

fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// The upper of the two in the middle.
fn middle(mut values: Vec<u64>) -> Option<u64> {
    values.sort_unstable();
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_values_that_were_seen() {
        let values: Vec<Duration> = (1..=200).map(Duration::from_millis).collect();
        let at = |share| percentile(&values, share).as_millis();
        assert_eq!((at(0), at(50), at(99), at(100)), (1, 100, 198, 200));
        assert_eq!(percentile(&values[..1], 99).as_millis(), 1);
        assert_eq!(percentile(&[], 50), Duration::ZERO);
    }

    #[test]
    fn a_median_is_the_middle_one() {
        assert_eq!(median(vec![9.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 2.0]), Some(3.0));
        assert_eq!(median(Vec::new()), None);
    }

    #[test]
    fn a_round_counts_what_was_accepted() {
        let times = vec![Duration::from_millis(1), Duration::from_millis(2), Duration::from_millis(9)];
        let tally = Tally { times, refused: 1, refusal: Some("451".to_owned()) };
        let round = Round::of(&tally, Duration::from_secs(2)).with_process(Some(0.3), Some(4096));
        assert_eq!((round.messages_per_second, round.median_ms, round.p99_ms), (1.5, 2.0, 9.0));
        assert_eq!((round.cpu_per_1000, round.peak_resident), (Some(100.0), Some(4096)));
        let nothing = Round::of(&Tally::default(), Duration::from_secs(1)).with_process(Some(0.3), None);
        assert_eq!((nothing.messages_per_second, nothing.cpu_per_1000), (0.0, None));
        let both = Round::median(&[round, nothing]);
        assert_eq!((both.messages_per_second, both.refused), (0.75, 1));
        assert_eq!(both.refusal.as_deref(), Some("451"));
    }
}
