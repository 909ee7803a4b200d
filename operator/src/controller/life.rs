//! A credential's end, told a month ahead.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::condition::{Finding, Status};

/// How often an end that is known is looked at, so that it is told in time.
pub(super) const LOOK_AT_ENDS: Duration = Duration::from_secs(3600);

/// Told so long before.
const AHEAD: SignedDuration = SignedDuration::from_hours(30 * 24);

/// When a credential ends, where that is known, and today.
#[derive(Clone, Copy, Debug)]
pub(super) struct Life {
    pub(super) end: Option<Timestamp>,
    pub(super) now: Timestamp,
}

impl Life {
    /// Adds to what is said of the credential that it ends soon, or has ended. Whether it is still
    /// taken is not decided here: whoever takes it knows better.
    pub(super) fn tell(self, credential: Finding) -> Finding {
        let Some(end) = self.end else { return credential };
        let left = end.duration_since(self.now);
        if left > AHEAD {
            return credential;
        }
        let told = if left.is_positive() {
            let days = left.as_hours() / 24;
            format!(
                "the credential ends at {end:.0}, in {days} days: put its successor into the Secret before"
            )
        } else {
            format!("the credential has ended at {end:.0}: put its successor into the Secret")
        };
        let reason = match (credential.status, left.is_positive()) {
            (Status::True, true) => "CredentialEndsSoon",
            (Status::True, false) => "CredentialHasEnded",
            (Status::False | Status::Unknown, _) => credential.reason,
        };
        Finding { reason, message: format!("{}; {told}", credential.message), ..credential }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(end: &str, finding: Finding) -> (Status, &'static str, String) {
        let now = "2026-11-25T00:00:00Z".parse().unwrap();
        let Finding { status, reason, message, .. } =
            Life { end: Some(end.parse().unwrap()), now }.tell(finding);
        (status, reason, message)
    }

    fn well() -> Finding {
        Finding::yes("CredentialReady", "the credential was taken")
    }

    #[test]
    fn an_end_is_told_a_month_ahead() {
        assert_eq!(told("2026-12-26T00:00:00Z", well()).1, "CredentialReady");
        let (status, reason, message) = told("2026-12-24T12:00:00Z", well());
        assert_eq!((status, reason), (Status::True, "CredentialEndsSoon"));
        assert!(message.contains("ends at 2026-12-24T12:00:00Z, in 29 days"), "{message}");
        assert_eq!(told("2026-11-24T00:00:00Z", well()).1, "CredentialHasEnded");
    }

    #[test]
    fn a_refusal_keeps_its_reason_and_gains_the_end() {
        let refused = Finding { status: Status::False, reason: "CertificateUnknown", ..well() };
        let (status, reason, message) = told("2026-11-24T00:00:00Z", refused);
        assert_eq!((status, reason), (Status::False, "CertificateUnknown"));
        assert!(message.contains("has ended at 2026-11-24T00:00:00Z"), "{message}");
    }
}
