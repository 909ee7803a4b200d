//! The fault matrix: for each fault at each phase what the app is told, what is counted, and what
//! Exchange has in the end: nothing or one whole message, never two.
//!
//! A relay that falls silent is not here but in `sidecar/tests/whole/stalls.rs`: the sidecar waits
//! for minutes, as RFC 5321 section 4.5.3.2 asks, and within one process its clock can be set forward.
//! A server that cannot prove itself is in `no_token_without_tls.rs`.

mod app;
mod burst;
mod disk;
mod drops;
mod floods;
mod refusals;
mod reuse;
mod row;
mod time;
