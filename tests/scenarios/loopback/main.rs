//! The sidecar as a process against the lab, on loopback.

mod check;
mod client_certificates;
mod configuration;
mod content;
mod credentials;
mod delivery;
mod direct_send;
mod faults;
mod graph;
mod kills;
mod lifecycle;
mod logs;
mod memory;
mod metrics;
mod no_token_without_tls;
mod own_tokens;
mod proxies;
mod routes;
mod tokens;
mod unit;
