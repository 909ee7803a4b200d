//! What becomes of each event.

use mail_egress_crds::EntraApp;
use serde_json::json;

use super::*;
use crate::watches::Named;

fn app(name: &str, generation: i64) -> EntraApp {
    let mut app: EntraApp = serde_json::from_value(json!({
        "apiVersion": "mail-egress.io/v1alpha1", "kind": "EntraApp", "metadata": {"name": name},
        "spec": {
            "tenant": "contoso.onmicrosoft.com",
            "clientID": "00000000-0000-0000-0000-000000000001",
            "credential": {"clientSecret": {"secretName": "contoso"}},
        },
    }))
    .unwrap();
    app.metadata.generation = Some(generation);
    app
}

fn invalid(name: &str) -> Box<InvalidObject> {
    let metadata = ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() };
    Box::new(InvalidObject { error: "unknown variant `Mars`".to_owned(), metadata })
}

struct Watch {
    follow: Follow,
    stores: Stores,
    writer: Writer<EntraApp>,
}

impl Watch {
    fn new() -> Self {
        let (stores, writers) = Stores::new("mail-egress-system");
        let follow = Follow {
            changes: Changes::default(),
            synced: Synced::default(),
            metrics: Metrics::new().unwrap(),
            unreadable: writers.unreadable,
            listing: Vec::new(),
        };
        Self { follow, stores, writer: writers.apps }
    }

    fn sees(&mut self, event: Seen<EntraApp>) -> Vec<Change> {
        self.follow.take(event, &mut self.writer)
    }

    fn lists(&mut self, apps: impl IntoIterator<Item = Result<EntraApp, Box<InvalidObject>>>) -> Vec<Change> {
        self.sees(Event::Init);
        for app in apps {
            assert_eq!(self.sees(Event::InitApply(app)), []);
        }
        self.sees(Event::InitDone)
    }

    fn has(&self, name: &str) -> &'static str {
        match self.stores.app(name) {
            Named::Found(_) => "found",
            Named::Unreadable(_) => "unreadable",
            Named::Missing => "missing",
        }
    }
}

fn changed(name: &str) -> Change {
    Change::App(name.to_owned())
}

#[test]
fn a_change_of_the_status_alone_is_not_announced() {
    let mut watch = Watch::new();
    assert_eq!(watch.sees(Event::Apply(Ok(app("contoso", 1)))), [changed("contoso")]);
    let mut reported = app("contoso", 1);
    reported.status = Some(Default::default());
    reported.metadata.resource_version = Some("2".into());
    assert_eq!(watch.sees(Event::Apply(Ok(reported))), []);
    assert_eq!(watch.sees(Event::Apply(Ok(app("contoso", 2)))), [changed("contoso")]);
    assert_eq!(watch.sees(Event::Delete(Ok(app("contoso", 2)))), [changed("contoso")]);
    assert_eq!(watch.has("contoso"), "missing");
}

#[test]
fn a_new_list_announces_only_what_differs() {
    let mut watch = Watch::new();
    assert_eq!(watch.lists([Ok(app("a", 1)), Ok(app("b", 1)), Ok(app("c", 1))]).len(), 3);
    let mut found = watch.lists([Ok(app("a", 1)), Ok(app("b", 2)), Ok(app("d", 1))]);
    found.sort_by_key(|change| format!("{change:?}"));
    assert_eq!(found, [changed("b"), changed("c"), changed("d")]);
}

#[test]
fn one_object_that_does_not_parse_leaves_the_others() {
    let mut watch = Watch::new();
    watch.lists([Ok(app("good", 1)), Err(invalid("bad"))]);
    assert_eq!((watch.has("good"), watch.has("bad"), watch.has("none")), ("found", "unreadable", "missing"));
    assert_eq!(watch.stores.unreadable().get("EntraApp"), Some(&1));
    assert_eq!(watch.sees(Event::Apply(Ok(app("bad", 2)))), [changed("bad")]);
    assert_eq!((watch.has("bad"), watch.stores.unreadable().len()), ("found", 0));
}

#[test]
fn an_object_that_no_longer_parses_is_no_longer_what_it_was() {
    let mut watch = Watch::new();
    watch.sees(Event::Apply(Ok(app("contoso", 1))));
    assert_eq!(watch.sees(Event::Apply(Err(invalid("contoso")))), [changed("contoso")]);
    assert_eq!(watch.has("contoso"), "unreadable");
    assert_eq!(watch.sees(Event::Delete(Err(invalid("contoso")))), [changed("contoso")]);
    assert_eq!(watch.has("contoso"), "missing");
}

#[test]
fn what_nobody_reads_is_not_kept() {
    let mut watch = Watch::new();
    let mut app = app("contoso", 1);
    app.metadata.managed_fields = Some(Vec::new());
    let last_applied = "kubectl.kubernetes.io/last-applied-configuration";
    app.metadata.annotations = Some([(last_applied.to_owned(), "{}".to_owned())].into());
    watch.sees(Event::Apply(Ok(app)));
    let Named::Found(kept) = watch.stores.app("contoso") else { panic!("not found") };
    assert!(kept.metadata.managed_fields.is_none());
    assert_eq!(kept.metadata.annotations.as_ref().map(|annotations| annotations.len()), Some(0));
}

#[test]
fn what_cannot_be_read_stays_so_while_a_new_list_is_under_way() {
    let mut watch = Watch::new();
    watch.lists([Ok(app("good", 1)), Err(invalid("bad"))]);
    watch.sees(Event::Init);
    assert_eq!(watch.has("bad"), "unreadable");
    watch.sees(Event::InitApply(Err(invalid("worse"))));
    assert_eq!((watch.has("bad"), watch.has("worse")), ("unreadable", "missing"));
    watch.sees(Event::InitDone);
    assert_eq!(
        (watch.has("good"), watch.has("bad"), watch.has("worse")),
        ("missing", "missing", "unreadable")
    );
}

#[tokio::test]
async fn shows_which_watches_have_listed_all_there_is() {
    let watch = Watch::new();
    let metrics = watch.follow.metrics.clone();
    let shown = |value: u8| {
        let line = format!("mail_egress_watch_synced{{kind=\"EntraApp\"}} {value}");
        assert!(metrics.render().unwrap().contains(&line), "{line}");
    };
    let before = futures::stream::empty::<watcher::Result<Seen<EntraApp>>>();
    watch.follow.clone().follow(before, Stores::new("n").1.apps).await;
    shown(0);
    let listed = futures::stream::iter([Ok(Event::Init), Ok(Event::InitDone)]);
    watch.follow.follow(listed, watch.writer).await;
    shown(1);
}
