//! Certificates and federated tokens: what is taken, and what each mistake is called.

use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::client::{Client, post, response};
use super::lab;
use super::proof::{forged, signed, usual};
use crate::lab::{
    App, ClientCertificate, DEFAULT_CLIENT_ID, DEFAULT_MAILBOX, DEFAULT_TENANT, Lab, Shown, TokenIssuer,
    TokenOutcome, application_certificate,
};

const NAMESPACE: &str = "mail-egress-system";
const NAME: &str = "mail-egress-operator";

/// A lab whose app has only this credential.
async fn lab_with(credential: impl FnOnce(App) -> App) -> Lab {
    let lab = lab().await;
    lab.administer(|directory| directory.apps[0] = credential(App::new(DEFAULT_CLIENT_ID).with_role()));
    lab
}

async fn ask(lab: &Lab, assertion: &str) -> Value {
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("client_id", DEFAULT_CLIENT_ID)
        .append_pair("scope", "https://outlook.office365.com/.default")
        .append_pair("grant_type", "client_credentials")
        .append_pair("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
        .append_pair("client_assertion", assertion)
        .finish();
    post(lab, &format!("/{DEFAULT_TENANT}/oauth2/v2.0/token"), &form).await.unwrap().json()
}

async fn refused(lab: &Lab, assertion: &str) -> (u64, String) {
    let answer = ask(lab, assertion).await;
    let description = answer["error_description"].as_str().unwrap_or_default().to_owned();
    (answer["error_codes"][0].as_u64().unwrap_or_default(), description)
}

async fn is_let_in(lab: &Lab, answer: &Value) {
    let token = answer["access_token"].as_str().unwrap();
    let mut client = Client::in_tls(lab).await;
    let reply = client.ask(&format!("AUTH XOAUTH2 {}", response(DEFAULT_MAILBOX, token))).await;
    assert_eq!(reply, "235 2.7.0 Authentication successful");
}

fn valid() -> ClientCertificate {
    application_certificate("2040-01-01T00:00:00Z".parse().unwrap()).unwrap()
}

#[tokio::test]
async fn a_certificate_is_taken_by_either_algorithm() {
    let certificate = valid();
    let lab = lab_with(|app| app.with_certificate(&certificate.certificate)).await;
    for algorithm in ["PS256", "RS256"] {
        let (mut header, claims) = usual(&certificate);
        header["alg"] = algorithm.into();
        is_let_in(&lab, &ask(&lab, &signed(&certificate, &header, &claims)).await).await;
    }
    let requests = lab.entra().requests();
    assert!(requests.iter().all(|one| one.shown == Some(Shown::Certificate)), "{requests:?}");
}

#[tokio::test]
async fn two_certificates_may_overlap() {
    let (old, new) = (valid(), valid());
    let lab = lab_with(|app| app.with_certificate(&old.certificate).with_certificate(&new.certificate)).await;
    for certificate in [&old, &new] {
        let (header, claims) = usual(certificate);
        is_let_in(&lab, &ask(&lab, &signed(certificate, &header, &claims)).await).await;
    }
}

#[tokio::test]
async fn each_mistake_of_a_certificates_assertion_has_its_code() {
    let (certificate, unknown) = (valid(), valid());
    let ended = application_certificate("2024-01-01T00:00:00Z".parse().unwrap()).unwrap();
    let lab =
        lab_with(|app| app.with_certificate(&certificate.certificate).with_certificate(&ended.certificate))
            .await;
    let now = Timestamp::now().as_second();
    let thumbprint = |of: &ClientCertificate| usual(of).0["x5t#S256"].clone();
    for (change, code, words) in [
        (json!([{"alg": "HS256"}, {}]), 5_002_738, "signature algorithm"),
        (json!([{"alg": "none"}, {}]), 5_002_738, "signature algorithm"),
        (json!([{"x5t#S256": thumbprint(&unknown)}, {}]), 700_027, "The key was not found."),
        (json!([{"x5t#S256": null}, {}]), 700_027, "The key was not found."),
        (json!([{"x5t#S256": thumbprint(&ended)}, {}]), 700_027, "The key used is expired."),
        (json!([{}, {"aud": "https://login.lab.test/elsewhere/oauth2/v2.0/token"}]), 700_023, "audience"),
        (
            json!([{}, {"aud": "https://login.microsoftonline.com/contoso.example/oauth2/v2.0/token"}]),
            700_023,
            "audience",
        ),
        (json!([{}, {"iss": "another-app"}]), 700_021, "client_id"),
        (json!([{}, {"sub": "another-app"}]), 700_021, "client_id"),
        (json!([{}, {"nbf": now - 900, "exp": now - 300}]), 700_024, "valid time range"),
        (json!([{}, {"nbf": now + 300, "exp": now + 600}]), 700_024, "valid time range"),
        (json!([{}, {"exp": now + 3600}]), 700_024, "valid time range"),
        (json!([{}, {"exp": null}]), 700_024, "valid time range"),
        (json!([{}, {"jti": null}]), 50027, "malformed"),
    ] {
        let (mut header, mut claims) = usual(&certificate);
        merge(&mut header, &change[0]);
        merge(&mut claims, &change[1]);
        let (found, description) = refused(&lab, &signed(&certificate, &header, &claims)).await;
        assert_eq!(found, code, "{change}: {description}");
        assert!(description.contains(words), "{change}: {description}");
    }
    let (header, mut claims) = usual(&certificate);
    let token = signed(&certificate, &header, &claims);
    claims["exp"] = (now + 200).into();
    let (code, description) = refused(&lab, &forged(&token, &claims)).await;
    assert!(code == 700_027 && description.contains("did not match"), "{description}");
    let (code, _) = refused(&lab, "no.jwt").await;
    assert_eq!(code, 50027);
    let last = lab.entra().requests().pop().unwrap();
    assert_eq!((last.shown, &last.outcome), (None, &TokenOutcome::Refused(50027)));
}

#[tokio::test]
async fn a_federated_token_is_taken_for_what_the_app_trusts() {
    let issuer = TokenIssuer::new("https://oidc.cluster.test").unwrap();
    let lab = lab_with(|app| app.trusting(issuer.credential(NAMESPACE, NAME).unwrap())).await;
    let token = issuer.sign(&issuer.claims(NAMESPACE, NAME, Timestamp::now())).unwrap();
    is_let_in(&lab, &ask(&lab, token.expose_secret()).await).await;
    assert_eq!(lab.entra().requests()[0].shown, Some(Shown::Federated));
}

#[tokio::test]
async fn each_mistake_of_a_federated_token_has_its_code() {
    let issuer = TokenIssuer::new("https://oidc.cluster.test").unwrap();
    let lab = lab_with(|app| app.trusting(issuer.credential(NAMESPACE, NAME).unwrap())).await;
    let usual = || issuer.claims(NAMESPACE, NAME, Timestamp::now());
    let now = Timestamp::now().as_second();
    for (change, code) in [
        (json!({"iss": "https://oidc.cluster.test/"}), 700_211),
        (json!({"sub": "system:serviceaccount:shop:billing"}), 700_213),
        (json!({"sub": "system:serviceaccount:Mail-Egress-System:mail-egress-operator"}), 7_002_138),
        (json!({"aud": ["https://kubernetes.default.svc"]}), 700_212),
        (json!({"aud": ["api://AzureADTokenExchange", "another"]}), 700_212),
        (json!({"aud": []}), 700_212),
        (json!({"exp": now - 1, "nbf": now - 3601}), 700_024),
        (json!({"nbf": now + 300}), 700_024),
    ] {
        let mut claims = usual();
        merge(&mut claims, &change);
        let token = issuer.sign(&claims).unwrap();
        let (found, description) = refused(&lab, token.expose_secret()).await;
        assert_eq!(found, code, "{change}: {description}");
    }
    let good = issuer.sign(&usual()).unwrap();
    let mut later = usual();
    later["exp"] = (now + 100_000).into();
    assert_eq!(refused(&lab, &forged(good.expose_secret(), &later)).await.0, 700_027);
}

#[tokio::test]
async fn an_issuer_that_cannot_be_reached_and_an_app_that_trusts_nobody_have_theirs() {
    let issuer = TokenIssuer::new("https://oidc.cluster.test").unwrap();
    let token = issuer.sign(&issuer.claims(NAMESPACE, NAME, Timestamp::now())).unwrap();
    let lab = lab_with(|app| app).await;
    assert_eq!(refused(&lab, token.expose_secret()).await.0, 70021);
    let mut unreachable = issuer.credential(NAMESPACE, NAME).unwrap();
    unreachable.keys.clear();
    lab.administer(|directory| directory.apps[0].federated.push(unreachable));
    assert_eq!(refused(&lab, token.expose_secret()).await.0, 90061);
    let mut other_key = issuer.credential(NAMESPACE, NAME).unwrap();
    other_key.keys[0].id = "another".to_owned();
    lab.administer(|directory| directory.apps[0].federated = vec![other_key]);
    assert_eq!(refused(&lab, token.expose_secret()).await.0, 700_027);
}

#[tokio::test]
async fn a_projected_token_that_was_not_read_anew_is_out_of_its_time() {
    let issuer = TokenIssuer::new("https://oidc.cluster.test").unwrap();
    let lab = lab_with(|app| app.trusting(issuer.credential(NAMESPACE, NAME).unwrap())).await;
    let then = Timestamp::now() - SignedDuration::from_mins(61);
    let stale = issuer.sign(&issuer.claims(NAMESPACE, NAME, then)).unwrap();
    assert_eq!(refused(&lab, stale.expose_secret()).await.0, 700_024);
}

fn merge(into: &mut Value, change: &Value) {
    for (name, value) in change.as_object().unwrap() {
        into[name] = value.clone();
    }
}
