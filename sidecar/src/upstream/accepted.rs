//! The proof that a route has a message, whatever it speaks.

use mail_egress_smtp::client;
use mail_egress_smtp::server::{Outcome, Taken};

use crate::message::account::spoken;

/// A route has the message. Made of the route's own proof, in this module's parent alone.
#[derive(Debug, PartialEq, Eq)]
pub struct Accepted(Proof);

#[derive(Debug, PartialEq, Eq)]
enum Proof {
    Relay(client::Accepted),
    Graph(mail_egress_graph::Accepted),
}

impl Accepted {
    pub(super) fn by_relay(proof: client::Accepted) -> Self {
        Self(Proof::Relay(proof))
    }

    pub(super) fn by_graph(proof: mail_egress_graph::Accepted) -> Self {
        Self(Proof::Graph(proof))
    }

    /// What the other side said, for the log.
    #[must_use]
    pub fn said(&self) -> String {
        match &self.0 {
            Proof::Relay(accepted) => spoken(accepted.reply()),
            Proof::Graph(accepted) => in_words(accepted),
        }
    }

    /// For the session with the app.
    #[must_use]
    pub fn into_outcome(self) -> Outcome {
        match self.0 {
            Proof::Relay(accepted) => Outcome::Accepted(accepted),
            Proof::Graph(accepted) => Outcome::Taken(Taken::with(&in_words(&accepted))),
        }
    }
}

/// By its request id Microsoft finds what became of it.
fn in_words(accepted: &mail_egress_graph::Accepted) -> String {
    match accepted.request_id() {
        "" => "accepted by Microsoft Graph".to_owned(),
        id => format!("accepted by Microsoft Graph, request-id {id}"),
    }
}
