//! Signing in with a code, and what becomes of the refresh tokens.

use secrecy::ExposeSecret;
use serde_json::Value;

use super::client::{Client, post, response};
use super::{PATIENCE, lab};
use crate::lab::{App, DEFAULT_MAILBOX, DEFAULT_TENANT, Lab, Mailbox, Shown};

const APP: &str = "7d3f2c10-1111-4222-8333-444455556666";
const SCOPE: &str = "https://outlook.office.com/SMTP.Send offline_access";
const SOMEBODY: &str = "somebody@outlook.com";

async fn lab_for_people() -> Lab {
    let lab = lab().await;
    lab.administer(|directory| {
        directory.apps.push(App::new(APP).for_people());
        directory.mailboxes.push(Mailbox::new(SOMEBODY));
    });
    lab
}

async fn ask(lab: &Lab, tenant: &str, name: &str, fields: &[(&str, &str)]) -> Value {
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("client_id", APP)
        .extend_pairs(fields)
        .finish();
    post(lab, &format!("/{tenant}/oauth2/v2.0/{name}"), &form).await.unwrap().json()
}

async fn begin(lab: &Lab, tenant: &str) -> (String, String) {
    let begun = ask(lab, tenant, "devicecode", &[("scope", SCOPE)]).await;
    assert_eq!((&begun["expires_in"], &begun["interval"]), (&900.into(), &5.into()), "{begun}");
    assert_eq!(begun["verification_uri"], "https://microsoft.com/devicelogin");
    let text = |name: &str| begun[name].as_str().unwrap().to_owned();
    assert!(text("message").contains(&text("user_code")), "{begun}");
    (text("device_code"), text("user_code"))
}

async fn poll(lab: &Lab, tenant: &str, device_code: &str) -> Value {
    let grant = "urn:ietf:params:oauth:grant-type:device_code";
    ask(lab, tenant, "token", &[("grant_type", grant), ("device_code", device_code)]).await
}

async fn refresh(lab: &Lab, tenant: &str, token: &str) -> Value {
    let fields = [("grant_type", "refresh_token"), ("refresh_token", token), ("scope", SCOPE)];
    ask(lab, tenant, "token", &fields).await
}

fn error(answer: &Value) -> (&str, u64) {
    (answer["error"].as_str().unwrap_or_default(), answer["error_codes"][0].as_u64().unwrap_or_default())
}

async fn sign_in(lab: &Lab, user: &str, answer: &Value) -> String {
    let token = answer["access_token"].as_str().unwrap();
    let mut client = Client::in_tls(lab).await;
    client.ask(&format!("AUTH XOAUTH2 {}", response(user, token))).await
}

#[tokio::test]
async fn who_signs_in_with_a_code_lets_the_app_send_from_their_mailbox_and_no_other() {
    let lab = lab_for_people().await;
    for (tenant, user, other) in
        [(DEFAULT_TENANT, DEFAULT_MAILBOX, SOMEBODY), ("consumers", SOMEBODY, DEFAULT_MAILBOX)]
    {
        let (device_code, user_code) = begin(&lab, tenant).await;
        assert_eq!(lab.entra().wait_for_code(PATIENCE).await.unwrap(), user_code);
        assert_eq!(error(&poll(&lab, tenant, &device_code).await), ("authorization_pending", 70016));
        lab.entra().approve(&user_code, user).unwrap();
        let answer = poll(&lab, tenant, &device_code).await;
        assert_eq!(sign_in(&lab, user, &answer).await, "235 2.7.0 Authentication successful");
        assert!(sign_in(&lab, other, &answer).await.starts_with("535 5.7.3 "));
        assert_eq!(answer["scope"], SCOPE);
        let is_jwt = answer["access_token"].as_str().unwrap().contains('.');
        assert_eq!(is_jwt, tenant == DEFAULT_TENANT, "personal accounts have opaque tokens");
        assert_eq!(error(&poll(&lab, tenant, &device_code).await), ("bad_verification_code", 70018));
    }
    let shown: Vec<Shown> = lab.entra().requests().iter().filter_map(|one| one.shown).collect();
    assert_eq!(shown, [Shown::DeviceCode, Shown::DeviceCode]);
}

#[tokio::test]
async fn a_sign_in_can_be_declined_or_lapse() {
    let lab = lab_for_people().await;
    let (device_code, user_code) = begin(&lab, "consumers").await;
    lab.entra().decline(&user_code).unwrap();
    assert_eq!(error(&poll(&lab, "consumers", &device_code).await), ("authorization_declined", 65004));
    assert!(lab.entra().approve(&user_code, SOMEBODY).is_err(), "it is over");
    let (device_code, user_code) = begin(&lab, "consumers").await;
    lab.entra().expire_code(&user_code).unwrap();
    assert_eq!(error(&poll(&lab, "consumers", &device_code).await), ("expired_token", 70020));
    assert_eq!(error(&poll(&lab, "consumers", "guessed").await), ("bad_verification_code", 70018));
}

#[tokio::test]
async fn public_client_flows_and_consent_are_asked_for() {
    let lab = lab_for_people().await;
    let (device_code, user_code) = begin(&lab, DEFAULT_TENANT).await;
    lab.entra().approve(&user_code, DEFAULT_MAILBOX).unwrap();
    let change = |change: fn(&mut App)| lab.administer(|directory| change(directory.app_mut(APP).unwrap()));
    change(|app| app.public_client = false);
    assert_eq!(error(&poll(&lab, DEFAULT_TENANT, &device_code).await), ("invalid_client", 7_000_218));
    change(|app| {
        app.public_client = true;
        app.delegated.clear();
    });
    let begun = ask(&lab, DEFAULT_TENANT, "devicecode", &[("scope", SCOPE)]).await;
    assert_eq!(error(&begun), ("invalid_grant", 65001));
    change(|app| app.personal_accounts = false);
    let begun = ask(&lab, "consumers", "devicecode", &[("scope", SCOPE)]).await;
    assert_eq!(error(&begun), ("unauthorized_client", 700_016));
}

#[tokio::test]
async fn a_refresh_token_is_succeeded_and_goes_on_working_and_the_newest_is_remembered() {
    let lab = lab_for_people().await;
    let first = lab.entra().sign_in(APP, "consumers", SOMEBODY);
    let answer = refresh(&lab, "consumers", first.expose_secret()).await;
    assert_eq!(sign_in(&lab, SOMEBODY, &answer).await, "235 2.7.0 Authentication successful");
    let second = answer["refresh_token"].as_str().unwrap();
    assert_ne!(second, first.expose_secret());
    let again = refresh(&lab, "consumers", first.expose_secret()).await;
    let third = again["refresh_token"].as_str().unwrap();
    assert_eq!(lab.entra().newest_refresh_token(SOMEBODY).unwrap().expose_secret(), third);
    lab.entra().expire_refresh_token(first.expose_secret());
    assert_eq!(error(&refresh(&lab, "consumers", first.expose_secret()).await), ("invalid_grant", 700_082));
    assert!(refresh(&lab, "consumers", second).await["access_token"].is_string());
}

#[tokio::test]
async fn refresh_tokens_can_be_revoked_and_end() {
    let lab = lab_for_people().await;
    let token = lab.entra().sign_in(APP, DEFAULT_TENANT, DEFAULT_MAILBOX);
    lab.entra().revoke_refresh_tokens(DEFAULT_MAILBOX);
    assert_eq!(error(&refresh(&lab, DEFAULT_TENANT, token.expose_secret()).await), ("invalid_grant", 50173));
    let token = lab.entra().sign_in(APP, DEFAULT_TENANT, DEFAULT_MAILBOX);
    lab.entra().expire_refresh_tokens(DEFAULT_MAILBOX);
    let ended = refresh(&lab, DEFAULT_TENANT, token.expose_secret()).await;
    assert_eq!(error(&ended), ("invalid_grant", 700_082));
    let other = lab.entra().sign_in(APP, "consumers", SOMEBODY);
    let elsewhere = refresh(&lab, DEFAULT_TENANT, other.expose_secret()).await;
    assert_eq!(error(&elsewhere), ("invalid_grant", 7_000_012));
}

#[tokio::test]
async fn consumers_have_no_client_credentials() {
    let lab = lab_for_people().await;
    let fields = [
        ("grant_type", "client_credentials"),
        ("scope", "https://outlook.office365.com/.default"),
        ("client_secret", "x"),
    ];
    let answer = ask(&lab, "consumers", "token", &fields).await;
    assert_eq!(error(&answer), ("invalid_request", 9_001_023));
}
