//! Every row finds itself, and no reply is taken for worse than it is.

use super::*;
use crate::{Retry, TABLE};

fn seen(code: u16, enhanced: &'static str, text: &'static str) -> Diagnosis {
    smtp(Smtp { code, enhanced, text, at: At::Message })
}

#[test]
fn explains_a_wrong_client_secret_with_its_fix() {
    let found =
        entra(401, Some("invalid_client"), &[7000215], "AADSTS7000215: Invalid client secret provided.");
    assert_eq!(found.reason, "InvalidClientSecret");
    let sentence = found.sentence();
    assert!(
        sentence.contains("AADSTS7000215") && sentence.contains("To mend: put the secret's value"),
        "{sentence}"
    );
}

#[test]
fn a_throttled_request_is_transient_whatever_the_body_says() {
    let found = entra(429, None, &[], "Too many requests");
    assert_eq!((found.reason, found.class), ("EntraThrottled", Class::Transient));
    assert_eq!(entra(503, Some("invalid_client"), &[7000215], "").class, Class::Transient);
}

#[test]
fn an_unknown_number_is_explained_by_its_error() {
    assert_eq!(entra(400, Some("invalid_scope"), &[1], "").reason, "InvalidScope");
    assert_eq!(entra(400, Some("novel"), &[1], "").reason, "UnexpectedTokenResponse");
    assert_eq!(entra(302, None, &[], "").reason, "UnexpectedTokenResponse");
}

#[test]
fn exchange_5xx_that_a_person_can_mend_is_not_permanent() {
    for (code, enhanced, text, reason) in [
        (535, "5.7.3", "Authentication unsuccessful", "TokenRefused"),
        (
            535,
            "5.7.139",
            "Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant.",
            "SmtpAuthDisabled",
        ),
        (554, "5.2.252", "SendAsDenied; a not allowed to send as b", "SendAsDenied"),
        (550, "5.7.705", "Access denied, tenant has exceeded threshold", "TenantBlocked"),
    ] {
        let found = seen(code, enhanced, text);
        assert_eq!((found.reason, found.class), (reason, Class::Mendable));
    }
}

#[test]
fn a_credential_that_any_server_calls_invalid_is_worth_another_token() {
    for (enhanced, retry) in
        [("5.7.3", Retry::OnceFresh), ("5.7.8", Retry::OnceFresh), ("", Retry::WhenMended)]
    {
        assert_eq!(seen(535, enhanced, "Error: authentication failed").retry, retry, "{enhanced}");
    }
}

#[test]
fn the_535_inside_a_530_is_the_cause() {
    let found = seen(
        530,
        "5.7.57",
        "Client not authenticated to send mail. [Error: 535 5.7.139 Authentication unsuccessful, account locked.]",
    );
    assert_eq!(found.reason, "AccountLocked");
}

#[test]
fn bad_recipients_and_size_are_permanent() {
    assert_eq!(seen(550, "5.1.1", "no such user").class, Class::Permanent);
    assert_eq!(seen(552, "", "too big").class, Class::Permanent);
    assert_eq!(
        smtp(Smtp { code: 550, enhanced: "", text: "no", at: At::Recipient }).reason,
        "RecipientRefused"
    );
    assert_eq!(seen(554, "", "no").reason, "UpstreamRefused");
}

#[test]
fn an_unknown_4xx_is_transient() {
    assert_eq!(seen(450, "", "greylisted").class, Class::Transient);
    assert_eq!(seen(432, "4.3.2", "Concurrent connections limit exceeded.").reason, "ConcurrencyLimit");
}

#[test]
fn a_4yz_is_never_permanent_whatever_its_enhanced_code() {
    for at in [At::Connection, At::Password, At::Sender, At::Recipient, At::Message] {
        for code in [421, 430, 432, 450, 451, 452, 454] {
            for row in SMTP {
                let When::Smtp { enhanced, text, .. } = row.when else { continue };
                let found = smtp(Smtp { code, enhanced, text, at });
                assert_ne!(
                    found.class,
                    Class::Permanent,
                    "{code} {enhanced} {text} at {at:?}: {}",
                    found.reason
                );
            }
        }
    }
}

#[test]
fn what_comes_before_the_recipients_is_not_held_against_the_message() {
    for (code, enhanced) in
        [(550, ""), (550, "5.1.7"), (553, "5.1.3"), (501, "5.5.4"), (530, ""), (554, "5.6.0")]
    {
        let at_mail = smtp(Smtp { code, enhanced, text: "no", at: At::Sender });
        assert_eq!(at_mail.class, Class::Mendable, "{code} {enhanced}: {}", at_mail.reason);
        let greeted = smtp(Smtp { code, enhanced, text: "no", at: At::Connection });
        assert_eq!(greeted.class, Class::Mendable, "{code} {enhanced}: {}", greeted.reason);
    }
    assert_eq!(smtp(Smtp { code: 552, enhanced: "5.3.4", text: "", at: At::Sender }).class, Class::Permanent);
}

#[test]
fn the_state_of_a_server_or_a_mailbox_is_mendable() {
    for (code, enhanced) in
        [(552, "5.2.2"), (503, ""), (503, "5.5.1"), (550, "5.5.1"), (554, "5.3.2"), (550, "5.4.6")]
    {
        let found = smtp(Smtp { code, enhanced, text: "no", at: At::Message });
        assert_eq!(found.class, Class::Mendable, "{code} {enhanced}: {}", found.reason);
    }
}

#[test]
fn every_row_is_fit_to_print_and_finds_itself() {
    for row in TABLE.iter().copied().flatten() {
        for text in [row.cause, row.fix] {
            assert_eq!(crate::words(text), text, "{}: not one line of printable ASCII", row.reason);
            assert!(!text.ends_with('.'), "{}: {text}", row.reason);
        }
        assert!(row.reason.chars().all(|c| c.is_ascii_alphanumeric()), "{}", row.reason);
        assert!(row.class != Class::Permanent || row.retry == Retry::Never, "{}", row.reason);
        match row.when {
            When::Aadsts(codes) => assert_eq!(entra(400, None, codes, "").reason, row.reason),
            When::OauthError(error) => assert_eq!(entra(400, Some(error), &[], "").reason, row.reason),
            When::EntraStatus(from, _) => assert_eq!(entra(from, None, &[], "").reason, row.reason),
            When::ProviderError(error) => assert_eq!(provider(400, Some(error), "").reason, row.reason),
            When::ProviderStatus(from, _) => assert_eq!(provider(from, None, "").reason, row.reason),
            When::Smtp { code, enhanced, text } => {
                let digit = if enhanced.starts_with('4') { 450 } else { 550 };
                let code = if code == 0 { digit } else { code };
                let enhanced = enhanced.split('-').next().unwrap_or_default();
                let enhanced =
                    if enhanced.ends_with('.') { format!("{enhanced}99") } else { enhanced.to_owned() };
                assert_eq!(
                    smtp(Smtp { code, enhanced: &enhanced, text, at: At::Message }).reason,
                    row.reason
                );
            }
            When::Graph { from, code, .. } => {
                let found = graph(if from == 0 { 400 } else { from }, code, "");
                assert_eq!((found.reason, &*found.cause), (row.reason, row.cause));
            }
            When::Local => assert_eq!(local(row.reason).cause, row.cause),
        }
    }
}

#[test]
fn graph_is_read_by_code_then_by_status_and_doubt_is_never_repeated() {
    let found = |status, code| {
        let found = graph(status, code, "");
        (found.reason, found.class)
    };
    assert_eq!(found(403, "ErrorSendAsDenied"), ("SendAsDenied", Class::Mendable));
    assert_eq!(found(403, "Novel"), ("GraphAccessDenied", Class::Mendable));
    assert_eq!(found(429, "ApplicationThrottled"), ("ConcurrencyLimit", Class::Transient));
    assert_eq!(found(503, "ErrorMessageSizeExceeded").1, Class::Transient);
    for status in [200, 502, 504] {
        assert_eq!(found(status, "").1, Class::Uncertain, "{status}");
    }
    assert_eq!(found(302, ""), ("GraphRequestRefused", Class::Mendable));
}

#[test]
fn only_a_530_is_looked_into_and_never_deeply() {
    let nested = "[Error: 530 5.7.57 x ".repeat(6_000);
    let found = smtp(Smtp { code: 530, enhanced: "5.7.57", text: &nested, at: At::Connection });
    assert_eq!(found.reason, "NotAuthenticated");
    let later =
        smtp(Smtp { code: 450, enhanced: "", text: "no [Error: 550 5.1.1 unknown]", at: At::Recipient });
    assert_eq!((later.reason, later.class), ("UpstreamBusy", Class::Transient));
}

#[test]
fn a_refused_password_is_not_explained_as_a_token() {
    for enhanced in ["5.7.3", "5.7.8", ""] {
        let found = smtp(Smtp { code: 535, enhanced, text: "Authentication unsuccessful", at: At::Password });
        assert_eq!(found.reason, "AuthenticationRefused");
        assert!(!found.cause.contains("token"), "{}", found.cause);
    }
}
