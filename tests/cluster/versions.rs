//! What is built, and in which version: the one place to change it.

/// Kubernetes itself: every component, and the module versions that belong to it.
pub(crate) const KUBERNETES: &str = "v1.35.4";

/// The cluster's DNS server.
pub(crate) const COREDNS: &str = "v1.15.0";
