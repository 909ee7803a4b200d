//! smtpRelay: by password, by token, by client certificate, by address, and without TLS. What servers
//! that were not written here make of them is in `--test peers`.

use std::time::Duration;

use anyhow::{Result, ensure};
use jiff::Timestamp;
use mail_egress_config::{ClientCertificate, Login, Route, Security, SmtpRoute, Token};
use mail_egress_tests::eventually::eventually;
use mail_egress_tests::lab::{
    DEFAULT_CLIENT_ID, DEFAULT_MAILBOX, ExchangeFault, Form, InboundConnector, Kind, Phase,
};

use super::{OUTSIDE, Said, Told, Way, accepted, each_is_explained, file, refused, stand};

const PASSWORD: &str = "a password of the relay";

fn by_password() -> Login {
    Login::Password { username: DEFAULT_MAILBOX.to_owned(), password: PASSWORD.into() }
}

const BY_PASSWORD: Way = |lab, smtp| {
    lab.administer(|directory| directory.mailboxes[0].password = Some(PASSWORD.into()));
    Ok(Route::SmtpRelay(SmtpRoute { login: by_password(), ..smtp }))
};
const IN_IMPLICIT_TLS: Way = |lab, smtp| {
    let (port, security) = (lab.exchange().tls_address().port(), Security::ImplicitTls);
    BY_PASSWORD(lab, SmtpRoute { port, security, ..smtp })
};
const BY_TOKEN: Way = |_, smtp| {
    let login = Login::Token { user: Some(DEFAULT_MAILBOX.to_owned()) };
    Ok(Route::SmtpRelay(SmtpRoute { login, ..smtp }))
};
const BY_CERTIFICATE: Way = |lab, smtp| {
    lab.administer(|directory| {
        let certificate_name = Some("relay-client".to_owned());
        directory.organization.connectors.push(InboundConnector { certificate_name, addresses: Vec::new() });
    });
    let ours = lab.client_certificate("relay-client", &[])?;
    let client_certificate = Some(ClientCertificate { certificates: ours.certificate, key: ours.key });
    Ok(Route::SmtpRelay(SmtpRoute { login: Login::None, client_certificate, ..smtp }))
};
const IN_PLAINTEXT: Way = |_, smtp| {
    let security = Security::Plaintext;
    Ok(Route::SmtpRelay(SmtpRoute { login: Login::None, security, ca_bundle: None, ..smtp }))
};

/// By STARTTLS and in TLS from the first octet.
#[tokio::test]
async fn smtp_relay_by_password() -> Result<()> {
    for way in [BY_PASSWORD, IN_IMPLICIT_TLS] {
        let stand = stand(Kind::Submission, way).await?;
        let (message, _) = accepted(&stand, OUTSIDE).await?;
        ensure!(message.client_id.is_empty() && message.tls.starts_with("TLS"), "{message}");
        ensure!(!stand.log().contains(PASSWORD), "the password is in the log");
    }
    Ok(())
}

/// And it is shown none of Exchange's.
#[tokio::test]
async fn smtp_relay_by_another_providers_token() -> Result<()> {
    let stand = stand(Kind::Submission, BY_TOKEN).await?;
    let told = Told { code: 451, words: "the token is for another server", reason: "TokenForAnotherRoute" };
    refused(&stand, OUTSIDE, told).await?;
    ensure!(stand.lab.exchange().counters().connections == 0, "it has dialled");

    let mut file = file(&stand, BY_TOKEN).await?;
    let claims = stand.lab.entra().claims(DEFAULT_CLIENT_ID)?;
    let expires_at = Timestamp::from_second(claims.exp)?;
    file.token = Some(Token { value: stand.lab.entra().mint(&claims, Form::Opaque)?, expires_at });
    stand.configure(&file)?;
    eventually("the other token is in force", Duration::from_secs(20), async || {
        let updates = stand.metric("mail_egress_token_updates_total").await?;
        ensure!(updates == Some(2.0), "{updates:?}");
        Ok(())
    })
    .await?;
    accepted(&stand, OUTSIDE).await.map(drop)
}

#[tokio::test]
async fn smtp_relay_by_client_certificate() -> Result<()> {
    let stand = stand(Kind::MailProtection, BY_CERTIFICATE).await?;
    accepted(&stand, OUTSIDE).await?;
    ensure!(stand.lab.exchange().counters().auth_commands == 0, "it has signed in");
    Ok(())
}

/// In plaintext, and only without a credential.
#[tokio::test]
async fn smtp_relay_by_address() -> Result<()> {
    let stand = stand(Kind::Plaintext, IN_PLAINTEXT).await?;
    let (message, _) = accepted(&stand, OUTSIDE).await?;
    ensure!(message.tls == "none", "{message}");
    let mut file = file(&stand, IN_PLAINTEXT).await?;
    let Some(Route::SmtpRelay(smtp)) = &mut file.route else { anyhow::bail!("another route") };
    smtp.login = by_password();
    let text = mail_egress_config::write(&file)?;
    ensure!(mail_egress_config::parse(text.as_bytes()).is_err(), "a password may go in plaintext");
    Ok(())
}

#[tokio::test]
async fn smtp_relay_shows_no_password_where_starttls_is_gone() -> Result<()> {
    let stand = stand(Kind::Submission, BY_PASSWORD).await?;
    stand.lab.exchange().misbehave(ExchangeFault::NoStartTls);
    let told = Told { code: 451, words: "did not offer STARTTLS", reason: "StartTlsNotOffered" };
    refused(&stand, OUTSIDE, told).await?;
    ensure!(stand.lab.exchange().counters().auth_commands == 0, "it has signed in");
    Ok(())
}

#[tokio::test]
async fn smtp_relay_explains_each_refusal() -> Result<()> {
    let rows = [
        Said(Phase::Auth, "535 5.7.8 Error: authentication failed", 451, "AuthenticationRefused"),
        Said(Phase::Auth, "534 5.7.9 Application-specific password required", 451, "MechanismOff"),
        Said(Phase::Mail, "530 5.7.0 Authentication required", 451, "StartTlsWanted"),
        Said(Phase::Rcpt, "450 4.7.1 Greylisted, try again", 451, "UpstreamBusy"),
        Said(Phase::AfterDot, "552 5.3.4 Too large", 552, "MessageTooLarge"),
    ];
    each_is_explained(Kind::Submission, BY_PASSWORD, &rows).await
}
