//! From what was seen to the row that explains it.

use crate::{
    Diagnosis,
    row::{Class, Row, When},
    table::{ENTRA, LOCAL, SMTP, local as reason},
};

impl Row {
    fn diagnosis(&self) -> Diagnosis {
        Diagnosis {
            reason: self.reason,
            class: self.class,
            retry: self.retry,
            cause: self.cause.to_owned(),
            said: None,
            fix: self.fix.to_owned(),
        }
    }
}

/// Explains an error of Entra's token endpoint: its HTTP status, the OAuth `error`, the AADSTS
/// numbers and `error_description`. Always finds a row: the last one matches any answer.
///
/// A status that says "later" (429, 5xx) stays transient whatever the numbers advise.
#[must_use]
pub fn entra(status: u16, error: Option<&str>, codes: &[u32], description: &str) -> Diagnosis {
    let later = |row: &&Row| matches!(row.when, When::EntraStatus(from, to) if from > 0 && (from..=to).contains(&status));
    let by_number =
        |row: &&Row| matches!(row.when, When::Aadsts(known) if known.iter().any(|c| codes.contains(c)));
    let by_error = |row: &&Row| matches!(row.when, When::OauthError(known) if error == Some(known));
    let numbered = ENTRA.iter().find(by_number);
    let row = match numbered {
        Some(row) if row.class == Class::Transient => Some(row),
        _ => ENTRA.iter().find(later).or(numbered).or_else(|| ENTRA.iter().find(by_error)),
    };
    row.or(ENTRA.last()).map_or_else(|| local(reason::TOKEN_UNUSABLE), Row::diagnosis).with_words(description)
}

/// A refusal by an SMTP server.
#[derive(Clone, Copy, Debug)]
pub struct Smtp<'a> {
    /// The basic code (RFC 5321 section 4.2).
    pub code: u16,
    /// The enhanced code (RFC 3463) as text, "5.7.3"; empty where there is none.
    pub enhanced: &'a str,
    /// The reply's text, all lines joined.
    pub text: &'a str,
    /// Whether it answered RCPT, so that a 5xx without a row of its own means the recipient.
    pub recipient: bool,
}

/// Explains a refusal by an SMTP server. Always finds a row.
///
/// `530 5.7.57` carries the real cause inside, "[Error: 535 …]": that is looked up first.
#[must_use]
pub fn smtp(seen: Smtp<'_>) -> Diagnosis {
    let said = words_of(&seen);
    if let Some(inner) = embedded(seen.text) {
        return smtp(inner).with_words(&said);
    }
    let text = seen.text.to_ascii_lowercase();
    SMTP.iter()
        .find(|row| {
            matches!(row.when, When::Smtp { code, enhanced, text: part }
            if (code == 0 || code == seen.code) && has_code(seen.enhanced, enhanced) && text.contains(part))
        })
        .map_or_else(|| by_digit(&seen), Row::diagnosis)
        .with_words(&said)
}

/// Our own finding, by its reason (the constants in [`crate::reason`]).
///
/// An unknown reason, which only a newer version could name, is explained as a refusal.
#[must_use]
pub fn local(name: &'static str) -> Diagnosis {
    let found = LOCAL.iter().find(|row| row.reason == name);
    let unknown = LOCAL.iter().find(|row| row.reason == reason::UPSTREAM_PROTOCOL);
    found.or(unknown).map_or_else(
        || Diagnosis {
            reason: name,
            class: Class::Mendable,
            retry: crate::Retry::BackOff,
            cause: name.to_owned(),
            said: None,
            fix: "read the logs".to_owned(),
        },
        Row::diagnosis,
    )
}

fn has_code(seen: &str, wanted: &str) -> bool {
    wanted.is_empty() || seen == wanted || (wanted.ends_with('.') && seen.starts_with(wanted))
}

fn words_of(seen: &Smtp<'_>) -> String {
    match seen.enhanced {
        "" => format!("{} {}", seen.code, seen.text),
        enhanced => format!("{} {enhanced} {}", seen.code, seen.text),
    }
}

fn by_digit(seen: &Smtp<'_>) -> Diagnosis {
    let row = match seen.code {
        500..=599 if seen.recipient => reason::RECIPIENT_REFUSED,
        500..=599 => reason::UPSTREAM_REFUSED,
        400..=499 => {
            return local(reason::UPSTREAM_CLOSED).with_cause("the relay cannot take the message now");
        }
        _ => reason::UPSTREAM_PROTOCOL,
    };
    local(row)
}

/// The 535 inside `530 5.7.57 Client not authenticated to send mail. [Error: 535 5.7.139 …]`.
fn embedded(text: &str) -> Option<Smtp<'_>> {
    let (_, inner) = text.split_once("[Error: ")?;
    let inner = inner.split_once(']').map_or(inner, |(inner, _)| inner);
    let (code, rest) = inner.split_once(' ')?;
    let (enhanced, text) = rest.split_once(' ').unwrap_or((rest, ""));
    let code = code.parse().ok()?;
    Some(Smtp { code, enhanced, text, recipient: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Retry, TABLE};

    fn seen(code: u16, enhanced: &'static str, text: &'static str) -> Diagnosis {
        smtp(Smtp { code, enhanced, text, recipient: false })
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
            smtp(Smtp { code: 550, enhanced: "", text: "no", recipient: true }).reason,
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
                When::Smtp { code, enhanced, text } => {
                    let code =
                        if code == 0 { if enhanced.starts_with('4') { 450 } else { 550 } } else { code };
                    let enhanced =
                        if enhanced.ends_with('.') { format!("{enhanced}99") } else { enhanced.to_owned() };
                    assert_eq!(
                        smtp(Smtp { code, enhanced: &enhanced, text, recipient: false }).reason,
                        row.reason
                    );
                }
                When::Local => assert_eq!(local(row.reason).cause, row.cause),
            }
        }
    }
}
