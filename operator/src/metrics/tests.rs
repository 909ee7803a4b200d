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
