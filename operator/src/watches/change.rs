//! What has changed, announced to whoever depends on it.

use futures::{Stream, StreamExt, stream};
use kube::runtime::reflector::ObjectRef;
use mail_egress_crds::MailSender;
use tokio::sync::broadcast::{self, error::RecvError};

use crate::tokens::Owner;

/// Changes that one reader may fall behind by; beyond that it is told [`Change::Everything`].
const BACKLOG: usize = 4096;

/// Something that a reconciliation may depend on has changed: appeared, changed or gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Everything may have: look at all there is.
    Everything,
    /// A MailSender.
    Sender(ObjectRef<MailSender>),
    /// The EntraApp of this name.
    App(String),
    /// The MailRoute of this name.
    Route(String),
    /// The MailPolicy of this name.
    Policy(String),
    /// The Secret of this name in the operator's namespace, or its label.
    Credential(String),
    /// The labels of the namespace of this name.
    Namespace(String),
    /// The token of this owner, or what is known of it.
    Token(Owner),
}

/// Where changes are announced and heard. Nobody need listen: followers do not.
#[derive(Clone, Debug)]
pub struct Changes(broadcast::Sender<Change>);

impl Default for Changes {
    fn default() -> Self {
        Self(broadcast::Sender::new(BACKLOG))
    }
}

impl Changes {
    /// Tells all who listen now.
    pub fn announce(&self, change: Change) {
        // no listener is no error
        let _ = self.0.send(change);
    }

    /// Everything first, then each change from the moment of this call on. A reader that is too
    /// slow misses single changes and is told [`Change::Everything`] instead.
    pub fn subscribe(&self) -> impl Stream<Item = Change> + Send + use<> {
        let heard = stream::unfold(self.0.subscribe(), |mut receiver| async move {
            match receiver.recv().await {
                Ok(change) => Some((change, receiver)),
                Err(RecvError::Lagged(_)) => Some((Change::Everything, receiver)),
                Err(RecvError::Closed) => None,
            }
        });
        stream::once(async { Change::Everything }).chain(heard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reader_that_falls_behind_looks_at_everything() {
        let changes = Changes::default();
        let mut heard = Box::pin(changes.subscribe());
        assert_eq!(heard.next().await, Some(Change::Everything));
        for n in 0..=BACKLOG {
            changes.announce(Change::App(n.to_string()));
        }
        assert_eq!(heard.next().await, Some(Change::Everything));
        assert_eq!(heard.next().await, Some(Change::App("1".into())));
    }

    #[tokio::test]
    async fn a_change_between_subscribing_and_reading_is_not_lost() {
        let changes = Changes::default();
        let mut heard = Box::pin(changes.subscribe());
        changes.announce(Change::Token(Owner::App("contoso".into())));
        assert_eq!(heard.next().await, Some(Change::Everything));
        assert_eq!(heard.next().await, Some(Change::Token(Owner::App("contoso".into()))));
    }
}
