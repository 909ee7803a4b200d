//! One message, from the question whether it may come until its fate is known, counted and logged.

pub mod account;
pub mod body;
pub mod budget;
pub mod delivery;
pub mod limits;
pub mod outgoing;
pub mod patience;
pub mod refusal;
pub mod submission;
pub mod trace;
