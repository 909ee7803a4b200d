//! For the webhook's tests: certificates to serve, and the bundle to trust them by.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::watch;

use super::Serving;
use super::certificate::Leaf;
use super::rotation::Step;
use super::stored::Stored;

pub(crate) struct Certificates {
    stored: Stored,
    leaf: watch::Sender<Option<Arc<Leaf>>>,
    pub(crate) serving: Serving,
}

impl Certificates {
    pub(crate) const NAME: &str = "mail-egress-operator.mail-egress-system.svc";

    pub(crate) fn new() -> Self {
        let (leaf, serving) = Serving::new();
        let certificates = Self { stored: Stored::first(Timestamp::now()).unwrap(), leaf, serving };
        certificates.sign();
        certificates
    }

    /// Another CA, and another leaf by it.
    pub(crate) fn renew(&mut self) {
        let now = Timestamp::now();
        let announced = self.stored.clone().after(Step::Announce, now).unwrap();
        self.stored = announced.after(Step::Promote, now).unwrap();
        self.sign();
    }

    pub(crate) fn bundle(&self) -> String {
        self.stored.bundle(Timestamp::now())
    }

    fn sign(&self) {
        let leaf = self.stored.current.sign(&[Self::NAME.to_owned()], Timestamp::now()).unwrap();
        self.leaf.send_replace(Some(Arc::new(leaf)));
    }
}
