//! MAIL and RCPT with their parameters.

use std::str::FromStr;

use super::path;
use crate::{
    Address, AddressError, BodyType, Dsn, RecipientDsn, ReversePath,
    reply::{self, Reply},
};

/// What MAIL says (RFC 5321 section 4.1.1.2).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mail {
    pub(crate) from: ReversePath,
    pub(crate) body: BodyType,
    pub(crate) smtputf8: bool,
    pub(crate) size: Option<u64>,
    pub(crate) dsn: Dsn,
}

/// What RCPT says (RFC 5321 section 4.1.1.3).
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Rcpt {
    pub(crate) to: ForwardPath,
    pub(crate) dsn: RecipientDsn,
}

/// Whom RCPT names.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum ForwardPath {
    /// `<postmaster>` alone, in the letters that the app used.
    Postmaster(String),
    Address(Address),
}

pub(super) fn mail(argument: &str) -> Result<Mail, Reply> {
    let (path, parameters) = path::split(argument, "FROM:").ok_or(reply::MAIL_SYNTAX)?;
    let from = match path {
        "" => ReversePath::Null,
        address => address.parse::<Address>().map_err(|why| bad_address(false, why))?.into(),
    };
    let mut mail = Mail { from, body: BodyType::SevenBit, smtputf8: false, size: None, dsn: Dsn::default() };
    each(parameters, |key, value| {
        match (key, value) {
            ("SIZE", Some(value)) => mail.size = Some(number(value).ok_or(reply::PARAMETER_VALUE)?),
            ("BODY", Some(value)) => mail.body = body(value)?,
            ("SMTPUTF8", None) => mail.smtputf8 = true,
            ("RET", Some(value)) => mail.dsn.ret = Some(parsed(value)?),
            ("ENVID", Some(value)) => mail.dsn.envid = Some(parsed(value)?),
            // who the app says wrote it (RFC 4954 section 5); nothing is decided by it
            ("AUTH", Some(_)) => {}
            ("SIZE" | "BODY" | "SMTPUTF8" | "RET" | "ENVID" | "AUTH", _) => {
                return Err(reply::PARAMETER_VALUE);
            }
            _ => return Err(reply::PARAMETER_UNKNOWN),
        }
        Ok(())
    })?;
    if !mail.smtputf8 && mail.from.address().is_some_and(|a| !a.is_ascii()) {
        return Err(reply::NEEDS_SMTPUTF8);
    }
    Ok(mail)
}

pub(super) fn rcpt(argument: &str) -> Result<Rcpt, Reply> {
    let (path, parameters) = path::split(argument, "TO:").ok_or(reply::RCPT_SYNTAX)?;
    let to = if path.eq_ignore_ascii_case("postmaster") {
        ForwardPath::Postmaster(path.to_owned())
    } else {
        ForwardPath::Address(path.parse().map_err(|why| bad_address(true, why))?)
    };
    let mut dsn = RecipientDsn::default();
    each(parameters, |key, value| {
        match (key, value) {
            ("NOTIFY", Some(value)) => dsn.notify = Some(parsed(value)?),
            ("ORCPT", Some(value)) => dsn.orcpt = Some(parsed(value)?),
            ("NOTIFY" | "ORCPT", None) => return Err(reply::PARAMETER_VALUE),
            _ => return Err(reply::PARAMETER_UNKNOWN),
        }
        Ok(())
    })?;
    Ok(Rcpt { to, dsn })
}

/// Gives each parameter to `take`, its key in capitals; none may come twice.
fn each<'a>(
    parameters: impl Iterator<Item = &'a str>,
    mut take: impl FnMut(&str, Option<&'a str>) -> Result<(), Reply>,
) -> Result<(), Reply> {
    let mut seen = Vec::new();
    for parameter in parameters {
        let (key, value) = parameter.split_once('=').map_or((parameter, None), |(k, v)| (k, Some(v)));
        let key = key.to_ascii_uppercase();
        take(&key, value)?;
        if seen.contains(&key) {
            return Err(reply::PARAMETER_VALUE);
        }
        seen.push(key);
    }
    Ok(())
}

fn bad_address(recipient: bool, why: AddressError) -> Reply {
    reply::bad_address(recipient, &why.to_string())
}

fn parsed<T: FromStr>(value: &str) -> Result<T, Reply> {
    value.parse().map_err(|_| reply::PARAMETER_VALUE)
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
