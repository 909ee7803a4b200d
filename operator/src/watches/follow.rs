//! Follows the watches: fills the stores, announces what changed, and outlives every error.

use std::{collections::HashMap, sync::Arc};

use futures::{Stream, StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::{Namespace, Secret};
use kube::{
    Api, Client,
    api::{ObjectMeta, PartialObjectMeta},
    core::{DeserializeGuard, error_boundary::InvalidObject},
    runtime::{
        WatchStreamExt,
        reflector::{ObjectRef, Store, store::Writer},
        watcher::{self, Event, watcher},
    },
};
use mail_egress_crds::{EntraApp, MailPolicy, MailRoute, MailSender, names};
use tracing::{info, warn};

use super::{
    Change, Changes, Stores, Synced,
    kinds::Watched,
    stores::{Unreadable, Writers},
};
use crate::{causes::Causes, metrics::Metrics};

/// How many watches there are.
pub(super) const WATCHES: u8 = 7;

/// An event whose object may be one that this version cannot read.
type Seen<K> = Event<Result<K, Box<InvalidObject>>>;

/// The stores, and the loop that fills them from the cluster; it never ends.
pub fn run(
    client: &Client,
    namespace: &str,
    changes: Changes,
    synced: Synced,
    metrics: Metrics,
) -> (Stores, impl Future<Output = ()> + Send + use<>) {
    let (stores, writers) = Stores::new(namespace);
    let Writers { senders, apps, routes, policies, credentials, secret_names, namespaces, unreadable } =
        writers;
    let all = config();
    let labelled = config().labels(&format!("{}=true", names::LABEL_CREDENTIAL));
    let (here, there) = (namespace, client.clone());
    let follow = Follow { changes, synced, metrics, unreadable, listing: Vec::new() };
    let loops = futures::future::join_all([
        follow.clone().spawnable(guarded::<MailSender>(Api::all(there.clone())), senders),
        follow.clone().spawnable(guarded::<EntraApp>(Api::all(there.clone())), apps),
        follow.clone().spawnable(guarded::<MailRoute>(Api::all(there.clone())), routes),
        follow.clone().spawnable(guarded::<MailPolicy>(Api::all(there.clone())), policies),
        follow
            .clone()
            .spawnable(plain(Api::<Secret>::namespaced(there.clone(), here), labelled), credentials),
        follow.clone().spawnable(
            plain(Api::<PartialObjectMeta<Secret>>::namespaced(there.clone(), here), all.clone()),
            secret_names,
        ),
        follow.spawnable(plain(Api::<PartialObjectMeta<Namespace>>::all(there), all), namespaces),
    ]);
    (stores, async {
        loops.await;
    })
}

/// A watch over a connection that died in silence is noticed after this, in seconds.
const WATCH_LASTS: u32 = 120;

fn config() -> watcher::Config {
    watcher::Config::default().timeout(WATCH_LASTS)
}

/// A watch that survives an object which does not parse.
fn guarded<K: Watched>(api: Api<DeserializeGuard<K>>) -> impl Stream<Item = watcher::Result<Seen<K>>> + Send {
    watcher(api, config()).map_ok(|event| map(event, |guard| guard.0.map_err(Box::new)))
}

/// A watch of a kind that always parses; the guard would also turn a request for metadata into
/// one for whole objects.
fn plain<K: Watched>(
    api: Api<K>,
    config: watcher::Config,
) -> impl Stream<Item = watcher::Result<Seen<K>>> + Send {
    watcher(api, config).map_ok(|event| map(event, Ok))
}

fn map<A, B>(event: Event<A>, f: impl FnOnce(A) -> B) -> Event<B> {
    match event {
        Event::Apply(object) => Event::Apply(f(object)),
        Event::Delete(object) => Event::Delete(f(object)),
        Event::Init => Event::Init,
        Event::InitApply(object) => Event::InitApply(f(object)),
        Event::InitDone => Event::InitDone,
    }
}

#[derive(Clone)]
struct Follow {
    changes: Changes,
    synced: Synced,
    metrics: Metrics,
    unreadable: Unreadable,
    /// What the list that is under way has shown to be unreadable, by name.
    listing: Vec<(String, String)>,
}

impl Follow {
    fn spawnable<K: Watched>(
        self,
        events: impl Stream<Item = watcher::Result<Seen<K>>> + Send + 'static,
        writer: Writer<K>,
    ) -> futures::future::BoxFuture<'static, ()> {
        Box::pin(self.follow(events, writer))
    }

    async fn follow<K: Watched>(
        mut self,
        events: impl Stream<Item = watcher::Result<Seen<K>>> + Send,
        mut writer: Writer<K>,
    ) {
        let mut events = std::pin::pin!(events.default_backoff());
        let mut listed = false;
        self.metrics.watch_synced(K::KIND, false);
        while let Some(event) = events.next().await {
            let event = match event {
                Ok(event) => event,
                // compacted away meanwhile, as happens: it lists again
                Err(watcher::Error::WatchError(status)) if status.code == 410 => {
                    info!(kind = K::KIND, "watch too old, listing again");
                    continue;
                }
                Err(watcher::Error::InitialListFailed(kube::Error::Api(status))) if status.code == 404 => {
                    self.metrics.watch_failed(K::KIND);
                    warn!(kind = K::KIND, "the API server does not know this kind: are the CRDs installed?");
                    continue;
                }
                Err(error) => {
                    self.metrics.watch_failed(K::KIND);
                    warn!(kind = K::KIND, error = %Causes(&error), "watch interrupted");
                    continue;
                }
            };
            let done = matches!(event, Event::InitDone);
            for change in self.take(event, &mut writer) {
                self.changes.announce(change);
            }
            if done && !listed {
                listed = true;
                self.synced.one();
                self.metrics.watch_synced(K::KIND, true);
                info!(kind = K::KIND, objects = writer.as_reader().len(), "watch synced");
            }
        }
    }

    /// Brings the store up to date; returns what is to be announced.
    fn take<K: Watched>(&mut self, event: Seen<K>, writer: &mut Writer<K>) -> Vec<Change> {
        match event {
            Event::Init => {
                self.listing.clear();
                writer.apply_watcher_event(&Event::Init);
                Vec::new()
            }
            Event::InitApply(Ok(mut object)) => {
                object.prune();
                writer.apply_watcher_event(&Event::InitApply(object));
                Vec::new()
            }
            Event::InitApply(Err(invalid)) => {
                let name = self.cannot_read::<K>(&invalid);
                self.listing.push((name, invalid.error));
                Vec::new()
            }
            Event::InitDone => {
                let before = writer.as_reader().state();
                // only now: until then what was listed before still holds
                self.unreadable.replace(K::KIND, self.listing.drain(..));
                writer.apply_watcher_event(&Event::InitDone);
                differences(&before, &writer.as_reader())
            }
            Event::Apply(Ok(mut object)) => {
                object.prune();
                let before = writer.as_reader().get(&ObjectRef::from_obj(&object));
                let differs = before.is_none_or(|before| object.differs(&before));
                let change = differs.then(|| K::change(object.meta()));
                self.unreadable.note(K::KIND, &full_name(object.meta()), None);
                writer.apply_watcher_event(&Event::Apply(object));
                change.into_iter().collect()
            }
            Event::Apply(Err(invalid)) => {
                let name = self.cannot_read::<K>(&invalid);
                self.unreadable.note(K::KIND, &name, Some(invalid.error.clone()));
                // what it was before no longer holds: from now on it is as if absent
                let InvalidObject { metadata, .. } = *invalid;
                let reference = ObjectRef::<K>::new(&metadata.name.clone().unwrap_or_default())
                    .within(metadata.namespace.as_deref().unwrap_or_default());
                if let Some(before) = writer.as_reader().get(&reference) {
                    writer.apply_watcher_event(&Event::Delete(before.as_ref().clone()));
                }
                vec![K::change(&metadata)]
            }
            Event::Delete(Ok(object)) => {
                let change = K::change(object.meta());
                writer.apply_watcher_event(&Event::Delete(object));
                vec![change]
            }
            Event::Delete(Err(invalid)) => {
                self.unreadable.note(K::KIND, &full_name(&invalid.metadata), None);
                vec![K::change(&invalid.metadata)]
            }
        }
    }

    /// Says so; returns the object's name.
    fn cannot_read<K: Watched>(&self, invalid: &InvalidObject) -> String {
        let name = full_name(&invalid.metadata);
        warn!(kind = K::KIND, name, error = invalid.error, "an object cannot be read by this version");
        name
    }
}

/// What a new list says otherwise than the store did: a list alone is no reason to look at
/// thousands of objects.
fn differences<K: Watched>(before: &[Arc<K>], now: &Store<K>) -> Vec<Change> {
    let mut gone: HashMap<ObjectRef<K>, &Arc<K>> =
        before.iter().map(|object| (ObjectRef::from_obj(object.as_ref()), object)).collect();
    let mut changed: Vec<Change> = now
        .state()
        .iter()
        .filter(|object| {
            let before = gone.remove(&ObjectRef::from_obj(object.as_ref()));
            before.is_none_or(|before| object.differs(before))
        })
        .map(|object| K::change(object.meta()))
        .collect();
    changed.extend(gone.values().map(|object| K::change(object.meta())));
    changed
}

fn full_name(meta: &ObjectMeta) -> String {
    let name = meta.name.as_deref().unwrap_or_default();
    match &meta.namespace {
        Some(namespace) => format!("{namespace}/{name}"),
        None => name.to_owned(),
    }
}

#[cfg(test)]
mod tests;
