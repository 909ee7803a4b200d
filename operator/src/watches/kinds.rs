//! What is watched of each kind: what of an object is kept, and which of its changes matter.

use std::fmt::Debug;

use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{
    Resource,
    api::{ObjectMeta, PartialObjectMeta},
    runtime::reflector::ObjectRef,
};
use mail_egress_crds::{EntraApp, MailPolicy, MailRoute, MailSender, names};
use serde::de::DeserializeOwned;

use super::Change;

/// Written by `kubectl apply`: the whole object once more, and of a Secret its content.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// A kind that is watched.
pub(super) trait Watched:
    Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static
{
    /// The kind, for logs and metrics.
    const KIND: &'static str;

    /// Drops what nobody reads.
    fn prune(&mut self) {
        prune(self.meta_mut());
    }

    /// Whether the change from `before` matters to anybody: not if only the status changed, which
    /// is our own doing.
    fn differs(&self, before: &Self) -> bool;

    /// What is announced when the object with this metadata changes.
    fn change(meta: &ObjectMeta) -> Change;
}

fn prune(meta: &mut ObjectMeta) {
    meta.managed_fields = None;
    if let Some(annotations) = &mut meta.annotations {
        annotations.remove(LAST_APPLIED);
    }
}

/// Our own kinds: the generation counts changes of the spec; annotations let a person force a look.
fn spec_differs(new: &ObjectMeta, old: &ObjectMeta) -> bool {
    new.generation != old.generation
        || new.uid != old.uid
        || new.annotations != old.annotations
        || new.deletion_timestamp != old.deletion_timestamp
}

fn name(meta: &ObjectMeta) -> String {
    meta.name.clone().unwrap_or_default()
}

impl Watched for MailSender {
    const KIND: &'static str = "MailSender";

    fn differs(&self, before: &Self) -> bool {
        spec_differs(&self.metadata, &before.metadata)
    }

    fn change(meta: &ObjectMeta) -> Change {
        let reference = ObjectRef::new(&name(meta));
        Change::Sender(reference.within(meta.namespace.as_deref().unwrap_or_default()))
    }
}

impl Watched for EntraApp {
    const KIND: &'static str = "EntraApp";

    fn differs(&self, before: &Self) -> bool {
        spec_differs(&self.metadata, &before.metadata)
    }

    fn change(meta: &ObjectMeta) -> Change {
        Change::App(name(meta))
    }
}

impl Watched for MailRoute {
    const KIND: &'static str = "MailRoute";

    fn differs(&self, before: &Self) -> bool {
        spec_differs(&self.metadata, &before.metadata)
    }

    fn change(meta: &ObjectMeta) -> Change {
        Change::Route(name(meta))
    }
}

impl Watched for MailPolicy {
    const KIND: &'static str = "MailPolicy";

    fn differs(&self, before: &Self) -> bool {
        spec_differs(&self.metadata, &before.metadata)
    }

    fn change(meta: &ObjectMeta) -> Change {
        Change::Policy(name(meta))
    }
}

/// The credentials: only Secrets with our label are asked for.
impl Watched for Secret {
    const KIND: &'static str = "Secret";

    fn differs(&self, before: &Self) -> bool {
        self.data != before.data || self.metadata.annotations != before.metadata.annotations
    }

    fn change(meta: &ObjectMeta) -> Change {
        Change::Credential(name(meta))
    }
}

/// Which Secrets there are in the operator's namespace, without their content: tells a credential
/// that is not there from one that lacks the label.
impl Watched for PartialObjectMeta<Secret> {
    const KIND: &'static str = "SecretName";

    fn prune(&mut self) {
        self.metadata.managed_fields = None;
        self.metadata.annotations = None;
        if let Some(labels) = &mut self.metadata.labels {
            labels.retain(|name, _| name == names::LABEL_CREDENTIAL);
        }
    }

    fn differs(&self, before: &Self) -> bool {
        self.metadata.labels != before.metadata.labels
    }

    fn change(meta: &ObjectMeta) -> Change {
        Change::Credential(name(meta))
    }
}

impl Watched for PartialObjectMeta<Namespace> {
    const KIND: &'static str = "Namespace";

    fn prune(&mut self) {
        self.metadata.managed_fields = None;
        self.metadata.annotations = None;
    }

    fn differs(&self, before: &Self) -> bool {
        self.metadata.labels != before.metadata.labels
    }

    fn change(meta: &ObjectMeta) -> Change {
        Change::Namespace(name(meta))
    }
}
