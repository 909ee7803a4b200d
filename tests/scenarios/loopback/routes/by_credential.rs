//! The routes with a token, by each credential that it may be asked for with. The sidecar asks by itself, as
//! it does without Kubernetes; the operator asks by the same library. How each credential is refused is in
//! `credentials.rs`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, ensure};
use jiff::Timestamp;
use mail_egress_config::{CertificateFiles, EntraSource, Route, SenderFile, SignatureAlgorithm, TokenSource};
use mail_egress_tests::eventually::eventually;
use mail_egress_tests::lab::program::RouteKind;
use mail_egress_tests::lab::{
    App, DEFAULT_CLIENT_ID, DEFAULT_MAILBOX, DEFAULT_SECRET, DEFAULT_TENANT, Kind, Lab, LabOptions, Shown,
    TokenIssuer, application_certificate,
};
use mail_egress_tests::stand::{Setting, Stand};
use secrecy::ExposeSecret;

use super::{INSIDE, Way, accepted, file, message};

const APP_ONLY: &str = "https://outlook.office365.com/.default";
const DELEGATED: &str = "https://outlook.office.com/SMTP.Send offline_access";
const GRAPH_APP_ONLY: &str = "https://graph.microsoft.com/.default";
const GRAPH_DELEGATED: &str = "https://graph.microsoft.com/Mail.Send offline_access";

const EXCHANGE_ONLINE: Way = |_, smtp| Ok(Route::ExchangeOnline(smtp));
const HIGH_VOLUME_EMAIL: Way = |_, smtp| Ok(Route::HighVolumeEmail(smtp));

/// Sends one message by this route; the token is got by `shown`, which is all that the app has.
async fn sends(kind: Kind, way: Way, shown: Shown) -> Result<()> {
    let stand = Stand::set(Setting { lab: LabOptions::of(kind), ..Setting::default() }).await?;
    let file = file(&stand, way).await?;
    with_token(&stand, file, shown, APP_ONLY, DELEGATED).await?;
    accepted(&stand, INSIDE).await.map(drop)
}

/// The same by Graph.
async fn sends_by_graph(shown: Shown) -> Result<()> {
    let stand = Stand::without_file().await?;
    let file = stand.file_for(RouteKind::Graph).await?;
    with_token(&stand, file, shown, GRAPH_APP_ONLY, GRAPH_DELEGATED).await?;
    let answer = stand.client().await?.send(DEFAULT_MAILBOX, &[INSIDE], &message()).await?;
    ensure!(answer.code == 250, "{answer:?}\n{}", stand.log());
    let arrived = stand.lab.graph().messages();
    ensure!(arrived.len() == 1 && arrived[0].content.ends_with(&message()), "{} arrived", arrived.len());
    Ok(())
}

/// Has the sidecar ask for its own token, once, with the scope for an app or for a user.
async fn with_token(
    stand: &Stand,
    mut file: SenderFile,
    shown: Shown,
    app_only: &str,
    delegated: &str,
) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let before = stand.lab.entra().requests().len();
    file.token = None;
    let scope = if shown == Shown::RefreshToken { delegated } else { app_only };
    let source = EntraSource { scope: scope.to_owned(), ..source(&stand.lab, shown, folder.path())? };
    file.token_source = Some(TokenSource::Entra(source));
    stand.configure(&file)?;
    eventually("there is a token", Duration::from_secs(20), async || {
        let series = "mail_egress_token_requests_total{reason=\"\",result=\"success\"}";
        ensure!(stand.metric(series).await? == Some(1.0), "{}", stand.log());
        Ok(())
    })
    .await?;
    let requests = stand.lab.entra().requests().split_off(before);
    ensure!(requests.len() == 1 && requests[0].shown == Some(shown), "{requests:?}");
    Ok(())
}

/// Gives the lab's app this credential and no other, and says where the sidecar finds it.
fn source(lab: &Lab, shown: Shown, folder: &Path) -> Result<EntraSource> {
    let written = |name: &str, content: &str| -> Result<PathBuf> {
        let path = folder.join(name);
        fs::write(&path, content)?;
        Ok(path)
    };
    let of_app = |change: &dyn Fn(App) -> App| {
        lab.administer(|directory| {
            let App { exchange_roles, graph_roles, .. } = directory.apps[0].clone();
            let app = change(App::new(DEFAULT_CLIENT_ID));
            directory.apps[0] = App { exchange_roles, graph_roles, ..app };
        });
    };
    let mut source = EntraSource {
        login_url: lab.entra().url_by_ip(),
        ca_bundle: Some(lab.entra().ca_pem().to_owned()),
        ..EntraSource::new(DEFAULT_TENANT.to_owned(), DEFAULT_CLIENT_ID.to_owned())
    };
    match shown {
        Shown::Certificate => {
            let certificate = application_certificate("2040-01-01T00:00:00Z".parse()?)?;
            of_app(&|app| app.with_certificate(&certificate.certificate));
            source.certificate = Some(CertificateFiles {
                certificate_file: written("tls.crt", &certificate.certificate)?,
                key_file: written("tls.key", certificate.key.expose_secret())?,
                signature_algorithm: SignatureAlgorithm::PS256,
            });
        }
        Shown::Federated => {
            let issuer = TokenIssuer::new("https://oidc.cluster.test")?;
            let trusted = issuer.credential("shop", "billing")?;
            of_app(&|app| app.trusting(trusted.clone()));
            let token = issuer.sign(&issuer.claims("shop", "billing", Timestamp::now()))?;
            source.federated_token_file = Some(written("token", token.expose_secret())?);
        }
        Shown::RefreshToken => {
            of_app(&App::for_people);
            let token = lab.entra().sign_in(DEFAULT_CLIENT_ID, DEFAULT_TENANT, DEFAULT_MAILBOX);
            source.refresh_token_file = Some(written("token", token.expose_secret())?);
        }
        _ => source.client_secret_file = Some(written("secret", DEFAULT_SECRET)?),
    }
    Ok(source)
}

#[tokio::test]
async fn exchange_online_by_client_secret() -> Result<()> {
    sends(Kind::Submission, EXCHANGE_ONLINE, Shown::Secret).await
}

#[tokio::test]
async fn exchange_online_by_certificate() -> Result<()> {
    sends(Kind::Submission, EXCHANGE_ONLINE, Shown::Certificate).await
}

#[tokio::test]
async fn exchange_online_by_federated_token() -> Result<()> {
    sends(Kind::Submission, EXCHANGE_ONLINE, Shown::Federated).await
}

#[tokio::test]
async fn exchange_online_by_refresh_token() -> Result<()> {
    sends(Kind::Submission, EXCHANGE_ONLINE, Shown::RefreshToken).await
}

#[tokio::test]
async fn graph_by_client_secret() -> Result<()> {
    sends_by_graph(Shown::Secret).await
}

#[tokio::test]
async fn graph_by_certificate() -> Result<()> {
    sends_by_graph(Shown::Certificate).await
}

#[tokio::test]
async fn graph_by_federated_token() -> Result<()> {
    sends_by_graph(Shown::Federated).await
}

#[tokio::test]
async fn graph_by_refresh_token() -> Result<()> {
    sends_by_graph(Shown::RefreshToken).await
}

#[tokio::test]
async fn high_volume_email_by_client_secret() -> Result<()> {
    sends(Kind::HighVolumeEmail, HIGH_VOLUME_EMAIL, Shown::Secret).await
}

#[tokio::test]
async fn high_volume_email_by_certificate() -> Result<()> {
    sends(Kind::HighVolumeEmail, HIGH_VOLUME_EMAIL, Shown::Certificate).await
}

#[tokio::test]
async fn high_volume_email_by_federated_token() -> Result<()> {
    sends(Kind::HighVolumeEmail, HIGH_VOLUME_EMAIL, Shown::Federated).await
}
