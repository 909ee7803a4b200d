//! The token endpoint over HTTPS.

use jiff::SignedDuration;

use super::client::{Client, ask_token, form, post, response};
use super::{PATIENCE, lab};
use crate::lab::{
    App, BadAnswer, CertificateFault, DEFAULT_CLIENT_ID, DEFAULT_MAILBOX, DEFAULT_SECRET, DEFAULT_TENANT,
    EntraFault, Lab, Span, TokenOutcome,
};

async fn sign_in_with_issued_token(lab: &Lab) -> String {
    let token = ask_token(lab).await.unwrap().json()["access_token"].as_str().unwrap().to_owned();
    let mut client = Client::in_tls(lab).await;
    client.ask(&format!("AUTH XOAUTH2 {}", response(DEFAULT_MAILBOX, &token))).await
}

#[tokio::test]
async fn issues_a_token_that_exchange_accepts() {
    let lab = lab().await;
    let answer = ask_token(&lab).await.unwrap();
    assert_eq!((answer.status, answer.content_type.as_str()), (200, "application/json; charset=utf-8"));
    let body = answer.json();
    assert_eq!(body["token_type"], "Bearer");
    assert!((3600..=5400).contains(&body["expires_in"].as_i64().unwrap()), "{body}");
    assert_eq!(body["expires_in"], body["ext_expires_in"]);
    assert_eq!(sign_in_with_issued_token(&lab).await, "235 2.7.0 Authentication successful");

    let requests = lab.entra().wait_for_requests(2, PATIENCE).await.unwrap();
    assert_eq!(requests[0].client_id.as_deref(), Some(DEFAULT_CLIENT_ID));
    assert_eq!(requests[0].scope.as_deref(), Some("https://outlook.office365.com/.default"));
    assert!(matches!(requests[0].outcome, TokenOutcome::Issued { .. }));
}

#[tokio::test]
async fn refuses_a_wrong_secret_without_repeating_it() {
    let lab = lab().await;
    let form = form("https://outlook.office365.com/.default").replace("0123456789abcdef", "guessed");
    let answer = post(&lab, &format!("/{DEFAULT_TENANT}/oauth2/v2.0/token"), &form).await.unwrap();
    assert_eq!((answer.status, answer.json()["error"].as_str()), (401, Some("invalid_client")));
    let description = answer.json()["error_description"].as_str().unwrap().to_owned();
    assert!(description.starts_with("AADSTS7000215: Invalid client secret provided."), "{description}");
    assert!(!answer.body.contains("guessed"), "{}", answer.body);
    assert_eq!(lab.entra().requests()[0].outcome, TokenOutcome::Refused(7000215));
}

#[tokio::test]
async fn serves_its_public_key_and_refuses_other_paths() {
    let lab = lab().await;
    let path = |path: &str| format!("/{DEFAULT_TENANT}/{path}");
    let keys = post(&lab, &path("discovery/v2.0/keys"), "").await.unwrap().json();
    assert_eq!(keys["keys"][0]["kty"], "RSA");
    assert_eq!(post(&lab, &path("oauth2/token"), "").await.unwrap().status, 404);
}

#[tokio::test]
async fn every_bad_answer_is_what_it_says() {
    let lab = lab().await;
    let entra = lab.entra();
    let misbehave = |bad| {
        entra.behave();
        entra.misbehave(EntraFault::Answer(bad));
        ask_token(&lab)
    };
    let error = misbehave(BadAnswer::Error(90033)).await.unwrap();
    assert_eq!((error.status, error.json()["error"].as_str()), (503, Some("temporarily_unavailable")));
    let throttled = misbehave(BadAnswer::Throttled(Some(60))).await.unwrap();
    assert_eq!((throttled.status, throttled.retry_after.as_deref()), (429, Some("60")));
    assert_eq!(throttled.content_type, "text/plain");
    let throttled = misbehave(BadAnswer::Throttled(None)).await.unwrap();
    assert_eq!((throttled.status, throttled.retry_after), (429, None));
    let status = misbehave(BadAnswer::Status(500)).await.unwrap();
    assert_eq!((status.status, status.content_type.as_str()), (500, "text/html"));
    let not_json = misbehave(BadAnswer::NotJson).await.unwrap();
    assert!(not_json.status == 200 && serde_json::from_str::<serde_json::Value>(&not_json.body).is_err());
    assert!(misbehave(BadAnswer::EndlessBody).await.unwrap().body.len() >= 1_000_000);
    assert!(misbehave(BadAnswer::Drop).await.is_err());
    assert_eq!(entra.requests().len(), 7, "also what was misbehaved is counted");
}

#[tokio::test]
async fn hangs_until_it_behaves() {
    let lab = lab().await;
    lab.entra().misbehave(EntraFault::Answer(BadAnswer::Hang));
    let (answer, ()) = tokio::join!(ask_token(&lab), async {
        lab.entra().wait_for_requests(1, PATIENCE).await.unwrap();
        lab.entra().behave();
    });
    assert!(answer.is_err());
}

#[tokio::test]
async fn misbehaves_so_many_times_and_then_no_more() {
    let lab = lab().await;
    lab.entra().misbehave_for(Span::Times(2), EntraFault::Answer(BadAnswer::Status(502)));
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(ask_token(&lab).await.unwrap().status);
    }
    assert_eq!(statuses, [502, 502, 200]);
}

#[tokio::test]
async fn shows_bad_certificates() {
    let lab = lab().await;
    for (fault, symptom) in [
        (CertificateFault::Untrusted, "BadSignature"),
        (CertificateFault::WrongName, "not valid for name"),
        (CertificateFault::Expired, "expired"),
    ] {
        lab.entra().behave();
        lab.entra().misbehave(EntraFault::Certificate(fault));
        let error = ask_token(&lab).await.unwrap_err();
        assert!(format!("{error:#}").contains(symptom), "{fault:?}: {error:#}");
    }
    assert_eq!(lab.entra().requests().len(), 0);
}

#[tokio::test]
async fn opaque_tokens_are_as_good_as_jwts() {
    let lab = lab().await;
    lab.entra().misbehave(EntraFault::OpaqueTokens);
    let token = ask_token(&lab).await.unwrap().json()["access_token"].as_str().unwrap().to_owned();
    assert!(!token.contains('.'));
    assert_eq!(sign_in_with_issued_token(&lab).await, "235 2.7.0 Authentication successful");
}

#[tokio::test]
async fn a_token_without_roles_works_where_the_scope_allows() {
    let lab = lab().await;
    lab.entra().misbehave(EntraFault::WithoutRoles);
    assert!(sign_in_with_issued_token(&lab).await.starts_with("535 5.7.3 "));
    lab.administer(|directory| {
        let app = directory.app_mut(DEFAULT_CLIENT_ID).unwrap();
        *app = App::with_secret(DEFAULT_CLIENT_ID, DEFAULT_SECRET).scoped_to(&["*@contoso.com"]);
    });
    assert_eq!(sign_in_with_issued_token(&lab).await, "235 2.7.0 Authentication successful");
}

#[tokio::test]
async fn audience_and_lifetime_can_be_wrong() {
    let lab = lab().await;
    lab.entra().misbehave(EntraFault::Audience("https://graph.microsoft.com".to_owned()));
    assert!(sign_in_with_issued_token(&lab).await.starts_with("535 5.7.3 "));
    lab.entra().behave();
    lab.entra().misbehave(EntraFault::Lifetime(SignedDuration::from_secs(-60)));
    assert_eq!(ask_token(&lab).await.unwrap().json()["expires_in"], -60);
    assert!(sign_in_with_issued_token(&lab).await.starts_with("535 5.7.3 "));
}
