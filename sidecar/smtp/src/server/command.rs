//! Command lines into commands.

mod path;

use super::chunks::Chunk;
use crate::{
    Address, BodyType, ReversePath,
    reply::{self, Reply},
};

/// A command whose syntax is right.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command<'a> {
    Helo,
    Ehlo,
    Mail(Mail),
    Rcpt(Address),
    Data,
    Rset,
    Noop,
    Vrfy,
    Help,
    Quit,
    Auth {
        mechanism: &'a str,
        initial: Option<&'a str>,
    },
    StartTls,
    Bdat(Chunk),
    /// A chunk follows whose size nobody can tell.
    BadBdat,
    Expn,
    /// Known from an RFC and not offered.
    NotOffered,
    /// A web client that was led astray, perhaps on purpose.
    Http,
}

/// What MAIL says (RFC 5321 section 4.1.1.2).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mail {
    pub(super) from: ReversePath,
    pub(super) body: BodyType,
    pub(super) smtputf8: bool,
    pub(super) size: Option<u64>,
}

/// Reads one line, without its CRLF.
pub(super) fn parse(line: &[u8]) -> Result<Command<'_>, Reply> {
    let line = str::from_utf8(line).map_err(|_| reply::BAD_OCTETS)?.trim_end_matches(' ');
    if line.chars().any(char::is_control) {
        return Err(reply::BAD_OCTETS);
    }
    let (verb, argument) = line.split_once(' ').unwrap_or((line, ""));
    let argument = argument.trim_start_matches(' ');
    match verb.to_ascii_uppercase().as_str() {
        "EHLO" => hello(argument, Command::Ehlo),
        "HELO" => hello(argument, Command::Helo),
        "MAIL" => mail(argument).map(Command::Mail),
        "RCPT" => rcpt(argument).map(Command::Rcpt),
        "DATA" => alone(argument, Command::Data),
        "RSET" => alone(argument, Command::Rset),
        "QUIT" => alone(argument, Command::Quit),
        "NOOP" => Ok(Command::Noop),
        "VRFY" => Ok(Command::Vrfy),
        "HELP" => Ok(Command::Help),
        "AUTH" => auth(argument),
        "STARTTLS" => Ok(Command::StartTls),
        "BDAT" => Ok(bdat(argument)),
        "EXPN" => Ok(Command::Expn),
        "ATRN" | "BURL" | "ETRN" | "LHLO" | "SAML" | "SEND" | "SOML" | "TURN" => Ok(Command::NotOffered),
        _ if line.ends_with(" HTTP/1.1") || line.ends_with(" HTTP/1.0") => Ok(Command::Http),
        _ => Err(reply::UNKNOWN_COMMAND),
    }
}

/// Any name will do: nothing is decided by it.
fn hello<'a>(argument: &str, command: Command<'a>) -> Result<Command<'a>, Reply> {
    if argument.is_empty() { Err(reply::HELLO_SYNTAX) } else { Ok(command) }
}

fn alone<'a>(argument: &str, command: Command<'a>) -> Result<Command<'a>, Reply> {
    if argument.is_empty() { Ok(command) } else { Err(reply::NO_ARGUMENT) }
}

/// RFC 3030 section 2: the size in decimal digits, then perhaps LAST.
fn bdat(argument: &str) -> Command<'_> {
    let (size, last) = match argument.split_once(' ') {
        Some((size, word)) if word.trim().eq_ignore_ascii_case("LAST") => (size, true),
        Some(_) => return Command::BadBdat,
        None => (argument, false),
    };
    let digits = !size.is_empty() && size.bytes().all(|octet| octet.is_ascii_digit());
    match size.parse() {
        Ok(octets) if digits => Command::Bdat(Chunk { octets, last }),
        _ => Command::BadBdat,
    }
}

fn auth(argument: &str) -> Result<Command<'_>, Reply> {
    let mut words = argument.split(' ').filter(|word| !word.is_empty());
    let mechanism = words.next().ok_or(reply::AUTH_SYNTAX)?;
    let initial = words.next();
    if words.next().is_some() {
        return Err(reply::AUTH_SYNTAX);
    }
    Ok(Command::Auth { mechanism, initial })
}

fn mail(argument: &str) -> Result<Mail, Reply> {
    let (path, parameters) = path::split(argument, "FROM:").ok_or(reply::MAIL_SYNTAX)?;
    let from = match path {
        "" => ReversePath::Null,
        address => {
            address.parse::<Address>().map_err(|why| reply::bad_address(false, &why.to_string()))?.into()
        }
    };
    let mut mail = Mail { from, body: BodyType::SevenBit, smtputf8: false, size: None };
    let mut seen = Vec::new();
    for parameter in parameters {
        let (key, value) = parameter.split_once('=').map_or((parameter, None), |(k, v)| (k, Some(v)));
        let key = key.to_ascii_uppercase();
        match (key.as_str(), value) {
            ("SIZE", Some(value)) => mail.size = Some(number(value).ok_or(reply::PARAMETER_VALUE)?),
            ("BODY", Some(value)) => mail.body = body(value)?,
            ("SMTPUTF8", None) => mail.smtputf8 = true,
            // who the app says wrote it (RFC 4954 section 5); nothing is decided by it
            ("AUTH", Some(_)) => {}
            ("SIZE" | "BODY" | "SMTPUTF8" | "AUTH", _) => return Err(reply::PARAMETER_VALUE),
            _ => return Err(reply::PARAMETER_UNKNOWN),
        }
        if seen.contains(&key) {
            return Err(reply::PARAMETER_VALUE);
        }
        seen.push(key);
    }
    if !mail.smtputf8 && mail.from.address().is_some_and(|a| !a.is_ascii()) {
        return Err(reply::NEEDS_SMTPUTF8);
    }
    Ok(mail)
}

fn rcpt(argument: &str) -> Result<Address, Reply> {
    let (path, mut parameters) = path::split(argument, "TO:").ok_or(reply::RCPT_SYNTAX)?;
    let address =
        path.parse().map_err(|why: crate::AddressError| reply::bad_address(true, &why.to_string()))?;
    if parameters.next().is_some() { Err(reply::PARAMETER_UNKNOWN) } else { Ok(address) }
}

fn body(value: &str) -> Result<BodyType, Reply> {
    if value.eq_ignore_ascii_case("7BIT") {
        Ok(BodyType::SevenBit)
    } else if value.eq_ignore_ascii_case("8BITMIME") {
        Ok(BodyType::EightBitMime)
    } else if value.eq_ignore_ascii_case("BINARYMIME") {
        Err(reply::PARAMETER_UNKNOWN) // needs BDAT (RFC 3030)
    } else {
        Err(reply::PARAMETER_VALUE)
    }
}

/// A SIZE value: at most 20 digits (RFC 1870 section 3); one beyond 64 bits is still a number.
fn number(value: &str) -> Option<u64> {
    let digits = (1..=20).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| value.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
