//! The lab, the cluster test bed, and what the scenarios share.
//!
//! [`lab`] is an Entra and an Exchange to send to; [`cluster`] is a real Kubernetes. [`installation`]
//! puts mail-egress on a cluster, [`stand`] runs it without one, [`bench`](mod@bench) measures it. The scenarios
//! lie in `scenarios/`.

pub mod app;
pub mod bench;
pub mod client;
pub mod cluster;
pub mod cuttable;
pub mod debian;
pub mod ending;
pub mod eventually;
pub mod faketime;
pub mod free_port;
pub mod installation;
pub mod kubectl;
pub mod lab;
pub mod memory_limit;
pub mod postfix;
pub mod programs;
pub mod stand;
