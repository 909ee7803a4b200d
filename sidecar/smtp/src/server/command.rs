//! Command lines into commands.

mod envelope;
mod path;

use super::chunks::Chunk;
use crate::reply::{self, Reply};

pub(super) use envelope::{ForwardPath, Mail, Rcpt};

/// A command whose syntax is right.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command<'a> {
    Helo,
    Ehlo,
    Mail(Mail),
    Rcpt(Rcpt),
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

/// Reads one line, without its CRLF.
pub(super) fn parse(line: &[u8]) -> Result<Command<'_>, Reply> {
    let Some(text) = str::from_utf8(line).ok().filter(|text| !text.chars().any(char::is_control)) else {
        return if begins_chunk(line) { Ok(Command::BadBdat) } else { Err(reply::BAD_OCTETS) };
    };
    let line = text.trim_end_matches(' ');
    let (verb, argument) = line.split_once(' ').unwrap_or((line, ""));
    let argument = argument.trim_start_matches(' ');
    match verb.to_ascii_uppercase().as_str() {
        "EHLO" => hello(argument, Command::Ehlo),
        "HELO" => hello(argument, Command::Helo),
        "MAIL" => envelope::mail(argument).map(Command::Mail),
        "RCPT" => envelope::rcpt(argument).map(Command::Rcpt),
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

/// Whether a line, even one that cannot be read, announces a chunk behind it.
pub(super) fn begins_chunk(line: &[u8]) -> bool {
    let ends = line.get(4).is_none_or(|octet| !octet.is_ascii_graphic());
    line.get(..4).is_some_and(|verb| verb.eq_ignore_ascii_case(b"BDAT")) && ends
}

/// RFC 3030 section 2: the size in decimal digits, then perhaps LAST.
fn bdat(argument: &str) -> Command<'_> {
    let (size, last) = match argument.split_once(' ') {
        Some((size, word)) if word.trim_matches(' ').eq_ignore_ascii_case("LAST") => (size, true),
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

#[cfg(test)]
mod tests;
