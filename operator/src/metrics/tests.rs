//! What is counted, and what is forgotten.

use super::*;

#[test]
fn counts_token_requests_by_result_and_reason() {
    let metrics = Metrics::new().unwrap();
    metrics.token_requested("contoso", "s", None);
    metrics.token_requested("contoso", "s", Some("InvalidClientSecret"));
    let text = metrics.render().unwrap();
    for line in [
        r#"mail_egress_token_requests_total{app="contoso",reason="",result="success",scope="s"} 1"#,
        r#"mail_egress_token_requests_total{app="contoso",reason="InvalidClientSecret",result="error",scope="s"} 1"#,
    ] {
        assert!(text.contains(line), "{text}");
    }
}

#[test]
fn removes_the_series_of_a_token_that_is_gone() {
    let metrics = Metrics::new().unwrap();
    for app in ["contoso", "fabrikam"] {
        metrics.token_requested(app, "s", Some("EntraTimeout"));
        metrics.token_requested(app, "s", None);
        metrics.token_held(app, "s", Timestamp::UNIX_EPOCH);
    }
    metrics.token_forgotten("contoso", "s");
    let text = metrics.render().unwrap();
    assert!(!text.contains("contoso"), "{text}");
    assert_eq!(text.matches("app=\"fabrikam\"").count(), 3, "{text}");
}

#[test]
fn an_error_counts_as_reconciliation_and_as_error() {
    let metrics = Metrics::new().unwrap();
    metrics.reconciled("mailsender", Outcome::Error, Duration::from_millis(3));
    metrics.reconciled("mailsender", Outcome::RequeueAfter, Duration::from_millis(3));
    let text = metrics.render().unwrap();
    for line in [
        r#"controller_runtime_reconcile_total{controller="mailsender",result="error"} 1"#,
        r#"controller_runtime_reconcile_total{controller="mailsender",result="requeue_after"} 1"#,
        r#"controller_runtime_reconcile_errors_total{controller="mailsender"} 1"#,
        r#"controller_runtime_reconcile_time_seconds_count{controller="mailsender"} 2"#,
    ] {
        assert!(text.contains(line), "{text}");
    }
}

#[test]
fn workers_are_counted_while_they_work() {
    let metrics = Metrics::new().unwrap();
    let active = metrics.reconciling("mailsender", 32);
    let line = |n| format!(r#"controller_runtime_active_workers{{controller="mailsender"}} {n}"#);
    assert!(metrics.render().unwrap().contains(&line(1)));
    drop(active);
    assert!(metrics.render().unwrap().contains(&line(0)));
}

#[tokio::test]
async fn every_replica_shows_when_its_certificate_ends() {
    let election = crate::leader::Election {
        client: crate::api_in_memory::ApiServer::default().line().client(),
        namespace: "mail-egress-system".to_owned(),
        lease: "mail-egress-operator".to_owned(),
        identity: "a".to_owned(),
        timing: crate::leader::Timing::default(),
        wall: Timestamp::now,
    };
    let (leadership, _campaign) = election.enter();
    let serving = crate::authority::testing::Certificates::new().serving;
    let end = serving.expires().unwrap().as_second();
    let stores = crate::watches::Stores::holding(vec![], vec![], vec![], "mail-egress-system");
    let metrics = Metrics::new().unwrap();
    metrics.registry().register(Box::new(State::new(stores, leadership, serving).unwrap())).unwrap();
    let line = format!("mail_egress_webhook_certificate_expiry_timestamp_seconds {end}");
    assert!(metrics.render().unwrap().contains(&line), "{line}");
}
