//! exchangeOnline: the world-wide cloud, the sovereign ones, and consumer mailboxes.

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use mail_egress_config::{Route, Token};
use mail_egress_tests::lab::{DEFAULT_CLIENT_ID, Form, Kind, LabOptions, Phase};
use mail_egress_tests::stand::{Setting, Stand};

use super::{OUTSIDE, Said, Way, accepted, each_is_explained, file, stand};

const WAY: Way = |_, smtp| Ok(Route::ExchangeOnline(smtp));

#[tokio::test]
async fn exchange_online_takes_a_token() -> Result<()> {
    let stand = stand(Kind::Submission, WAY).await?;
    let (message, said) = accepted(&stand, OUTSIDE).await?;
    ensure!(said.contains("OK <own@contoso.com>") && message.tls == "TLSv1.3", "{said}");
    Ok(())
}

/// With a token that says `audience`, in this form.
async fn with_token(stand: &Stand, audience: &str, form: Form) -> Result<()> {
    let mut claims = stand.lab.entra().claims(DEFAULT_CLIENT_ID)?;
    claims.aud = audience.to_owned();
    let mut file = file(stand, WAY).await?;
    let expires_at = Timestamp::from_second(claims.exp)?;
    file.token = Some(Token { value: stand.lab.entra().mint(&claims, form)?, expires_at });
    stand.configure(&file)
}

#[tokio::test]
async fn exchange_online_takes_the_tokens_of_sovereign_clouds() -> Result<()> {
    for audience in ["https://outlook.office365.us", "https://partner.outlook.cn"] {
        let stand = Stand::without_file().await?;
        with_token(&stand, audience, Form::Jwt).await?;
        stand.wait_until_configured().await?;
        accepted(&stand, OUTSIDE).await.with_context(|| audience.to_owned())?;
    }
    Ok(())
}

#[tokio::test]
async fn exchange_online_takes_the_opaque_token_of_a_consumer_mailbox_and_passes_on_the_servers_id()
-> Result<()> {
    let lab = LabOptions::of(Kind::Consumer);
    let stand = Stand::set(Setting { lab, ..Setting::default() }).await?;
    with_token(&stand, "https://outlook.office.com", Form::Opaque).await?;
    stand.wait_until_configured().await?;
    let (_, said) = accepted(&stand, OUTSIDE).await?;
    ensure!(said.contains("OK <") && !said.contains("own@contoso.com"), "{said}");
    Ok(())
}

/// Fact sheet C; those of the limits and of the content are in other scenarios as well.
#[tokio::test]
async fn exchange_online_explains_each_documented_refusal() -> Result<()> {
    use Phase::{AfterDot, Auth, Mail, Rcpt, StartTls};
    let rows = [
        Said(Auth, "535 5.7.3 Authentication unsuccessful [lab]", 451, "TokenRefused"),
        Said(
            Auth,
            "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. Visit https://aka.ms/smtp_auth_disabled",
            451,
            "SmtpAuthDisabled",
        ),
        Said(
            Auth,
            "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox. Visit https://aka.ms/smtp_auth_disabled",
            451,
            "SmtpAuthDisabled",
        ),
        Said(
            Auth,
            "535 5.7.139 Authentication unsuccessful, basic authentication is disabled.",
            451,
            "BasicAuthDisabled",
        ),
        Said(
            Auth,
            "535 5.7.139 Authentication unsuccessful, the user credentials were incorrect.",
            451,
            "PasswordWrong",
        ),
        Said(
            Auth,
            "535 5.7.139 Authentication unsuccessful, user is locked by your organization's security defaults policy.",
            451,
            "SecurityDefaults",
        ),
        Said(
            Auth,
            "535 5.7.139 Authentication unsuccessful, the request did not meet the criteria to be authenticated successfully.",
            451,
            "ConditionalAccess",
        ),
        Said(Auth, "535 5.7.139 Authentication unsuccessful, account locked.", 451, "AccountLocked"),
        Said(
            Auth,
            "535 5.7.139 Authentication unsuccessful, the organization configuration doesn't allow this authentication request.",
            451,
            "AuthenticationPolicy",
        ),
        Said(
            Auth,
            "535 5.7.139 Authentication unsuccessful, federated STS service was unreachable",
            451,
            "FederationUnreachable",
        ),
        Said(
            Auth,
            "550 5.7.30 Basic authentication is not supported for Client Submission.",
            451,
            "BasicAuthDisabled",
        ),
        Said(Auth, "504 5.7.4 Unrecognized authentication type", 451, "MechanismOff"),
        Said(StartTls, "454 4.7.0 TLS not available", 451, "TlsUnavailable"),
        Said(
            Mail,
            "530 5.7.57 Client not authenticated to send mail. [Error: 535 5.7.139 Authentication unsuccessful, account locked.]",
            451,
            "AccountLocked",
        ),
        Said(Mail, "451 4.7.0 Temporary server error. Please try again later. PRX4", 451, "UpstreamBusy"),
        Said(Mail, "451 4.7.500 Access denied, please try again later", 451, "UpstreamSuspicious"),
        Said(Rcpt, "452 4.5.3 Too many recipients", 451, "TooManyRecipients"),
        Said(Rcpt, "550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found", 550, "BadRecipient"),
        Said(Rcpt, "550 5.4.1 Recipient address rejected: Access denied", 550, "BadRecipient"),
        Said(
            AfterDot,
            "432 4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending",
            451,
            "ConcurrencyLimit",
        ),
        Said(
            AfterDot,
            "430 4.2.0 STOREDRV; mailbox logon failure; MapiExceptionLogonFailed",
            451,
            "MailboxLogonFailed",
        ),
        Said(
            AfterDot,
            "550 5.7.60 SMTP; Client does not have permissions to send as this sender",
            451,
            "SendAsDenied",
        ),
        Said(
            AfterDot,
            "554 5.2.252 SendAsDenied; a@contoso.com not allowed to send as b@contoso.com",
            451,
            "SendAsDenied",
        ),
        Said(
            AfterDot,
            "554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException",
            451,
            "SubmissionQuota",
        ),
        Said(AfterDot, "554 5.2.2 mailbox full; STOREDRV; QuotaExceededException", 451, "MailboxFull"),
        Said(
            AfterDot,
            "550 5.1.90 Your message can't be sent because you've reached your daily limit",
            451,
            "SubmissionQuota",
        ),
        Said(
            AfterDot,
            "550 5.7.233 Your message can't be sent because your tenant exceeded its daily limit",
            451,
            "TenantExternalLimit",
        ),
        Said(
            AfterDot,
            "550 5.7.236 Your message can't be sent from this onmicrosoft.com domain",
            451,
            "OnMicrosoftDomainLimit",
        ),
        Said(AfterDot, "550 5.1.8 Access denied, bad outbound sender", 451, "SenderRestricted"),
        Said(AfterDot, "550 5.7.705 Access denied, tenant has exceeded threshold", 451, "TenantBlocked"),
        Said(
            AfterDot,
            "550 5.7.708 Access denied, traffic not accepted from this IP",
            451,
            "AddressNotTrusted",
        ),
        Said(
            AfterDot,
            "550 5.7.750 Service unavailable. Client blocked from sending from unregistered domains",
            451,
            "DomainNotRegistered",
        ),
        Said(
            AfterDot,
            "550 5.7.703 Your message can't be delivered because of the tenant block list",
            451,
            "TenantBlockList",
        ),
        Said(AfterDot, "552 5.3.4 Message size exceeds fixed maximum message size", 552, "MessageTooLarge"),
        Said(AfterDot, "550 5.6.11 SMTPSEND.BareLinefeedsAreIllegal", 550, "MalformedContent"),
    ];
    each_is_explained(Kind::Submission, WAY, &rows).await
}
