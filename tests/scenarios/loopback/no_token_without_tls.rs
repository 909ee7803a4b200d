//! A server that cannot prove itself gets no token, and the app hears why.

use anyhow::{Result, ensure};
use mail_egress_tests::lab::{CertificateFault, DEFAULT_MAILBOX, ExchangeFault};
use mail_egress_tests::stand::Stand;

async fn is_told(fault: ExchangeFault, words: &str, reason: &str) -> Result<()> {
    let stand = Stand::start().await?;
    stand.lab.exchange().misbehave(fault);
    let message = b"From: billing@contoso.com\r\nSubject: x\r\n\r\nHello.\r\n";
    let answer = stand.client().await?.send(DEFAULT_MAILBOX, &["to@example.org"], message).await?;
    ensure!(answer.code == 451 && answer.text.contains(words), "{answer:?}\n{}", stand.log());
    ensure!(answer.text.contains("To mend: "), "no mend in {answer:?}");
    let counters = stand.lab.exchange().counters();
    ensure!(counters.connections > 0, "nobody dialled");
    ensure!(
        counters.plaintext_secrets_seen == 0 && counters.auth_commands == 0,
        "a token was sent: {counters:?}"
    );
    ensure!(counters.messages == 0, "a message was taken");
    let series = format!("mail_egress_messages_total{{reason=\"{reason}\",result=\"deferred\"}}");
    let counted = stand.metric(&series).await?;
    ensure!(counted == Some(1.0), "no metric says {reason}:\n{}", stand.get("/metrics").await?);
    Ok(())
}

#[tokio::test]
async fn bytes_injected_behind_the_220_to_starttls_end_the_attempt() -> Result<()> {
    let injected = "250-x\r\n250 AUTH XOAUTH2\r\n235 2.7.0 Authentication successful\r\n".to_owned();
    is_told(ExchangeFault::InjectAfterStartTls(injected), "plaintext", "PlaintextInjected").await
}

#[tokio::test]
async fn a_server_without_starttls_gets_nothing() -> Result<()> {
    is_told(ExchangeFault::NoStartTls, "STARTTLS", "StartTlsNotOffered").await
}

#[tokio::test]
async fn an_untrusted_certificate_is_refused() -> Result<()> {
    let fault = ExchangeFault::Certificate(CertificateFault::Untrusted);
    is_told(fault, "not trusted", "UpstreamCertificateUntrusted").await
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused() -> Result<()> {
    let fault = ExchangeFault::Certificate(CertificateFault::WrongName);
    is_told(fault, "another name", "UpstreamCertificateName").await
}

#[tokio::test]
async fn an_expired_certificate_is_refused() -> Result<()> {
    let fault = ExchangeFault::Certificate(CertificateFault::Expired);
    is_told(fault, "expired", "UpstreamCertificateExpired").await
}
