//! The sidecar: plain SMTP from the app on localhost, sent on through Microsoft 365.
//!
//! Mail flows through the folders in this order: `app` takes it from the app, `message` holds one
//! message from its 354 until its fate is known, `upstream` sends it on; in spool mode `spool` lies
//! between the two. `sender` keeps the
//! configuration and says whether and how mail may be sent; `metrics`, `log` and `admin` show what
//! happens; `drain` ends it all.

pub mod admin;
pub mod app;
pub mod args;
pub mod check;
pub mod clock;
pub mod drain;
pub mod log;
pub mod message;
pub mod metrics;
pub mod probe;
pub mod sender;
pub mod sidecar;
pub mod spool;
pub mod upstream;
