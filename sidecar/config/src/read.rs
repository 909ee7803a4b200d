//! Reading and writing the file: every error is one line that names the field.

use secrecy::ExposeSecret;
use serde::Deserialize;

use crate::file::{FORMAT, Route, SenderFile, SenderRef, State};
use crate::pattern;
use crate::rules::{Limits, Rules};
use crate::token_source::TokenSource;

/// Longest file that is read, in octets; an API server stores no larger Secret.
pub const LIMIT: usize = 1024 * 1024;

/// Longest token, in octets; Entra's are 2 to 4 KiB.
const TOKEN_LIMIT: usize = 32 * 1024;

/// Longest path of a field that an error names, in characters.
const PATH_LIMIT: usize = 100;

/// Why a file cannot be used. No variant repeats a value of the file: it may hold a token.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ReadError {
    /// Longer than [`LIMIT`].
    #[error("the file has {0} octets, more than {LIMIT}")]
    TooLong(usize),
    /// Not JSON, or a field is missing or of the wrong kind.
    #[error("{field}: {problem}")]
    Field {
        /// The path of the field, "route.exchangeOnline.port"; "." for the whole file.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Written by a version that this one cannot follow.
    #[error("format: {0} is newer than this version reads ({FORMAT}): upgrade the sidecar (restart the pod)")]
    Format(u32),
}

fn field(field: &str, problem: &str) -> ReadError {
    ReadError::Field { field: field.to_owned(), problem: problem.to_owned() }
}

/// Reads a file, and checks all that later code relies on.
///
/// A denial counts whatever else stands in the file: where `state` says unready, a route or a
/// field that this version cannot read is left out, and is no error. Otherwise the last good file
/// would stay in force, and mail would go on.
pub fn parse(bytes: &[u8]) -> Result<SenderFile, ReadError> {
    if bytes.len() > LIMIT {
        return Err(ReadError::TooLong(bytes.len()));
    }
    whole(bytes).or_else(|error| denial(bytes).ok_or(error))
}

/// What a denial needs to say, and no more.
#[derive(Deserialize)]
struct Denial {
    sender: SenderRef,
    #[serde(default)]
    mailbox: String,
    state: State,
}

fn denial(bytes: &[u8]) -> Option<SenderFile> {
    let Denial { sender, mailbox, state } = serde_json::from_slice(bytes).ok()?;
    match state {
        State::Unready(_) => Some(SenderFile::new(sender, mailbox, state)),
        State::Ready => None,
    }
}

fn whole(bytes: &[u8]) -> Result<SenderFile, ReadError> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let file: SenderFile = serde_path_to_error::deserialize(&mut json)
        .map_err(|error| field(&path(&error), &without_values(error.inner())))?;
    json.end().map_err(|_| field(".", "something follows behind the JSON"))?;
    check(&file)?;
    Ok(file)
}

/// The file's text.
pub fn write(file: &SenderFile) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(file)
}

/// The field's path; "." where the text ended before one could be named. A name that the file gives
/// may be anything: it stays on the line, and is cut.
fn path(error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    match error.path().to_string().as_str() {
        "?" => ".".to_owned(),
        path => path.chars().map(|c| if c.is_control() { '?' } else { c }).take(PATH_LIMIT).collect(),
    }
}

/// serde's message, except where it would repeat a string of the file.
fn without_values(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!("line {} column {}", error.line(), error.column());
    match error.classify() {
        serde_json::error::Category::Data if text.starts_with("missing field") => text,
        serde_json::error::Category::Data => match text.rsplit_once("expected ") {
            Some((_, expected)) => format!("expected {expected}"),
            None => format!("wrong value at {place}"),
        },
        serde_json::error::Category::Syntax => format!("not JSON at {place}"),
        serde_json::error::Category::Eof => format!("the file ends too early, at {place}"),
        serde_json::error::Category::Io => "cannot be read".to_owned(),
    }
}

fn check(file: &SenderFile) -> Result<(), ReadError> {
    if file.format > FORMAT {
        return Err(ReadError::Format(file.format));
    }
    let mailbox = &file.mailbox;
    if !mailbox.contains('@') || mailbox.len() > 254 || !mailbox.chars().all(|c| c.is_ascii_graphic()) {
        return Err(field("mailbox", "not an address"));
    }
    match (&file.state, &file.route) {
        (State::Ready, None) => Err(field("route", "missing, while the state is ready")),
        (State::Ready | State::Unready(_), Some(route)) => check_route(route),
        (State::Unready(_), None) => Ok(()),
    }?;
    check_rules(&file.rules)?;
    check_limits(&file.limits)?;
    if let Some(source) = &file.token_source {
        check_source(source)?;
    }
    match &file.token {
        Some(token) if !is_token(token.value.expose_secret()) => {
            Err(field("token.value", "empty, too long, or with characters that no token has"))
        }
        Some(_) | None => Ok(()),
    }
}

fn check_route(route: &Route) -> Result<(), ReadError> {
    let Route::ExchangeOnline(smtp) = route;
    if smtp.host.is_empty() || smtp.host.len() > 253 || !smtp.host.chars().all(|c| c.is_ascii_graphic()) {
        return Err(field("route.exchangeOnline.host", "not a host name"));
    }
    if smtp.port == 0 {
        return Err(field("route.exchangeOnline.port", "0 is no port"));
    }
    if smtp.max_message_bytes == 0 {
        return Err(field("route.exchangeOnline.maxMessageBytes", "0 would refuse every message"));
    }
    Ok(())
}

/// A pattern that is none would cover nobody: as a denial it would let everybody through.
fn check_rules(rules: &Rules) -> Result<(), ReadError> {
    let lists = [
        ("rules.sendAs", &rules.send_as),
        ("rules.allowRecipients", &rules.allow_recipients),
        ("rules.denyRecipients", &rules.deny_recipients),
    ];
    match lists.iter().find(|(_, patterns)| !patterns.iter().all(|it| pattern::is_pattern(it))) {
        Some((name, _)) => Err(field(name, "not a pattern; write *, LOCAL@DOMAIN, *@DOMAIN or *@*.DOMAIN")),
        None => Ok(()),
    }
}

fn check_limits(limits: &Limits) -> Result<(), ReadError> {
    let limits = [
        ("limits.messagesPerMinute", limits.messages_per_minute),
        ("limits.recipientsPerDay", limits.recipients_per_day),
        ("limits.connections", limits.connections),
        ("limits.recipientsPerMessage", limits.recipients_per_message),
    ];
    match limits.iter().find(|(_, limit)| *limit == Some(0)) {
        Some((name, _)) => Err(field(name, "0 would refuse every message")),
        None => Ok(()),
    }
}

fn check_source(source: &TokenSource) -> Result<(), ReadError> {
    let TokenSource::Entra(entra) = source;
    let name = |it: &str| !it.is_empty() && it.len() <= 256 && it.chars().all(|c| c.is_ascii_graphic());
    if !entra.login_url.starts_with("https://") || !name(&entra.login_url) {
        return Err(field("tokenSource.entra.loginURL", "not a URL that begins with https://"));
    }
    if !name(&entra.tenant) || entra.tenant.contains(['/', '?', '#', '%']) {
        return Err(field("tokenSource.entra.tenant", "neither an id nor a domain"));
    }
    if !name(&entra.client_id) {
        return Err(field("tokenSource.entra.clientID", "not an id"));
    }
    if !name(&entra.scope) {
        return Err(field("tokenSource.entra.scope", "not one scope"));
    }
    Ok(())
}

/// What may stand in a token: nothing that could end the SASL response early (RFC 6750 `b64token`
/// is narrower, yet opaque tokens are believed as they are).
fn is_token(value: &str) -> bool {
    !value.is_empty() && value.len() <= TOKEN_LIMIT && value.chars().all(|c| c.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{
      "format": 1, "sender": {"namespace": "shop", "name": "billing"},
      "mailbox": "billing@contoso.com", "state": "ready", "aFieldOfTomorrow": {"x": 1},
      "route": {"exchangeOnline": {"name": "exchange-online", "host": "smtp.office365.com", "port": 587, "maxMessageBytes": 36700160}},
      "token": {"value": "s3cr3t-token", "expiresAt": "2026-11-23T12:00:00Z"}
    }"#;

    fn refused(from: &str, to: &str) -> String {
        assert!(GOOD.contains(from), "{from}");
        parse(GOOD.replace(from, to).as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn reads_what_it_writes_and_ignores_unknown_fields() {
        let file = parse(GOOD.as_bytes()).unwrap();
        assert_eq!(file.sender.to_string(), "shop/billing");
        let again = parse(write(&file).unwrap().as_bytes()).unwrap();
        assert_eq!(again.route, file.route);
        assert_eq!(again.token.unwrap().value.expose_secret(), "s3cr3t-token");
    }

    #[test]
    fn debug_hides_the_token() {
        let shown = format!("{:?}", parse(GOOD.as_bytes()).unwrap());
        assert!(!shown.contains("s3cr3t"), "{shown}");
    }

    #[test]
    fn names_the_field_that_is_wrong() {
        assert!(refused("587", "\"x\"").starts_with("route.exchangeOnline.port: expected u16 at line"));
        assert!(refused("587", "70000").starts_with("route.exchangeOnline.port: "));
        assert_eq!(refused("587", "0"), "route.exchangeOnline.port: 0 is no port");
        assert!(refused("\"mailbox\"", "\"mailbax\"").contains("missing field `mailbox`"));
        assert_eq!(refused("billing@contoso.com", "billing"), "mailbox: not an address");
        assert!(refused("\"format\": 1", "\"format\": 2").starts_with("format: 2 is newer"));
        assert!(refused("\"ready\"", "\"perhaps\"").starts_with("state: "));
        assert!(refused("\"route\"", "\"rout\"").starts_with("route: missing"));
    }

    #[test]
    fn rules_limits_and_delivery_are_the_usual_ones_unless_they_are_said() {
        let usual = parse(GOOD.as_bytes()).unwrap();
        assert_eq!((usual.rules, usual.limits), (Rules::default(), Limits::default()));
        assert_eq!((usual.delivery.hold_seconds, usual.delivery.max_age_seconds), (8, 172_800));
        assert!(!write(&parse(GOOD.as_bytes()).unwrap()).unwrap().contains("delivery"));
        let said = GOOD.replace(
            "\"state\"",
            r#""rules": {"headerFrom": "rewrite", "denyRecipients": ["*@*.evil.test"]},
               "limits": {"messagesPerMinute": 5}, "delivery": {"mode": "spool", "uncertain": "atLeastOnce"}, "state""#,
        );
        let file = parse(said.as_bytes()).unwrap();
        assert_eq!(file.delivery.mode, crate::rules::Mode::Spool);
        assert_eq!(file.limits.or(Limits::EXCHANGE_ONLINE).messages_per_minute, Some(5));
        assert_eq!(file.limits.or(Limits::EXCHANGE_ONLINE).connections, Some(3));
        let again = parse(write(&file).unwrap().as_bytes()).unwrap();
        assert_eq!((again.rules, again.delivery), (file.rules, file.delivery));
    }

    #[test]
    fn a_rule_that_would_rule_nothing_is_refused() {
        let with = |more: &str| parse(GOOD.replace("\"state\"", &format!("{more}, \"state\"")).as_bytes());
        let refusal = with(r#""rules": {"denyRecipients": ["evil.test"]}"#).unwrap_err().to_string();
        assert!(refusal.starts_with("rules.denyRecipients: not a pattern"), "{refusal}");
        let refusal = with(r#""limits": {"connections": 0}"#).unwrap_err().to_string();
        assert_eq!(refusal, "limits.connections: 0 would refuse every message");
    }

    #[test]
    fn a_token_source_is_checked() {
        let with = |from: &str, to: &str| {
            let source = r#""tokenSource": {"entra": {"tenant": "contoso.com", "clientID": "1-2",
                "clientSecretFile": "/run/secret"}}, "state""#;
            parse(GOOD.replace("\"state\"", &source.replace(from, to)).as_bytes())
        };
        let TokenSource::Entra(entra) = with("", "").unwrap().token_source.unwrap();
        assert_eq!(entra.login_url, "https://login.microsoftonline.com");
        let refusal = with("contoso.com", "a/b").unwrap_err().to_string();
        assert_eq!(refusal, "tokenSource.entra.tenant: neither an id nor a domain");
        let refusal = with("\"tenant\"", "\"loginURL\": \"http://x\", \"tenant\"").unwrap_err().to_string();
        assert!(refusal.starts_with("tokenSource.entra.loginURL: "), "{refusal}");
    }

    #[test]
    fn no_error_repeats_a_value() {
        for (from, to) in [
            ("\"value\": \"s3cr3t-token\"", "\"value\": \"s3cr3t\\ntoken\""),
            ("{\"value\": \"s3cr3t-token\", \"expiresAt\": \"2026-11-23T12:00:00Z\"}", "\"s3cr3t\""),
            ("2026-11-23T12:00:00Z", "s3cr3t"),
            ("\"s3cr3t-token\",", "\"s3cr3t"),
        ] {
            let error = refused(from, to);
            assert!(!error.contains("s3cr3t"), "{error}");
        }
    }

    #[test]
    fn a_denial_counts_whatever_else_cannot_be_read() {
        let denied = GOOD
            .replace("\"ready\"", r#"{"unready": {"reason": "Tomorrow", "message": "no"}}"#)
            .replace("exchangeOnline", "carrierPigeon")
            .replace("\"format\": 1", "\"format\": 9")
            .replace("\"expiresAt\"", "\"ends\"");
        let file = parse(denied.as_bytes()).unwrap();
        assert!(matches!(file.state, State::Unready(_)) && file.route.is_none() && file.token.is_none());
        assert!(parse(GOOD.replace("exchangeOnline", "carrierPigeon").as_bytes()).is_err());
    }

    #[test]
    fn garbage_is_refused_in_one_line() {
        for bytes in [&b""[..], b"{", b"\xff\xfe", b"[]", b"null", b"{}", b"{\"format\":1}x"] {
            let error = parse(bytes).unwrap_err().to_string();
            assert!(!error.contains('\n') && error.contains(": "), "{error}");
        }
        // found by fuzzing (2026-11-25): a name of the file broke the line
        let names = format!("{{\"a\\n{}\": {{\"b\\u001b\"", "x".repeat(1_000));
        let error = parse(names.as_bytes()).unwrap_err().to_string();
        assert!(
            error.starts_with("a?x") && error.len() < 200 && !error.contains(char::is_control),
            "{error}"
        );
        assert_eq!(parse(&vec![b' '; LIMIT + 1]).unwrap_err(), ReadError::TooLong(LIMIT + 1));
    }
}
