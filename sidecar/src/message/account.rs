//! One log line and one count for each message, at its end.
//!
//! A line names the sender's address and no recipient's (unless the relay's own words do), never a
//! token, and of the content nothing but the Message-ID.

use std::time::Duration;

use mail_egress_diagnosis::{Class, is_entras, reason, words};
use mail_egress_smtp::client::UpstreamReply;
use mail_egress_smtp::server::Unfit;
use mail_egress_smtp::{Envelope, ReversePath};

use crate::message::refusal::Refusal;
use crate::message::submission::Submission;
use crate::message::trace::QueueId;
use crate::metrics::{AuthStage, Fate, Metrics, Phase};
use crate::upstream::{Accepted, Times};

/// The `reason` of a message whose app left; not in the table, since nobody is told.
const APP_LEFT: &str = "AppLeft";

/// What is noted about a message while it is sent on.
#[derive(Debug)]
pub struct Account {
    /// From the 354 to the dot.
    receive: Duration,
    /// For a place upstream, behind the dot.
    pub wait: Duration,
    /// Upstream, of the last attempt.
    pub times: Times,
    /// How often the relay was asked.
    pub attempts: u32,
    /// The message's own, if it has one.
    pub message_id: String,
}

impl Account {
    /// The message is complete; it took so long to come.
    #[must_use]
    pub fn begin(receive: Duration) -> Self {
        Self {
            receive,
            wait: Duration::ZERO,
            times: Times::default(),
            attempts: 1,
            message_id: String::new(),
        }
    }

    /// Its fate is known.
    pub fn close(
        self,
        metrics: &Metrics,
        submission: &Submission,
        outcome: &Result<Accepted, Refusal>,
        total: Duration,
    ) {
        let (envelope, octets) = (&submission.envelope, submission.body.octets());
        let (fate, reason) = match outcome {
            Ok(_) => (Fate::Accepted, None),
            Err(refusal) => (refusal.fate(), Some(refusal.reason)),
        };
        metrics.message(fate, reason, envelope.to.len(), octets);
        metrics.delivered_in(total);
        metrics.sized(octets);
        self.count_phases(metrics, submission.hold);
        if let Err(refusal) = outcome {
            count_authentication(metrics, refusal);
        }
        let said = match outcome {
            Ok(accepted) => accepted.said(),
            Err(refusal) => refusal.sentence.clone(),
        };
        let reason = reason.unwrap_or_default();
        let message_id = &self.message_id;
        // by the number in its greeting the relay's people find the connection
        let relay = words(&self.times.greeting);
        macro_rules! line {
            ($level:ident, $($field:tt)*) => {
                tracing::$level!(
                    id = %submission.id,
                    from = envelope.from.to_string(),
                    recipients = envelope.to.len(),
                    bytes = octets,
                    message_id,
                    $($field)*
                    hold_ms = millis(submission.hold),
                    receive_ms = millis(self.receive),
                    wait_ms = millis(self.wait),
                    attempts = self.attempts,
                    connect_ms = millis(self.times.connect),
                    login_ms = millis(self.times.login),
                    transfer_ms = millis(self.times.transfer),
                    "message {}",
                    fate.label()
                )
            };
        }
        match fate {
            Fate::Accepted => line!(info, reply = said,),
            Fate::Uncertain => line!(error, reason, why = said, relay,),
            Fate::Spooled | Fate::Deferred | Fate::Refused | Fate::Abandoned | Fate::Expired => {
                line!(warn, reason, why = said, relay,);
            }
        }
    }

    fn count_phases(&self, metrics: &Metrics, hold: Duration) {
        metrics.phase(Phase::Hold, hold);
        metrics.phase(Phase::Receive, self.receive);
        count_upstream(metrics, self.wait, &self.times);
    }
}

/// A warm connection spares a message two phases, and a refusal of our own all behind the dot.
pub(crate) fn count_upstream(metrics: &Metrics, wait: Duration, times: &Times) {
    for (phase, time) in [
        (Phase::Wait, wait),
        (Phase::Connect, times.connect),
        (Phase::Login, times.login),
        (Phase::Transfer, times.transfer),
    ] {
        if !time.is_zero() {
            metrics.phase(phase, time);
        }
    }
}

impl Account {
    /// It is on disk, and its app was told 250. Its fate has a line of its own.
    pub fn spooled(self, metrics: &Metrics, submission: &Submission, message_id: &str, total: Duration) {
        let (envelope, octets) = (&submission.envelope, submission.body.octets());
        metrics.message(Fate::Spooled, None, envelope.to.len(), octets);
        metrics.delivered_in(total);
        metrics.sized(octets);
        metrics.phase(Phase::Receive, self.receive);
        tracing::info!(
            id = %submission.id,
            from = envelope.from.to_string(),
            recipients = envelope.to.len(),
            bytes = octets,
            message_id,
            receive_ms = millis(self.receive),
            write_ms = millis(total),
            "message spooled"
        );
    }
}

/// A message that was refused before its 354.
pub fn not_taken(metrics: &Metrics, id: &QueueId, envelope: &Envelope, refusal: &Refusal, hold: Duration) {
    metrics.message(refusal.fate(), Some(refusal.reason), envelope.to.len(), 0);
    metrics.phase(Phase::Hold, hold);
    count_authentication(metrics, refusal);
    tracing::warn!(
        %id,
        from = envelope.from.to_string(),
        recipients = envelope.to.len(),
        announced_bytes = envelope.size,
        reason = refusal.reason,
        why = refusal.sentence,
        hold_ms = millis(hold),
        "message {} before its 354",
        refusal.fate().label()
    );
}

/// A message whose app left before it was complete, or before it was sent on.
pub fn abandoned(metrics: &Metrics, submission: &Submission) {
    unfinished(metrics, submission, Fate::Abandoned, APP_LEFT, "the app left before its message was sent");
}

/// A message that can never be taken, as showed while it came; the session has said so.
pub fn unfit(metrics: &Metrics, submission: &Submission, why: Unfit) {
    let (reason, why) = match why {
        Unfit::TooLarge => (reason::MESSAGE_TOO_LARGE, "larger than the route takes"),
        Unfit::BareEnding => (reason::BARE_LINE_ENDING, "it has bare line endings"),
        Unfit::LongLine => (reason::TEXT_LINE_TOO_LONG, "it has too long a line"),
    };
    // the one of them that the sender's rules can change
    if reason == reason::BARE_LINE_ENDING {
        metrics.denied(reason);
    }
    unfinished(metrics, submission, Fate::Refused, reason, why);
}

/// A message that its sender announced as larger than the route takes; the session has said so.
pub fn announced_too_large(metrics: &Metrics, from: &ReversePath) {
    let (fate, reason) = (Fate::Refused, reason::MESSAGE_TOO_LARGE);
    metrics.message(fate, Some(reason), 0, 0);
    tracing::warn!(
        from = from.to_string(),
        reason,
        why = "announced as larger than the route takes",
        "message {}",
        fate.label()
    );
}

/// A message whose app should have logged in before; the session has said so.
pub fn not_logged_in(metrics: &Metrics, from: &ReversePath) {
    let (fate, reason) = (Fate::Refused, reason::APP_NOT_LOGGED_IN);
    metrics.message(fate, Some(reason), 0, 0);
    metrics.auth_failure(AuthStage::App, reason);
    tracing::warn!(
        from = from.to_string(),
        reason,
        why = "the app did not log in",
        "message {}",
        fate.label()
    );
}

/// A login of the app that was wrong, or could not be checked.
pub fn login_refused(metrics: &Metrics, refusal: &Refusal) {
    metrics.auth_failure(AuthStage::App, refusal.reason);
    tracing::warn!(reason = refusal.reason, why = refusal.sentence, "the app's login was refused");
}

fn unfinished(
    metrics: &Metrics,
    submission: &Submission,
    fate: Fate,
    reason: &'static str,
    why: &'static str,
) {
    let (envelope, octets) = (&submission.envelope, submission.body.octets());
    metrics.message(fate, Some(reason), envelope.to.len(), octets);
    tracing::warn!(
        id = %submission.id,
        from = envelope.from.to_string(),
        recipients = envelope.to.len(),
        bytes = octets,
        reason,
        why,
        "message {}",
        fate.label()
    );
}

/// One more message that failed on authentication, if it did.
pub(crate) fn count_authentication(metrics: &Metrics, refusal: &Refusal) {
    if let Some(stage) = authentication(refusal) {
        metrics.auth_failure(stage, refusal.reason);
    }
}

/// At which stage of authentication it failed, if it did. Entra's reasons count also where they come
/// from the operator, by way of the file.
fn authentication(refusal: &Refusal) -> Option<AuthStage> {
    match refusal.reason {
        _ if refusal.at_authentication => Some(AuthStage::Relay),
        reason::XOAUTH2_NOT_OFFERED
        | reason::PASSWORD_LOGIN_NOT_OFFERED
        | reason::CREDENTIAL_TOO_LONG
        | reason::CREDENTIAL_IN_PLAINTEXT => Some(AuthStage::Relay),
        reason::TOKEN_MISSING
        | reason::TOKEN_EXPIRED
        | reason::TOKEN_UNUSABLE
        | reason::TOKEN_FOR_ANOTHER_ROUTE
        | reason::CREDENTIAL_NOT_FOUND
        | reason::CREDENTIAL_NOT_LABELLED
        | reason::CREDENTIAL_INVALID
        | reason::LOGIN_URL_INVALID
        | reason::ENTRA_NAME_NOT_FOUND
        | reason::ENTRA_UNREACHABLE
        | reason::ENTRA_TIMEOUT
        | reason::ENTRA_TLS_FAILED
        | reason::TOKEN_HOST_UNREACHABLE
        | reason::TOKEN_HOST_TLS_FAILED
        | reason::TOKEN_ENDS_SOON
        | reason::OWN_TOKEN_REFUSED
        | reason::OWN_TOKEN_UNAVAILABLE => Some(AuthStage::Token),
        reason => is_entras(reason).then_some(AuthStage::Token),
    }
}

/// A message that the limits let go later, or never.
pub fn held_back(metrics: &Metrics, refusal: &Refusal) {
    match refusal.class {
        Class::Permanent => metrics.denied(refusal.reason),
        Class::Transient | Class::Mendable | Class::Uncertain => metrics.held_back(refusal.reason),
    }
}

/// A reply of the relay, for the log.
pub(crate) fn spoken(reply: &UpstreamReply) -> String {
    let enhanced = reply.enhanced.map(|code| format!("{code} ")).unwrap_or_default();
    words(&format!("{} {enhanced}{}", reply.code, reply.text))
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_between_us_and_a_token_is_a_failure_of_authentication() {
        let stage = |reason| authentication(&Refusal::of(reason));
        for reason in ["TokenExpired", "EntraTimeout", "InvalidClientSecret", "CredentialInvalid"] {
            assert_eq!(stage(reason), Some(AuthStage::Token), "{reason}");
        }
        assert_eq!(stage("Xoauth2NotOffered"), Some(AuthStage::Relay));
        assert_eq!(stage("SenderSuspended"), None);
        let mut refused = Refusal::of("ConditionalAccess");
        refused.at_authentication = true;
        assert_eq!(authentication(&refused), Some(AuthStage::Relay));
    }
}
