//! AUTH from the app: PLAIN, LOGIN and XOAUTH2, gone through and ignored, or PLAIN and LOGIN given to
//! the caller to be checked.

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use secrecy::{SecretString, zeroize::Zeroizing};

use crate::reply::{self, Reply};

/// What becomes of what the app says in AUTH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Logins {
    /// Nothing: whatever it is, it is accepted.
    Ignored,
    /// The caller checks it, and without it no message is taken.
    Demanded,
}

/// What the app says it is, and the proof of it. `Debug` shows neither.
pub struct Credentials {
    /// The user name.
    pub user: SecretString,
    /// The password.
    pub password: SecretString,
}

/// Shows nothing: a name may be a password that went into the wrong field.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

/// What the next line of the AUTH dialogue is.
#[derive(Debug)]
pub(super) enum Step {
    /// The only response of PLAIN (RFC 4616), or of XOAUTH2.
    Only,
    /// LOGIN's user name.
    User,
    /// LOGIN's password; behind this name, where it is to be checked.
    Password(Option<SecretString>),
}

/// What follows from a response.
#[derive(Debug)]
pub(super) enum Next {
    /// Another one is asked for.
    Ask(Step),
    /// It is accepted, whatever it was.
    Accepted,
    /// It is to be checked.
    Check(Credentials),
}

impl Step {
    /// What is said to ask for this step.
    pub(super) fn challenge(&self) -> Reply {
        match self {
            Self::Only => reply::CHALLENGE,
            Self::User => reply::CHALLENGE_USER,
            Self::Password(_) => reply::CHALLENGE_PASSWORD,
        }
    }

    /// Takes a response.
    ///
    /// Where nothing is checked it is not even decoded: what is not there cannot leak.
    pub(super) fn respond(self, response: &[u8], logins: Logins) -> Result<Next, Reply> {
        if response == b"*" {
            return Err(reply::AUTH_CANCELLED);
        }
        if logins == Logins::Ignored {
            return match self {
                _ if !is_base64(response) => Err(reply::AUTH_NOT_BASE64),
                Self::User => Ok(Next::Ask(Self::Password(None))),
                Self::Only | Self::Password(_) => Ok(Next::Accepted),
            };
        }
        let text = decoded(response).ok_or(reply::AUTH_NOT_BASE64)?;
        Ok(match self {
            Self::User => Next::Ask(Self::Password(Some(text.as_str().into()))),
            Self::Password(user) => {
                Next::Check(Credentials { user: user.unwrap_or_default(), password: text.as_str().into() })
            }
            Self::Only => Next::Check(plain(&text).ok_or(reply::AUTH_NOT_PLAIN)?),
        })
    }
}

/// Takes an AUTH command.
pub(super) fn begin(mechanism: &str, initial: Option<&str>, logins: Logins) -> Result<Next, Reply> {
    let is = |name: &str| mechanism.eq_ignore_ascii_case(name);
    let first = match logins {
        _ if is("PLAIN") => Step::Only,
        _ if is("LOGIN") => Step::User,
        Logins::Ignored if is("XOAUTH2") => Step::Only,
        Logins::Ignored => return Err(reply::NO_SUCH_MECHANISM),
        Logins::Demanded => return Err(reply::ONLY_PASSWORDS),
    };
    match initial {
        None => Ok(Next::Ask(first)),
        // an empty initial response (RFC 4954 section 4)
        Some("=") => first.respond(b"", logins),
        Some(response) => first.respond(response.as_bytes(), logins),
    }
}

/// RFC 4616: whom to act for, who one is, the password. One acts for oneself here.
fn plain(text: &str) -> Option<Credentials> {
    let mut parts = text.split('\0');
    let (acts_for, user, password) = (parts.next()?, parts.next()?, parts.next()?);
    let alone = parts.next().is_none() && (acts_for.is_empty() || acts_for == user);
    alone.then(|| Credentials { user: user.into(), password: password.into() })
}

fn decoded(response: &[u8]) -> Option<Zeroizing<String>> {
    let octets = Zeroizing::new(STANDARD.decode(response).ok()?);
    Some(Zeroizing::new(std::str::from_utf8(&octets).ok()?.to_owned()))
}

fn is_base64(text: &[u8]) -> bool {
    let unpadded = text.strip_suffix(b"==").or_else(|| text.strip_suffix(b"=")).unwrap_or(text);
    unpadded.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'))
}
