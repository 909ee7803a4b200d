//! The dialogue towards the relay, without its socket.
//!
//! Expected flow, for a connection just made:
//!
//! ```text
//! let mut dialogue = Dialogue::new(settings, now);
//! loop {
//!     write dialogue.take_output() and flush
//!     wait for input → feed, dialogue.deadline() → handle_timeout, the end of the stream → closed
//!     Action::StartTls          → verified handshake on the same socket → tls_established(now)
//!     Action::Ready             → send(message) whenever there is one, or quit
//!     Action::SendBody          → body(piece)… written as it comes, then end_of_body
//!     Action::Finished(attempt) → tell the app; another send if is_ready(), close if is_ended()
//! }
//! ```
//!
//! Guarantees: a token or password is written only within TLS: after [`Dialogue::tls_established`] and a
//! second EHLO, or where the connection was TLS from the first octet;
//! octets that came in before that call never count after it; a connection is cleared by RSET, whose
//! reply counts, before another message is sent on it; the final dot is written only by
//! [`Dialogue::end_of_body`]; up to there a lost connection is [`Attempt::Failed`], behind it
//! [`Attempt::Uncertain`]. A message goes to all of its recipients or to none.

mod attempt;
mod dialogue;
mod offers;
mod phase;
mod replies;
mod sasl;
mod transaction;

use secrecy::SecretString;

pub use attempt::{Accepted, Attempt, Failure, Lost, Refusal, RefusedRecipient, Unsendable, UpstreamReply};
pub use dialogue::Dialogue;
pub use offers::Offers;
pub use phase::{Phase, Timeouts};

use crate::{Envelope, data::Content};

/// What one connection to a relay needs to know.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The name said in EHLO; where it is no host name, `[127.0.0.1]` is said instead.
    pub name: String,
    /// Whether TLS is begun by STARTTLS, was there from the first octet, or is not wanted.
    pub security: Security,
    /// Who logs in; on a plaintext connection nobody can.
    pub login: Login,
    /// The patience for each phase.
    pub timeouts: Timeouts,
}

/// How the connection becomes TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// STARTTLS, which must be offered (RFC 3207).
    StartTls,
    /// The caller has completed a verified handshake before the dialogue began (RFC 8314).
    Implicit,
    /// It does not, because somebody has asked for that. Nothing secret can be said on it.
    Plaintext,
}

/// Who logs in to the relay, and by what.
#[derive(Clone, Debug)]
pub enum Login {
    /// A mailbox by its token (SASL XOAUTH2).
    XOAuth2(XOAuth2),
    /// A user by a password (SASL PLAIN, or LOGIN where that alone is offered).
    Password(Password),
    /// Nobody: the relay knows us by certificate or address, or takes mail for its own only.
    None,
}

/// A user name and its password.
#[derive(Clone, Debug)]
pub struct Password {
    /// The user name; no control characters.
    pub user: String,
    /// The password; no NUL.
    pub password: SecretString,
}

/// A mailbox and the token that opens it.
#[derive(Clone, Debug)]
pub struct XOAuth2 {
    /// `user=`: as a rule the mailbox; no control characters.
    pub user: String,
    /// The bearer token; opaque.
    pub token: SecretString,
}

/// One message as it is to be sent, but for its body.
#[derive(Clone, Debug)]
pub struct Message {
    /// Sender and recipients as the relay shall see them.
    pub envelope: Envelope,
    /// What [`crate::data::Scan`] found in exactly the octets that will be given to
    /// [`Dialogue::body`]; with fewer of them the final dot is not written.
    pub content: Content,
}

/// Something that only the caller can do.
#[derive(Debug, PartialEq, Eq)]
pub enum Action {
    /// Begin TLS on this connection, then call [`Dialogue::tls_established`].
    StartTls,
    /// Logged in: a message may be sent.
    Ready,
    /// The relay waits for the message.
    SendBody,
    /// The message is through with, or the connection failed before there was one. Afterwards
    /// the dialogue is ready or ended, nothing in between.
    Finished(Attempt),
}
