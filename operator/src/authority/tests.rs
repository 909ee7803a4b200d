//! The authority against an API server in memory, and its certificates in real handshakes.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use base64::Engine;
use jiff::Timestamp;
use mail_egress_entra::tls;
use rustls_pki_types::ServerName;
use serde_json::{Value, json};
use tokio::time::sleep;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::certificate::{Ca, Leaf};
use super::stored::Stored;
use super::*;
use crate::api_in_memory::{ApiServer, Line};
use crate::leader::{Election, Leadership, Timing};

const SECRET: &str = "/api/v1/namespaces/mail-egress-system/secrets/mail-egress-ca";
const CONFIGURATION: &str =
    "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/mail-egress-injector";
const NAME: &str = "mail-egress-operator.mail-egress-system.svc";

fn day(day: i64) -> Timestamp {
    // handshakes are judged by the real clock, so the tests' days begin today
    Timestamp::now().saturating_add(jiff::SignedDuration::from_hours(day * 24)).unwrap()
}

fn settings() -> Settings {
    Settings {
        namespace: "mail-egress-system".to_owned(),
        service: "mail-egress-operator".to_owned(),
        secret: "mail-egress-ca".to_owned(),
        webhook_configuration: "mail-egress-injector".to_owned(),
    }
}

/// Shakes hands with what is served now, as an API server that knows `bundle`.
async fn handshake(serving: &Serving, bundle: &str) -> Result<(), String> {
    let (client, server) = tokio::io::duplex(16 * 1024);
    let acceptor = TlsAcceptor::from(serving.server_config().unwrap());
    let accepting = tokio::spawn(acceptor.accept(server));
    let connector = TlsConnector::from(Arc::new(tls::client_config(Some(bundle)).unwrap()));
    let name = ServerName::try_from(NAME).unwrap();
    let connected = connector.connect(name, client).await;
    let accepted = accepting.await.unwrap();
    connected.map_err(|error| error.to_string())?;
    accepted.map(drop).map_err(|error| error.to_string())
}

fn leaf(stored: &Stored) -> Option<Arc<Leaf>> {
    Some(Arc::new(stored.current.sign(&settings().names(), day(0)).unwrap()))
}

#[tokio::test]
async fn at_no_point_of_a_rotation_is_a_published_bundle_refused() {
    let (served, serving) = Serving::new();
    let before = Stored::first(day(0)).unwrap();
    served.send_replace(leaf(&before));
    handshake(&serving, &before.bundle(day(0))).await.unwrap();

    let announced = before.clone().after(Step::Announce, day(0)).unwrap();
    handshake(&serving, &announced.bundle(day(0))).await.expect("the new bundle, the old leaf");

    let promoted = announced.clone().after(Step::Promote, day(0)).unwrap();
    handshake(&serving, &promoted.bundle(day(0))).await.expect("a replica that has not yet seen it");
    served.send_replace(leaf(&promoted));
    handshake(&serving, &announced.bundle(day(0))).await.expect("an API server that has not yet seen it");
    handshake(&serving, &promoted.bundle(day(0))).await.expect("both have");

    let refused = handshake(&serving, &before.bundle(day(0))).await.unwrap_err();
    assert!(refused.contains("UnknownIssuer"), "without the overlap it would fail: {refused}");
}

#[tokio::test]
async fn nothing_is_served_before_there_is_a_certificate() {
    let (_served, serving) = Serving::new();
    assert!(!serving.is_ready(day(0)));
    let bundle = Ca::generate(day(0)).unwrap().anchor.pem();
    handshake(&serving, &bundle).await.unwrap_err();
}

#[test]
fn a_certificate_that_is_over_is_not_ready() {
    let (served, serving) = Serving::new();
    served.send_replace(leaf(&Stored::first(day(0)).unwrap()));
    assert!(serving.is_ready(day(6)));
    assert!(!serving.is_ready(day(8)));
}

/// Days that have passed for the operators of the tests below.
static DAYS: AtomicI64 = AtomicI64::new(0);

fn now() -> Timestamp {
    day(DAYS.load(Ordering::SeqCst))
}

struct Replica {
    line: Line,
    leadership: Leadership,
    serving: Serving,
}

fn replica(server: &ApiServer, name: &str) -> Replica {
    let line = server.line();
    let election = Election {
        client: line.client(),
        namespace: "mail-egress-system".to_owned(),
        lease: "mail-egress-operator".to_owned(),
        identity: name.to_owned(),
        timing: Timing::default(),
        wall: Timestamp::now,
    };
    let (leadership, campaign) = election.enter();
    tokio::spawn(campaign.run(std::future::pending()));
    let (authority, serving) = Authority::new(line.client(), settings(), leadership.clone(), now);
    tokio::spawn(authority.run(std::future::pending()));
    Replica { line, leadership, serving }
}

fn with_configuration() -> ApiServer {
    let server = ApiServer::default();
    server.put(CONFIGURATION, Some(json!({"metadata": {"name": "mail-egress-injector"}})));
    server
}

fn bundle(server: &ApiServer) -> String {
    let configuration = server.object(CONFIGURATION).unwrap();
    let bundle = configuration["webhooks"][0]["clientConfig"]["caBundle"].as_str().unwrap_or_default();
    let bundle = base64::engine::general_purpose::STANDARD.decode(bundle).unwrap();
    String::from_utf8(bundle).unwrap()
}

fn anchors(server: &ApiServer) -> usize {
    bundle(server).matches("BEGIN CERTIFICATE").count()
}

const MINUTES: fn(u64) -> Duration = |minutes| Duration::from_secs(minutes * 60);

#[test]
fn a_round_that_fails_again_and_again_is_tried_ever_more_rarely() {
    let seconds = [0, 1, 2, 3, 100].map(|failures| pause(failures, 0.5).as_secs());
    assert_eq!(seconds, [60, 5, 10, 20, 60]);
}

/// One test, for the clock of the operators is one: a year in the life of two replicas.
#[tokio::test(start_paused = true)]
async fn two_replicas_share_a_ca_rotate_it_and_heal_what_is_done_to_it() {
    let server = with_configuration();
    let (a, b) = (replica(&server, "a"), replica(&server, "b"));
    sleep(Duration::from_secs(5)).await;
    assert_eq!(anchors(&server), 1, "one CA, whoever came first, and no wait for the resync");
    for replica in [&a, &b] {
        handshake(&replica.serving, &bundle(&server)).await.expect("both replicas are trusted");
    }

    // somebody removes the bundle
    server.put(CONFIGURATION, Some(json!({"metadata": {"name": "mail-egress-injector"}})));
    sleep(MINUTES(2)).await;
    handshake(&a.serving, &bundle(&server)).await.expect("it is back");

    // four fifths of a week: new leaves, the same CA
    let (before, ca) = (a.serving.expires(), bundle(&server));
    DAYS.store(6, Ordering::SeqCst);
    sleep(MINUTES(2)).await;
    assert!(a.serving.expires() > before);
    assert_eq!(bundle(&server), ca);

    // two thirds of a year: the successor is published first, and signs later
    DAYS.store(250, Ordering::SeqCst);
    sleep(MINUTES(2)).await;
    assert_eq!(anchors(&server), 2);
    let secret = server.object(SECRET).unwrap();
    assert!(secret["data"]["next.key"].is_string(), "announced, not yet signing");
    sleep(MINUTES(8)).await;
    let secret = server.object(SECRET).unwrap();
    assert!(secret["data"]["next.key"].is_null(), "it signs");
    assert!(secret["data"]["previous.crt"].is_string(), "the old one is still trusted");
    assert_eq!(anchors(&server), 2);

    // somebody deletes the Secret, and then spoils it
    let known = server.object(SECRET).unwrap()["data"]["ca.crt"].clone();
    server.put(SECRET, None);
    sleep(MINUTES(2)).await;
    let healed = server.object(SECRET).unwrap();
    assert_eq!(healed["data"]["ca.crt"], known, "remembered, so that nothing is interrupted");
    assert!(healed["data"]["next.crt"].is_string(), "and on its way to be replaced");
    let mut spoilt: Value = healed;
    spoilt["data"]["ca.key"] = json!("c3BvaWx0");
    server.put(SECRET, Some(spoilt));
    sleep(MINUTES(2)).await;
    assert_eq!(server.object(SECRET).unwrap()["data"]["ca.crt"], known);

    // the leader is cut off: the other one takes over the bundle
    let (leader, follower) = if a.leadership.is_leader() { (&a, &b) } else { (&b, &a) };
    leader.line.cut();
    server.put(CONFIGURATION, Some(json!({"metadata": {"name": "mail-egress-injector"}})));
    sleep(MINUTES(2)).await;
    assert!(follower.leadership.is_leader());
    assert!(anchors(&server) >= 1);
}
