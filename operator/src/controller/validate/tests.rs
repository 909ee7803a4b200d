//! Every way to be admitted or not.

use serde_json::{Value, json};

use super::{super::fixtures, *};
use crate::watches::Named;

/// The findings, and the first reason why not (empty where it may send).
fn judged(sender: Value, change: impl FnOnce(&mut References)) -> (Vec<String>, String) {
    let mut references = fixtures::references();
    change(&mut references);
    let verdict = validate(&fixtures::sender(sender), &references, fixtures::now());
    let lines = verdict.findings.iter().map(|f| format!("{}={} {}", f.type_, f.status.as_str(), f.reason));
    (lines.collect(), verdict.result.err().map_or_else(String::new, |denied| denied.sentence()))
}

fn denial(sender: Value, change: impl FnOnce(&mut References)) -> String {
    let mut references = fixtures::references();
    change(&mut references);
    let verdict = validate(&fixtures::sender(sender), &references, fixtures::now());
    verdict.result.err().map_or_else(|| "may send".into(), |denied| denied.reason.to_owned())
}

#[test]
fn admits_a_sender_whose_namespace_and_mailbox_are_allowed() {
    let (lines, why_not) = judged(json!({}), |_| {});
    assert_eq!(
        lines,
        ["Accepted=True Accepted", "ResolvedRefs=True ResolvedRefs", "Supported=True Supported"]
    );
    assert_eq!(why_not, "");
}

#[test]
fn admits_by_the_namespaces_labels() {
    let allowed = |value: &str| {
        let selector = json!({"matchLabels": {"team": value}});
        json!({"allowedNamespaces": [{"selector": selector, "mailboxes": ["billing@contoso.com"]}]})
    };
    assert_eq!(denial(json!({}), |r| r.app = Some(fixtures::app(allowed("shop")))), "may send");
    assert_eq!(denial(json!({}), |r| r.app = Some(fixtures::app(allowed("ops")))), "NamespaceNotAllowed");
}

#[test]
fn an_app_admits_nobody_by_itself() {
    let (lines, why_not) =
        judged(json!({}), |r| r.app = Some(fixtures::app(json!({"allowedNamespaces": []}))));
    assert_eq!(lines[0], "Accepted=False NamespaceNotAllowed");
    assert!(why_not.contains("EntraApp contoso does not admit the namespace shop. To mend: "), "{why_not}");
}

#[test]
fn refuses_a_mailbox_that_is_not_the_namespaces() {
    assert_eq!(denial(json!({"mailbox": "ceo@fabrikam.com"}), |_| {}), "MailboxNotAllowed");
    assert_eq!(denial(json!({"mailbox": "BILLING@Contoso.com"}), |_| {}), "may send");
}

#[test]
fn refuses_while_the_sender_or_the_app_is_suspended() {
    assert_eq!(denial(json!({"suspend": true}), |_| {}), "SenderSuspended");
    let suspended = || Some(fixtures::app(json!({"suspend": true})));
    assert_eq!(denial(json!({}), |r| r.app = suspended()), "AppSuspended");
}

#[test]
fn a_missing_app_or_route_is_named_and_acceptance_is_left_open() {
    let (lines, why_not) = judged(json!({}), |r| r.app = Some(Named::Missing));
    assert_eq!(lines[..2], ["Accepted=Unknown RefsNotResolved", "ResolvedRefs=False EntraAppNotFound"]);
    assert!(why_not.starts_with("the EntraApp contoso does not exist. To mend: "), "{why_not}");
    let (lines, why_not) = judged(json!({}), |r| r.route = Named::Missing);
    assert_eq!(lines[..2], ["Accepted=Unknown RefsNotResolved", "ResolvedRefs=False MailRouteNotFound"]);
    assert!(why_not.starts_with("the MailRoute exchange-online does not exist"), "{why_not}");
}

#[test]
fn an_app_that_cannot_be_read_is_not_called_absent() {
    let unreadable = Named::Unreadable("unknown variant `Mars`".into());
    let (lines, why_not) = judged(json!({}), |r| r.app = Some(unreadable));
    assert_eq!(lines[1], "ResolvedRefs=False EntraAppNotFound");
    assert!(
        why_not.contains("cannot be read by this version of the operator (unknown variant `Mars`)"),
        "{why_not}"
    );
}

#[test]
fn suspension_is_said_though_nothing_else_exists() {
    let (lines, why_not) = judged(json!({"suspend": true}), |r| r.app = Some(Named::Missing));
    assert_eq!(lines[..2], ["Accepted=False SenderSuspended", "ResolvedRefs=False EntraAppNotFound"]);
    assert!(why_not.starts_with("the MailSender is suspended"), "{why_not}");
}

#[test]
fn a_route_that_needs_an_app_asks_for_it() {
    let (lines, why_not) = judged(json!({"entraApp": null}), |r| r.app = None);
    assert_eq!(lines[1], "ResolvedRefs=False EntraAppRequired");
    assert!(why_not.contains("MailRoute exchange-online needs an EntraApp"), "{why_not}");
}

#[test]
fn a_route_whose_ca_bundle_is_useless_is_not_used() {
    let broken = json!({"exchangeOnline": {"caBundle": "nothing"}});
    assert_eq!(denial(json!({}), |r| r.route = fixtures::route(broken)), "CaBundleInvalid");
}

#[test]
fn a_route_without_an_app_admits_by_itself() {
    let direct = |allowed: Value| {
        let route = fixtures::route(json!({"directSend": {}, "allowedNamespaces": allowed}));
        judged(json!({"entraApp": null}), |r| {
            r.app = None;
            r.route = route;
        })
    };
    let (lines, why_not) = direct(json!([]));
    assert_eq!(lines[0], "Accepted=False NamespaceNotAllowed");
    let begins = "the MailRoute exchange-online does not admit the namespace shop. To mend: ";
    assert!(why_not.starts_with(begins), "{why_not}");
    assert_eq!(direct(json!([{"namespaces": ["shop"]}])).1, "");
    let (lines, _) = direct(json!([{"namespaces": ["shop"], "mailboxes": ["hr@contoso.com"]}]));
    assert_eq!(lines[0], "Accepted=False MailboxNotAllowed");
}

#[test]
fn a_fallback_that_cannot_be_used_is_said_and_does_not_stop_the_sender() {
    let with = |fallback: Named<MailRoute>| {
        judged(json!({"fallbackRoute": "other"}), |r| r.fallback = Some(fallback))
    };
    let (lines, why_not) = with(fixtures::route(json!({"highVolumeEmail": {}})));
    assert_eq!((&*lines[3], &*why_not), ("FallbackReady=True FallbackReady", ""));
    let (lines, why_not) = with(Named::Missing);
    assert_eq!((&*lines[3], &*why_not), ("FallbackReady=False MailRouteNotFound", ""));
    let (lines, _) = with(fixtures::route(json!({"connector": {"host": "a.test"}})));
    assert_eq!(lines[3], "FallbackReady=False NamespaceNotAllowed");
}

#[test]
fn a_secret_of_the_route_that_is_not_there_is_an_unresolved_reference() {
    let relay = json!({
        "smtpRelay": {"preset": "Brevo", "password": {"username": "a", "secretName": "brevo"}},
        "allowedNamespaces": [{"namespaces": ["shop"]}],
    });
    let (lines, why_not) = judged(json!({}), |r| r.route = fixtures::route(relay.clone()));
    assert_eq!(lines[..2], ["Accepted=True Accepted", "ResolvedRefs=False CredentialNotFound"]);
    assert!(why_not.contains("the Secret brevo"), "{why_not}");
    let (lines, why_not) = judged(json!({}), |r| {
        r.route = fixtures::route(relay);
        fixtures::secret(&mut r.credentials, "brevo", &[("password", "s3cr3t")]);
    });
    assert_eq!((&*lines[3], &*why_not), ("LongLivedCredential=True Password", ""));
}

#[test]
fn the_route_overrides_port_and_size() {
    let own =
        json!({"exchangeOnline": {"cloud": "USGovernment", "port": 2525}, "limits": {"messageBytes": 1024}});
    let mut references = fixtures::references();
    references.app = Some(fixtures::app(json!({"cloud": "USGovernment"})));
    references.route = fixtures::route(own);
    let validated = validate(&fixtures::sender(json!({})), &references, fixtures::now()).result.unwrap();
    let Route::ExchangeOnline(smtp) = &validated.exit().route else { panic!("another route") };
    assert_eq!((smtp.host.as_str(), smtp.port, smtp.max_message_bytes), ("smtp.office365.us", 2525, 1024));
}

#[test]
fn refuses_an_app_and_a_route_of_different_clouds_unless_a_scope_or_a_host_is_set() {
    let china = |endpoint: Value| Some(fixtures::app(json!({"cloud": "China", "endpoint": endpoint})));
    let (lines, why_not) = judged(json!({}), |r| r.app = china(json!({})));
    assert_eq!(lines[2], "Supported=False CloudMismatch");
    let cause = "the EntraApp contoso is of the cloud China and the MailRoute exchange-online of the cloud Global. To mend: ";
    assert!(why_not.starts_with(cause), "{why_not}");
    let scope = json!({"exchangeScope": "https://outlook.office365.com/.default"});
    assert_eq!(denial(json!({}), |r| r.app = china(scope)), "may send");
    let host = denial(json!({}), |r| {
        r.app = china(json!({}));
        r.route = fixtures::route(json!({"exchangeOnline": {"host": "relay.test"}}));
    });
    assert_eq!(host, "may send");
    let same = denial(json!({}), |r| {
        r.app = china(json!({}));
        r.route = fixtures::route(json!({"exchangeOnline": {"cloud": "China"}}));
    });
    assert_eq!(same, "may send");
}
