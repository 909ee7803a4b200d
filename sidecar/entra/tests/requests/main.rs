//! Token requests against a real TLS server on loopback that answers, or fails to, as scripted.

#![allow(clippy::unwrap_used, reason = "clippy.toml allows it in test functions, not in what they call")]

mod answers;
mod credentials;
mod device;
mod proxied;
mod secrecy;
mod server;
mod transport;
