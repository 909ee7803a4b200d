//! What is said about a message outside of it: the sender, the recipients, how the body is coded.

use std::fmt;

use crate::{Address, Dsn, RecipientDsn};

/// The envelope of one message (RFC 5321 section 2.3.1), as the app gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// Where bounces go.
    pub from: ReversePath,
    /// The recipients in the order given, at least one, duplicates included.
    pub to: Vec<Recipient>,
    /// What BODY= declared.
    pub body: BodyType,
    /// Whether SMTPUTF8 was declared (RFC 6531).
    pub smtputf8: bool,
    /// What SIZE= announced, in octets (RFC 1870); only an estimate.
    pub size: Option<u64>,
    /// RET and ENVID.
    pub dsn: Dsn,
}

impl Envelope {
    /// Whether it asks for anything that only a relay with DSN (RFC 3461) understands.
    #[must_use]
    pub fn asks_for_dsn(&self) -> bool {
        self.dsn != Dsn::default() || self.to.iter().any(|to| to.dsn != RecipientDsn::default())
    }
}

/// Whom a message is for, and what is to be told of its way there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// The address.
    pub address: Address,
    /// NOTIFY and ORCPT.
    pub dsn: RecipientDsn,
}

impl Recipient {
    /// Whether it can be sent without SMTPUTF8.
    #[must_use]
    pub fn is_ascii(&self) -> bool {
        self.address.is_ascii() && self.dsn.orcpt.as_ref().is_none_or(|orcpt| orcpt.is_ascii())
    }

    /// How many octets it holds.
    pub(crate) fn octets(&self) -> usize {
        let orcpt = self.dsn.orcpt.as_ref().map_or(0, |orcpt| orcpt.as_str().len());
        self.address.as_str().len() + orcpt
    }
}

impl From<Address> for Recipient {
    fn from(address: Address) -> Self {
        Self { address, dsn: RecipientDsn::default() }
    }
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
