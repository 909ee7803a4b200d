//! Why there is no token, and what to do next.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use mail_egress_diagnosis::{Class, Diagnosis, Retry as Advice, entra, local, provider, reason};

use crate::answer::Refusal;
use crate::fault::Fault;
use crate::https::retry_after;
use crate::request::{InvalidRequest, Issuer, Target};
use crate::signing_certificate::BadCertificate;
use crate::tls::TlsError;

/// Why a token request failed. Holds neither the credential nor any token.
///
/// `Display` is the diagnosis's sentence: cause and fix.
#[derive(Clone, Debug)]
pub struct TokenError {
    /// Cause and fix, from the project's one table.
    pub diagnosis: Diagnosis,
    /// When the same request may be sent again.
    pub retry: Retry,
    /// What Microsoft's support asks for, where Entra said it; for the log, not for conditions:
    /// it differs every time.
    pub trace: Option<Box<Trace>>,
}

/// When the same request may be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// Not before this has passed (1 s to 1 h): Entra said so.
    After(Duration),
    /// By itself it may come right: again soon, then ever more rarely.
    Backoff,
    /// At once, the first time, since it then carries an assertion that is made or read anew; like
    /// `WhenMended` from then on.
    OnceFresh,
    /// A person must act. Again when the request changes; otherwise rarely, since what is mended
    /// in Entra is not seen from here.
    WhenMended,
}

/// The ids under which Microsoft finds a request; each is empty where Entra did not say it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trace {
    /// `trace_id`
    pub trace_id: String,
    /// `correlation_id`
    pub correlation_id: String,
}

/// The head of an answer, which oauth2 hides from its caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<String>,
}

impl TokenError {
    /// The request was not sent. `issuer` is whoever would have been asked.
    pub(crate) fn invalid(error: InvalidRequest, issuer: Issuer) -> Self {
        let found = match error {
            InvalidRequest::LoginUrl(_) => local(reason::LOGIN_URL_INVALID),
            InvalidRequest::TokenUrl(_) => local(reason::LOGIN_URL_INVALID)
                .with_fix("set the provider's token URL to an https URL without user, query or fragment"),
            InvalidRequest::ClientSecret => match issuer {
                Issuer::Entra => local(reason::CREDENTIAL_INVALID),
                Issuer::Other => local(reason::CREDENTIAL_INVALID)
                    .with_fix("store the client secret's value, as text, on one line"),
            },
            InvalidRequest::Certificate(bad) => local(reason::CREDENTIAL_INVALID).with_fix(mend(bad)),
            InvalidRequest::Assertion => local(reason::CREDENTIAL_INVALID)
                .with_fix("let the file be a projected service account token, and nothing else"),
            InvalidRequest::RefreshToken => local(reason::CREDENTIAL_INVALID)
                .with_fix("sign in again, and store the refresh token as it is, on one line"),
            // What would be said, had anybody been asked.
            InvalidRequest::Tenant
            | InvalidRequest::ClientId
            | InvalidRequest::Scope
            | InvalidRequest::Scopes => match issuer {
                Issuer::Entra => entra(400, Some("invalid_request"), &[], ""),
                Issuer::Other => provider(400, Some("invalid_request"), ""),
            },
        };
        Self::of(found.with_cause(&error.to_string()))
    }

    pub(crate) fn bundle(error: &TlsError) -> Self {
        Self::of(local(reason::CA_BUNDLE_INVALID).with_cause(&error.to_string()))
    }

    pub(crate) fn fault(fault: &Fault, target: &Target) -> Self {
        Self::of(match target.issuer {
            Issuer::Entra => fault.entra(&target.peer),
            Issuer::Other => fault.token_host(&target.peer),
        })
    }

    /// Entra, or the other provider, said no in the form of RFC 6749. What it repeats of `secrets` is
    /// blotted out.
    pub(crate) fn refused(
        refusal: &Refusal,
        target: &Target,
        secrets: &[&str],
        head: &Head,
        now: Timestamp,
    ) -> Self {
        let description = refusal.description(secrets);
        let said = if description.is_empty() { refusal.error().unwrap_or_default() } else { &description };
        let diagnosis = match target.issuer {
            Issuer::Entra => entra(head.status, refusal.error(), &refusal.codes(), said),
            Issuer::Other => provider(head.status, refusal.error(), said),
        };
        let retry = retry(&diagnosis, head, now);
        Self { diagnosis, retry, trace: refusal.trace().map(Box::new) }
    }

    /// Something answered, and not in that form: a plain-text 429, a proxy's page, a redirect.
    /// Nothing of the body is repeated: it may hold anything.
    pub(crate) fn foreign(head: &Head, target: &Target, now: Timestamp) -> Self {
        let Head { status, .. } = head;
        let Target { peer, issuer, .. } = target;
        let seen = format!("HTTP {status}");
        let found = match issuer {
            Issuer::Entra => entra(*status, None, &[], &seen),
            Issuer::Other => provider(*status, None, &seen),
        };
        let host = issuer.host();
        let diagnosis = match status {
            429 | 500..=599 => found,
            200 => unusable(*issuer)
                .with_cause(&format!("the {host} {peer} answered HTTP 200 and no token response")),
            300..=399 => found
                .with_cause(&format!("the {host} {peer} answered with a redirect, which is not followed")),
            _ => match issuer {
                Issuer::Entra => {
                    found.with_cause(&format!("the {host} {peer} gave an answer that is not Entra's"))
                }
                Issuer::Other => found.with_cause(&format!("the {host} {peer} gave no token response")),
            },
        };
        let retry = retry(&diagnosis, head, now);
        Self { diagnosis, retry, trace: None }
    }

    pub(crate) fn unusable(why: impl fmt::Display, target: &Target) -> Self {
        let Target { peer, issuer, .. } = target;
        let host = issuer.host();
        Self::of(
            unusable(*issuer)
                .with_cause(&format!("the answer of the {host} {peer} holds no usable token: {why}")),
        )
    }

    pub(crate) fn of(diagnosis: Diagnosis) -> Self {
        let retry = advised(&diagnosis);
        Self { diagnosis, retry, trace: None }
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.diagnosis.sentence())
    }
}

impl std::error::Error for TokenError {}

fn unusable(issuer: Issuer) -> Diagnosis {
    match issuer {
        Issuer::Entra => local(reason::TOKEN_UNUSABLE),
        Issuer::Other => local(reason::TOKEN_UNUSABLE)
            .with_fix("check the provider's token URL, and whether a proxy answers in its place"),
    }
}

fn mend(bad: BadCertificate) -> &'static str {
    match bad {
        BadCertificate::NoCertificate | BadCertificate::Unreadable => {
            "store the certificate as PEM under tls.crt"
        }
        BadCertificate::NotRsa | BadCertificate::TooShort => {
            "make a certificate with an RSA key of at least 2048 bits, and upload it to the application: az ad app credential reset --id CLIENT_ID --cert @tls.crt --append"
        }
        BadCertificate::NoKey | BadCertificate::KeyUnreadable => {
            "store the certificate's RSA key as PEM, PKCS #8 or PKCS #1, under tls.key"
        }
        BadCertificate::KeyEncrypted => {
            "store the key without a password: openssl pkey -in ENCRYPTED.key -out tls.key"
        }
        BadCertificate::KeyOfAnother => {
            "store certificate and key of one pair, with the application's own certificate first"
        }
    }
}

/// A throttled application waits as long as it was told; who asks early is throttled longer.
fn retry(diagnosis: &Diagnosis, head: &Head, now: Timestamp) -> Retry {
    /// What the token endpoint says when it says anything (fact sheet A, HTTP 429).
    const USUAL: Duration = Duration::from_secs(60);
    let told = head.retry_after.as_deref().and_then(|field| retry_after(field, now));
    match (diagnosis.class, told) {
        (Class::Transient, Some(wait)) => Retry::After(wait),
        (Class::Transient, None) if head.status == 429 => Retry::After(USUAL),
        _ => advised(diagnosis),
    }
}

fn advised(diagnosis: &Diagnosis) -> Retry {
    match diagnosis.retry {
        Advice::OnceFresh => Retry::OnceFresh,
        Advice::BackOff | Advice::Slow => Retry::Backoff,
        Advice::WhenMended | Advice::Never => Retry::WhenMended,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::Peer;

    fn head(status: u16, retry_after: Option<&str>) -> Head {
        Head { status, retry_after: retry_after.map(str::to_owned) }
    }

    fn now() -> Timestamp {
        "2026-11-22T10:00:00Z".parse().unwrap()
    }

    fn target(issuer: Issuer) -> Target {
        let peer = Peer { host: "login.test".to_owned(), port: 443 };
        Target { url: "https://login.test/token".parse().unwrap(), peer, issuer }
    }

    fn refused(status: u16, json: &str, retry_after: Option<&str>) -> TokenError {
        let refusal = serde_json::from_str(json).unwrap();
        TokenError::refused(&refusal, &target(Issuer::Entra), &["s3cret"], &head(status, retry_after), now())
    }

    #[test]
    fn a_throttled_request_waits_as_told_or_a_minute() {
        let wait = |seconds| Retry::After(Duration::from_secs(seconds));
        let foreign = |field| TokenError::foreign(&head(429, field), &target(Issuer::Entra), now()).retry;
        assert_eq!(foreign(Some("90")), wait(90));
        assert_eq!(foreign(Some("soon")), wait(60));
        assert_eq!(foreign(None), wait(60));
        let throttled = refused(429, r#"{"error":"temporarily_unavailable"}"#, Some("7"));
        assert_eq!(throttled.retry, wait(7));
    }

    #[test]
    fn a_server_in_trouble_is_asked_again_and_a_wrong_secret_is_not() {
        let trouble = TokenError::foreign(&head(503, None), &target(Issuer::Entra), now());
        assert_eq!((trouble.retry, trouble.diagnosis.reason), (Retry::Backoff, "EntraUnavailable"));
        assert_eq!(
            TokenError::foreign(&head(503, Some("9")), &target(Issuer::Entra), now()).retry,
            Retry::After(Duration::from_secs(9))
        );
        let wrong = refused(401, r#"{"error":"invalid_client","error_codes":[7000215]}"#, Some("9"));
        assert_eq!((wrong.retry, wrong.diagnosis.reason), (Retry::WhenMended, "InvalidClientSecret"));
        let propagating = refused(400, r#"{"error":"invalid_request","error_codes":[70021]}"#, None);
        assert_eq!(propagating.retry, Retry::Backoff);
    }

    #[test]
    fn a_stale_assertion_is_worth_a_fresh_one() {
        let stale = refused(401, r#"{"error":"invalid_client","error_codes":[700024]}"#, None);
        assert_eq!((stale.retry, stale.diagnosis.reason), (Retry::OnceFresh, "AssertionOutsideItsTime"));
    }

    #[test]
    fn what_another_provider_refuses_is_not_explained_as_entras() {
        let other = target(Issuer::Other);
        let json = r#"{"error":"invalid_grant","error_description":"Token has been expired or revoked."}"#;
        let refusal = serde_json::from_str(json).unwrap();
        let dead = TokenError::refused(&refusal, &other, &[], &head(400, None), now());
        let busy = TokenError::foreign(&head(429, Some("9")), &other, now());
        let page = TokenError::foreign(&head(403, None), &other, now());
        let closed = TokenError::fault(&Fault::Refused, &other);
        for (error, reason) in [
            (&dead, "RefreshTokenDead"),
            (&busy, "TokenHostThrottled"),
            (&page, "UnexpectedTokenResponse"),
            (&closed, "TokenHostUnreachable"),
            (&TokenError::unusable("it has none", &other), "TokenUnusable"),
        ] {
            assert_eq!(error.diagnosis.reason, reason);
            assert!(!error.to_string().contains("Entra"), "{error}");
        }
        assert!(dead.to_string().contains("(Token has been expired or revoked.)"), "{dead}");
        assert_eq!(busy.retry, Retry::After(Duration::from_secs(9)));
    }

    #[test]
    fn a_refusal_without_a_description_shows_its_error() {
        let shown = refused(400, r#"{"error":"invalid_scope"}"#, None).to_string();
        assert!(shown.contains("(invalid_scope)"), "{shown}");
    }

    #[test]
    fn what_cannot_be_sent_is_explained_without_asking() {
        for (error, reason) in [
            (InvalidRequest::LoginUrl("is no URL"), "LoginUrlInvalid"),
            (InvalidRequest::Tenant, "InvalidTokenRequest"),
            (InvalidRequest::ClientId, "InvalidTokenRequest"),
            (InvalidRequest::Scope, "InvalidTokenRequest"),
            (InvalidRequest::Scopes, "InvalidTokenRequest"),
            (InvalidRequest::TokenUrl("is no URL"), "LoginUrlInvalid"),
            (InvalidRequest::ClientSecret, "CredentialInvalid"),
            (InvalidRequest::Certificate(BadCertificate::KeyOfAnother), "CredentialInvalid"),
            (InvalidRequest::Assertion, "CredentialInvalid"),
            (InvalidRequest::RefreshToken, "CredentialInvalid"),
        ] {
            for issuer in [Issuer::Entra, Issuer::Other] {
                let found = TokenError::invalid(error, issuer);
                assert_eq!((found.diagnosis.reason, found.retry), (reason, Retry::WhenMended));
                assert!(found.to_string().starts_with(&error.to_string()), "{found}");
            }
        }
        for error in [InvalidRequest::ClientId, InvalidRequest::Scope, InvalidRequest::ClientSecret] {
            let found = TokenError::invalid(error, Issuer::Other).to_string();
            assert!(!found.contains("Entra") && !found.contains("spec."), "{found}");
        }
    }
}
