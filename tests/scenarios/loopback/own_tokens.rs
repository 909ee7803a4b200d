//! Without an operator: the sidecar asks Entra for its tokens by itself.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mail_egress_config::{EntraSource, SenderFile, TokenSource};
use mail_egress_tests::eventually::eventually;
use mail_egress_tests::free_port::free_port;
use mail_egress_tests::lab::{
    BadAnswer, DEFAULT_CLIENT_ID, DEFAULT_MAILBOX, DEFAULT_SECRET, DEFAULT_TENANT, EntraFault,
};
use mail_egress_tests::stand::Stand;

const SOON: Duration = Duration::from_secs(20);
const MESSAGE: &[u8] = b"From: billing@contoso.com\r\nSubject: x\r\n\r\nHello.\r\n";

/// A stand whose file names the lab's Entra and this secret, and no token; tells nobody of it yet.
async fn stand(secret: &Path) -> Result<(Stand, SenderFile)> {
    let stand = Stand::without_file().await?;
    let mut file = stand.file().await?;
    let entra = stand.lab.entra();
    file.token = None;
    file.token_source = Some(TokenSource::Entra(EntraSource {
        login_url: entra.url_by_ip(),
        ca_bundle: Some(entra.ca_pem().to_owned()),
        client_secret_file: Some(secret.to_owned()),
        ..EntraSource::new(DEFAULT_TENANT.to_owned(), DEFAULT_CLIENT_ID.to_owned())
    }));
    Ok((stand, file))
}

async fn hears(stand: &Stand, code: u16, words: &str) -> Result<String> {
    eventually(&format!("the app hears {code} {words}"), SOON, async || {
        let answer = stand.client().await?.send(DEFAULT_MAILBOX, &["to@example.org"], MESSAGE).await?;
        ensure!(answer.code == code && answer.text.contains(words), "{answer:?}\n{}", stand.log());
        Ok(answer.text)
    })
    .await
}

/// The faults of the token endpoint are counted as this, for requests and for messages, and
/// Exchange was not even dialled.
async fn counted(stand: &Stand, reason: &str) -> Result<()> {
    for series in [
        format!("mail_egress_token_requests_total{{reason=\"{reason}\",result=\"error\"}}"),
        format!("mail_egress_messages_total{{reason=\"{reason}\",result=\"deferred\"}}"),
    ] {
        let counted = stand.metric(&series).await?;
        ensure!(counted >= Some(1.0), "{series}: {counted:?} in\n{}", stand.get("/metrics").await?);
    }
    let connections = stand.lab.exchange().counters().connections;
    ensure!(connections == 0, "Exchange was dialled {connections} times without a token");
    Ok(())
}

#[tokio::test]
async fn one_request_serves_many_messages_and_no_secret_is_logged() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let secret = folder.path().join("secret");
    fs::write(&secret, format!("{DEFAULT_SECRET}\n"))?;
    let (stand, file) = stand(&secret).await?;
    let before = stand.lab.entra().requests().len();
    stand.configure(&file)?;
    for _ in 0..3 {
        hears(&stand, 250, "").await?;
    }
    ensure!(stand.lab.entra().requests().len() == before + 1, "{:?}", stand.lab.entra().requests());
    let series = "mail_egress_token_requests_total{reason=\"\",result=\"success\"}";
    ensure!(stand.metric(series).await? == Some(1.0), "{series}");
    let end = stand.metric("mail_egress_token_expiry_timestamp_seconds").await?;
    ensure!(end.is_some_and(|end| end > 0.0), "no end in the metrics");
    ensure!(!stand.log().contains(DEFAULT_SECRET), "the secret is in the log");
    Ok(())
}

#[tokio::test]
async fn a_wrong_secret_is_named_and_one_that_is_mended_is_used_without_a_restart() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let secret = folder.path().join("secret");
    let (stand, file) = stand(&secret).await?;
    stand.configure(&file)?;
    let path = secret.display().to_string();
    hears(&stand, 451, &format!("tokenSource.entra.clientSecretFile: {path} cannot be read")).await?;
    fs::write(&secret, "wrong")?;
    let reply = hears(&stand, 451, "Entra refused the client secret: it is wrong").await?;
    ensure!(reply.contains("clientSecretFile") && reply.contains("AADSTS7000215"), "{reply}");
    fs::write(&secret, DEFAULT_SECRET)?;
    hears(&stand, 250, "").await.map(drop)
}

#[tokio::test]
async fn a_429_in_plain_text_is_obeyed_and_asked_again_only_when_its_time_has_come() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let secret = folder.path().join("secret");
    fs::write(&secret, DEFAULT_SECRET)?;
    let (stand, file) = stand(&secret).await?;
    let entra = stand.lab.entra();
    let before = entra.requests().len();
    entra.misbehave(EntraFault::Answer(BadAnswer::Throttled(Some(6))));
    stand.configure(&file)?;
    hears(&stand, 451, "Entra throttles the application").await?;
    counted(&stand, "EntraThrottled").await?;
    entra.behave();
    hears(&stand, 250, "").await?;
    let requests = entra.requests();
    let [first, second] = &requests[before..] else { anyhow::bail!("not two requests: {requests:?}") };
    let waited = second.time.duration_since(first.time).as_secs_f64();
    ensure!(waited >= 6.0, "asked again after {waited} s");
    Ok(())
}

#[tokio::test]
async fn an_entra_that_is_down_or_in_trouble_is_explained_and_asked_again() -> Result<()> {
    for (fault, words, reason) in [
        (EntraFault::Down, "the login host", "EntraUnreachable"),
        (EntraFault::Answer(BadAnswer::Drop), "the login host", "EntraUnreachable"),
        (EntraFault::Answer(BadAnswer::Status(503)), "Entra", "EntraUnavailable"),
    ] {
        let folder = tempfile::tempdir()?;
        let secret = folder.path().join("secret");
        fs::write(&secret, DEFAULT_SECRET)?;
        let (stand, file) = stand(&secret).await?;
        stand.lab.entra().misbehave(fault.clone());
        stand.configure(&file)?;
        let told = async || -> Result<()> {
            hears(&stand, 451, words).await?;
            counted(&stand, reason).await?;
            stand.lab.entra().behave();
            hears(&stand, 250, "").await.map(drop)
        };
        told().await.with_context(|| format!("{fault:?}"))?;
    }
    Ok(())
}

#[tokio::test]
async fn a_login_host_where_nobody_listens_is_explained() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let secret = folder.path().join("secret");
    fs::write(&secret, DEFAULT_SECRET)?;
    let (stand, mut file) = stand(&secret).await?;
    let port = free_port()?.port();
    if let Some(TokenSource::Entra(source)) = &mut file.token_source {
        source.login_url = format!("https://127.0.0.1:{port}");
    }
    stand.configure(&file)?;
    hears(&stand, 451, "the login host").await?;
    counted(&stand, "EntraUnreachable").await
}

#[tokio::test]
async fn an_entra_that_never_answers_holds_up_no_session() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let secret = folder.path().join("secret");
    fs::write(&secret, DEFAULT_SECRET)?;
    let (stand, file) = stand(&secret).await?;
    stand.lab.entra().misbehave(EntraFault::Answer(BadAnswer::Hang));
    stand.configure(&file)?;
    hears(&stand, 451, "there is no token yet").await?;
    hears(&stand, 451, "no whole answer within 15 s").await?;
    counted(&stand, "EntraTimeout").await
}
