//! connector: by client certificate or by address, in TLS.

use anyhow::{Result, ensure};
use mail_egress_config::{ClientCertificate, Login, Route, SmtpRoute};
use mail_egress_tests::lab::{self, ExchangeFault, InboundConnector, Kind, Lab, Phase};
use mail_egress_tests::stand::Stand;

use super::{INSIDE, OUTSIDE, Said, Told, Way, accepted, each_is_explained, refused, stand};

const NAME: &str = "mail-egress.contoso.com";

const BY_ADDRESS: Way = |_, smtp| Ok(Route::Connector(SmtpRoute { login: Login::None, ..smtp }));
const BY_CERTIFICATE: Way = |lab, smtp| certified(lab.client_certificate(NAME, &[])?, smtp);
const BY_ALTERNATIVE_NAME: Way = |lab, smtp| certified(lab.client_certificate("x", &["x.test", NAME])?, smtp);
const BY_ANOTHER_NAME: Way = |lab, smtp| certified(lab.client_certificate("contoso.com", &[])?, smtp);
const BY_ANOTHER_AUTHORITY: Way = |lab, smtp| certified(lab.unknown_client_certificate(NAME)?, smtp);

fn certified(certificate: lab::ClientCertificate, smtp: SmtpRoute) -> Result<Route> {
    let client_certificate =
        Some(ClientCertificate { certificates: certificate.certificate, key: certificate.key });
    Ok(Route::Connector(SmtpRoute { login: Login::None, client_certificate, ..smtp }))
}

fn with_connector(lab: &Lab) {
    lab.administer(|directory| {
        let certificate_name = Some(NAME.to_owned());
        directory.organization.connectors.push(InboundConnector { certificate_name, addresses: Vec::new() });
    });
}

async fn connected(way: Way) -> Result<Stand> {
    let stand = stand(Kind::MailProtection, way).await?;
    with_connector(&stand.lab);
    Ok(stand)
}

#[tokio::test]
async fn connector_by_client_certificate() -> Result<()> {
    for way in [BY_CERTIFICATE, BY_ALTERNATIVE_NAME] {
        let stand = connected(way).await?;
        let (message, said) = accepted(&stand, OUTSIDE).await?;
        ensure!(said.contains("Queued mail for delivery") && message.tls.starts_with("TLS"), "{said}");
        ensure!(stand.lab.exchange().counters().auth_commands == 0, "it has signed in");
    }
    Ok(())
}

#[tokio::test]
async fn connector_by_address() -> Result<()> {
    let stand = connected(BY_ADDRESS).await?;
    stand.lab.administer(|directory| {
        directory.organization.connectors[0].addresses.push(std::net::Ipv4Addr::LOCALHOST.into());
    });
    accepted(&stand, OUTSIDE).await.map(drop)
}

#[tokio::test]
async fn connector_explains_that_no_certificate_or_address_matches() -> Result<()> {
    let told = Told { code: 451, words: "5.7.64 TenantAttribution", reason: "ConnectorNotMatching" };
    for way in [BY_ADDRESS, BY_ANOTHER_NAME, BY_ANOTHER_AUTHORITY] {
        refused(&connected(way).await?, OUTSIDE, told).await?;
    }
    let none = stand(Kind::MailProtection, BY_CERTIFICATE).await?;
    let told = Told { code: 451, words: "5.7.54 SMTP; Unable to relay", reason: "RelayDenied" };
    refused(&none, OUTSIDE, told).await
}

#[tokio::test]
async fn connector_sends_nothing_without_tls() -> Result<()> {
    let stand = connected(BY_CERTIFICATE).await?;
    stand.lab.exchange().misbehave(ExchangeFault::NoStartTls);
    let told = Told { code: 451, words: "did not offer STARTTLS", reason: "StartTlsNotOffered" };
    refused(&stand, INSIDE, told).await?;
    let said = stand.lab.exchange().transcripts();
    let mail = said.iter().flat_map(|one| one.client_lines()).any(|line| line.starts_with("MAIL"));
    ensure!(!mail, "an envelope went out in plaintext");
    Ok(())
}

#[tokio::test]
async fn connector_explains_each_documented_refusal() -> Result<()> {
    let rows = [
        Said(
            Phase::Rcpt,
            "550 5.7.64 TenantAttribution; Relay Access Denied [lab]",
            451,
            "ConnectorNotMatching",
        ),
        Said(
            Phase::Rcpt,
            "450 4.4.62 Mail sent to the wrong Office 365 region. ATTR35",
            451,
            "ConnectorNotMatching",
        ),
        Said(
            Phase::Rcpt,
            "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain",
            451,
            "RelayDenied",
        ),
        Said(Phase::Rcpt, "550 5.7.1 Unable to relay", 451, "RelayDenied"),
        Said(
            Phase::AfterDot,
            "451 4.3.111 Temporary server error. Please try again later. MRH1",
            451,
            "UpstreamBusy",
        ),
        Said(
            Phase::AfterDot,
            "421 4.4.1 Connection timed out. Total session duration: 00:20:00",
            451,
            "ConnectionDropped",
        ),
    ];
    each_is_explained(Kind::MailProtection, BY_ADDRESS, &rows).await
}
