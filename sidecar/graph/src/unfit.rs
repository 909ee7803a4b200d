//! Why a message cannot go by Graph.

use mail_egress_diagnosis::{Diagnosis, local, reason};
use mail_egress_policy::Denied;

/// The largest message that one request carries, in octets of MIME: base64 makes 4,000,000 of them.
///
/// Graph answers 413 to requests of about 4 MB (fact sheet D, "Graph"). Which megabyte is meant is
/// not said, so the smaller one is taken.
pub const MOST_OCTETS: u64 = 3_000_000;

/// Why Graph cannot carry this message; by SMTP it might go.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// The header names somebody who is not meant.
    #[error("the header names a recipient that the envelope does not")]
    NotMeant(String),
    /// The header cannot be read in one way only.
    #[error("{0}")]
    Unclear(#[from] Denied),
    /// It has recipients of its own beside To, Cc and Bcc.
    #[error("the message has Resent fields with recipients")]
    Resent,
    /// It is signed with a Bcc, to which nothing is added.
    #[error("the message is signed and has a Bcc header that names not all")]
    SignedBcc,
    /// Too large for one request, and a draft would break it in this way.
    #[error("a draft would break the message: {0}")]
    NotRebuilt(String),
    /// Larger than [`MOST_OCTETS`].
    #[error("the message has {0} octets")]
    TooLarge(u64),
}

/// Whether a message of so many octets fits into one request.
///
/// # Errors
/// [`Unfit::TooLarge`].
pub fn fits(octets: u64) -> Result<(), Unfit> {
    if octets <= MOST_OCTETS { Ok(()) } else { Err(Unfit::TooLarge(octets)) }
}

impl Unfit {
    /// The row of the table; it names no address.
    #[must_use]
    pub fn diagnosis(&self) -> Diagnosis {
        match self {
            Self::NotMeant(_) => local(reason::HEADER_RECIPIENT_NOT_MEANT),
            Self::Unclear(denied) => denied.diagnosis(),
            Self::Resent => local(reason::RESENT_NOT_CARRIED),
            Self::NotRebuilt(what) => local(reason::NOT_REBUILT).with_words(what),
            Self::SignedBcc => local(reason::SIGNED_BCC_NOT_EXTENDED),
            Self::TooLarge(octets) => local(reason::MESSAGE_TOO_LARGE_FOR_GRAPH)
                .with_words(&format!("{octets} octets, and one request carries {MOST_OCTETS}")),
        }
    }

    /// The address that it is about, for the app's reply; the log must not name it.
    #[must_use]
    pub fn whom(&self) -> Option<&str> {
        match self {
            Self::NotMeant(address) => Some(address),
            Self::Unclear(denied) => denied.whom(),
            Self::Resent | Self::SignedBcc | Self::NotRebuilt(_) | Self::TooLarge(_) => None,
        }
    }
}

impl std::fmt::Debug for Unfit {
    /// Without the address, since this may be logged.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Unfit({})", self.diagnosis().reason)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_large_is_told_the_limit_and_the_ways_out() {
        assert_eq!(fits(MOST_OCTETS), Ok(()));
        let told = fits(MOST_OCTETS + 1).unwrap_err().diagnosis();
        assert_eq!(told.reason, "MessageTooLargeForGraph");
        let sentence = told.sentence();
        for words in
            ["3000001 octets", "carries 3000000", "fallbackRoute", "largeMessages of the MailRoute to Draft"]
        {
            assert!(sentence.contains(words), "{sentence}");
        }
    }

    #[test]
    fn no_address_is_shown_but_to_the_app() {
        let unfit = Unfit::NotMeant("a@x.test".to_owned());
        assert!(!format!("{unfit:?} {unfit} {}", unfit.diagnosis().sentence()).contains("x.test"));
        assert_eq!(unfit.whom(), Some("a@x.test"));
    }
}
