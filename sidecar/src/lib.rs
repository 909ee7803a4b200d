//! The sidecar: plain SMTP from the app on localhost, sent on through Microsoft 365.
//!
//! `listen` accepts, `session` speaks with the app, `submission` takes a message in and sends it
//! on by `upstream`; `follow` keeps the configuration, `delivery` decides by it; `refusal` is why
//! not, `account` counts and logs, `admin` shows; `drain` ends it all.

pub mod account;
pub mod admin;
pub mod announce;
pub mod args;
pub mod body;
pub mod budget;
pub mod delivery;
pub mod drain;
pub mod follow;
pub mod gate;
pub mod listen;
pub mod loaded;
pub mod log;
pub mod metrics;
pub mod pace;
pub mod probe;
pub mod refusal;
pub mod session;
pub mod sidecar;
pub mod submission;
pub mod trace;
pub mod upstream;
