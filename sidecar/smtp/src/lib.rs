//! SMTP without sockets: the [`server::Session`] towards the app and the [`client::Dialogue`]
//! towards the relay.
//!
//! Bytes and `now` go in; bytes to write, events and actions come out. Nothing here opens a
//! connection, reads a clock, logs or waits: the caller reads and writes, asks for `deadline()`
//! and calls `handle_timeout(now)` when it has passed. Everything that a peer sends has a limit,
//! nothing panics, and no token appears in any `Debug`.
//!
//! Two promises are held by types. [`client::Accepted`] comes into being only where the relay
//! said 2yz to the final dot, and a message is answered 250 only by [`server::Outcome::Accepted`],
//! by [`server::Outcome::Taken`] where a route that speaks no SMTP has it, or by
//! [`server::Outcome::Kept`] where it is synced to disk. A [`reply::NegativeReply`] is 4yz or 5yz, and the class of its enhanced
//! code follows from the basic one.

mod address;
pub mod client;
pub mod data;
mod dsn;
mod envelope;
mod name;
pub mod reply;
pub mod server;

pub use address::{Address, AddressError};
pub use dsn::{BadDsn, Dsn, EnvelopeId, Notify, OriginalRecipient, RecipientDsn, Ret};
pub use envelope::{BodyType, Envelope, Recipient, ReversePath};

/// A call that the state does not allow, such as `permit` where no DATA is waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("called out of turn")]
pub struct OutOfTurn;
