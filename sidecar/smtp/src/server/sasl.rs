//! AUTH from apps that insist on it: PLAIN, LOGIN and XOAUTH2, gone through and ignored.

use crate::reply::{self, Reply};

/// What the next line of the AUTH dialogue is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The only response of PLAIN (RFC 4616) and of XOAUTH2.
    Only,
    /// LOGIN's user name.
    User,
    /// LOGIN's password.
    Password,
}

impl Step {
    /// What is said to ask for this step.
    pub(super) fn challenge(self) -> Reply {
        match self {
            Self::Only => reply::CHALLENGE,
            Self::User => reply::CHALLENGE_USER,
            Self::Password => reply::CHALLENGE_PASSWORD,
        }
    }

    /// Takes a response; gives the step behind it, or `None` at the end.
    ///
    /// The response is not decoded: what is not there cannot leak.
    pub(super) fn respond(self, response: &[u8]) -> Result<Option<Self>, Reply> {
        if response == b"*" {
            return Err(reply::AUTH_CANCELLED);
        }
        if !is_base64(response) {
            return Err(reply::AUTH_NOT_BASE64);
        }
        Ok(match self {
            Self::User => Some(Self::Password),
            Self::Only | Self::Password => None,
        })
    }
}

/// Takes an AUTH command; gives the step to ask for, or `None` at the end.
pub(super) fn begin(mechanism: &str, initial: Option<&str>) -> Result<Option<Step>, Reply> {
    let first = if ["PLAIN", "XOAUTH2"].iter().any(|one| mechanism.eq_ignore_ascii_case(one)) {
        Step::Only
    } else if mechanism.eq_ignore_ascii_case("LOGIN") {
        Step::User
    } else {
        return Err(reply::NO_SUCH_MECHANISM);
    };
    match initial {
        None => Ok(Some(first)),
        // an empty initial response (RFC 4954 section 4)
        Some("=") => first.respond(b""),
        Some(response) => first.respond(response.as_bytes()),
    }
}

fn is_base64(text: &[u8]) -> bool {
    let unpadded = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
    unpadded.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'))
}
