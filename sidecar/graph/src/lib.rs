//! Sends a message by Microsoft Graph's `sendMail`, in its MIME form.
//!
//! Graph has no envelope: a message goes to whom its header names. So the crate says first whether a
//! message can go that way at all ([`bcc`], [`fits`]), and then carries it in one request whose last
//! octets are held back:
//!
//! ```text
//! Sending::begin ─ write … ─ finish ─▶ Unsent ─ conclude ─▶ Accepted, or Refused
//!      nothing is sent: Graph never has the whole request  │  from here on a lost answer is uncertain
//! ```
//!
//! Guarantees: the token is written only to the stream that the caller hands over, which must have
//! proved its name; dropped before [`Unsent::conclude`], nothing was sent; only the status 202 makes
//! an [`Accepted`]; nothing is repeated and no redirect followed.

mod answer;
mod base64;
mod draft;
mod endpoint;
mod recipients;
mod send;
mod unfit;

pub use answer::{Accepted, Refused};
pub use draft::{Dial, Draft, Plan, prepare};
pub use endpoint::{Endpoint, Sender};
pub use recipients::bcc;
pub use send::{Ended, Sending, Unsent};
pub use unfit::{MOST_OCTETS, Unfit, fits};
