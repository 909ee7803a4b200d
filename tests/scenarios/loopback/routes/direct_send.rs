//! directSend: without a credential, to the tenant's own recipients. That an MX is looked up is in
//! `direct_send.rs` one folder up.

use anyhow::{Result, ensure};
use mail_egress_config::{Login, Route, SmtpRoute};
use mail_egress_tests::lab::{Kind, Phase};

use super::{INSIDE, OUTSIDE, Said, Told, Way, accepted, each_is_explained, refused, stand};

const WAY: Way = |_, smtp| {
    let accepted_domains = vec!["contoso.com".to_owned()];
    Ok(Route::DirectSend(SmtpRoute { login: Login::None, accepted_domains, ..smtp }))
};
const DOMAINS_UNKNOWN: Way = |_, smtp| Ok(Route::DirectSend(SmtpRoute { login: Login::None, ..smtp }));

#[tokio::test]
async fn direct_send_without_a_credential() -> Result<()> {
    let stand = stand(Kind::MailProtection, WAY).await?;
    let (message, said) = accepted(&stand, INSIDE).await?;
    ensure!(said.contains("Queued mail for delivery") && message.tls.starts_with("TLS"), "{said}");
    ensure!(stand.lab.exchange().counters().auth_commands == 0, "it has signed in");
    Ok(())
}

#[tokio::test]
async fn direct_send_refuses_external_recipients_before_it_dials() -> Result<()> {
    let stand = stand(Kind::MailProtection, WAY).await?;
    let told = Told { code: 550, words: "own domains only", reason: "RecipientNotInternal" };
    refused(&stand, OUTSIDE, told).await?;
    ensure!(stand.lab.exchange().counters().connections == 0, "it has dialled");
    Ok(())
}

#[tokio::test]
async fn direct_send_explains_an_external_recipient_where_the_domains_are_not_known() -> Result<()> {
    let stand = stand(Kind::MailProtection, DOMAINS_UNKNOWN).await?;
    let told = Told { code: 451, words: "5.7.54 SMTP; Unable to relay", reason: "RelayDenied" };
    refused(&stand, OUTSIDE, told).await
}

#[tokio::test]
async fn direct_send_explains_a_tenant_that_rejects_it() -> Result<()> {
    let stand = stand(Kind::MailProtection, WAY).await?;
    stand.lab.administer(|directory| directory.organization.reject_direct_send = true);
    let told = Told { code: 451, words: "5.7.68 TenantInboundAttribution", reason: "DirectSendRejected" };
    refused(&stand, INSIDE, told).await
}

#[tokio::test]
async fn direct_send_explains_each_documented_refusal() -> Result<()> {
    let rows = [
        Said(
            Phase::Rcpt,
            "550 5.7.68 TenantInboundAttribution; Direct Send not allowed for this organization",
            451,
            "DirectSendRejected",
        ),
        Said(Phase::Rcpt, "550 5.7.64 TenantAttribution; Relay Access Denied", 451, "ConnectorNotMatching"),
        Said(Phase::Rcpt, "550 5.4.1 Recipient address rejected: Access denied", 550, "BadRecipient"),
        Said(Phase::Mail, "451 4.7.500 Access denied, please try again later", 451, "UpstreamSuspicious"),
    ];
    each_is_explained(Kind::MailProtection, WAY, &rows).await
}
