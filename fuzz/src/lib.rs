//! What must hold whatever comes from outside, as functions of one input that panic where it does
//! not.
//!
//! Each is a fuzz target (`make fuzz`, libFuzzer behind cargo-fuzz), and each is run over the inputs
//! in `corpus/` by an ordinary test. A finding becomes a test beside the code that it is about, and
//! a file in the corpus.
//!
//! The programs know nothing of this crate: there is no switch for it, and nothing is public for
//! its sake.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a target says no")]

mod command;
mod config;
mod data;
mod diagnosis;
mod dialogue;
mod header;
mod replies;
mod reply;
mod session;
mod spool;
mod steering;

pub use command::command;
pub use config::config;
pub use data::data;
pub use diagnosis::diagnosis;
pub use dialogue::dialogue;
pub use header::header;
pub use reply::reply;
pub use session::session;
pub use spool::spool;

/// A target: panics where its invariants do not hold for the input.
pub type Target = fn(&[u8]);

/// Every target by its name, which is also that of its folder in `corpus/`.
pub const TARGETS: &[(&str, Target)] = &[
    ("command", command),
    ("config", config),
    ("data", data),
    ("diagnosis", diagnosis),
    ("dialogue", dialogue),
    ("header", header),
    ("reply", reply),
    ("session", session),
    ("spool", spool),
];
