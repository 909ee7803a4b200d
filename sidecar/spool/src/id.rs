//! The name of a message, which is also that of its files.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// 1 to 64 letters, digits, `-` and `_` (ASCII), so that it is one file name and never a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Id(Box<str>);

/// A text that cannot be a message's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a queue id has 1 to 64 letters, digits, '-' and '_'")]
pub struct IdError;

impl Id {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Id {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let fits = (1..=64).contains(&text.len())
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if fits { Ok(Self(text.into())) } else { Err(IdError) }
    }
}

impl TryFrom<String> for Id {
    type Error = IdError;

    fn try_from(text: String) -> Result<Self, IdError> {
        text.parse()
    }
}

impl From<Id> for String {
    fn from(id: Id) -> Self {
        id.0.into()
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_never_a_path() {
        for text in ["", ".", "..", "../x", "a/b", "a.mail", "a b", "\u{e9}", &"x".repeat(65)] {
            assert_eq!(text.parse::<Id>(), Err(IdError), "{text:?}");
        }
        assert!("0A-z_9".parse::<Id>().is_ok());
    }
}
