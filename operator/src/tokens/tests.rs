//! What is asked for, and what is forgotten, as the cluster changes.

use futures::{FutureExt, StreamExt};
use k8s_openapi::{ByteString, api::core::v1::Secret};
use mail_egress_crds::{EntraApp, names};
use mail_egress_entra::{Limits, Retry, TokenError, dial::Resolver};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::*;

const SCOPE: &str = "https://outlook.office365.com/.default";

fn app(patch: &Value) -> EntraApp {
    let mut spec = json!({
        "tenant": "contoso.onmicrosoft.com",
        "clientID": "00000000-0000-0000-0000-000000000001",
        "credential": {"clientSecret": {"secretName": "contoso"}},
    });
    json_patch::merge(&mut spec, patch);
    EntraApp::new("contoso", serde_json::from_value(spec).unwrap())
}

fn secret(value: &str, labelled: bool) -> Secret {
    let mut secret = Secret::default();
    secret.metadata.name = Some("contoso".into());
    secret.metadata.namespace = Some("system".into());
    secret.metadata.labels = labelled.then(|| [(names::LABEL_CREDENTIAL.into(), "true".into())].into());
    secret.data = Some([("clientSecret".into(), ByteString(value.into()))].into());
    secret
}

fn cluster(app: Option<EntraApp>, secret: Option<Secret>) -> Stores {
    Stores::holding(vec![], app.into_iter().collect(), secret.into_iter().collect(), "system")
}

fn key() -> Key {
    Key { owner: Owner::App("contoso".into()), scope: SCOPE.into() }
}

/// Tokens, one of which a sender has wanted in this cluster.
fn wanted_in(stores: &Stores, idle_after: Duration) -> Tokens {
    let tokens = Tokens::new(TokenClient::new(Resolver::system().unwrap(), Limits::default()), idle_after);
    let _ = tokens.want(&key(), &today(stores), Timestamp::UNIX_EPOCH);
    tokens
}

fn today(stores: &Stores) -> Want {
    credential::today(&key(), stores).unwrap()
}

/// The client secret that Entra would be asked with, once it is due.
fn asked_with(tokens: &Tokens, stores: &Stores) -> Option<String> {
    let now = Timestamp::UNIX_EPOCH;
    assert_eq!(tokens.due(now).0, [key()]);
    let (request, _) = tokens.begin(&key(), stores, now)?;
    let Proof::ClientSecret(value) = request.proof else { panic!("another proof") };
    Some(value.expose_secret().to_owned())
}

#[tokio::test]
async fn never_asks_with_a_credential_that_was_taken_back() {
    let before = cluster(Some(app(&json!({}))), Some(secret("old", true)));
    let asked = |after: Stores| asked_with(&wanted_in(&before, Duration::MAX), &after);
    assert_eq!(asked(before.clone()).as_deref(), Some("old"));
    let changed = cluster(Some(app(&json!({}))), Some(secret("new", true)));
    assert_eq!(asked(changed).as_deref(), Some("new"));
    assert_eq!(asked(cluster(Some(app(&json!({}))), Some(secret("new", false)))), None, "not labelled");
    assert_eq!(asked(cluster(Some(app(&json!({}))), None)), None, "no Secret");
    assert_eq!(asked(cluster(None, Some(secret("old", true)))), None, "no app");
    let suspended = app(&json!({"suspend": true}));
    assert_eq!(asked(cluster(Some(suspended), Some(secret("old", true)))), None, "suspended");
    let elsewhere = app(&json!({"endpoint": {"exchangeScope": "https://other.test/.default"}}));
    assert_eq!(asked(cluster(Some(elsewhere), Some(secret("old", true)))), None, "another scope");
}

#[tokio::test]
async fn a_failure_is_not_held_against_a_secret_that_was_corrected_since() {
    let wrong = cluster(Some(app(&json!({}))), Some(secret("wrong", true)));
    let tokens = wanted_in(&wrong, Duration::ZERO);
    assert_eq!(tokens.due(Timestamp::UNIX_EPOCH).0, [key()]);
    let (_, fingerprint) = tokens.begin(&key(), &wrong, Timestamp::UNIX_EPOCH).unwrap();
    let diagnosis = mail_egress_diagnosis::local(mail_egress_diagnosis::reason::ENTRA_TIMEOUT);
    let error = TokenError { diagnosis, retry: Retry::WhenMended, trace: None };
    tokens.entries().get_mut(&key()).unwrap().answer(&fingerprint, Err(error), Timestamp::UNIX_EPOCH);
    let standing = |stores: &Stores| tokens.standing(&key(), &today(stores), Timestamp::UNIX_EPOCH);
    assert!(matches!(standing(&wrong), Some(Standing::Missing(_))));
    let right = cluster(Some(app(&json!({}))), Some(secret("right", true)));
    assert!(matches!(standing(&right), Some(Standing::Awaited { .. })));
}

#[tokio::test]
async fn says_so_when_it_forgets_what_it_knew_of_an_app() {
    let stores = cluster(Some(app(&json!({}))), Some(secret("one", true)));
    let changes = Changes::default();
    let mut heard = Box::pin(changes.subscribe());
    assert_eq!(heard.next().await, Some(Change::Everything));
    assert!(wanted_in(&stores, Duration::MAX).forget(&stores, &changes).is_empty());
    assert_eq!(heard.next().now_or_never(), None);
    assert_eq!(wanted_in(&stores, Duration::MAX).forget(&cluster(None, None), &changes), [key()]);
    assert_eq!(heard.next().now_or_never(), Some(Some(Change::Token(Owner::App("contoso".into())))));
}
