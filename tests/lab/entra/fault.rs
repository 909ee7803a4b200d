//! What the lab's Entra can be told to do wrong, and how that is written on a command line.

use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;

use crate::lab::authority::CertificateFault;
use crate::lab::fault_text::{BadFault, certificate, duration};

/// A misbehaviour of the token endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EntraFault {
    /// Give this answer, whatever was asked.
    Answer(BadAnswer),
    /// Close each connection before a word is said.
    Down,
    /// Answer later by this.
    Slow(Duration),
    /// Show a bad certificate.
    Certificate(CertificateFault),
    /// Issue opaque tokens instead of JWTs.
    OpaqueTokens,
    /// Issue tokens without `roles`, whatever was granted.
    WithoutRoles,
    /// Issue tokens for this audience, whatever was asked.
    Audience(String),
    /// Issue tokens that last this long; a negative one is expired when it arrives.
    Lifetime(SignedDuration),
}

/// An answer that comes in the place of the right one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadAnswer {
    /// This AADSTS error. A refused secret is 7000215.
    Error(u32),
    /// HTTP 429 with a plain-text body and, where given, `Retry-After` in seconds.
    Throttled(Option<u32>),
    /// This HTTP status with an HTML body, as a gateway gives.
    Status(u16),
    /// HTTP 200 with a body that is no JSON.
    NotJson,
    /// HTTP 200 with a JSON body that never ends.
    EndlessBody,
    /// Take the request, never answer.
    Hang,
    /// Take the request, close the connection.
    Drop,
}

impl FromStr for EntraFault {
    type Err = BadFault;

    fn from_str(text: &str) -> Result<Self, BadFault> {
        let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
        let number = |value: &str| value.parse().map_err(|_| BadFault::Value("a number is missing behind ="));
        Ok(match (name, value) {
            ("error", Some(code)) => Self::Answer(BadAnswer::Error(number(code)?)),
            ("refuse-secret", None) => Self::Answer(BadAnswer::Error(7000215)),
            ("throttled", None) => Self::Answer(BadAnswer::Throttled(None)),
            ("throttled", Some(seconds)) => Self::Answer(BadAnswer::Throttled(Some(number(seconds)?))),
            ("status", Some(status)) => Self::Answer(BadAnswer::Status(
                status
                    .parse()
                    .ok()
                    .filter(|status| (200..=599).contains(status))
                    .ok_or(BadFault::Value("a status is 200 to 599"))?,
            )),
            ("not-json", None) => Self::Answer(BadAnswer::NotJson),
            ("endless-body", None) => Self::Answer(BadAnswer::EndlessBody),
            ("hang", None) => Self::Answer(BadAnswer::Hang),
            ("drop", None) => Self::Answer(BadAnswer::Drop),
            ("down", None) => Self::Down,
            ("slow", Some(time)) => Self::Slow(duration(time)?.unsigned_abs()),
            ("certificate", Some(kind)) => Self::Certificate(certificate(kind)?),
            ("opaque", None) => Self::OpaqueTokens,
            ("no-roles", None) => Self::WithoutRoles,
            ("audience", Some(audience)) => Self::Audience(audience.to_owned()),
            ("lifetime", Some(time)) => Self::Lifetime(duration(time)?),
            _ => return Err(BadFault::UnknownToEntra),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_as_it_is_written_on_a_command_line() {
        assert_eq!("error=90033".parse(), Ok(EntraFault::Answer(BadAnswer::Error(90033))));
        assert_eq!("throttled=60".parse(), Ok(EntraFault::Answer(BadAnswer::Throttled(Some(60)))));
        assert_eq!("throttled".parse(), Ok(EntraFault::Answer(BadAnswer::Throttled(None))));
        assert_eq!("lifetime=90s".parse(), Ok(EntraFault::Lifetime(SignedDuration::from_secs(90))));
        assert_eq!("certificate=expired".parse(), Ok(EntraFault::Certificate(CertificateFault::Expired)));
        for wrong in ["", "hung", "hang=1", "error", "error=x", "status=20000", "lifetime=long"] {
            assert!(wrong.parse::<EntraFault>().is_err(), "{wrong}");
        }
    }
}
