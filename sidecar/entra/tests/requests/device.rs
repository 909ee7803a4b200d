//! Signing in with a code on another device. Each server gives one answer, so a sign-in begins at one
//! and is asked about at others.

use std::time::Duration;

use jiff::SignedDuration;
use mail_egress_entra::dial::Resolver;
use mail_egress_entra::{DeviceLogin, DeviceLoginRequest, Granted, Limits, TokenClient, TokenError};
use secrecy::ExposeSecret;

use crate::server::{Script, Server, http, json, now};

const BEGUN: &str = r#"{"user_code":"A1B2C3D4","device_code":"d3vice~code","verification_uri":"https://microsoft.com/devicelogin","expires_in":900,"interval":5,"message":"To sign in, ..."}"#;

fn client() -> TokenClient {
    TokenClient::new(Resolver::system().unwrap(), Limits::default())
}

fn request(server: &Server) -> DeviceLoginRequest {
    DeviceLoginRequest {
        login_url: format!("https://{}", server.address),
        tenant: "consumers".to_owned(),
        client_id: "11111111-2222-3333-4444-555555555555".to_owned(),
        scope: "https://outlook.office.com/SMTP.Send offline_access".to_owned(),
        ca_bundle: Some(server.ca.clone()),
    }
}

async fn begin(answer: Script) -> Result<DeviceLogin, TokenError> {
    let server = Server::start(answer).await;
    client().begin_device_login(&request(&server), now()).await
}

async fn poll(login: &mut DeviceLogin, answer: Script) -> Result<Option<Granted>, TokenError> {
    let server = Server::start(answer).await;
    client().poll(&request(&server), login, now()).await
}

fn refusal(error: &str) -> Script {
    let body = format!(
        r#"{{"error":"{error}","error_description":"AADSTS70016: d3vice~code","error_codes":[70016]}}"#
    );
    json("400 Bad Request", &body)
}

#[tokio::test]
async fn begins_with_a_code_for_the_person_and_one_that_is_kept() {
    let mut server = Server::start(json("200 OK", BEGUN)).await;
    let login = client().begin_device_login(&request(&server), now()).await.unwrap();
    assert_eq!(login.user_code, "A1B2C3D4");
    assert_eq!(login.verification_uri, "https://microsoft.com/devicelogin");
    assert_eq!(login.expires_at, now() + SignedDuration::from_mins(15));
    assert_eq!(login.interval(), Duration::from_secs(5));
    assert!(!format!("{login:?}").contains("d3vice"), "{login:?}");
    let requests = server.requests();
    let (head, body) = requests[0].split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /consumers/oauth2/v2.0/devicecode HTTP/1.1\r\n"), "{head}");
    assert!(body.contains("scope=https%3A%2F%2Foutlook.office.com%2FSMTP.Send+offline_access"), "{body}");
    assert!(!body.contains("client_secret"), "{body}");
}

#[tokio::test]
async fn waits_for_as_long_as_nobody_has_signed_in_and_slower_when_told_so() {
    let mut login = begin(json("200 OK", BEGUN)).await.unwrap();
    assert!(poll(&mut login, refusal("authorization_pending")).await.unwrap().is_none());
    assert_eq!(login.interval(), Duration::from_secs(5));
    assert!(poll(&mut login, refusal("slow_down")).await.unwrap().is_none());
    assert_eq!(login.interval(), Duration::from_secs(10));
    let busy = poll(&mut login, http("503 Service Unavailable", "", "")).await.unwrap_err();
    assert_eq!((busy.diagnosis.reason, login.interval()), ("EntraUnavailable", Duration::from_secs(20)));
    let throttled = http("429 Too Many Requests", "Retry-After: 120\r\n", "");
    assert_eq!(poll(&mut login, throttled).await.unwrap_err().diagnosis.reason, "EntraThrottled");
    assert_eq!(login.interval(), Duration::from_secs(120));
    assert!(poll(&mut login, refusal("slow_down")).await.unwrap().is_none());
    assert_eq!(login.interval(), Duration::from_secs(120));
}

#[tokio::test]
async fn a_person_who_signed_in_leaves_both_tokens() {
    let granted =
        r#"{"token_type":"Bearer","expires_in":3599,"access_token":"EwBo","refresh_token":"0.first~"}"#;
    let mut login = begin(json("200 OK", BEGUN)).await.unwrap();
    let mut server = Server::start(json("200 OK", granted)).await;
    let granted = client().poll(&request(&server), &mut login, now()).await.unwrap().unwrap();
    assert_eq!(granted.token.value.expose_secret(), "EwBo");
    assert_eq!(granted.refresh_token.unwrap().expose_secret(), "0.first~");
    let requests = server.requests();
    let (head, body) = requests[0].split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /consumers/oauth2/v2.0/token HTTP/1.1\r\n"), "{head}");
    assert!(body.contains("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&"), "{body}");
    assert!(body.ends_with("&device_code=d3vice%7Ecode"), "{body}");
}

#[tokio::test]
async fn says_why_a_sign_in_came_to_nothing_and_shows_no_code() {
    let public = r#"{"error":"invalid_client","error_description":"AADSTS7000218: The request body must contain the following parameter: 'client_assertion' or 'client_secret'.","error_codes":[7000218]}"#;
    for (answer, reason) in [
        (refusal("authorization_declined"), "SignInNotDone"),
        (refusal("bad_verification_code"), "SignInNotDone"),
        (refusal("expired_token"), "SignInNotDone"),
        (json("401 Unauthorized", public), "PublicClientFlowsOff"),
        (json("200 OK", r#"{"access_token":"EwBo"}"#), "TokenUnusable"),
        (json("200 OK", "<html>"), "TokenUnusable"),
        (json("400 Bad Request", "{}"), "UnexpectedTokenResponse"),
    ] {
        let mut login = begin(json("200 OK", BEGUN)).await.unwrap();
        let error = poll(&mut login, answer).await.unwrap_err();
        assert_eq!(error.diagnosis.reason, reason, "{error}");
        assert!(!format!("{error} {error:?}").contains("d3vice"), "{error:?}");
    }
}

#[tokio::test]
async fn nobody_is_asked_after_the_codes_end() {
    let mut login = begin(json("200 OK", BEGUN)).await.unwrap();
    let mut server = Server::start(refusal("authorization_pending")).await;
    let end = login.expires_at;
    let error = client().poll(&request(&server), &mut login, end).await.unwrap_err();
    assert_eq!(error.diagnosis.reason, "SignInNotDone");
    assert!(error.to_string().contains("within the time"), "{error}");
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn codes_that_cannot_be_shown_or_sent_are_refused() {
    for (from, to) in [("A1B2C3D4", "A1\\u001b[2J"), ("A1B2C3D4", ""), ("d3vice~code", "d3vice\\r\\ncode")] {
        let error = begin(json("200 OK", &BEGUN.replace(from, to))).await.unwrap_err();
        assert_eq!(error.diagnosis.reason, "TokenUnusable", "{to}");
    }
    let nowhere = BEGUN.replace("https://microsoft.com/devicelogin", "devicelogin");
    assert_eq!(begin(json("200 OK", &nowhere)).await.unwrap_err().diagnosis.reason, "TokenUnusable");
}
