//! Every kind of credential: shown to the lab's Entra by the library that both programs use, and by a
//! sidecar that gets its own tokens; and how each refusal is explained.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use jiff::{SignedDuration, Timestamp};
use mail_egress_config::{CertificateFiles, EntraSource, SignatureAlgorithm as Algorithm, TokenSource};
use mail_egress_entra::dial::Resolver;
use mail_egress_entra::{
    Credential, DeviceLoginRequest, Endpoint, Granted, Limits, Retry, SignatureAlgorithm, TokenClient,
    TokenError, TokenRequest,
};
use mail_egress_tests::eventually::eventually;
use mail_egress_tests::lab::{
    App, DEFAULT_CLIENT_ID, DEFAULT_MAILBOX, DEFAULT_TENANT, Lab, LabOptions, Shown, TokenIssuer,
    application_certificate,
};
use mail_egress_tests::stand::Stand;
use secrecy::{ExposeSecret, SecretString};
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(20);
const APP_ONLY: &str = "https://outlook.office365.com/.default";
const DELEGATED: &str = "https://outlook.office.com/SMTP.Send offline_access";
const MESSAGE: &[u8] = b"From: billing@contoso.com\r\nSubject: x\r\n\r\nHello.\r\n";
const NAMESPACE: &str = "shop";
const NAME: &str = "billing";

fn client() -> Result<TokenClient> {
    let resolver = Resolver::system().map_err(|fault| anyhow!("no resolver: {fault}"))?;
    Ok(TokenClient::new(resolver, Limits::default()))
}

/// The lab's app with this credential, and nothing else.
fn only(lab: &Lab, credential: impl FnOnce(App) -> App) {
    let app = credential(App::new(DEFAULT_CLIENT_ID).with_role());
    lab.administer(|directory| directory.apps[0] = app);
}

fn request(lab: &Lab, tenant: &str, credential: Credential) -> TokenRequest {
    let scope = match credential {
        // without offline_access, which the library adds
        Credential::RefreshToken { .. } => "https://outlook.office.com/SMTP.Send",
        _ => APP_ONLY,
    };
    TokenRequest {
        endpoint: Endpoint::Entra { login_url: lab.entra().url_by_ip(), tenant: tenant.to_owned() },
        client_id: DEFAULT_CLIENT_ID.to_owned(),
        scope: scope.to_owned(),
        credential,
        ca_bundle: Some(lab.entra().ca_pem().to_owned()),
    }
}

async fn ask(lab: &Lab, credential: Credential) -> Result<Result<Granted, TokenError>> {
    Ok(client()?.request(&request(lab, DEFAULT_TENANT, credential), Timestamp::now()).await)
}

/// The reason and Entra's own words, where a request is refused.
async fn refused(lab: &Lab, tenant: &str, credential: Credential) -> Result<(&'static str, String)> {
    let answer = client()?.request(&request(lab, tenant, credential), Timestamp::now()).await;
    let error = answer.err().context("a token was given")?;
    Ok((error.diagnosis.reason, error.to_string()))
}

fn refresh(token: &SecretString) -> Credential {
    Credential::RefreshToken { token: token.clone(), client_secret: None }
}

#[tokio::test]
async fn a_certificate_is_taken_by_either_algorithm_and_its_refusals_are_explained() -> Result<()> {
    let lab = Lab::start(LabOptions::default()).await?;
    let (known, unknown) = (
        application_certificate("2040-01-01T00:00:00Z".parse()?)?,
        application_certificate("2040-01-01T00:00:00Z".parse()?)?,
    );
    let ended = application_certificate("2024-01-01T00:00:00Z".parse()?)?;
    only(&lab, |app| app.with_certificate(&known.certificate).with_certificate(&ended.certificate));
    let credential = |of: &mail_egress_tests::lab::ClientCertificate, algorithm| Credential::Certificate {
        chain: of.certificate.clone(),
        key: of.key.clone(),
        algorithm,
    };
    for algorithm in [SignatureAlgorithm::PS256, SignatureAlgorithm::RS256] {
        ask(&lab, credential(&known, algorithm)).await??;
    }
    for (certificate, words) in [(&unknown, "The key was not found."), (&ended, "The key used is expired.")] {
        let credential = credential(certificate, SignatureAlgorithm::PS256);
        let (reason, shown) = refused(&lab, DEFAULT_TENANT, credential).await?;
        ensure!(reason == "AssertionSignatureInvalid" && shown.contains(words), "{shown}");
    }
    // a clock that is an hour behind
    let request = request(&lab, DEFAULT_TENANT, credential(&known, SignatureAlgorithm::PS256));
    let answer = client()?.request(&request, Timestamp::now() - SignedDuration::from_hours(1)).await;
    let error = answer.err().context("a token was given")?;
    ensure!(error.diagnosis.reason == "AssertionOutsideItsTime", "{error}");
    ensure!(error.retry == Retry::OnceFresh, "{error:?}");
    Ok(())
}

#[tokio::test]
async fn a_federated_tokens_refusals_are_explained() -> Result<()> {
    let lab = Lab::start(LabOptions::default()).await?;
    let issuer = TokenIssuer::new("https://oidc.cluster.test")?;
    let trusted = issuer.credential(NAMESPACE, NAME)?;
    only(&lab, |app| app.trusting(trusted.clone()));
    let now = Timestamp::now();
    let shown = |claims: &serde_json::Value| -> Result<Credential> {
        Ok(Credential::Federated { assertion: issuer.sign(claims)? })
    };
    ask(&lab, shown(&issuer.claims(NAMESPACE, NAME, now))?).await??;
    for (claim, value, reason) in [
        ("iss", "https://elsewhere.test".into(), "FederationIssuerMismatch"),
        ("sub", "system:serviceaccount:shop:other".into(), "FederationSubjectMismatch"),
        ("sub", "system:serviceaccount:Shop:billing".into(), "FederationSubjectMismatch"),
        ("aud", "https://kubernetes.default.svc".into(), "FederationAudienceMismatch"),
        ("exp", (now.as_second() - 1).into(), "AssertionOutsideItsTime"),
    ] {
        let mut claims = issuer.claims(NAMESPACE, NAME, now);
        claims[claim] = value;
        let (found, sentence) = refused(&lab, DEFAULT_TENANT, shown(&claims)?).await?;
        ensure!(found == reason, "{claim}: {sentence}");
    }
    let good = issuer.claims(NAMESPACE, NAME, now);
    only(&lab, |app| app);
    ensure!(refused(&lab, DEFAULT_TENANT, shown(&good)?).await?.0 == "FederationNotMatching");
    let mut unreachable = trusted;
    unreachable.keys.clear();
    only(&lab, |app| app.trusting(unreachable));
    ensure!(refused(&lab, DEFAULT_TENANT, shown(&good)?).await?.0 == "FederationIssuerUnreachable");
    Ok(())
}

#[tokio::test]
async fn a_refresh_token_is_followed_by_its_successor_and_its_refusals_are_explained() -> Result<()> {
    let lab = Lab::start(LabOptions::default()).await?;
    only(&lab, App::for_people);
    let entra = lab.entra();
    let first = entra.sign_in(DEFAULT_CLIENT_ID, DEFAULT_TENANT, DEFAULT_MAILBOX);
    let second = ask(&lab, refresh(&first)).await??.refresh_token.context("no successor")?;
    // the one before works still, and what came last is the newest
    let third = ask(&lab, refresh(&first)).await??.refresh_token.context("no successor")?;
    let newest = entra.newest_refresh_token(DEFAULT_MAILBOX).context("none is remembered")?;
    ensure!(newest.expose_secret() == third.expose_secret(), "another one is remembered");

    ensure!(refused(&lab, "consumers", refresh(&second)).await?.0 == "RefreshTokenOfAnotherTenant");
    entra.revoke_refresh_tokens(DEFAULT_MAILBOX);
    let (reason, sentence) = refused(&lab, DEFAULT_TENANT, refresh(&second)).await?;
    ensure!(reason == "RefreshTokenDead" && sentence.contains("AADSTS50173"), "{sentence}");
    let ended = entra.sign_in(DEFAULT_CLIENT_ID, DEFAULT_TENANT, DEFAULT_MAILBOX);
    entra.expire_refresh_tokens(DEFAULT_MAILBOX);
    let (reason, sentence) = refused(&lab, DEFAULT_TENANT, refresh(&ended)).await?;
    ensure!(reason == "RefreshTokenDead" && sentence.contains("AADSTS700082"), "{sentence}");
    ensure!(refused(&lab, DEFAULT_TENANT, refresh(&"0.Amade-up".into())).await?.0 == "RefreshTokenDead");

    let token = entra.sign_in(DEFAULT_CLIENT_ID, DEFAULT_TENANT, DEFAULT_MAILBOX);
    let with_secret =
        Credential::RefreshToken { token: token.clone(), client_secret: Some("not-wanted".into()) };
    ensure!(refused(&lab, DEFAULT_TENANT, with_secret).await?.0 == "ClientSecretNotWanted");
    lab.administer(|directory| directory.apps[0].public_client = false);
    ensure!(refused(&lab, DEFAULT_TENANT, refresh(&token)).await?.0 == "PublicClientFlowsOff");
    let secret = Credential::ClientSecret("any".into());
    ensure!(refused(&lab, "consumers", secret).await?.0 == "GrantNotForConsumers");
    Ok(())
}

#[tokio::test]
async fn a_person_signs_in_with_a_code() -> Result<()> {
    let lab = Lab::start(LabOptions::default()).await?;
    only(&lab, App::for_people);
    let entra = lab.entra();
    let request = DeviceLoginRequest {
        login_url: entra.url_by_ip(),
        tenant: "consumers".to_owned(),
        client_id: DEFAULT_CLIENT_ID.to_owned(),
        scope: DELEGATED.to_owned(),
        ca_bundle: Some(entra.ca_pem().to_owned()),
    };
    let client = client()?;
    let mut login = client.begin_device_login(&request, Timestamp::now()).await?;
    ensure!(client.poll(&request, &mut login, Timestamp::now()).await?.is_none(), "nobody signed in yet");
    entra.approve(&login.user_code, DEFAULT_MAILBOX)?;
    let granted = client.poll(&request, &mut login, Timestamp::now()).await?.context("somebody did")?;
    let token = granted.refresh_token.context("no refresh token")?;
    let credential = refresh(&token);
    client.request(&self::request(&lab, "consumers", credential), Timestamp::now()).await?;

    for (outcome, words) in [("declined", "declined"), ("expired", "within the time")] {
        let mut login = client.begin_device_login(&request, Timestamp::now()).await?;
        match outcome {
            "declined" => entra.decline(&login.user_code)?,
            _ => entra.expire_code(&login.user_code)?,
        }
        let error = client.poll(&request, &mut login, Timestamp::now()).await.err().context(outcome)?;
        ensure!(error.diagnosis.reason == "SignInNotDone", "{error}");
        ensure!(error.to_string().contains(words), "{error}");
    }
    Ok(())
}

/// A stand whose sidecar gets its own tokens by what `source` names, of an app with only `credential`.
async fn stand(
    credential: impl FnOnce(App) -> App,
    source: impl FnOnce(&Stand, EntraSource) -> Result<EntraSource>,
) -> Result<Stand> {
    let stand = Stand::without_file().await?;
    let mut file = stand.file().await?;
    only(&stand.lab, credential);
    let entra = stand.lab.entra();
    let usual = EntraSource {
        login_url: entra.url_by_ip(),
        ca_bundle: Some(entra.ca_pem().to_owned()),
        ..EntraSource::new(DEFAULT_TENANT.to_owned(), DEFAULT_CLIENT_ID.to_owned())
    };
    file.token = None;
    file.token_source = Some(TokenSource::Entra(source(&stand, usual)?));
    stand.configure(&file)?;
    Ok(stand)
}

fn written(folder: &TempDir, name: &str, content: &str) -> Result<PathBuf> {
    let path = folder.path().join(name);
    fs::write(&path, content)?;
    Ok(path)
}

async fn hears(stand: &Stand, code: u16, words: &str) -> Result<()> {
    eventually(&format!("the app hears {code} {words}"), SOON, async || {
        let answer = stand.client().await?.send(DEFAULT_MAILBOX, &["to@example.org"], MESSAGE).await?;
        ensure!(answer.code == code && answer.text.contains(words), "{answer:?}\n{}", stand.log());
        Ok(())
    })
    .await
}

/// What the token that the mail left with was given for.
fn shown(stand: &Stand) -> Option<Shown> {
    stand.lab.entra().requests().iter().rev().find_map(|answer| answer.shown)
}

#[tokio::test]
async fn a_sidecar_sends_by_a_certificate() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let certificate = application_certificate("2040-01-01T00:00:00Z".parse()?)?;
    let files = CertificateFiles {
        certificate_file: written(&folder, "tls.crt", &certificate.certificate)?,
        key_file: written(&folder, "tls.key", certificate.key.expose_secret())?,
        signature_algorithm: Algorithm::PS256,
    };
    let stand = stand(
        |app| app.with_certificate(&certificate.certificate),
        |_, usual| Ok(EntraSource { certificate: Some(files), ..usual }),
    )
    .await?;
    hears(&stand, 250, "").await?;
    ensure!(shown(&stand) == Some(Shown::Certificate), "{:?}", stand.lab.entra().requests());
    Ok(())
}

#[tokio::test]
async fn a_sidecar_sends_by_a_federated_token_that_it_reads_anew() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let issuer = TokenIssuer::new("https://oidc.cluster.test")?;
    let then = Timestamp::now() - SignedDuration::from_hours(2);
    let stale = issuer.sign(&issuer.claims(NAMESPACE, NAME, then))?;
    let path = written(&folder, "token", stale.expose_secret())?;
    let trusted = issuer.credential(NAMESPACE, NAME)?;
    let stand = stand(
        |app| app.trusting(trusted),
        |_, usual| Ok(EntraSource { federated_token_file: Some(path.clone()), ..usual }),
    )
    .await?;
    hears(&stand, 451, "it is not within its time range").await?;
    // the second request comes at once, since the file might be another one by then; or it would not
    // come in this time
    stand.lab.entra().wait_for_requests(2, SOON).await?;
    let fresh = issuer.sign(&issuer.claims(NAMESPACE, NAME, Timestamp::now()))?;
    fs::write(&path, fresh.expose_secret())?;
    eventually("the fresh one is read", Duration::from_secs(60), async || {
        ensure!(shown(&stand) == Some(Shown::Federated), "{}", stand.log());
        Ok(())
    })
    .await?;
    hears(&stand, 250, "").await
}

#[tokio::test]
async fn a_sidecar_sends_by_a_refresh_token_from_its_own_mailbox() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let stand = stand(App::for_people, |stand, usual| {
        let token = stand.lab.entra().sign_in(DEFAULT_CLIENT_ID, "consumers", DEFAULT_MAILBOX);
        let path = written(&folder, "token", &format!("{}\n", token.expose_secret()))?;
        Ok(EntraSource {
            tenant: "consumers".to_owned(),
            scope: DELEGATED.to_owned(),
            refresh_token_file: Some(path),
            ..usual
        })
    })
    .await?;
    hears(&stand, 250, "").await?;
    ensure!(shown(&stand) == Some(Shown::RefreshToken), "{:?}", stand.lab.entra().requests());
    let newest = stand.lab.entra().newest_refresh_token(DEFAULT_MAILBOX).context("none")?;
    ensure!(!stand.log().contains(newest.expose_secret()), "a refresh token is in the log");
    Ok(())
}
