//! Elections against an API server in memory, with time standing still until it is needed.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep, timeout};

use super::{Election, Leadership, NotLeading, Term, Timing};
use crate::api_in_memory::{ApiServer, Line};

const LEASE: &str = "/apis/coordination.k8s.io/v1/namespaces/mail-egress-system/leases/mail-egress-operator";

fn holder(server: &ApiServer) -> Option<String> {
    let lease = server.object(LEASE)?;
    lease["spec"]["holderIdentity"].as_str().map(str::to_owned)
}

fn on_time() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

fn thirty_seconds_ahead() -> Timestamp {
    on_time() + SignedDuration::from_secs(30)
}

struct Replica {
    leadership: Leadership,
    line: Line,
    stop: Option<oneshot::Sender<()>>,
    campaign: tokio::task::JoinHandle<()>,
}

fn replica(server: &ApiServer, name: &str, wall: fn() -> Timestamp) -> Replica {
    let line = server.line();
    let election = Election {
        client: line.client(),
        namespace: "mail-egress-system".to_owned(),
        lease: "mail-egress-operator".to_owned(),
        identity: name.to_owned(),
        timing: Timing::default(),
        wall,
    };
    let (leadership, campaign) = election.enter();
    let (stop, stopped) = oneshot::channel();
    let campaign = tokio::spawn(campaign.run(async {
        let _ = stopped.await;
    }));
    Replica { leadership, line, stop: Some(stop), campaign }
}

/// Follows both replicas for `span`, a tick at a time, and never finds two leaders.
async fn watch_for_two_leaders(a: &Replica, b: &Replica, span: Duration) {
    let end = Instant::now() + span;
    while Instant::now() < end {
        let both = a.leadership.is_leader() && b.leadership.is_leader();
        assert!(!both, "two leaders at once");
        sleep(Duration::from_millis(50)).await;
    }
}

async fn may_write(term: &Term) -> bool {
    term.fenced(async {}).await.is_ok()
}

#[tokio::test(start_paused = true)]
async fn the_first_leads_and_goes_on_leading() {
    let server = ApiServer::default();
    let a = replica(&server, "a", on_time);
    let term = a.leadership.acquired().await;
    let b = replica(&server, "b", on_time);
    watch_for_two_leaders(&a, &b, Duration::from_secs(120)).await;
    assert!(may_write(&term).await);
    assert!(!b.leadership.is_leader());
    assert!(holder(&server).unwrap().starts_with("a_"));
}

#[tokio::test(start_paused = true)]
async fn one_cut_off_stops_before_the_other_begins_also_with_a_clock_ahead() {
    for (clock_a, clock_b) in [
        (on_time as fn() -> Timestamp, on_time as fn() -> Timestamp),
        (on_time, thirty_seconds_ahead),
        (thirty_seconds_ahead, on_time),
    ] {
        let server = ApiServer::default();
        let a = replica(&server, "a", clock_a);
        let term = a.leadership.acquired().await;
        let b = replica(&server, "b", clock_b);
        watch_for_two_leaders(&a, &b, Duration::from_secs(30)).await;
        assert!(a.leadership.is_leader(), "a live lease is not taken");

        a.line.cut();
        let cut = Instant::now();
        let (stopped, began) = tokio::join!(
            async {
                term.lost().await;
                Instant::now()
            },
            async {
                b.leadership.acquired().await;
                Instant::now()
            },
        );
        assert!(stopped - cut <= Duration::from_secs(10), "{:?}", stopped - cut);
        let spare = began.saturating_duration_since(stopped);
        assert!(spare >= Duration::from_secs(4), "only {spare:?} between the two");
        assert!(began - cut <= Duration::from_secs(18), "{:?}", began - cut);
    }
}

#[tokio::test(start_paused = true)]
async fn a_write_is_cut_short_at_the_end_of_the_term() {
    let server = ApiServer::default();
    let a = replica(&server, "a", on_time);
    let term = a.leadership.acquired().await;
    assert_eq!(term.fenced(async { 7 }).await, Ok(7));

    a.line.cut();
    let hanging = term.fenced(std::future::pending::<()>());
    let ended = timeout(Duration::from_secs(11), hanging).await;
    assert_eq!(ended.expect("within the renew deadline"), Err(NotLeading));
    let late = term.fenced(async { panic!("must not begin") }).await;
    assert_eq!(late, Err(NotLeading));
}

#[tokio::test(start_paused = true)]
async fn a_short_outage_costs_nothing() {
    let server = ApiServer::default();
    let a = replica(&server, "a", on_time);
    let term = a.leadership.acquired().await;
    let b = replica(&server, "b", on_time);
    a.line.cut();
    watch_for_two_leaders(&a, &b, Duration::from_secs(5)).await;
    a.line.mend();
    watch_for_two_leaders(&a, &b, Duration::from_secs(60)).await;
    assert!(may_write(&term).await);
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_back_follows_and_an_old_term_stays_lost() {
    let server = ApiServer::default();
    let a = replica(&server, "a", on_time);
    let old = a.leadership.acquired().await;
    a.line.cut();
    old.lost().await;
    a.line.mend();

    let new = timeout(Duration::from_secs(30), a.leadership.acquired()).await;
    let new = new.expect("nobody else wants it");
    assert!(may_write(&new).await);
    assert!(!may_write(&old).await, "the old term is not revived");
    timeout(Duration::from_millis(1), old.lost()).await.expect("lost once, lost for good");
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_hands_over_at_once() {
    let server = ApiServer::default();
    let mut a = replica(&server, "a", on_time);
    a.leadership.acquired().await;
    let b = replica(&server, "b", on_time);
    sleep(Duration::from_secs(5)).await;

    a.stop.take().unwrap().send(()).unwrap();
    a.campaign.await.unwrap();
    assert!(!a.leadership.is_leader());
    assert_eq!(holder(&server), None);
    let taken = timeout(Duration::from_secs(3), b.leadership.acquired()).await;
    assert!(taken.is_ok(), "one retry period, not a lease's duration");
}

#[tokio::test(start_paused = true)]
async fn a_deleted_lease_and_a_label_on_it_are_no_loss() {
    let server = ApiServer::default();
    let a = replica(&server, "a", on_time);
    let term = a.leadership.acquired().await;

    server.put(LEASE, None);
    sleep(Duration::from_secs(5)).await;
    assert!(holder(&server).unwrap().starts_with("a_"), "created again");

    let mut lease = server.object(LEASE).unwrap();
    lease["metadata"]["labels"] = json!({"team": "mail"});
    server.put(LEASE, Some(lease));
    sleep(Duration::from_secs(15)).await;
    assert!(may_write(&term).await, "renewed over the new version");
    let lease = server.object(LEASE).unwrap();
    assert_eq!(lease["metadata"]["labels"]["team"], "mail", "the label stays");
}

#[tokio::test(start_paused = true)]
async fn a_campaign_that_dies_leaves_no_leader_behind() {
    let server = ApiServer::default();
    let a = replica(&server, "a", on_time);
    let term = a.leadership.acquired().await;
    a.campaign.abort();
    let lost = timeout(Duration::from_secs(11), term.lost()).await;
    assert!(lost.is_ok(), "the term runs out by itself");
    assert!(!a.leadership.is_leader());
}
