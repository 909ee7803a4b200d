//! Each way out beside the file that its sidecar is given.

use std::{path::PathBuf, sync::OnceLock};

use mail_egress_config::{Fallback, Token, TokenSource, parse};
use mail_egress_crds::MailPolicy;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::*;
use crate::{
    controller::{
        build::{Orders, file},
        fixtures,
        validate::{Verdict, validate},
    },
    watches::Named,
};

/// A certificate and its key, in PEM.
fn pair() -> &'static (String, String) {
    static PAIR: OnceLock<(String, String)> = OnceLock::new();
    PAIR.get_or_init(|| {
        let made = rcgen::generate_simple_self_signed(vec!["contoso.com".to_owned()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    })
}

/// What is judged of a sender by this route.
fn judged(route: &Value, change: impl FnOnce(&mut References)) -> Verdict {
    let mut references = fixtures::references();
    references.route = fixtures::route(route.clone());
    for (name, values) in [
        ("contoso", [("clientSecret", "app-s3cr3t"), ("other", "")]),
        ("relay", [("password", "relay-s3cr3t\n"), ("other", "")]),
        ("certificate", [("tls.crt", pair().0.as_str()), ("tls.key", pair().1.as_str())]),
    ] {
        fixtures::secret(&mut references.credentials, name, &values);
    }
    change(&mut references);
    validate(&fixtures::sender(json!({})), &references, fixtures::now())
}

fn refusal(route: &Value, change: impl FnOnce(&mut References)) -> String {
    judged(route, change).result.map_or_else(|denied| denied.reason.to_owned(), |_| "may send".to_owned())
}

fn exit(route: &Value) -> Exit {
    judged(route, |_| {}).result.unwrap().exit().clone()
}

/// The file that the sidecar is given, with a token where the route needs one.
fn written(route: &Value, change: impl FnOnce(&mut References)) -> String {
    let validated = judged(route, change).result.unwrap();
    let token =
        || Token { value: SecretString::from("t0ken"), expires_at: "2026-11-23T12:00:00Z".parse().unwrap() };
    let mut sending = fixtures::sending(&validated, None);
    match &validated.exit().need {
        Need::Nothing => {}
        Need::OfApp { .. } | Need::OfRelay(_) => sending.token = Some(token()),
        Need::OfWorkload(source) => sending.token_source = Some(TokenSource::Entra(source.as_ref().clone())),
    }
    let file = file(&fixtures::sender(json!({})), &Orders::Send(sending.into()));
    mail_egress_config::write(&file).unwrap()
}

/// Compares with a golden file, which `UPDATE_GOLDEN=1` writes; what is written can be read.
fn is_golden(name: &str, written: &str) {
    parse(written.as_bytes()).unwrap();
    let (certificate, key) = pair();
    let in_json = |text: &str| json!(text).to_string();
    let written = written.replace(&in_json(certificate), "\"CERT\"").replace(&in_json(key), "\"K3Y\"");
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("src/controller/way/golden/{name}.json"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, format!("{written}\n")).unwrap();
    }
    assert_eq!(written, std::fs::read_to_string(&path).unwrap().trim_end(), "{name}");
}

/// A route without an EntraApp, for everybody.
fn open(way: &Value) -> Value {
    let mut route = way.clone();
    route["allowedNamespaces"] = json!([{"selector": {}}]);
    route
}

#[test]
fn every_way_becomes_the_file_that_its_sidecar_reads() {
    let gmail = json!({"smtpRelay": {"preset": "Gmail", "tls": "Implicit", "xoauth2": {
        "username": "billing@gmail.example", "tokenURL": "https://oauth2.googleapis.com/token",
        "clientID": "a", "scope": "https://mail.google.com/",
        "refreshToken": {"secretName": "relay", "key": "password"},
    }}});
    for (name, route) in [
        ("exchange-online", json!({"exchangeOnline": {"port": 2525}, "proxy": "socks5://proxy.test:1080"})),
        ("graph", json!({"graph": {"largeMessages": "Draft"}, "proxy": "http://proxy.test:3128"})),
        (
            "high-volume-email",
            json!({"highVolumeEmail": {}, "acceptedDomains": ["contoso.com", "shop.contoso.com"]}),
        ),
        ("communication-services", json!({"azureCommunicationServices": {"username": "news@contoso.com"}})),
        (
            "connector",
            open(&json!({"connector": {
                "host": "contoso-com.mail.protection.outlook.com", "clientCertificate": {"secretName": "certificate"},
            }})),
        ),
        ("direct-send", open(&json!({"directSend": {}}))),
        (
            "direct-send-by-host",
            open(&json!({
                "directSend": {"host": "contoso-com.mail.protection.outlook.com"}, "acceptedDomains": ["contoso.com", "fabrikam.com"],
            })),
        ),
        (
            "relay-by-password",
            open(&json!({"smtpRelay": {
            "preset": "AmazonSES", "region": "eu-central-1", "password": {"username": "AKIA", "secretName": "relay"},
        }, "limits": {"messageBytes": 4096}})),
        ),
        ("relay-by-token", open(&gmail)),
        (
            "relay-by-certificate",
            open(
                &json!({"smtpRelay": {"host": "mta.test", "clientCertificate": {"secretName": "certificate"}}}),
            ),
        ),
        ("relay-in-plaintext", open(&json!({"smtpRelay": {"host": "mta.test", "tls": "Plaintext"}}))),
    ] {
        is_golden(name, &written(&route, |_| {}));
    }
}

#[test]
fn a_workloads_sidecar_is_told_where_it_gets_its_token() {
    let workload = json!({"credential": {"federated": {"subject": "Workload"}}, "tenant": "contoso.com"});
    let written = written(&json!({"graph": {}}), |r| r.app = Some(fixtures::app(workload)));
    is_golden("workload", &written);
}

#[test]
fn the_fallback_route_stands_beside_the_first() {
    let mut references = fixtures::references();
    references.route = fixtures::route(json!({"graph": {}}));
    references.fallback = Some(fixtures::route(json!({"exchangeOnline": {}})));
    let sender = fixtures::sender(json!({"fallbackRoute": "large"}));
    let validated = validate(&sender, &references, fixtures::now()).result.unwrap();
    let token = |value: &str| Token {
        value: SecretString::from(value),
        expires_at: "2026-11-23T12:00:00Z".parse().unwrap(),
    };
    let route = validated.fallback().unwrap().route.clone();
    let mut sending = fixtures::sending(&validated, Some(token("of-graph")));
    sending.fallback = Some(Fallback { route, token: Some(token("of-exchange")) });
    let file = file(&sender, &Orders::Send(sending.into()));
    is_golden("with-fallback", &mail_egress_config::write(&file).unwrap());
}

#[test]
fn a_token_is_asked_for_with_the_scope_of_the_route() {
    let scope = |route: Value| match exit(&route).need {
        Need::OfApp { scope, .. } => scope,
        other => panic!("{other:?}"),
    };
    assert_eq!(scope(json!({"exchangeOnline": {}})), "https://outlook.office365.com/.default");
    assert_eq!(scope(json!({"highVolumeEmail": {}})), "https://outlook.office365.com/.default");
    assert_eq!(scope(json!({"graph": {}})), "https://graph.microsoft.com/.default");
    let by_relay = open(&json!({"smtpRelay": {"preset": "Gmail", "xoauth2": {
        "tokenURL": "https://oauth2.googleapis.com/token", "clientID": "a", "scope": "s",
    }}}));
    assert!(matches!(exit(&by_relay).need, Need::OfRelay(_)));
}

#[test]
fn graph_is_reached_in_the_cloud_of_the_app_unless_the_route_says_where() {
    let url = |route: Value, app: Value| {
        let validated = judged(&route, |r| r.app = Some(fixtures::app(app))).result.unwrap();
        let Route::Graph(graph) = &validated.exit().route else { panic!("another route") };
        graph.base_url.clone()
    };
    assert_eq!(
        url(json!({"graph": {}}), json!({"cloud": "China"})),
        "https://microsoftgraph.chinacloudapi.cn"
    );
    assert_eq!(
        url(json!({"graph": {"baseURL": "https://graph.test:8443/"}}), json!({})),
        "https://graph.test:8443"
    );
}

#[test]
fn only_what_ends_by_itself_lies_in_the_namespace_in_silence() {
    let found = |route: &Value| exit(route).long_lived.map(|it| it.reason);
    assert_eq!(found(&json!({"exchangeOnline": {}})), None);
    assert_eq!(found(&open(&json!({"directSend": {}}))), None);
    assert_eq!(found(&json!({"azureCommunicationServices": {"username": "a"}})), Some("ClientSecret"));
    let both = open(&json!({"smtpRelay": {
        "host": "mta.test", "password": {"username": "a", "secretName": "relay"},
        "clientCertificate": {"secretName": "certificate"},
    }}));
    assert_eq!(found(&both), Some("Password"));
    let verdict = judged(&both, |_| {});
    let said = verdict.findings.iter().find(|it| it.type_ == "LongLivedCredential").unwrap();
    let message = &said.message;
    assert!(message.contains("from the Secret relay in mail-egress-system"), "{message}");
    assert!(message.contains("from the Secret certificate in mail-egress-system"), "{message}");
    assert!(message.contains("the Secret mail-egress-billing of this namespace"), "{message}");
    assert!(!format!("{verdict:?}").contains("s3cr3t"), "{verdict:?}");
}

#[test]
fn an_apps_secret_is_a_password_only_where_nobody_gets_tokens_by_it() {
    let services = json!({"azureCommunicationServices": {"username": "a"}});
    let verdict = judged(&services, |r| r.token_user = Some("crm/news".into()));
    let denied = verdict.result.unwrap_err();
    assert_eq!((denied.reason, verdict.findings[0].reason), ("EntraAppNotDedicated", "EntraAppNotDedicated"));
    assert!(denied.cause.contains("crm/news"), "{}", denied.cause);
    let certificate = json!({"credential": {"certificate": {"secretName": "certificate"}}});
    assert_eq!(refusal(&services, |r| r.app = Some(fixtures::app(certificate))), "ClientSecretRequired");
}

#[test]
fn a_password_for_exchange_online_needs_an_exception_that_has_not_ended() {
    let basic = |host: &str| {
        open(&json!({"smtpRelay": {"host": host, "password": {"username": "a", "secretName": "relay"}}}))
    };
    for host in [
        "smtp.office365.com",
        "SMTP.Office365.com.",
        "smtp-mail.outlook.com",
        "smtp.partner.outlook.cn",
        "smtp.hve.mx.microsoft",
    ] {
        assert_eq!(refusal(&basic(host), |_| {}), "ExchangeOnlineBasic", "{host}");
    }
    assert_eq!(refusal(&basic("smtp.notoffice365.com"), |_| {}), "may send");
    let by_another_kind =
        json!({"azureCommunicationServices": {"host": "smtp.office365.com", "username": "a"}});
    assert_eq!(refusal(&by_another_kind, |_| {}), "ExchangeOnlineBasic");
    let policy = |until: &str| {
        let spec = json!({"namespaceSelector": {}, "exceptions": [{
            "name": "scanner", "reason": "it speaks nothing else", "until": until, "rules": ["ExchangeOnlineBasic"],
        }]});
        vec![Arc::new(MailPolicy::new("legacy", serde_json::from_value(spec).unwrap()))]
    };
    let ended = refusal(&basic("smtp.office365.com"), |r| r.policies = policy("2026-11-23T11:00:00Z"));
    assert_eq!(ended, "ExchangeOnlineBasic");
    let verdict = judged(&basic("smtp.office365.com"), |r| r.policies = policy("2026-12-31T00:00:00Z"));
    assert_eq!(verdict.result.unwrap().until(), Some("2026-12-31T00:00:00Z".parse().unwrap()));
}

#[test]
fn a_certificate_without_its_own_key_is_not_carried() {
    let route =
        open(&json!({"connector": {"host": "a.test", "clientCertificate": {"secretName": "certificate"}}}));
    let other = rcgen::generate_simple_self_signed(vec!["fabrikam.com".to_owned()]).unwrap();
    let verdict = judged(&route, |r| {
        let values = [("tls.crt", pair().0.as_str()), ("tls.key", &other.signing_key.serialize_pem())];
        fixtures::secret(&mut r.credentials, "certificate", &values);
    });
    let denied = verdict.result.unwrap_err();
    assert_eq!((denied.reason, verdict.findings[1].reason), ("CredentialInvalid", "CredentialInvalid"));
    assert!(denied.sentence().contains("belongs to another certificate"), "{}", denied.sentence());
}

#[test]
fn a_way_that_nobody_knows_is_refused_by_name() {
    assert_eq!(refusal(&json!({"exchangeOnline": {}, "graph": {}}), |_| {}), "RouteNotSupported");
    assert_eq!(refusal(&json!({"exchangeOnline": {}}), |r| r.route = Named::Missing), "MailRouteNotFound");
}
