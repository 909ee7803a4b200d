//! Every reply that the session speaks to the app, and how a reply looks on the wire.
//!
//! A reply's enhanced code (RFC 3463) takes its class from the basic code, so the two cannot
//! disagree. All text is printable ASCII, in lines of at most 512 octets with CRLF (RFC 5321
//! section 4.5.3.1.5).

mod session;
mod wrap;

use std::{borrow::Cow, fmt};

pub(crate) use session::*;
pub use session::{SHUTTING_DOWN, TOO_MANY_SESSIONS};

/// One reply of the session: a basic code, an enhanced code where the command has one, a text.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    code: u16,
    status: Option<Status>,
    text: Cow<'static, str>,
}

impl Reply {
    /// The three digits.
    #[must_use]
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The enhanced code; its class is the first digit of [`Self::code`].
    #[must_use]
    pub fn enhanced(&self) -> Option<Enhanced> {
        self.status.map(|Status { subject, detail }| Enhanced { class: self.code / 100, subject, detail })
    }

    /// The text before it is wrapped; `\n` stands where a new line was asked for.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Appends the reply as it goes over the wire.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        wrap::write(self.code, self.enhanced(), &self.text, out);
    }
}

/// As on the wire, lines separated by `\n`.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut wire = Vec::new();
        self.write_to(&mut wire);
        f.write_str(String::from_utf8_lossy(&wire).replace("\r\n", "\n").trim_end())
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reply({self})")
    }
}

/// A reply that says no: 4yz or 5yz, never anything else.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NegativeReply(Reply);

impl NegativeReply {
    /// A refusal in our own words. `text` is made printable ASCII, is cut at about 4,000 octets,
    /// and is wrapped over as many lines as it needs.
    #[must_use]
    pub fn new(code: NegativeCode, status: Status, text: &str) -> Self {
        Self(Reply { code: code.number(), status: Some(status), text: wrap::printable(text).into() })
    }

    /// The reply itself.
    #[must_use]
    pub fn as_reply(&self) -> &Reply {
        &self.0
    }

    /// Whether it is 4yz: the app may try the same message again.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.0.code < 500
    }
}

/// The basic codes that may refuse a message (RFC 5321 section 4.2.3) or a login.
///
/// 421 is not among them: the session says it by itself when it closes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NegativeCode {
    /// 454, a login cannot be checked now (RFC 4954 section 6).
    LoginLater,
    /// 535, a login is wrong.
    LoginWrong,
    /// 451, the one for everything that a person or time can mend.
    LocalError,
    /// 452, no room (disk, memory, too many recipients at once).
    InsufficientStorage,
    /// 550, not taken: a bad recipient, or a rule of ours on addresses.
    NotTaken,
    /// 552, larger than may be sent.
    TooLarge,
    /// 554, the transaction failed for good.
    TransactionFailed,
}

impl NegativeCode {
    /// The three digits.
    #[must_use]
    pub fn number(self) -> u16 {
        match self {
            Self::LoginLater => 454,
            Self::LoginWrong => 535,
            Self::LocalError => 451,
            Self::InsufficientStorage => 452,
            Self::NotTaken => 550,
            Self::TooLarge => 552,
            Self::TransactionFailed => 554,
        }
    }
}

/// Subject and detail of an enhanced code, `7.3` in `5.7.3` (RFC 3463).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// What the trouble is about: 1 addressing … 7 security or policy.
    pub subject: u16,
    /// Which trouble of that subject.
    pub detail: u16,
}

impl Status {
    /// `subject.detail`.
    #[must_use]
    pub const fn new(subject: u16, detail: u16) -> Self {
        Self { subject, detail }
    }
}

/// An enhanced status code as read or shown, `5.7.3` (RFC 3463).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Enhanced {
    /// 2, 4 or 5.
    pub class: u16,
    /// 0 to 999.
    pub subject: u16,
    /// 0 to 999.
    pub detail: u16,
}

impl Enhanced {
    /// Subject and detail alone, to say the same thing with another class.
    #[must_use]
    pub fn status(self) -> Status {
        Status { subject: self.subject, detail: self.detail }
    }

    /// Reads the code that a reply's text begins with, and gives the rest of the text.
    #[must_use]
    pub fn split_from(text: &str) -> Option<(Self, &str)> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        let mut parts = word.split('.');
        let mut number = |most: u16| {
            let digits = parts.next().filter(|d| d.len() <= 3 && d.bytes().all(|b| b.is_ascii_digit()))?;
            digits.parse::<u16>().ok().filter(|n| *n <= most)
        };
        let code = Self { class: number(5)?, subject: number(999)?, detail: number(999)? };
        (parts.next().is_none() && matches!(code.class, 2 | 4 | 5)).then(|| (code, rest.trim_start()))
    }
}

impl fmt::Display for Enhanced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

#[cfg(test)]
mod tests;
