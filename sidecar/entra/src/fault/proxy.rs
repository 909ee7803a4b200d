//! What can go wrong between us and a proxy.

use mail_egress_diagnosis::reason;

use super::Fault;

/// Why a proxy gave no way. Completes the sentence "the proxy … ".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyTrouble {
    /// It cannot be reached, or does not answer.
    #[error("cannot be used: {0}")]
    Unusable(Box<Fault>),
    /// It does not let us through: these are its words.
    #[error("refuses: {0}")]
    Refused(String),
    /// It wants to know who we are, which it is never told.
    #[error("wants a login: {0}")]
    WantsLogin(String),
    /// It would let us through and cannot get there itself.
    #[error("found no way there: {0}")]
    NoWay(String),
    /// It is something else than was thought.
    #[error("gave {0}")]
    Garbled(String),
}

impl ProxyTrouble {
    pub(super) fn reason(&self) -> &'static str {
        match self {
            Self::Unusable(_) => reason::PROXY_UNREACHABLE,
            Self::Refused(_) => reason::PROXY_REFUSED,
            Self::WantsLogin(_) => reason::PROXY_WANTS_LOGIN,
            Self::NoWay(_) => reason::PROXY_FOUND_NO_WAY,
            Self::Garbled(_) => reason::PROXY_PROTOCOL,
        }
    }
}
