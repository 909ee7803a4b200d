//! Why a message is not taken, in the form that the app, the log and the metrics share.

use std::time::Duration;

use mail_egress_diagnosis::{Class, Diagnosis, Retry, local, parts, reason, sentence, words};
use mail_egress_smtp::reply::{NegativeCode, NegativeReply, Status};

use crate::metrics::Fate;
use crate::sender::claims::Explained;

/// One message's refusal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// From the diagnosis table, so bounded.
    pub reason: &'static str,
    /// What repeating the message can achieve.
    pub class: Class,
    /// Whether repeating the step itself helps.
    pub retry: Retry,
    /// Whether the relay said it, in a reply that was received whole.
    pub by_relay: bool,
    /// For how long the other side wants nothing, where it said so.
    pub retry_after: Option<Duration>,
    /// The whole sentence: cause, the other side's words, and what to do.
    pub sentence: String,
    /// Whom it is about, for the app alone: the log names no recipients.
    whom: Option<String>,
    /// Whether it answered AUTH, or said that AUTH did not succeed.
    pub at_authentication: bool,
    status: Status,
    code: NegativeCode,
}

impl Refusal {
    /// Our own finding, by its reason.
    #[must_use]
    pub fn of(reason: &'static str) -> Self {
        local(reason).into()
    }

    /// One whose sentence was written out elsewhere and is repeated as it is.
    #[must_use]
    pub fn in_words(reason: &'static str, class: Class, sentence: &str) -> Self {
        Self {
            reason,
            class,
            retry: Retry::WhenMended,
            by_relay: false,
            retry_after: None,
            sentence: mail_egress_diagnosis::sentence(sentence),
            whom: None,
            at_authentication: false,
            status: usual_status(reason),
            code: usual_code(reason, class),
        }
    }

    /// The same, with what the relay answered: its enhanced code is passed on, and where the
    /// message is at fault its basic code too.
    #[must_use]
    pub fn answered(mut self, code: u16, status: Option<Status>) -> Self {
        self.status = status.unwrap_or(self.status);
        self.code = match (self.class, code) {
            (Class::Transient | Class::Mendable | Class::Uncertain, _) => NegativeCode::LocalError,
            (Class::Permanent, 550 | 551 | 553) => NegativeCode::NotTaken,
            (Class::Permanent, 552) => NegativeCode::TooLarge,
            (Class::Permanent, _) => NegativeCode::TransactionFailed,
        };
        self
    }

    /// Whether the relay did not believe the token, as far as that can be told from its words.
    #[must_use]
    pub fn is_of_the_token(&self) -> bool {
        let of_the_token = [
            "TokenRefused",
            "TokenMalformed",
            "NotAuthenticated",
            "AuthenticationRefused",
            "GraphPermissionMissing",
            "GraphAccessDenied",
        ];
        self.at_authentication && of_the_token.contains(&self.reason)
    }

    /// The same, with what the refused token says of itself: what is odd comes first, and its fix too.
    #[must_use]
    pub fn with_token(mut self, token: &Explained) -> Self {
        let (cause, fix) = parts(&self.sentence);
        let odd: Vec<_> = token.odd.iter().chain(&token.doubtful).collect();
        let join = |clauses: Vec<&str>| clauses.join("; ");
        let mut causes = vec![cause];
        causes.extend(odd.iter().map(|it| it.cause.as_str()));
        let mut fixes: Vec<_> = odd.iter().map(|it| it.fix).collect();
        fixes.dedup();
        let then =
            fix.map(|fix| if fixes.is_empty() { fix.to_owned() } else { format!("if it stays: {fix}") });
        fixes.extend(then.as_deref());
        let seen = format!("the token: {}", words(&token.seen.join(", ")));
        causes.extend((!token.seen.is_empty()).then_some(seen.as_str()));
        self.sentence = sentence(&format!("{}. To mend: {}", join(causes), join(fixes)));
        self
    }

    /// The same, with whom it is about.
    #[must_use]
    pub fn naming(mut self, whom: String) -> Self {
        self.whom = Some(whom);
        self
    }

    /// What the app is told.
    #[must_use]
    pub fn reply(&self) -> NegativeReply {
        match &self.whom {
            Some(whom) => NegativeReply::new(self.code, self.status, &format!("{}. {whom}", self.sentence)),
            None => NegativeReply::new(self.code, self.status, &self.sentence),
        }
    }

    /// How it is counted.
    #[must_use]
    pub fn fate(&self) -> Fate {
        match self.class {
            Class::Transient | Class::Mendable => Fate::Deferred,
            Class::Permanent => Fate::Refused,
            Class::Uncertain => Fate::Uncertain,
        }
    }
}

impl From<Diagnosis> for Refusal {
    fn from(diagnosis: Diagnosis) -> Self {
        Self {
            reason: diagnosis.reason,
            class: diagnosis.class,
            retry: diagnosis.retry,
            by_relay: false,
            retry_after: None,
            sentence: diagnosis.sentence(),
            whom: None,
            at_authentication: false,
            status: usual_status(diagnosis.reason),
            code: usual_code(diagnosis.reason, diagnosis.class),
        }
    }
}

/// 451 for everything that time or a person can mend (the design's promises).
fn usual_code(reason: &str, class: Class) -> NegativeCode {
    match (class, reason) {
        // what RFC 4954 has for them: 535 has a client look at its password, and a message is not lost
        (_, reason::APP_LOGIN_WRONG) => NegativeCode::LoginWrong,
        (_, reason::APP_LOGIN_UNREADABLE | reason::APP_LOGINS_TOO_MANY) => NegativeCode::LoginLater,
        (
            Class::Transient | Class::Mendable,
            reason::MEMORY_BUDGET
            | reason::DRAFT_BEYOND_MEMORY
            | reason::SPILL_LIMIT
            | reason::SPILL_FOLDER_UNUSABLE
            | reason::SPILL_DISK_FAILED
            | reason::SPOOL_FULL
            | reason::SPOOL_DISK_FAILED,
        ) => NegativeCode::InsufficientStorage,
        (Class::Transient | Class::Mendable | Class::Uncertain, _) => NegativeCode::LocalError,
        (Class::Permanent, reason::MESSAGE_TOO_LARGE | reason::MESSAGE_TOO_LARGE_FOR_GRAPH) => {
            NegativeCode::TooLarge
        }
        (
            Class::Permanent,
            reason::RECIPIENT_REFUSED
            | reason::NULL_SENDER_NOT_ALLOWED
            | reason::RECIPIENT_DENIED
            | reason::RECIPIENT_NOT_ALLOWED
            | reason::RECIPIENT_NOT_INTERNAL
            | reason::RECIPIENT_UNCLEAR
            | reason::FROM_NOT_ALLOWED
            | reason::SENDER_HEADER_NOT_ALLOWED
            | reason::SIGNED_NOT_REWRITTEN
            | reason::SIGNED_WITHOUT_FROM,
        ) => NegativeCode::NotTaken,
        (Class::Permanent, _) => NegativeCode::TransactionFailed,
    }
}

/// Subject and detail for what nobody gave an enhanced code (RFC 3463 section 3).
fn usual_status(reason: &str) -> Status {
    let (subject, detail) = match reason {
        reason::MEMORY_BUDGET
        | reason::DRAFT_BEYOND_MEMORY
        | reason::SPILL_LIMIT
        | reason::SPILL_FOLDER_UNUSABLE
        | reason::SPILL_DISK_FAILED
        | reason::SPOOL_FULL
        | reason::SPOOL_DISK_FAILED => (3, 1),
        reason::SHUTTING_DOWN
        | reason::MESSAGES_PER_MINUTE
        | reason::MESSAGES_PER_HOUR
        | reason::RECIPIENTS_PER_DAY
        | reason::SLOWED_DOWN
        | reason::PAUSED_BY_RELAY => (3, 2),
        reason::DSN_NOT_OFFERED => (3, 3),
        reason::MESSAGE_TOO_LARGE | reason::MESSAGE_TOO_LARGE_FOR_GRAPH => (3, 4),
        reason::UPSTREAM_UNREACHABLE | reason::UPSTREAM_TIMEOUT => (4, 1),
        reason::UPSTREAM_CLOSED | reason::DELIVERY_UNCERTAIN => (4, 2),
        reason::UPSTREAM_NAME_NOT_FOUND => (4, 3),
        reason::UPSTREAM_SLOTS_BUSY => (4, 5),
        reason::UPSTREAM_PROTOCOL => (5, 0),
        reason::FROM_SEVERAL
        | reason::FROM_UNCLEAR
        | reason::HEADER_RECIPIENTS_UNCLEAR
        | reason::HEADER_RECIPIENT_NOT_MEANT
        | reason::RESENT_NOT_CARRIED
        | reason::SIGNED_BCC_NOT_EXTENDED
        | reason::NOT_REBUILT
        | reason::HEADER_MALFORMED
        | reason::HEADER_MBOX_LINE
        | reason::HEADER_TOO_LONG => (6, 0),
        reason::EIGHT_BIT_NOT_OFFERED => (6, 3),
        reason::SMTPUTF8_NOT_OFFERED => (6, 7),
        reason::TOKEN_MISSING
        | reason::TOKEN_EXPIRED
        | reason::TOKEN_FOR_ANOTHER_ROUTE
        | reason::APP_NOT_LOGGED_IN
        | reason::APP_LOGIN_UNREADABLE
        | reason::APP_LOGINS_TOO_MANY => (7, 0),
        reason::APP_LOGIN_WRONG => (7, 8),
        reason::NULL_SENDER_NOT_ALLOWED
        | reason::RECIPIENT_DENIED
        | reason::RECIPIENT_NOT_ALLOWED
        | reason::RECIPIENT_NOT_INTERNAL
        | reason::RECIPIENT_UNCLEAR
        | reason::FROM_NOT_ALLOWED
        | reason::SENDER_HEADER_NOT_ALLOWED
        | reason::SIGNED_NOT_REWRITTEN
        | reason::SIGNED_WITHOUT_FROM => (7, 1),
        reason::STARTTLS_NOT_OFFERED
        | reason::XOAUTH2_NOT_OFFERED
        | reason::PASSWORD_LOGIN_NOT_OFFERED
        | reason::CREDENTIAL_TOO_LONG
        | reason::CREDENTIAL_IN_PLAINTEXT => (7, 4),
        reason::PLAINTEXT_INJECTED
        | reason::UPSTREAM_CERTIFICATE_UNTRUSTED
        | reason::UPSTREAM_CERTIFICATE_NAME
        | reason::UPSTREAM_CERTIFICATE_EXPIRED
        | reason::UPSTREAM_TLS_FAILED => (7, 5),
        reason::UPSTREAM_REFUSED | reason::RECIPIENT_REFUSED => (0, 0),
        _ => (3, 5),
    };
    Status::new(subject, detail)
}

#[cfg(test)]
mod tests {
    use mail_egress_diagnosis::{Smtp, smtp};

    use super::*;
    use crate::sender::claims::Oddity;

    fn answered(code: u16, enhanced: &str, text: &str, status: (u16, u16)) -> String {
        let diagnosis = smtp(Smtp { code, enhanced, text, at: mail_egress_diagnosis::At::Message });
        let status = Status::new(status.0, status.1);
        let refusal = Refusal::from(diagnosis).answered(code, Some(status));
        refusal.reply().as_reply().to_string()
    }

    #[test]
    fn what_a_person_can_mend_is_451_with_the_relays_own_words_and_the_fix() {
        let reply = answered(535, "5.7.3", "Authentication unsuccessful", (7, 3));
        assert!(reply.starts_with("451-4.7.3 ") || reply.starts_with("451 4.7.3 "), "{reply}");
        assert!(reply.contains("535 5.7.3 Authentication unsuccessful"), "{reply}");
        assert!(reply.contains("To mend: "), "{reply}");
    }

    #[test]
    fn a_refused_token_is_explained_by_what_it_says_before_the_usual_advice() {
        let refused = smtp(Smtp {
            code: 535,
            enhanced: "5.7.3",
            text: "Authentication unsuccessful",
            at: mail_egress_diagnosis::At::Connection,
        });
        let odd = |cause: &str| Oddity { cause: cause.to_owned(), fix: "grant it" };
        let seen = vec!["roles Mail.Send".to_owned(), "tenant t".to_owned()];
        let token = Explained { seen, odd: vec![odd("it lacks the role")], doubtful: None };
        let sentence = Refusal::from(refused.clone()).with_token(&token).sentence;
        let expected = format!(
            "{} (535 5.7.3 Authentication unsuccessful); it lacks the role; the token: roles Mail.Send, tenant t. To mend: grant it; if it stays: {}",
            refused.cause, refused.fix
        );
        assert_eq!(sentence, expected);
        let nothing_odd = Explained { seen: vec!["opaque".to_owned()], ..Explained::default() };
        let sentence = Refusal::from(refused.clone()).with_token(&nothing_odd).sentence;
        assert!(sentence.ends_with(&format!("; the token: opaque. To mend: {}", refused.fix)), "{sentence}");
    }

    #[test]
    fn what_the_message_can_never_achieve_is_5xx() {
        assert!(answered(552, "5.3.4", "too big", (3, 4)).starts_with("552 5.3.4 "));
        assert!(answered(550, "5.1.1", "no such user", (1, 1)).starts_with("550 5.1.1 "));
    }

    #[test]
    fn our_own_findings_have_codes_of_their_own() {
        let start = |reason| Refusal::of(reason).reply().as_reply().to_string()[..9].to_owned();
        assert_eq!(start(reason::MEMORY_BUDGET), "452 4.3.1");
        assert_eq!(start(reason::MESSAGE_TOO_LARGE), "552 5.3.4");
        assert_eq!(start(reason::MAIL_SENDER_MISSING), "451 4.3.5");
        assert_eq!(start(reason::PLAINTEXT_INJECTED), "451 4.7.5");
        assert_eq!(start(reason::RECIPIENT_DENIED), "550 5.7.1");
        assert_eq!(start(reason::HEADER_MALFORMED), "554 5.6.0");
        assert_eq!(start(reason::DELIVERY_UNCERTAIN), "451 4.4.2");
        assert_eq!(start(reason::APP_LOGIN_WRONG), "535 5.7.8");
        assert_eq!(start(reason::APP_LOGIN_UNREADABLE), "454 4.7.0");
        assert_eq!(start(reason::APP_LOGINS_TOO_MANY), "454 4.7.0");
    }
}
