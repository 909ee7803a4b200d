//! The lab, looked at from outside: over TCP and TLS, by clients that know nothing of its code.

mod client;
mod credentials;
mod distance;
mod entra;
mod exchange_faults;
mod graph;
mod network;
mod people;
mod proof;
mod routes;
mod sign_in;
mod submission;

use std::time::Duration;

use super::{Lab, LabOptions};

/// Longer than anything here takes; a test that waits for it has failed.
const PATIENCE: Duration = Duration::from_secs(10);

async fn lab() -> Lab {
    Lab::start(LabOptions::default()).await.unwrap()
}
