//! Each kind of credential: what is sent for it, and what comes of the answer.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mail_egress_entra::{Credential, Endpoint, Retry, SignatureAlgorithm, TokenRequest};
use rcgen::{CertificateParams, KeyPair};
use secrecy::ExposeSecret;

use crate::server::{Server, ask, at, grant, json, now};

const KEY: &str = include_str!("../keys/rsa.pem");
const OTHER_KEY: &str = include_str!("../keys/other-rsa.pem");
const GRANTED: &str = r#"{"token_type":"Bearer","expires_in":3599,"access_token":"at"}"#;
const ROTATED: &str =
    r#"{"token_type":"Bearer","expires_in":3599,"access_token":"at","refresh_token":"0.next~"}"#;
const DELEGATED: &str = "https://outlook.office.com/SMTP.Send offline_access";

fn certificate(key: &str) -> Credential {
    let leaf = CertificateParams::default().self_signed(&KeyPair::from_pem(KEY).unwrap()).unwrap();
    Credential::Certificate { chain: leaf.pem(), key: key.into(), algorithm: SignatureAlgorithm::PS256 }
}

fn refresh_token(client_secret: Option<&str>) -> Credential {
    Credential::RefreshToken { token: "0.first~".into(), client_secret: client_secret.map(Into::into) }
}

/// The form of the one request that came.
fn form(server: &mut Server) -> Vec<(String, String)> {
    let requests = server.requests();
    assert_eq!(requests.len(), 1);
    let (_, body) = requests[0].split_once("\r\n\r\n").unwrap();
    let mut fields: Vec<(String, String)> =
        oauth2::url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    fields.sort();
    fields
}

fn names(form: &[(String, String)]) -> Vec<&str> {
    form.iter().map(|(name, _)| name.as_str()).collect()
}

fn value<'a>(form: &'a [(String, String)], name: &str) -> &'a str {
    form.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()).unwrap()
}

#[tokio::test]
async fn a_certificate_signs_an_assertion_for_the_url_that_is_asked() {
    let mut server = Server::start(json("200 OK", GRANTED)).await;
    let granted = grant(&TokenRequest { credential: certificate(KEY), ..server.request() }).await.unwrap();
    assert!(granted.refresh_token.is_none());
    let form = form(&mut server);
    assert_eq!(
        names(&form),
        ["client_assertion", "client_assertion_type", "client_id", "grant_type", "scope"]
    );
    assert_eq!(
        value(&form, "client_assertion_type"),
        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
    );
    let assertion: Vec<&str> = value(&form, "client_assertion").split('.').collect();
    let claims: serde_json::Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(assertion[1]).unwrap()).unwrap();
    let url = format!("https://{}/contoso.onmicrosoft.com/oauth2/v2.0/token", server.address);
    assert_eq!(claims["aud"], url.as_str());
    assert_eq!(claims["sub"], value(&form, "client_id"));
    assert_eq!(claims["nbf"], now().as_second());
}

#[tokio::test]
async fn a_certificate_that_cannot_sign_is_said_before_anybody_is_asked() {
    let mut server = Server::start(json("200 OK", GRANTED)).await;
    let error =
        ask(&TokenRequest { credential: certificate(OTHER_KEY), ..server.request() }).await.unwrap_err();
    assert_eq!((error.diagnosis.reason, error.retry), ("CredentialInvalid", Retry::WhenMended));
    assert!(error.to_string().contains("the private key does not belong to the certificate"), "{error}");
    assert!(server.requests().is_empty());
}

#[tokio::test]
async fn a_federated_token_is_shown_as_it_is() {
    let mut server = Server::start(json("200 OK", GRANTED)).await;
    let credential = Credential::Federated { assertion: "eyJ0.eyJz.c2ln".into() };
    ask(&TokenRequest { credential, ..server.request() }).await.unwrap();
    let form = form(&mut server);
    assert_eq!(value(&form, "client_assertion"), "eyJ0.eyJz.c2ln");
    assert_eq!(value(&form, "grant_type"), "client_credentials");
}

#[tokio::test]
async fn a_refresh_token_is_shown_without_a_secret_and_its_successor_is_handed_over() {
    let mut server = Server::start(json("200 OK", ROTATED)).await;
    let request = TokenRequest {
        endpoint: Endpoint::Entra {
            login_url: format!("https://{}", server.address),
            tenant: "consumers".to_owned(),
        },
        credential: refresh_token(None),
        scope: DELEGATED.to_owned(),
        ..server.request()
    };
    let granted = grant(&request).await.unwrap();
    assert_eq!(granted.token.value.expose_secret(), "at");
    assert_eq!(granted.refresh_token.as_ref().unwrap().expose_secret(), "0.next~");
    assert!(!format!("{granted:?}").contains("0.next"), "{granted:?}");
    let form = form(&mut server);
    assert_eq!(names(&form), ["client_id", "grant_type", "refresh_token", "scope"]);
    assert_eq!(value(&form, "refresh_token"), "0.first~");
    assert_eq!(value(&form, "scope"), DELEGATED);
}

#[tokio::test]
async fn another_provider_is_asked_at_its_url_with_its_secret_and_explained_in_no_terms_of_entra() {
    let refusal = r#"{"error":"invalid_grant","error_description":"Token has been expired or revoked."}"#;
    let mut server = Server::start(json("400 Bad Request", refusal)).await;
    let request = TokenRequest {
        endpoint: Endpoint::Url(format!("https://{}/token", server.address)),
        credential: refresh_token(Some("GOCSPX-s3cret")),
        scope: "https://mail.google.com/".to_owned(),
        ..server.request()
    };
    let error = ask(&request).await.unwrap_err();
    assert_eq!((error.diagnosis.reason, error.retry), ("RefreshTokenDead", Retry::WhenMended));
    let shown = error.to_string();
    assert!(shown.contains("(Token has been expired or revoked.)") && !shown.contains("Entra"), "{shown}");
    let seen = server.requests();
    assert!(seen[0].starts_with("POST /token HTTP/1.1\r\n"), "{}", seen[0]);
    assert!(seen[0].contains("client_secret=GOCSPX-s3cret"), "{}", seen[0]);
}

#[tokio::test]
async fn an_assertion_out_of_its_time_is_worth_a_fresh_one() {
    let refusal = r#"{"error":"invalid_client","error_description":"AADSTS700024: Client assertion is not within its valid time range.","error_codes":[700024]}"#;
    let server = Server::start(json("401 Unauthorized", refusal)).await;
    let error = ask(&TokenRequest { credential: certificate(KEY), ..server.request() }).await.unwrap_err();
    assert_eq!((error.diagnosis.reason, error.retry), ("AssertionOutsideItsTime", Retry::OnceFresh));
}

#[tokio::test]
async fn what_a_refusal_repeats_of_a_credential_is_blotted_out() {
    for (credential, hidden) in [
        (Credential::Federated { assertion: "eyJ0.eyJz.c2ln".into() }, "eyJ0.eyJz.c2ln"),
        (refresh_token(None), "0.first~"),
        (refresh_token(Some("s3cr~et")), "s3cr~et"),
    ] {
        let refusal = format!(r#"{{"error":"invalid_grant","error_description":"bad: {hidden}"}}"#);
        let server = Server::start(json("400 Bad Request", &refusal)).await;
        let error = ask(&TokenRequest { credential, ..server.request() }).await.unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("bad: [redacted]") && !shown.contains(hidden), "{shown}");
    }
}

#[tokio::test]
async fn an_endpoint_that_is_no_url_is_said_before_anybody_is_asked() {
    let server = Server::start(json("200 OK", GRANTED)).await;
    for endpoint in [at("http://login.test".to_owned()), Endpoint::Url("http://a.test/token".to_owned())] {
        let error = ask(&TokenRequest { endpoint, ..server.request() }).await.unwrap_err();
        assert_eq!(error.diagnosis.reason, "LoginUrlInvalid");
        assert!(error.to_string().contains("does not begin with https://"), "{error}");
    }
}
