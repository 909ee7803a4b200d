//! The limits on one mailbox (fact sheet B and D): connections, messages a minute and an hour,
//! recipients a day. Decided from a clock that is handed in.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::kind::Kind;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The limits in force; `None` lifts one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Messages a minute and mailbox. Exchange does not refuse more: their reply waits.
    pub messages_per_minute: Option<u32>,
    /// The same an hour.
    pub messages_per_hour: Option<u32>,
    /// Connections signed in to one mailbox at the same time. Messages on more are refused, 432.
    pub connections: Option<u32>,
    /// Recipients of one message.
    pub recipients_per_message: Option<usize>,
    /// Recipients a mailbox may have within 24 hours.
    pub recipients_per_day: Option<usize>,
    /// Largest message in octets, which is also what EHLO says.
    pub message_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            messages_per_minute: Some(30),
            messages_per_hour: None,
            connections: Some(3),
            recipients_per_message: Some(500),
            recipients_per_day: Some(10_000),
            message_bytes: 157_286_400,
        }
    }
}

impl Limits {
    /// Those of such a server where nobody asked for others.
    pub fn of(kind: Kind) -> Self {
        match kind {
            Kind::Submission | Kind::Consumer => Self::default(),
            Kind::AzureCommunicationServices => Self {
                messages_per_hour: Some(100),
                connections: None,
                recipients_per_message: Some(50),
                recipients_per_day: None,
                message_bytes: 10 * 1024 * 1024,
                ..Self::default()
            },
            Kind::HighVolumeEmail | Kind::MailProtection | Kind::Plaintext => Self::lifted(),
        }
    }

    /// Everything lifted but the size.
    pub fn lifted() -> Self {
        Self {
            messages_per_minute: None,
            messages_per_hour: None,
            connections: None,
            recipients_per_message: None,
            recipients_per_day: None,
            ..Self::default()
        }
    }
}

/// What one mailbox has used up.
#[derive(Debug, Default)]
pub(super) struct Usage {
    /// Connections signed in.
    pub(super) connections: u32,
    /// The most that there ever were.
    pub(super) most_connections: u32,
    messages: VecDeque<Instant>,
    recipients: VecDeque<(Instant, usize)>,
}

/// Whether a message may go in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It may, and was counted.
    Take,
    /// After this time.
    Wait(Duration),
    /// Not with so many connections.
    Connections,
    /// Not today.
    Quota,
}

impl Usage {
    pub(super) fn sign_in(&mut self) {
        self.connections += 1;
        self.most_connections = self.most_connections.max(self.connections);
    }

    pub(super) fn sign_out(&mut self) {
        self.connections = self.connections.saturating_sub(1);
    }

    /// Judges a message to so many recipients, and counts it where it is taken.
    pub(super) fn judge(&mut self, limits: &Limits, recipients: usize, now: Instant) -> Verdict {
        while self.messages.front().is_some_and(|&at| now.duration_since(at) >= HOUR) {
            self.messages.pop_front();
        }
        while self.recipients.front().is_some_and(|&(at, _)| now.duration_since(at) >= DAY) {
            self.recipients.pop_front();
        }
        if limits.connections.is_some_and(|most| self.connections > most) {
            return Verdict::Connections;
        }
        let today: usize = self.recipients.iter().map(|&(_, count)| count).sum();
        if limits.recipients_per_day.is_some_and(|most| today + recipients > most) {
            return Verdict::Quota;
        }
        let spans = [(limits.messages_per_minute, MINUTE), (limits.messages_per_hour, HOUR)];
        // the one that must have aged before another may come
        let wait = spans.into_iter().filter_map(|(most, span)| {
            let at = self.messages.iter().rev().nth((most? as usize).saturating_sub(1))?;
            span.checked_sub(now.duration_since(*at)).filter(|wait| !wait.is_zero())
        });
        if let Some(wait) = wait.max() {
            return Verdict::Wait(wait);
        }
        if spans.iter().any(|(most, _)| most.is_some()) {
            self.messages.push_back(now);
        }
        if limits.recipients_per_day.is_some() {
            self.recipients.push_back((now, recipients));
        }
        Verdict::Take
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_31st_message_within_a_minute_waits_for_the_first_to_age() {
        let (mut usage, limits, start) = (Usage::default(), Limits::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        for second in 0..30 {
            assert_eq!(usage.judge(&limits, 1, at(second)), Verdict::Take);
        }
        assert_eq!(usage.judge(&limits, 1, at(30)), Verdict::Wait(Duration::from_secs(30)));
        assert_eq!(usage.judge(&limits, 1, at(60)), Verdict::Take);
        assert_eq!(usage.judge(&limits, 1, at(60)), Verdict::Wait(Duration::from_secs(1)));
    }

    #[test]
    fn the_hour_counts_beside_the_minute() {
        let limits = Limits { messages_per_hour: Some(2), ..Limits::default() };
        let (mut usage, start) = (Usage::default(), Instant::now());
        assert_eq!(usage.judge(&limits, 1, start), Verdict::Take);
        assert_eq!(usage.judge(&limits, 1, start + 2 * MINUTE), Verdict::Take);
        assert_eq!(usage.judge(&limits, 1, start + 4 * MINUTE), Verdict::Wait(HOUR - 4 * MINUTE));
        assert_eq!(usage.judge(&limits, 1, start + HOUR), Verdict::Take);
    }

    #[test]
    fn a_fourth_connection_may_not_send_until_one_is_gone() {
        let (mut usage, limits, now) = (Usage::default(), Limits::default(), Instant::now());
        (0..4).for_each(|_| usage.sign_in());
        assert_eq!(usage.judge(&limits, 1, now), Verdict::Connections);
        usage.sign_out();
        assert_eq!(usage.judge(&limits, 1, now), Verdict::Take);
        assert_eq!(usage.most_connections, 4);
    }

    #[test]
    fn recipients_are_counted_over_24_hours() {
        let (mut usage, now) = (Usage::default(), Instant::now());
        let limits = Limits { recipients_per_day: Some(10), ..Limits::default() };
        assert_eq!(usage.judge(&limits, 10, now), Verdict::Take);
        assert_eq!(usage.judge(&limits, 1, now + DAY - MINUTE), Verdict::Quota);
        assert_eq!(usage.judge(&limits, 1, now + DAY), Verdict::Take);
        assert_eq!(Usage::default().judge(&Limits::lifted(), 1_000_000, now), Verdict::Take);
    }
}
