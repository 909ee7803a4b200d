//! Leader election on a Lease: of several replicas, one writes.
//!
//! It goes as client-go does it, with the same promise made testable: a replica that loses the
//! API server stops writing by itself before any other may begin, whatever the wall clocks say.
//! The arithmetic: a term ends [`Timing::renew_deadline`] after the *start* of the last renewal
//! that succeeded; another replica takes the Lease [`Timing::lease_duration`] after *it first
//! saw* that renewal, which is never before its start. Both spans are counted on the monotonic
//! clock of their own process; the times written in the Lease are for people.

mod campaign;
mod decision;
mod leadership;

use std::time::Duration;

pub use campaign::{Campaign, Election};
pub use leadership::{Leadership, NotLeading, Term};

/// The spans of an election.
///
/// `retry_period` < `request_limit` < `renew_deadline` < `lease_duration` must hold; what lies
/// between the last two is the time that a request already on its way has to arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// How long others wait, without seeing a renewal, before they take the Lease.
    pub lease_duration: Duration,
    /// How long a leader goes on after the start of its last successful renewal.
    pub renew_deadline: Duration,
    /// Time between two attempts to take or to renew.
    pub retry_period: Duration,
    /// How long one request to the API server may take.
    pub request_limit: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            lease_duration: Duration::from_secs(15),
            renew_deadline: Duration::from_secs(10),
            retry_period: Duration::from_secs(2),
            request_limit: Duration::from_secs(4),
        }
    }
}

#[cfg(test)]
mod tests;
