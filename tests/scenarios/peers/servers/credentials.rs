//! The credentials of a relay that are no tokens: a password, and a client certificate.

use anyhow::{Context, Result, ensure};
use mail_egress_config::{ClientCertificate, Login, Route, Security, SenderFile, SmtpRoute};
use mail_egress_tests::lab::{self, DEFAULT_MAILBOX};
use mail_egress_tests::stand::Stand;

use super::postfix::{PASSWORD, Postfix};
use super::small;

const TO: &str = "to@example.org";

/// A sidecar that sends by this route, which knows no token.
async fn sends_by(route: SmtpRoute) -> Result<Stand> {
    let stand = Stand::without_file().await?;
    let route = Some(Route::SmtpRelay(route));
    stand.configure(&SenderFile { route, token: None, ..stand.file().await? })?;
    stand.wait_until_configured().await?;
    Ok(stand)
}

/// The message arrives, once.
async fn arrives(postfix: &Postfix, route: SmtpRoute) -> Result<()> {
    let stand = sends_by(route).await?;
    let answer = stand.client().await?.send(DEFAULT_MAILBOX, &[TO], &small()).await?;
    ensure!(answer.code == 250, "{answer:?}\n{}\n{}", stand.log(), postfix.log());
    let delivered = postfix.wait_for(1).await?;
    ensure!(delivered.len() == 1, "{} copies", delivered.len());
    postfix.empty()
}

/// Postfix refuses it in these words, the app keeps it, and the reason is counted.
async fn is_refused(postfix: &Postfix, route: SmtpRoute, words: &str, reason: &str) -> Result<()> {
    let stand = sends_by(route).await?;
    let answer = stand.client().await?.send(DEFAULT_MAILBOX, &[TO], &small()).await?;
    ensure!(
        answer.code == 451 && answer.text.contains(words) && answer.text.contains("To mend: "),
        "{answer:?}\n{}\n{}",
        stand.log(),
        postfix.log()
    );
    let series = format!("mail_egress_messages_total{{reason=\"{reason}\",result=\"deferred\"}}");
    ensure!(stand.metric(&series).await? == Some(1.0), "{}", stand.get("/metrics").await?);
    ensure!(!stand.log().contains(PASSWORD), "the password is in the log");
    Ok(())
}

/// Where Dovecot knows this mechanism alone; in both ways to TLS.
pub(crate) async fn postfix_takes_a_password(mechanism: &'static str) -> Result<()> {
    let lab = lab::Lab::start(lab::LabOptions::default()).await?;
    let postfix = Postfix::start(&lab, mechanism).await?;
    let by = |security, password: &str| SmtpRoute {
        login: Login::Password { username: DEFAULT_MAILBOX.to_owned(), password: password.into() },
        ..postfix.route(security)
    };
    for security in [Security::StartTls, Security::ImplicitTls] {
        arrives(&postfix, by(security, PASSWORD)).await.with_context(|| format!("{security:?}"))?;
        is_refused(&postfix, by(security, "a wrong one"), "535 5.7.8", "AuthenticationRefused").await?;
    }
    let log = postfix.log();
    let mechanism = format!("sasl_method={}", mechanism.to_uppercase());
    ensure!(log.lines().filter(|line| line.contains(&mechanism)).count() == 2, "not by {mechanism}:\n{log}");
    Ok(())
}

/// One that is listed, or one of an authority that is trusted; none, and another's, are refused.
pub(crate) async fn postfix_takes_a_certificate() -> Result<()> {
    let lab = lab::Lab::start(lab::LabOptions::default()).await?;
    let postfix = Postfix::start(&lab, "plain").await?;
    let by = |security, certificate: Option<&lab::ClientCertificate>| SmtpRoute {
        login: Login::None,
        client_certificate: certificate
            .map(|one| ClientCertificate { certificates: one.certificate.clone(), key: one.key.clone() }),
        ..postfix.route(security)
    };
    let known = lab.client_certificate("mail-egress", &[])?;
    let strange = lab.unknown_client_certificate("mail-egress")?;
    for security in [Security::StartTls, Security::ImplicitTls] {
        arrives(&postfix, by(security, Some(&postfix.listed))).await.context("by fingerprint")?;
        arrives(&postfix, by(security, Some(&known))).await.context("by authority")?;
        for other in [None, Some(&strange)] {
            is_refused(&postfix, by(security, other), "554 5.7.1", "RefusedByPolicy").await?;
        }
    }
    Ok(())
}
