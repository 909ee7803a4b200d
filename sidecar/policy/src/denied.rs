//! Why a sender's rules refuse something.

use mail_egress_diagnosis::{Diagnosis, local, reason};

/// A refusal by the sender's rules. Addresses are in it for the app alone: see [`Denied::whom`].
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// `<>` is not allowed.
    #[error("the empty sender is not allowed")]
    NullSender,
    /// A deny pattern covers the recipient.
    #[error("the recipient is denied")]
    Recipient(String),
    /// No allow pattern covers the recipient.
    #[error("the recipient is not allowed")]
    RecipientNotAllowed(String),
    /// The recipient has no form that patterns can be compared with.
    #[error("the recipient cannot be compared with the rules")]
    RecipientUnclear(String),
    /// From is foreign.
    #[error("the From header is not the sender's")]
    From(String),
    /// Sender is foreign, or cannot be read.
    #[error("the Sender header is not the sender's")]
    SenderHeader,
    /// From or Sender is foreign, and a rewrite would break the signature.
    #[error("a signed message is not rewritten")]
    Signed,
    /// A signed message without From.
    #[error("a signed message has no From header")]
    SignedWithoutFrom,
    /// More than one author.
    #[error("there is more than one author")]
    SeveralFrom,
    /// Readers could differ on who the author is.
    #[error("the From header is unclear")]
    FromUnclear,
    /// Readers could differ on whom To, Cc or Bcc name.
    #[error("the recipients in the header are unclear")]
    HeaderRecipientsUnclear,
    /// Readers could differ on what the fields are.
    #[error("the header section is malformed")]
    Malformed,
    /// The `From ` line of a mailbox file.
    #[error("the message begins with the line of a mailbox file")]
    MboxLine,
    /// More than 256 KiB of header.
    #[error("the header section is too long")]
    TooLong,
}

impl Denied {
    /// The row of the table; it names no address.
    #[must_use]
    pub fn diagnosis(&self) -> Diagnosis {
        local(match self {
            Self::NullSender => reason::NULL_SENDER_NOT_ALLOWED,
            Self::Recipient(_) => reason::RECIPIENT_DENIED,
            Self::RecipientNotAllowed(_) => reason::RECIPIENT_NOT_ALLOWED,
            Self::RecipientUnclear(_) => reason::RECIPIENT_UNCLEAR,
            Self::From(_) => reason::FROM_NOT_ALLOWED,
            Self::SenderHeader => reason::SENDER_HEADER_NOT_ALLOWED,
            Self::Signed => reason::SIGNED_NOT_REWRITTEN,
            Self::SignedWithoutFrom => reason::SIGNED_WITHOUT_FROM,
            Self::SeveralFrom => reason::FROM_SEVERAL,
            Self::FromUnclear => reason::FROM_UNCLEAR,
            Self::HeaderRecipientsUnclear => reason::HEADER_RECIPIENTS_UNCLEAR,
            Self::Malformed => reason::HEADER_MALFORMED,
            Self::MboxLine => reason::HEADER_MBOX_LINE,
            Self::TooLong => reason::HEADER_TOO_LONG,
        })
    }

    /// The address that it is about, for the app's reply; the log must not name it.
    #[must_use]
    pub fn whom(&self) -> Option<&str> {
        match self {
            Self::Recipient(it)
            | Self::RecipientNotAllowed(it)
            | Self::RecipientUnclear(it)
            | Self::From(it) => Some(it),
            Self::NullSender
            | Self::SenderHeader
            | Self::Signed
            | Self::SignedWithoutFrom
            | Self::SeveralFrom
            | Self::FromUnclear
            | Self::HeaderRecipientsUnclear
            | Self::Malformed
            | Self::MboxLine
            | Self::TooLong => None,
        }
    }
}

impl std::fmt::Debug for Denied {
    /// Without the address, since this may be logged.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Denied({})", self.diagnosis().reason)
    }
}
