//! What the lab's Exchange received, and what it learned about it on the way.

use std::fmt;

use jiff::Timestamp;

use crate::lab::header;

/// An accepted message.
#[derive(Clone, Debug)]
pub struct Message {
    /// Counted from 1 in the order of acceptance.
    pub number: usize,
    /// When it was accepted.
    pub time: Timestamp,
    /// The connection that it came on, counted from 1.
    pub connection: u64,
    /// The version of TLS that it came through.
    pub tls: &'static str,
    /// The mailbox, or user name, that was signed in to; empty where nobody signs in.
    pub mailbox: String,
    /// The client id of the app that signed in; empty where none did.
    pub client_id: String,
    /// The envelope.
    pub envelope: Envelope,
    /// DATA or BDAT.
    pub transfer: Transfer,
    /// The content, byte for byte, dot stuffing undone.
    pub content: Vec<u8>,
}

/// An envelope with everything that was declared in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// MAIL FROM; `None` is the null sender `<>`.
    pub sender: Option<String>,
    /// RCPT TO, those accepted.
    pub recipients: Vec<Recipient>,
    /// BODY.
    pub body: Body,
    /// SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
    /// SIZE, in octets (RFC 1870).
    pub size: Option<u64>,
    /// RET (RFC 3461).
    pub ret: Option<String>,
    /// ENVID, in xtext as it came (RFC 3461).
    pub envid: Option<String>,
}

/// A recipient.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recipient {
    /// The address.
    pub address: String,
    /// NOTIFY (RFC 3461).
    pub notify: Option<String>,
    /// ORCPT, in xtext as it came (RFC 3461).
    pub orcpt: Option<String>,
}

/// What the client declared of the content (RFC 6152, RFC 3030).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Body {
    /// Nothing, or 7BIT.
    #[default]
    SevenBit,
    /// 8BITMIME.
    EightBitMime,
    /// BINARYMIME; it must come by BDAT.
    BinaryMime,
}

/// How the content came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transfer {
    /// DATA.
    Data,
    /// BDAT, in so many chunks.
    Bdat(usize),
}

impl Message {
    /// The first header field of this name, unfolded, without the name.
    pub fn header(&self, name: &str) -> Option<String> {
        header::field(&self.content, name)
    }

    /// The recipients' addresses.
    pub fn recipients(&self) -> Vec<&str> {
        self.envelope.recipients.iter().map(|recipient| recipient.address.as_str()).collect()
    }

    /// The header section, without the empty line that ends it.
    pub fn header_section(&self) -> &[u8] {
        header::section(&self.content)
    }

    /// What follows the empty line.
    pub fn body(&self) -> &[u8] {
        header::body(&self.content)
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "exchange: message {}, from <{}> to {}, {} octets, signed in as {} ({}, connection {})",
            self.number,
            self.envelope.sender.as_deref().unwrap_or_default(),
            self.recipients().join(", "),
            self.content.len(),
            self.mailbox,
            self.tls,
            self.connection
        )
    }
}
