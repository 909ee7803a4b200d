//! From what was seen to the row that explains it.

use crate::{
    Diagnosis,
    row::{Class, Row, When},
    table::{ENTRA, GRAPH, LOCAL, PROVIDER, SMTP, local as reason},
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

/// Explains an error of a token endpoint that is not Entra's: its HTTP status, the OAuth `error` and
/// its `error_description`. Always finds a row: the last one matches any answer.
#[must_use]
pub fn provider(status: u16, error: Option<&str>, description: &str) -> Diagnosis {
    let later = |row: &&Row| matches!(row.when, When::ProviderStatus(from, to) if from > 0 && (from..=to).contains(&status));
    let by_error = |row: &&Row| matches!(row.when, When::ProviderError(known) if error == Some(known));
    let row = PROVIDER.iter().find(later).or_else(|| PROVIDER.iter().find(by_error)).or(PROVIDER.last());
    row.map_or_else(|| local(reason::TOKEN_UNUSABLE), Row::diagnosis).with_words(description)
}

/// Whether this is a reason that [`entra`] or [`provider`] gives: no token.
#[must_use]
pub fn is_entras(reason: &str) -> bool {
    ENTRA.iter().chain(PROVIDER).any(|row| row.reason == reason)
}

/// What a reply answered, as far as it changes what a refusal means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The greeting, EHLO, STARTTLS, AUTH, RSET: nothing of a message was said yet.
    Connection,
    /// AUTH by a password: what rows say of a token is not meant.
    Password,
    /// MAIL.
    Sender,
    /// RCPT.
    Recipient,
    /// DATA, BDAT, or the final dot.
    Message,
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
    /// What it answered.
    pub at: At,
}

/// Explains a refusal by an SMTP server. Always finds a row.
///
/// Permanent it is only where the digit says so *and* the message can be at fault: a 4yz stays
/// temporary whatever its enhanced code, and what comes before the recipients is never held
/// against the message, but for its size.
///
/// `530 5.7.57` carries the real cause inside, "[Error: 535 …]": that is looked up first.
#[must_use]
pub fn smtp(seen: Smtp<'_>) -> Diagnosis {
    let found = match embedded(&seen) {
        Some(inner) => explained(inner),
        None => explained(seen),
    };
    found.with_words(&words_of(&seen))
}

fn explained(seen: Smtp<'_>) -> Diagnosis {
    let text = seen.text.to_ascii_lowercase();
    SMTP.iter()
        .find(|row| {
            matches!(row.when, When::Smtp { code, enhanced, text: part }
            if (code == 0 || code == seen.code) && has_code(seen.enhanced, enhanced) && text.contains(part))
                && !(seen.at == At::Password && is_of_a_token(row.reason))
                && (row.class != Class::Permanent || may_be_permanent(&seen, row.reason))
        })
        .map_or_else(|| by_digit(&seen), Row::diagnosis)
}

fn is_of_a_token(found: &str) -> bool {
    ["TokenRefused", "TokenMalformed", "TokenNearItsEnd"].contains(&found)
}

fn may_be_permanent(seen: &Smtp<'_>, found: &str) -> bool {
    let later = matches!(seen.code, 400..=499);
    match seen.at {
        At::Connection | At::Password => false,
        At::Sender => !later && found == reason::MESSAGE_TOO_LARGE,
        At::Recipient | At::Message => !later,
    }
}

/// Explains an answer of Graph to `sendMail` other than 202: its HTTP status, the error's `code` and
/// its `message`. Always finds a row: the last one matches any answer.
///
/// A status that says "later" (429, 5xx) is never made permanent by its code.
#[must_use]
pub fn graph(status: u16, code: &str, message: &str) -> Diagnosis {
    let later = status == 429 || status >= 500;
    let fits = |row: &&Row| {
        matches!(row.when, When::Graph { from, to, code: known }
            if (to == 0 || (from..=to).contains(&status)) && (known.is_empty() || known == code))
            && !(later && matches!(row.class, Class::Permanent))
    };
    let row = GRAPH.iter().find(fits).or(GRAPH.last());
    let words = format!("{status} {code} {message}");
    row.map_or_else(|| local(reason::UPSTREAM_PROTOCOL), Row::diagnosis).with_words(&words)
}

/// Our own finding, by its reason (the constants in [`crate::reason`]).
///
/// A name that is none of them explains itself.
#[must_use]
pub fn local(name: &'static str) -> Diagnosis {
    LOCAL.iter().find(|row| row.reason == name).map_or_else(
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
    if let Some((from, to)) = wanted.split_once('-') {
        let Some((class, from)) = from.rsplit_once('.') else { return false };
        let detail = seen.strip_prefix(class).and_then(|rest| rest.strip_prefix('.'));
        let number = |text: &str| text.parse::<u16>().ok();
        return detail.and_then(number).is_some_and(|detail| {
            number(from).is_some_and(|from| from <= detail) && number(to).is_some_and(|to| detail <= to)
        });
    }
    wanted.is_empty() || seen == wanted || (wanted.ends_with('.') && seen.starts_with(wanted))
}

fn words_of(seen: &Smtp<'_>) -> String {
    match seen.enhanced {
        "" => format!("{} {}", seen.code, seen.text),
        enhanced => format!("{} {enhanced} {}", seen.code, seen.text),
    }
}

fn by_digit(seen: &Smtp<'_>) -> Diagnosis {
    match (seen.code, seen.at) {
        (400..=499, _) => local(reason::UPSTREAM_BUSY),
        (500..=599, At::Connection | At::Password) => local(reason::RELAY_REFUSED),
        (500..=599, At::Sender) => local(reason::SENDER_REFUSED),
        (500..=599, At::Recipient) => local(reason::RECIPIENT_REFUSED),
        (500..=599, At::Message) => local(reason::UPSTREAM_REFUSED),
        _ => local(reason::UPSTREAM_PROTOCOL),
    }
}

/// The 535 inside `530 5.7.57 Client not authenticated to send mail. [Error: 535 5.7.139 …]`; not
/// inside any other reply, whose own code counts, and not deeper, whatever a server nests.
fn embedded<'a>(seen: &Smtp<'a>) -> Option<Smtp<'a>> {
    let (_, inner) = seen.text.split_once("[Error: ").filter(|_| seen.code == 530)?;
    let inner = inner.split_once(']').map_or(inner, |(inner, _)| inner);
    let (code, rest) = inner.split_once(' ')?;
    let (enhanced, text) = rest.split_once(' ').unwrap_or((rest, ""));
    let code = code.parse().ok()?;
    Some(Smtp { code, enhanced, text, at: seen.at })
}

#[cfg(test)]
mod tests;
