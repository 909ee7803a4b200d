//! What is known of the cluster, for everybody to read.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{
    api::PartialObjectMeta,
    runtime::reflector::{self, ObjectRef, Store, store::Writer},
};
use mail_egress_crds::{EntraApp, MailPolicy, MailRoute, MailSender, names};
use tokio::sync::watch;

use super::follow::WATCHES;
use crate::credential::Lookup;

/// The objects of all kinds that are watched. Cheap to clone.
///
/// As every cache it may lag behind the cluster. Wait for [`Synced::wait`] before anything is
/// concluded from an object's absence.
#[derive(Clone)]
pub struct Stores {
    /// Every MailSender.
    pub senders: Store<MailSender>,
    /// Every EntraApp.
    pub apps: Store<EntraApp>,
    /// Every MailRoute.
    pub routes: Store<MailRoute>,
    /// Every MailPolicy.
    pub policies: Store<MailPolicy>,
    credentials: Store<Secret>,
    secret_names: Store<PartialObjectMeta<Secret>>,
    namespaces: Store<PartialObjectMeta<Namespace>>,
    unreadable: Unreadable,
    namespace: Arc<str>,
}

/// The writing ends of [`Stores`].
pub(super) struct Writers {
    pub(super) senders: Writer<MailSender>,
    pub(super) apps: Writer<EntraApp>,
    pub(super) routes: Writer<MailRoute>,
    pub(super) policies: Writer<MailPolicy>,
    pub(super) credentials: Writer<Secret>,
    pub(super) secret_names: Writer<PartialObjectMeta<Secret>>,
    pub(super) namespaces: Writer<PartialObjectMeta<Namespace>>,
    pub(super) unreadable: Unreadable,
}

/// What stands under a name.
#[derive(Clone, Debug)]
pub enum Named<K> {
    /// The object.
    Found(Arc<K>),
    /// Something that this version cannot read, and why.
    Unreadable(String),
    /// Nothing.
    Missing,
}

impl Stores {
    /// Empty stores, and the ends that fill them. `namespace` is the operator's own.
    pub(super) fn new(namespace: &str) -> (Self, Writers) {
        let (senders, senders_writer) = reflector::store();
        let (apps, apps_writer) = reflector::store();
        let (routes, routes_writer) = reflector::store();
        let (policies, policies_writer) = reflector::store();
        let (credentials, credentials_writer) = reflector::store();
        let (secret_names, secret_names_writer) = reflector::store();
        let (namespaces, namespaces_writer) = reflector::store();
        let unreadable = Unreadable::default();
        let writers = Writers {
            senders: senders_writer,
            apps: apps_writer,
            routes: routes_writer,
            policies: policies_writer,
            credentials: credentials_writer,
            secret_names: secret_names_writer,
            namespaces: namespaces_writer,
            unreadable: unreadable.clone(),
        };
        let namespace = namespace.into();
        let stores = Self {
            senders,
            apps,
            routes,
            policies,
            credentials,
            secret_names,
            namespaces,
            unreadable,
            namespace,
        };
        (stores, writers)
    }

    /// Stores that hold just these, for tests.
    #[cfg(test)]
    pub(crate) fn holding(
        senders: Vec<MailSender>,
        apps: Vec<EntraApp>,
        secrets: Vec<Secret>,
        namespace: &str,
    ) -> Self {
        Self::holding_routes(vec![], &[], senders, apps, secrets, namespace)
    }

    /// The same with routes, and with namespaces that bear no labels.
    #[cfg(test)]
    pub(crate) fn holding_routes(
        routes: Vec<MailRoute>,
        namespaces: &[&str],
        senders: Vec<MailSender>,
        apps: Vec<EntraApp>,
        secrets: Vec<Secret>,
        namespace: &str,
    ) -> Self {
        use kube::{api::ObjectMeta, runtime::watcher::Event::Apply};
        let (stores, mut writers) = Self::new(namespace);
        routes.into_iter().for_each(|route| writers.routes.apply_watcher_event(&Apply(route)));
        for name in namespaces {
            let metadata = ObjectMeta { name: Some((*name).to_owned()), ..ObjectMeta::default() };
            let namespace = PartialObjectMeta { metadata, ..PartialObjectMeta::default() };
            writers.namespaces.apply_watcher_event(&Apply(namespace));
        }
        senders.into_iter().for_each(|sender| writers.senders.apply_watcher_event(&Apply(sender)));
        apps.into_iter().for_each(|app| writers.apps.apply_watcher_event(&Apply(app)));
        for secret in secrets {
            let name =
                PartialObjectMeta { metadata: secret.metadata.clone(), ..PartialObjectMeta::default() };
            writers.secret_names.apply_watcher_event(&Apply(name));
            if secret.metadata.labels.is_some() {
                writers.credentials.apply_watcher_event(&Apply(secret));
            }
        }
        stores
    }

    /// The operator's own namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The EntraApp of this name.
    #[must_use]
    pub fn app(&self, name: &str) -> Named<EntraApp> {
        self.named(&self.apps, "EntraApp", name)
    }

    /// The MailRoute of this name.
    #[must_use]
    pub fn route(&self, name: &str) -> Named<MailRoute> {
        self.named(&self.routes, "MailRoute", name)
    }

    /// The labels of a namespace; `None` where the watch has not told of it yet.
    #[must_use]
    pub fn namespace_labels(&self, name: &str) -> Option<BTreeMap<String, String>> {
        let found = self.namespaces.get(&ObjectRef::new(name))?;
        Some(found.metadata.labels.clone().unwrap_or_default())
    }

    /// Looks at the credential Secret of this name, in the operator's own namespace.
    pub fn credential<T>(&self, name: &str, look: impl FnOnce(Lookup<'_>) -> T) -> T {
        let secret = self.credentials.get(&ObjectRef::new(name).within(&self.namespace));
        let unlabelled = || {
            let found = self.secret_names.get(&ObjectRef::new(name).within(&self.namespace));
            found.is_some_and(|secret| !is_labelled(&secret))
        };
        match secret {
            Some(secret) => look(Lookup::Found(&secret)),
            None if unlabelled() => look(Lookup::NotLabelled),
            None => look(Lookup::Missing),
        }
    }

    /// How many objects of each kind this version cannot read.
    #[must_use]
    pub fn unreadable(&self) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::new();
        for (kind, _) in self.unreadable.read().keys() {
            *counts.entry(*kind).or_default() += 1;
        }
        counts
    }

    fn named<K>(&self, store: &Store<K>, kind: &'static str, name: &str) -> Named<K>
    where
        K: kube::Resource<DynamicType = ()> + Clone + 'static,
    {
        if let Some(found) = store.get(&ObjectRef::new(name)) {
            return Named::Found(found);
        }
        match self.unreadable.read().get(&(kind, name.to_owned())) {
            Some(error) => Named::Unreadable(error.clone()),
            None => Named::Missing,
        }
    }
}

fn is_labelled(secret: &PartialObjectMeta<Secret>) -> bool {
    let labels = secret.metadata.labels.as_ref();
    labels.and_then(|labels| labels.get(names::LABEL_CREDENTIAL)).is_some_and(|value| value == "true")
}

/// The objects that could not be read, by kind and name (with the namespace, where there is one).
#[derive(Clone, Default)]
pub(super) struct Unreadable(Arc<RwLock<BTreeMap<(&'static str, String), String>>>);

impl Unreadable {
    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<(&'static str, String), String>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes why an object cannot be read, or (`None`) that it can, or is gone.
    pub(super) fn note(&self, kind: &'static str, name: &str, error: Option<String>) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        match error {
            Some(error) => all.insert((kind, name.to_owned()), error),
            None => all.remove(&(kind, name.to_owned())),
        };
    }

    /// Puts what a whole list of one kind has shown in the place of what was known of it.
    pub(super) fn replace(&self, kind: &'static str, listed: impl IntoIterator<Item = (String, String)>) {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(of, _), _| *of != kind);
        all.extend(listed.into_iter().map(|(name, error)| ((kind, name), error)));
    }
}

/// How many watches have listed all there is.
#[derive(Clone, Debug)]
pub struct Synced(watch::Sender<u8>);

impl Default for Synced {
    fn default() -> Self {
        Self(watch::Sender::new(0))
    }
}

impl Synced {
    /// One more watch has.
    pub(super) fn one(&self) {
        self.0.send_modify(|count| *count += 1);
    }

    /// Waits until all have, so that the absence of an object can be believed. (A store's own `wait_until_ready` wakes one waiter only.)
    pub async fn wait(&self) {
        // the sender is ours, so it cannot be gone
        let _ = self.0.subscribe().wait_for(|count| *count >= WATCHES).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(name: &str, namespace: &str, label: Option<&str>) -> Secret {
        let mut secret = Secret::default();
        secret.metadata.name = Some(name.to_owned());
        secret.metadata.namespace = Some(namespace.to_owned());
        secret.metadata.labels =
            label.map(|value| [(names::LABEL_CREDENTIAL.to_owned(), value.to_owned())].into());
        secret
    }

    #[test]
    fn a_credential_without_the_label_is_told_from_one_that_is_not_there() {
        let secrets = vec![
            secret("labelled", "system", Some("true")),
            secret("bare", "system", None),
            secret("elsewhere", "shop", Some("true")),
        ];
        let stores = Stores::holding(vec![], vec![], secrets, "system");
        let looked = |name: &str| {
            stores.credential(name, |lookup| match lookup {
                Lookup::Found(_) => "found",
                Lookup::NotLabelled => "not labelled",
                Lookup::Missing => "missing",
            })
        };
        assert_eq!(
            ["labelled", "bare", "elsewhere", "none"].map(looked),
            ["found", "not labelled", "missing", "missing"]
        );
    }

    #[tokio::test]
    async fn all_is_synced_when_every_watch_is() {
        let synced = Synced::default();
        let waiting = tokio::spawn({
            let synced = synced.clone();
            async move { synced.wait().await }
        });
        for _ in 1..WATCHES {
            synced.one();
        }
        tokio::task::yield_now().await;
        assert!(!waiting.is_finished());
        synced.one();
        waiting.await.unwrap();
    }
}
