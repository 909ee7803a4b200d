//! How an attempt to send can end, by what the caller does next.

use super::Phase;
use crate::{Address, reply::Enhanced};

/// The end of one attempt. Before a message is sent, only `Refused` and `Failed` occur.
#[derive(Debug, PartialEq, Eq)]
pub enum Attempt {
    /// The relay has the message for all recipients.
    Accepted(Accepted),
    /// The relay said no, in words that can be looked up. It has nothing of the message.
    Refused(Refusal),
    /// This relay cannot take this message; nothing was said to it and the connection is fine.
    Unsendable(Unsendable),
    /// It broke off before the final dot; the relay has nothing of the message.
    Failed(Failure),
    /// It broke off behind the final dot: the message may have been delivered. Never to be
    /// resent without being told to.
    Uncertain(Lost),
}

/// Proof that the relay answered 2yz to a message's final dot. Only the dialogue makes one.
#[derive(Debug, PartialEq, Eq)]
pub struct Accepted {
    reply: UpstreamReply,
}

impl Accepted {
    pub(super) fn new(reply: UpstreamReply) -> Self {
        Self { reply }
    }

    /// What the relay said, with its id for the message.
    #[must_use]
    pub fn reply(&self) -> &UpstreamReply {
        &self.reply
    }
}

/// A refusal by the relay, received as a whole.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What was refused.
    pub phase: Phase,
    /// The reply that decides: with several refused recipients the first permanent one.
    pub reply: UpstreamReply,
    /// In phase [`Phase::Rcpt`] every refused recipient with its reply, in order.
    pub recipients: Vec<RefusedRecipient>,
    /// In phase [`Phase::Auth`] whether a password was shown, and not a token.
    pub of_a_password: bool,
}

impl Refusal {
    /// One that is about no recipient and no password.
    #[must_use]
    pub fn new(phase: Phase, reply: UpstreamReply) -> Self {
        Self { phase, reply, recipients: Vec::new(), of_a_password: false }
    }
}

/// One recipient whom the relay did not take.
#[derive(Debug, PartialEq, Eq)]
pub struct RefusedRecipient {
    /// Whom.
    pub address: Address,
    /// Why.
    pub reply: UpstreamReply,
}

/// A reply of the relay, cleaned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamReply {
    /// The basic code, 200 to 599.
    pub code: u16,
    /// The enhanced code that the text began with; its class is the relay's own.
    pub enhanced: Option<Enhanced>,
    /// The rest of all lines joined by spaces, without control characters, at most 1,000 octets.
    pub text: String,
}

impl UpstreamReply {
    /// Whether it is 4yz.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        (400..500).contains(&self.code)
    }
}

/// Why this relay cannot take this message: for good, unless its offers change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsendable {
    /// The message has octets above 127.
    #[error("the message has 8-bit text and the relay does not offer 8BITMIME")]
    EightBit,
    /// An address or the header has octets above 127.
    #[error("the message has internationalised addresses or headers and the relay does not offer SMTPUTF8")]
    SmtpUtf8,
    /// The envelope has RET, ENVID, NOTIFY or ORCPT.
    #[error("the message asks for delivery status notifications and the relay does not offer DSN")]
    Dsn,
    /// Larger than SIZE says.
    #[error("the message has {size} octets and the relay takes {limit}")]
    TooLarge {
        /// What SIZE offers, in octets.
        limit: u64,
        /// What the message has, in octets.
        size: u64,
    },
}

/// What went wrong without a refusal. All but `Lost` speak of a relay that is not as it must be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Silence, a closed connection or an answer that is none.
    #[error("{0}")]
    Lost(#[from] Lost),
    /// STARTTLS is not among the offers: stripped on the way, or a wrong port.
    #[error("the relay does not offer STARTTLS")]
    StartTlsMissing,
    /// Octets came in plaintext behind the reply to STARTTLS.
    #[error("plaintext was injected behind the reply to STARTTLS")]
    InjectedPlaintext,
    /// No mechanism that we could log in by is offered within TLS.
    #[error("the relay does not offer {wanted} (it offers {offered})")]
    MechanismMissing {
        /// What would have served: "XOAUTH2".
        wanted: &'static str,
        /// The mechanisms that it does offer, or "nothing"; capped.
        offered: String,
    },
    /// The token or password is longer than an AUTH line may be (RFC 4954 section 4: 12,288 octets).
    #[error("the token or password is too long for an AUTH line")]
    CredentialTooLong,
    /// There is something to log in with, and the connection is not to become TLS.
    #[error("a token or password is never written to a connection without TLS")]
    CredentialInPlaintext,
}

/// How a connection was lost, and in which phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// The relay closed the connection, or it broke.
    #[error("the connection was closed {0}")]
    Closed(Phase),
    /// The phase's time has passed.
    #[error("the relay did not answer in time {0}")]
    TimedOut(Phase),
    /// Something other than a reply came, or too much of it, or one that has no place here.
    #[error("the relay broke the protocol {phase}: {what}")]
    Garbled {
        /// Where.
        phase: Phase,
        /// What was wrong.
        what: &'static str,
    },
}
