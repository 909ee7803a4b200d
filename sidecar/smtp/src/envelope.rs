//! What is said about a message outside of it: the sender, the recipients, how the body is coded.

use std::fmt;

use crate::Address;

/// The envelope of one message (RFC 5321 section 2.3.1), as the app gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Where bounces go.
    pub from: ReversePath,
    /// The recipients in the order given, at least one, duplicates included.
    pub to: Vec<Address>,
    /// What BODY= declared.
    pub body: BodyType,
    /// Whether SMTPUTF8 was declared (RFC 6531).
    pub smtputf8: bool,
    /// What SIZE= announced, in octets (RFC 1870); only an estimate.
    pub size: Option<u64>,
}

/// The sender's address in the envelope, or `<>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReversePath {
    /// `<>`: nobody wants to hear of a failure.
    Null,
    /// The address that bounces go to.
    Address(Address),
}

impl ReversePath {
    /// The address, unless it is `<>`.
    #[must_use]
    pub fn address(&self) -> Option<&Address> {
        match self {
            Self::Null => None,
            Self::Address(address) => Some(address),
        }
    }
}

impl From<Address> for ReversePath {
    fn from(address: Address) -> Self {
        Self::Address(address)
    }
}

/// Without the angle brackets; `<>` is the empty string.
impl fmt::Display for ReversePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => Ok(()),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// How the body is declared (RFC 6152).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyType {
    /// Only octets up to 127, or nothing declared.
    #[default]
    SevenBit,
    /// `BODY=8BITMIME`.
    EightBitMime,
}
