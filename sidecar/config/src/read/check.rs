//! What later code relies on.

use secrecy::ExposeSecret;

use super::route::check_route;
use super::{ReadError, field};
use crate::file::{FORMAT, SenderFile, State, Token};
use crate::pattern;
use crate::rules::{Limits, Rules};
use crate::token_source::TokenSource;

/// Longest token, in octets; Entra's are 2 to 4 KiB.
const TOKEN_LIMIT: usize = 32 * 1024;

pub(super) fn check(file: &SenderFile) -> Result<(), ReadError> {
    if file.format > FORMAT {
        return Err(ReadError::Format(file.format));
    }
    let mailbox = &file.mailbox;
    if !mailbox.contains('@') || mailbox.len() > 254 || !mailbox.chars().all(|c| c.is_ascii_graphic()) {
        return Err(field("mailbox", "not an address"));
    }
    match (&file.state, &file.route) {
        (State::Ready, None) => Err(field("route", "missing, while the state is ready")),
        (State::Ready | State::Unready(_), Some(route)) => check_route("route", route),
        (State::Unready(_), None) => Ok(()),
    }?;
    check_token("token", file.token.as_ref())?;
    if let Some(fallback) = &file.fallback {
        check_route("fallback.route", &fallback.route)?;
        check_token("fallback.token", fallback.token.as_ref())?;
    }
    check_rules(&file.rules)?;
    check_limits(&file.limits)?;
    if let Some(source) = &file.token_source {
        check_source(source)?;
    }
    Ok(())
}

fn check_token(at: &str, token: Option<&Token>) -> Result<(), ReadError> {
    match token {
        Some(token) if !is_token(token.value.expose_secret()) => {
            Err(field(&format!("{at}.value"), "empty, too long, or with characters that no token has"))
        }
        Some(_) | None => Ok(()),
    }
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
        ("limits.messagesPerHour", limits.messages_per_hour),
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
    // RFC 6749 section 3.3: several only where a user has consented to them
    let scopes: Vec<_> = entra.scope.split(' ').collect();
    if !scopes.iter().all(|scope| name(scope)) || scopes.len() > 8 {
        return Err(field(
            "tokenSource.entra.scope",
            "not one to eight scopes, with a space between each two",
        ));
    }
    if scopes.len() > 1 && entra.refresh_token_file.is_none() {
        return Err(field("tokenSource.entra.scope", "not one scope"));
    }
    if entra.credential().is_none() {
        return Err(field(
            "tokenSource.entra",
            "needs exactly one of clientSecretFile, certificate, federatedTokenFile and refreshTokenFile",
        ));
    }
    Ok(())
}

/// What may stand in a token: nothing that could end the SASL response early (RFC 6750 `b64token`
/// is narrower, yet opaque tokens are believed as they are).
fn is_token(value: &str) -> bool {
    !value.is_empty() && value.len() <= TOKEN_LIMIT && value.chars().all(|c| c.is_ascii_graphic())
}
