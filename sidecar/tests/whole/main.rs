//! The sidecar as a whole, between an app's real socket and a scripted relay on loopback.
//!
//! The lab's scenarios test what Exchange does; these test what a process does: following its
//! file, ending, limits, ports.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a panic is how a test says no")]

mod app;
mod relay;
mod reuses;
mod running;

mod abandons;
mod admin;
mod delivers;
mod drains;
mod limits;
mod logs_in;
mod offers;
mod refuses_before_tls;
mod rules;
mod spills;
mod spools;
mod stalls;
