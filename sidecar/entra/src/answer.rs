//! Entra's two answers as oauth2 reads them: more of the refusal than its own types keep, and
//! nothing that a field of an odd type could spoil.

use std::fmt;
use std::time::Duration;

use oauth2::url::form_urlencoded::byte_serialize;
use oauth2::{AccessToken, RefreshToken, Scope};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::error::Trace;

/// A refusal (RFC 6749 section 5.2, and Entra's additions).
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct Refusal {
    /// The one field that makes an answer a refusal of Entra's; the others may be anything.
    error: String,
    #[serde(default)]
    error_description: Value,
    #[serde(default)]
    error_codes: Value,
    #[serde(default)]
    trace_id: Value,
    #[serde(default)]
    correlation_id: Value,
}

impl Refusal {
    /// The OAuth error, if it is one by its form.
    pub(crate) fn error(&self) -> Option<&str> {
        let form = |c: char| c.is_ascii_alphanumeric() || c == '_';
        (self.error.len() <= 64 && self.error.chars().all(form)).then_some(self.error.as_str())
    }

    /// The AADSTS numbers; where the list is missing, the one that the description begins with.
    pub(crate) fn codes(&self) -> Vec<u32> {
        let number = |value: &Value| value.as_u64().and_then(|number| u32::try_from(number).ok());
        let listed: Vec<u32> = match &self.error_codes {
            Value::Array(codes) => codes.iter().filter_map(number).take(16).collect(),
            _ => Vec::new(),
        };
        match listed.is_empty() {
            true => aadsts(self.error_description.as_str().unwrap_or_default()).into_iter().collect(),
            false => listed,
        }
    }

    /// The description without the ids and the time that it ends with, which differ every time;
    /// one line, at most 300 characters. Should it repeat one of `secrets`, that is blotted out.
    pub(crate) fn description(&self, secrets: &[&str]) -> String {
        const MOST: usize = 300;
        let said = self.error_description.as_str().unwrap_or_default().to_owned();
        let text = secrets.iter().fold(said, |text, secret| without(&text, secret));
        let lower = text.to_ascii_lowercase();
        let end =
            ["trace id:", "correlation id:", "timestamp:"].iter().filter_map(|noise| lower.find(noise)).min();
        let clean: String =
            text[..end.unwrap_or(text.len())].chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let line = clean.split_whitespace().collect::<Vec<_>>().join(" ");
        match line.char_indices().nth(MOST) {
            Some(_) => line.chars().take(MOST - 3).chain("...".chars()).collect(),
            None => line,
        }
    }

    /// What Microsoft's support asks for, where it is there.
    pub(crate) fn trace(&self) -> Option<Trace> {
        let trace = Trace { trace_id: id(&self.trace_id), correlation_id: id(&self.correlation_id) };
        (!trace.trace_id.is_empty() || !trace.correlation_id.is_empty()).then_some(trace)
    }
}

impl oauth2::ErrorResponse for Refusal {}

/// The error alone: the description is not fit to be shown before it is cleaned.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.error().unwrap_or("an error without a name"))
    }
}

impl fmt::Debug for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refusal")
            .field("error", &self.error())
            .field("codes", &self.codes())
            .finish_non_exhaustive()
    }
}

/// A token response (RFC 6749 section 5.1) in which anything may be missing.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Grant {
    #[serde(default = "no_token", skip_serializing)]
    access_token: AccessToken,
    #[serde(default)]
    token_type: TokenType,
    #[serde(default)]
    expires_in: Value,
    #[serde(default, deserialize_with = "text_or_nothing", skip_serializing)]
    refresh_token: Option<RefreshToken>,
}

/// Whatever the response calls the token's type.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub(crate) struct TokenType(Value);

impl Grant {
    /// Empty where the response has none.
    pub(crate) fn value(&self) -> &str {
        self.access_token.secret()
    }

    pub(crate) fn is_bearer(&self) -> bool {
        // RFC 6749 section 5.1: case insensitive
        self.token_type.0.as_str().is_some_and(|name| name.eq_ignore_ascii_case("bearer"))
    }

    /// Seconds; Entra's older endpoints write them as text.
    pub(crate) fn lifetime(&self) -> Option<u64> {
        match &self.expires_in {
            Value::String(digits) => digits.parse().ok(),
            other => other.as_u64(),
        }
    }
}

impl oauth2::TokenType for TokenType {}

impl oauth2::TokenResponse for Grant {
    type TokenType = TokenType;

    fn access_token(&self) -> &AccessToken {
        &self.access_token
    }

    fn token_type(&self) -> &TokenType {
        &self.token_type
    }

    fn expires_in(&self) -> Option<Duration> {
        self.lifetime().map(Duration::from_secs)
    }

    fn refresh_token(&self) -> Option<&RefreshToken> {
        self.refresh_token.as_ref()
    }

    fn scopes(&self) -> Option<&Vec<Scope>> {
        None
    }
}

/// What is no text spoils nothing: the token beside it is good.
fn text_or_nothing<'de, D: Deserializer<'de>>(field: D) -> Result<Option<RefreshToken>, D::Error> {
    match Value::deserialize(field)? {
        Value::String(text) => Ok(Some(RefreshToken::new(text))),
        _ => Ok(None),
    }
}

fn no_token() -> AccessToken {
    AccessToken::new(String::new())
}

/// `AADSTS7000215: …`
fn aadsts(description: &str) -> Option<u32> {
    let (_, rest) = description.split_once("AADSTS")?;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// As it is, and as it stood in the form that was sent.
fn without(text: &str, secret: &str) -> String {
    if secret.is_empty() {
        return text.to_owned();
    }
    let sent: String = byte_serialize(secret.as_bytes()).collect();
    text.replace(secret, "[redacted]").replace(&sent, "[redacted]")
}

fn id(value: &Value) -> String {
    let form = |c: &char| c.is_ascii_alphanumeric() || *c == '-';
    value.as_str().unwrap_or_default().chars().filter(form).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(json: &str) -> Refusal {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn keeps_what_entra_says_and_drops_what_differs_every_time() {
        let found = refusal(
            r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided.\r\nEnsure the secret being sent is the value.\r\nTrace ID: 1a\r\nCorrelation ID: 2b\r\nTimestamp: 2026-11-22 10:00:00Z","error_codes":[7000215],"timestamp":"2026-11-22 10:00:00Z","trace_id":"1a-2b","correlation_id":"3c"}"#,
        );
        assert_eq!(found.error(), Some("invalid_client"));
        assert_eq!(found.codes(), [7_000_215]);
        assert_eq!(
            found.description(&["x!"]),
            "AADSTS7000215: Invalid client secret provided. Ensure the secret being sent is the value."
        );
        let trace = Trace { trace_id: "1a-2b".to_owned(), correlation_id: "3c".to_owned() };
        assert_eq!(found.trace(), Some(trace));
    }

    #[test]
    fn fields_of_odd_types_spoil_nothing() {
        let found = refusal(
            r#"{"error":"invalid_scope","error_description":7,"error_codes":[-1,"x",70011,99999999999],"trace_id":[],"correlation_id":null}"#,
        );
        assert_eq!(
            (found.codes(), found.description(&["s"]), found.trace()),
            (vec![70011], String::new(), None)
        );
        assert_eq!(refusal(r#"{"error":"two words\r\n"}"#).error(), None);
    }

    #[test]
    fn finds_the_number_in_the_description_where_the_list_is_missing() {
        let found = refusal(r#"{"error":"e","error_description":"AADSTS90002: Tenant not found."}"#);
        assert_eq!(found.codes(), [90002]);
    }

    #[test]
    fn a_long_description_becomes_one_short_line_without_control_characters() {
        let json = serde_json::json!({"error": "e", "error_description": format!("a\u{1b}[1m\n{}", "\u{e9}".repeat(999))});
        let line = serde_json::from_value::<Refusal>(json).unwrap().description(&["s3cret"]);
        assert_eq!(line.chars().count(), 300);
        assert!(line.starts_with("a [1m \u{e9}") && line.ends_with("\u{e9}..."), "{line}");
    }

    #[test]
    fn a_description_that_repeats_the_secret_is_blotted_out() {
        let found =
            refusal(r#"{"error":"e","error_description":"bad: p+q/r~s and client_secret=p%2Bq%2Fr%7Es"}"#);
        assert_eq!(
            found.description(&["another", "p+q/r~s"]),
            "bad: [redacted] and client_secret=[redacted]"
        );
        let shown = format!("{found:?} {found}");
        assert!(!shown.contains("p+q/r~s") && !shown.contains("p%2B"), "{shown}");
    }

    #[test]
    fn an_answer_without_an_error_is_no_refusal() {
        for json in ["{}", r#"{"error":{"code":"InvalidAuthenticationToken"}}"#, "[]", "null"] {
            assert!(serde_json::from_str::<Refusal>(json).is_err(), "{json}");
        }
    }
}
