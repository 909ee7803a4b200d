//! How a fault is written in one word, for the command line and the control endpoint:
//! `[TIMES*]exchange:FAULT`, `[TIMES*]graph:FAULT` or `[TIMES*]entra:FAULT`.

use std::str::FromStr;

use jiff::SignedDuration;

use crate::lab::authority::CertificateFault;
use crate::lab::entra::EntraFault;
use crate::lab::exchange::ExchangeFault;
use crate::lab::faults::Span;
use crate::lab::graph::GraphFault;

/// A fault of any server with its span.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FaultOrder {
    /// How long it lasts.
    pub span: Span,
    /// What goes wrong.
    pub fault: EitherFault,
}

/// A fault of one of the servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EitherFault {
    /// Entra's.
    Entra(EntraFault),
    /// Exchange's.
    Exchange(ExchangeFault),
    /// Graph's.
    Graph(GraphFault),
}

/// Why a word is no fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadFault {
    /// No server is named.
    #[error("a fault begins with entra:, exchange: or graph:")]
    NoServer,
    /// No such fault.
    #[error(
        "entra knows error=CODE, refuse-secret, throttled[=SECONDS], status=CODE, not-json, endless-body, \
         hang, drop, down, slow=TIME, certificate=untrusted|wrong-name|expired, opaque, no-roles, audience=URI, \
         lifetime=TIME"
    )]
    UnknownToEntra,
    /// No such fault.
    #[error(
        "exchange knows no-starttls, inject=TEXT, certificate=untrusted|wrong-name|expired, drop=PHASE, \
         stall=PHASE, reply=PHASE:TEXT, endless-lines=PHASE, endless-line=PHASE, slow=TIME, latency=TIME, \
         slow-body=TIME, random=SEED:PER_MILLE, \
         challenge, bare-auth, without=EXTENSION, recipient=ADDRESS:TEXT"
    )]
    UnknownToExchange,
    /// No such fault.
    #[error(
        "graph knows answer=STEP:STATUS[:CODE[:SECONDS]], early=STEP:STATUS, drop=STEP, drop-answer=STEP, \
         slow=STEP:TIME, hold=STEP, down, certificate=untrusted|wrong-name|expired; a step is one of \
         send-mail, create, attach, session, upload, send, delete"
    )]
    UnknownToGraph,
    /// No such phase.
    #[error(
        "a phase is one of greeting, ehlo, starttls, handshake, ehlo-after-tls, auth, mail, rcpt, data, \
         mid-body, after-dot, after-dot-accepted, rset, quit"
    )]
    Phase,
    /// What stands behind `=` does not fit.
    #[error("{0}")]
    Value(&'static str),
}

impl FromStr for FaultOrder {
    type Err = BadFault;

    fn from_str(text: &str) -> Result<Self, BadFault> {
        let (span, text) = match text.split_once('*') {
            Some((times, rest)) if times.bytes().all(|b| b.is_ascii_digit()) => {
                let times = times.parse().map_err(|_| BadFault::Value("the number before * is too large"))?;
                (Span::Times(times), rest)
            }
            Some(_) | None => (Span::UntilCleared, text),
        };
        let fault = match text.split_once(':') {
            Some(("entra", fault)) => EitherFault::Entra(fault.parse()?),
            Some(("exchange", fault)) => EitherFault::Exchange(fault.parse()?),
            Some(("graph", fault)) => EitherFault::Graph(fault.parse()?),
            Some(_) | None => return Err(BadFault::NoServer),
        };
        Ok(Self { span, fault })
    }
}

/// A time such as `500ms`, `20s` or `1h 30m`.
pub(super) fn duration(text: &str) -> Result<SignedDuration, BadFault> {
    text.parse().map_err(|_| BadFault::Value("a time is written as 500ms, 20s or 1h 30m"))
}

/// The name of a bad certificate.
pub(super) fn certificate(text: &str) -> Result<CertificateFault, BadFault> {
    match text {
        "untrusted" => Ok(CertificateFault::Untrusted),
        "wrong-name" => Ok(CertificateFault::WrongName),
        "expired" => Ok(CertificateFault::Expired),
        _ => Err(BadFault::Value("a certificate is untrusted, wrong-name or expired")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::entra::BadAnswer;

    #[test]
    fn names_its_server_and_perhaps_how_often() {
        let hang = EitherFault::Entra(EntraFault::Answer(BadAnswer::Hang));
        assert_eq!("entra:hang".parse(), Ok(FaultOrder { span: Span::UntilCleared, fault: hang.clone() }));
        assert_eq!("3*entra:hang".parse(), Ok(FaultOrder { span: Span::Times(3), fault: hang }));
        assert_eq!("hang".parse::<FaultOrder>(), Err(BadFault::NoServer));
        assert_eq!(
            "99999999999*entra:hang".parse::<FaultOrder>().unwrap_err(),
            BadFault::Value("the number before * is too large")
        );
    }
}
