//! The trace header: the one thing that is added to a message.

use std::fmt;
use std::sync::atomic::{AtomicU16, Ordering};

use jiff::tz::TimeZone;
use jiff::{Timestamp, fmt::rfc2822};

/// Names one message in the log and in its trace header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueId(String);

/// Gives out queue ids, none of them twice within a sidecar's life.
#[derive(Debug, Default)]
pub struct QueueIds {
    count: AtomicU16,
}

impl QueueIds {
    /// The next one: the time in microseconds and a count, which between them never repeat.
    pub fn next(&self, now: Timestamp) -> QueueId {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        QueueId(format!("{:x}{count:04x}", now.as_microsecond()))
    }
}

impl fmt::Display for QueueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Octets that are kept free for [`received`] and for the fields by which a header is completed or
/// rewritten.
pub const ROOM: u64 = 2048;

/// The `Received:` line (RFC 5321 section 4.4), ending in CRLF.
///
/// It tells no more than it must (section 7.6): no name or address of pod, node or app, only what
/// is needed to count hops, to date them and to find our own log line.
#[must_use]
pub fn received(id: &QueueId, smtputf8: bool, now: Timestamp) -> String {
    // RFC 6531 section 4.3 names the protocol that carried UTF-8
    let protocol = if smtputf8 { "UTF8SMTP" } else { "ESMTP" };
    // fails only beyond the year 9999
    let date = rfc2822::to_string(&now.to_zoned(TimeZone::UTC)).unwrap_or_default();
    format!("Received: from localhost by mail-egress with {protocol} id {id};\r\n\t{date}\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_when_and_under_which_id_and_nothing_of_the_pod() {
        let now: Timestamp = "2026-11-23T06:39:39Z".parse().unwrap();
        let line = received(&QueueId("65f0001".to_owned()), false, now);
        assert_eq!(
            line,
            "Received: from localhost by mail-egress with ESMTP id 65f0001;\r\n\tMon, 23 Nov 2026 06:39:39 +0000\r\n"
        );
        assert!(received(&QueueId("1".to_owned()), true, now).contains(" with UTF8SMTP "));
    }

    #[test]
    fn is_never_longer_than_the_room_for_it() {
        let longest = received(&QueueIds::default().next(Timestamp::MAX), true, Timestamp::MAX);
        assert!(longest.len() as u64 <= ROOM, "{}", longest.len());
    }

    #[test]
    fn no_two_messages_of_one_instant_share_an_id() {
        let now = Timestamp::now();
        let ids = QueueIds::default();
        assert_ne!(ids.next(now), ids.next(now));
    }
}
