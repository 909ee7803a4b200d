//! Every answer of Entra, Exchange and Graph that is known, by hand: which row explains it, and what
//! repeating it can achieve. Where Exchange says "permanent" and a person can mend it without
//! touching the message, it is mendable here.

#![allow(clippy::unwrap_used, reason = "a panic is how a test says no")]

use mail_egress_diagnosis::Class::{self, Mendable, Permanent, Transient};
use mail_egress_diagnosis::Retry::{self, BackOff, Never, OnceFresh, Slow, WhenMended};
use mail_egress_diagnosis::{At, Diagnosis, Smtp, entra, graph, provider, smtp};

#[track_caller]
fn is(found: &Diagnosis, seen: &str, reason: &str, class: Class, retry: Retry) {
    assert_eq!((found.reason, found.class, found.retry), (reason, class, retry), "{seen}");
    let sentence = found.sentence();
    assert!(sentence.contains("To mend: ") && sentence.contains(seen), "{seen}: {sentence}");
}

/// Section A, "Errors": by number, whatever the OAuth error beside it.
#[test]
fn what_entra_answers_by_number() {
    for (codes, reason, class, retry) in [
        (&[7_000_215][..], "InvalidClientSecret", Mendable, WhenMended),
        (&[7_000_222], "ClientSecretExpired", Mendable, WhenMended),
        (&[7_000_218], "PublicClientFlowsOff", Mendable, WhenMended),
        (&[700_025], "ClientSecretNotWanted", Mendable, WhenMended),
        (&[900_144], "TokenRequestIncomplete", Mendable, WhenMended),
        (&[700_016, 700_011], "ApplicationNotFound", Mendable, WhenMended),
        (&[7_000_112, 70_001], "ApplicationDisabled", Mendable, WhenMended),
        (&[90_002, 90_038], "TenantNotFound", Mendable, WhenMended),
        (&[700_027, 700_026], "AssertionSignatureInvalid", Mendable, WhenMended),
        (&[700_023], "AssertionAudienceMismatch", Mendable, WhenMended),
        (&[700_021], "AssertionForAnotherApplication", Mendable, WhenMended),
        (&[5_002_738], "AssertionAlgorithmRefused", Mendable, WhenMended),
        (&[700_024], "AssertionOutsideItsTime", Mendable, OnceFresh),
        (&[70_021], "FederationNotMatching", Mendable, Slow),
        (&[700_211], "FederationIssuerMismatch", Mendable, WhenMended),
        (&[700_213, 7_002_138], "FederationSubjectMismatch", Mendable, WhenMended),
        (&[700_212, 7_002_121], "FederationAudienceMismatch", Mendable, WhenMended),
        (&[90_061], "FederationIssuerUnreachable", Mendable, Slow),
        (&[500_011, 50_001, 650_057], "ResourceNotFound", Mendable, WhenMended),
        (&[70_011, 700_022], "InvalidScope", Mendable, WhenMended),
        (&[65_001, 650_056, 90_094], "ConsentMissing", Mendable, WhenMended),
        (&[53_003, 530_035, 50_076], "ConditionalAccess", Mendable, WhenMended),
        (&[50_034], "UserNotFound", Mendable, WhenMended),
        (&[70_008, 700_082, 50_173, 70_043, 70_000], "RefreshTokenDead", Mendable, WhenMended),
        (&[7_000_012], "RefreshTokenOfAnotherTenant", Mendable, WhenMended),
        (&[1_002_016], "TlsTooOld", Mendable, WhenMended),
        (&[50_196], "TokenRequestLoop", Mendable, BackOff),
        (&[90_033, 90_006, 90_024, 90_012, 50_033, 70_012], "EntraTransient", Transient, BackOff),
        (&[90_055], "EntraThrottled", Transient, BackOff),
        (&[9_001_023], "GrantNotForConsumers", Mendable, WhenMended),
    ] {
        for code in codes {
            for (status, error) in
                [(400, "invalid_request"), (400, "invalid_grant"), (401, "invalid_client"), (400, "novel")]
            {
                let said = format!("AADSTS{code}: as Entra says it");
                is(&entra(status, Some(error), &[*code], &said), &said, reason, class, retry);
            }
        }
    }
}

/// Section A: by what Microsoft asks to go by, where the number is new or absent.
#[test]
fn what_entra_answers_by_status_and_error() {
    for (status, error, reason, class, retry) in [
        (429, None, "EntraThrottled", Transient, BackOff),
        (500, None, "EntraUnavailable", Transient, BackOff),
        (503, Some("invalid_client"), "EntraUnavailable", Transient, BackOff),
        (400, Some("temporarily_unavailable"), "EntraTransient", Transient, BackOff),
        (401, Some("invalid_client"), "InvalidClient", Mendable, WhenMended),
        (400, Some("unauthorized_client"), "UnauthorizedClient", Mendable, WhenMended),
        (400, Some("invalid_grant"), "InvalidGrant", Mendable, WhenMended),
        (400, Some("invalid_scope"), "InvalidScope", Mendable, WhenMended),
        (400, Some("invalid_resource"), "ResourceNotFound", Mendable, WhenMended),
        (400, Some("interaction_required"), "ConditionalAccess", Mendable, WhenMended),
        (400, Some("invalid_request"), "InvalidTokenRequest", Mendable, WhenMended),
        (400, Some("authorization_pending"), "SignInPending", Transient, BackOff),
        (400, Some("slow_down"), "SignInPending", Transient, BackOff),
        (400, Some("authorization_declined"), "SignInNotDone", Mendable, WhenMended),
        (400, Some("access_denied"), "SignInNotDone", Mendable, WhenMended),
        (400, Some("bad_verification_code"), "SignInNotDone", Mendable, WhenMended),
        (400, Some("expired_token"), "SignInNotDone", Mendable, WhenMended),
        (418, Some("novel"), "UnexpectedTokenResponse", Mendable, BackOff),
    ] {
        is(&entra(status, error, &[], "as it says"), "as it says", reason, class, retry);
    }
}

/// RFC 6749 section 5.2: by what any token endpoint says, in nobody's own terms.
#[test]
fn what_another_provider_answers() {
    for (status, error, reason, class, retry) in [
        (429, None, "TokenHostThrottled", Transient, BackOff),
        (503, Some("invalid_client"), "TokenHostUnavailable", Transient, BackOff),
        (400, Some("temporarily_unavailable"), "TokenHostUnavailable", Transient, BackOff),
        (400, Some("invalid_grant"), "RefreshTokenDead", Mendable, WhenMended),
        (401, Some("invalid_client"), "InvalidClient", Mendable, WhenMended),
        (400, Some("unauthorized_client"), "UnauthorizedClient", Mendable, WhenMended),
        (400, Some("unsupported_grant_type"), "UnauthorizedClient", Mendable, WhenMended),
        (400, Some("invalid_scope"), "InvalidScope", Mendable, WhenMended),
        (400, Some("invalid_request"), "InvalidTokenRequest", Mendable, WhenMended),
        (418, Some("novel"), "UnexpectedTokenResponse", Mendable, BackOff),
    ] {
        let found = provider(status, error, "as it says");
        is(&found, "as it says", reason, class, retry);
        assert!(!found.sentence().contains("Entra"), "{}", found.sentence());
    }
}

/// A reply as it stands on the wire, in one line.
fn replied(line: &str, at: At) -> Diagnosis {
    let (code, rest) = line.split_at(3);
    let rest = rest.trim_start();
    let (enhanced, text) = rest.split_once(' ').unwrap_or((rest, ""));
    smtp(Smtp { code: code.parse().unwrap(), enhanced, text, at })
}

/// Section C: what answers the login.
#[test]
fn what_exchange_answers_to_the_login() {
    for (line, reason, class, retry) in [
        (
            "535 5.7.3 Authentication unsuccessful [SY5P282CA0097.AUSP282.PROD.OUTLOOK.COM 2026-11-23T11:12:20.000Z 08DE2A6028D26C22]",
            "TokenRefused",
            Mendable,
            OnceFresh,
        ),
        (
            "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. Visit https://aka.ms/smtp_auth_disabled for more information.",
            "SmtpAuthDisabled",
            Mendable,
            WhenMended,
        ),
        (
            "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox. Visit https://aka.ms/smtp_auth_disabled",
            "SmtpAuthDisabled",
            Mendable,
            WhenMended,
        ),
        (
            "535 5.7.139 Authentication unsuccessful, basic authentication is disabled.",
            "BasicAuthDisabled",
            Mendable,
            WhenMended,
        ),
        (
            "535 5.7.139 Authentication unsuccessful, the user credentials were incorrect.",
            "PasswordWrong",
            Mendable,
            WhenMended,
        ),
        (
            "535 5.7.139 Authentication unsuccessful, user is locked by your organization's security defaults policy. Contact your administrator.",
            "SecurityDefaults",
            Mendable,
            WhenMended,
        ),
        (
            "535 5.7.139 Authentication unsuccessful, the request did not meet the criteria to be authenticated successfully. Contact your administrator.",
            "ConditionalAccess",
            Mendable,
            WhenMended,
        ),
        ("535 5.7.139 Authentication unsuccessful, account locked.", "AccountLocked", Mendable, WhenMended),
        (
            "535 5.7.139 Authentication unsuccessful, the organization configuration doesn't allow this authentication request.",
            "AuthenticationPolicy",
            Mendable,
            WhenMended,
        ),
        (
            "535 5.7.139 Authentication unsuccessful, federated STS service was unreachable.",
            "FederationUnreachable",
            Transient,
            BackOff,
        ),
        (
            "535 5.7.139 Authentication unsuccessful, federated STS service URL does not support HTTPS.",
            "FederationWithoutHttps",
            Mendable,
            WhenMended,
        ),
        (
            "550 5.7.30 Basic authentication is not supported for Client Submission.",
            "BasicAuthDisabled",
            Mendable,
            WhenMended,
        ),
        ("530 5.7.57 Client not authenticated to send mail.", "NotAuthenticated", Mendable, OnceFresh),
        (
            "530 5.7.57 Client not authenticated to send mail. [Error: 535 5.7.139 Authentication unsuccessful, account locked.]",
            "AccountLocked",
            Mendable,
            WhenMended,
        ),
        ("530 5.7.0 Must issue a STARTTLS command first", "StartTlsWanted", Mendable, WhenMended),
        ("504 5.7.4 Unrecognized authentication type", "MechanismOff", Mendable, WhenMended),
        ("454 4.7.0 TLS not available due to temporary reason", "TlsUnavailable", Transient, BackOff),
        ("421 4.7.0 Temporary server error. Please try again later.", "UpstreamBusy", Transient, BackOff),
        (
            "451 4.7.0 Temporary server error. Please try again later. PRX4",
            "UpstreamBusy",
            Transient,
            BackOff,
        ),
        ("501 5.5.124 Invalid XOAUTH2 auth data", "TokenMalformed", Mendable, OnceFresh),
        ("501 5.5.127 Token will expire soon", "TokenNearItsEnd", Transient, OnceFresh),
    ] {
        is(&replied(line, At::Connection), line.get(..60).unwrap_or(line), reason, class, retry);
    }
}

/// Section C: what answers the envelope or the message, and section D's texts of other routes.
#[test]
fn what_exchange_answers_to_a_message() {
    for (line, reason, class, retry) in [
        ("451 4.3.0 Temporary server error. Please try again later", "UpstreamBusy", Transient, BackOff),
        (
            "451 4.3.111 Temporary server error. Please try again later MRH1",
            "UpstreamBusy",
            Transient,
            BackOff,
        ),
        ("421 4.4.2 Connection dropped", "ConnectionDropped", Transient, BackOff),
        (
            "421 4.4.1 Connection timed out. Total session duration: 00:20:00",
            "ConnectionDropped",
            Transient,
            BackOff,
        ),
        (
            "432 4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending for more information.",
            "ConcurrencyLimit",
            Transient,
            BackOff,
        ),
        (
            "432 4.3.2 STOREDRV.ClientSubmit; sender thread limit exceeded",
            "ConcurrencyLimit",
            Transient,
            BackOff,
        ),
        (
            "430 4.2.0 STOREDRV; mailbox logon failure; MapiExceptionLogonFailed",
            "MailboxLogonFailed",
            Mendable,
            Slow,
        ),
        ("451 4.7.500 Access denied, please try again later", "UpstreamSuspicious", Transient, Slow),
        ("451 4.7.699 Access denied, please try again later", "UpstreamSuspicious", Transient, Slow),
        ("451 4.7.850 Access denied, please try again later", "UpstreamSuspicious", Transient, Slow),
        ("451 4.7.899 Access denied, please try again later", "UpstreamSuspicious", Transient, Slow),
        ("452 4.5.3 Too many recipients", "TooManyRecipients", Transient, BackOff),
        ("501 5.5.4 Invalid arguments", "CommandRefused", Permanent, Never),
        (
            "550 5.7.60 SMTP; Client does not have permissions to send as this sender",
            "SendAsDenied",
            Mendable,
            WhenMended,
        ),
        (
            "554 5.2.252 SendAsDenied; a@contoso.com not allowed to send as b@contoso.com; STOREDRV",
            "SendAsDenied",
            Mendable,
            WhenMended,
        ),
        (
            "554 5.2.0 STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied",
            "SendAsDenied",
            Mendable,
            WhenMended,
        ),
        (
            "554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException",
            "SubmissionQuota",
            Mendable,
            Slow,
        ),
        (
            "554 5.2.2 STOREDRV.Submission.Exception:SubmissionQuotaExceededException",
            "SubmissionQuota",
            Mendable,
            Slow,
        ),
        ("554 5.2.2 submission quota exceeded", "SubmissionQuota", Mendable, Slow),
        ("554 5.2.2 mailbox full; QuotaExceededException", "MailboxFull", Mendable, Slow),
        (
            "550 5.1.90 Your message can't be sent because you've reached your daily limit",
            "SubmissionQuota",
            Mendable,
            Slow,
        ),
        ("550 5.7.233 Tenant external recipient rate limit exceeded", "TenantExternalLimit", Mendable, Slow),
        ("550 5.7.236 onmicrosoft.com limit exceeded", "OnMicrosoftDomainLimit", Mendable, Slow),
        ("550 5.1.8 Access denied, bad outbound sender", "SenderRestricted", Mendable, WhenMended),
        ("550 5.7.705 Access denied, tenant has exceeded threshold", "TenantBlocked", Mendable, WhenMended),
        (
            "550 5.7.708 Access denied, traffic not accepted from this IP",
            "AddressNotTrusted",
            Mendable,
            WhenMended,
        ),
        (
            "550 5.7.750 Client blocked from sending from unregistered domain",
            "DomainNotRegistered",
            Mendable,
            WhenMended,
        ),
        (
            "550 5.7.703 Your message can't be delivered because of your tenant's block list",
            "TenantBlockList",
            Mendable,
            WhenMended,
        ),
        ("552 5.3.4 Message size exceeds fixed maximum message size", "MessageTooLarge", Permanent, Never),
        ("550 5.6.11 SMTPSEND.BareLinefeedsAreIllegal", "MalformedContent", Permanent, Never),
        (
            "550 5.7.512 Access denied, message must be RFC 5322 section 3.6.2 compliant",
            "MalformedContent",
            Permanent,
            Never,
        ),
        ("550 5.1.10 RESOLVER.ADR.RecipientNotFound", "BadRecipient", Permanent, Never),
        ("550 5.1.1 User unknown", "BadRecipient", Permanent, Never),
        ("550 5.4.1 Recipient address rejected: Access denied", "BadRecipient", Permanent, Never),
        ("550 5.7.64 TenantAttribution; Relay Access Denied", "ConnectorNotMatching", Mendable, WhenMended),
        ("451 4.4.62 Mail sent to the wrong Office 365 region", "ConnectorNotMatching", Mendable, WhenMended),
        (
            "550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain",
            "RelayDenied",
            Mendable,
            WhenMended,
        ),
        ("550 5.7.1 Unable to relay", "RelayDenied", Mendable, WhenMended),
        (
            "550 5.7.68 TenantInboundAttribution; Direct Send not allowed for this organization from unauthorized sources",
            "DirectSendRejected",
            Mendable,
            WhenMended,
        ),
        (
            "550 5.5.105 External sending is not supported for High Volume Email accounts",
            "HighVolumeExternal",
            Permanent,
            Never,
        ),
    ] {
        is(&replied(line, At::Message), line.get(..30).unwrap_or(line), reason, class, retry);
    }
}

/// Section D, "Graph".
#[test]
fn what_graph_answers() {
    for (status, code, reason, class, retry) in [
        (413, "", "MessageTooLarge", Permanent, Never),
        (400, "ErrorMimeContentInvalidBase64String", "GraphRequestRefused", Mendable, BackOff),
        (429, "ApplicationThrottled", "ConcurrencyLimit", Transient, BackOff),
        (429, "TooManyRequests", "GraphThrottled", Transient, BackOff),
        (401, "InvalidAuthenticationToken", "TokenRefused", Mendable, OnceFresh),
        (403, "ErrorAccessDenied", "GraphAccessDenied", Mendable, WhenMended),
        (403, "ErrorSendAsDenied", "SendAsDenied", Mendable, WhenMended),
        (401, "NoPermissionsInAccessToken", "GraphPermissionMissing", Mendable, WhenMended),
        (400, "ErrorMessageSizeExceeded", "MessageTooLarge", Permanent, Never),
        (404, "MailboxNotEnabledForRESTAPI", "MailboxNotInTheCloud", Mendable, WhenMended),
        (400, "ErrorExceededMessageLimit", "SubmissionQuota", Mendable, Slow),
        (503, "ServiceUnavailable", "UpstreamBusy", Transient, BackOff),
    ] {
        let said = format!("{status} {code}");
        is(&graph(status, code, "as Graph says it"), said.trim_end(), reason, class, retry);
    }
}
