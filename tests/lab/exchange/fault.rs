//! What the lab's Exchange can be told to do wrong, and how that is written on a command line.

use std::str::FromStr;
use std::time::Duration;

use crate::lab::authority::CertificateFault;
use crate::lab::fault_text::{BadFault, certificate, duration};

/// A point of the dialogue at which the server can misbehave. Where nothing else is said, the
/// misbehaviour takes the place of the reply, and the command has no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The 220 of a new connection.
    Greeting,
    /// EHLO in plaintext.
    Ehlo,
    /// STARTTLS.
    StartTls,
    /// Behind the 220 to STARTTLS, where the server's side of the handshake would come; a reply
    /// is written in plaintext.
    Handshake,
    /// EHLO within TLS.
    EhloAfterTls,
    /// AUTH.
    Auth,
    /// MAIL.
    Mail,
    /// RCPT, each.
    Rcpt,
    /// DATA, or the first BDAT (its chunk is read first).
    Data,
    /// After the first octets of the body were read; what follows is left in the socket, so that
    /// a body larger than the socket buffers stops half-way. With a reply, the body is read.
    MidBody,
    /// After the whole message; it is thrown away.
    AfterDot,
    /// After the whole message, which is kept: only the reply is lost or wrong.
    AfterDotAccepted,
    /// RSET.
    Rset,
    /// QUIT.
    Quit,
}

/// What is done at a point of the dialogue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Close the connection.
    Drop,
    /// Fall silent, until the faults are cleared; then close.
    Stall,
    /// Fall silent for so long, then close.
    Pause(Duration),
    /// Say this (lines separated by `\n`, each as it goes out) and go on; after a 421, close.
    Reply(String),
    /// Say reply lines that all announce another, for ever.
    EndlessLines,
    /// Say one line that never ends.
    EndlessLine,
}

/// A misbehaviour of the submission server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExchangeFault {
    /// An act at a point of the dialogue.
    At(Phase, Act),
    /// EHLO does not list STARTTLS, and the command is refused.
    NoStartTls,
    /// Write this in plaintext right behind the 220 to STARTTLS, in the same segment.
    InjectAfterStartTls(String),
    /// Show a bad certificate.
    Certificate(CertificateFault),
    /// Take this long over every single reply.
    SlowReplies(Duration),
    /// Be this far away: each reply leaves this long after its command came. Commands that came
    /// together are answered together, as over a long way.
    Latency(Duration),
    /// Take this long before each piece of a body is read (64 KiB at most), so that the client's
    /// writes come to a halt.
    SlowBody(Duration),
    /// At each point of a dialogue, so many times in a thousand: drop, pause and drop, say 421 or
    /// 451; once a message was kept, only drop. What befalls the n-th connection depends on the
    /// seed, on n and on what the client does, and on nothing else.
    Random {
        /// Where the dice begin.
        seed: u64,
        /// How often, in a thousand.
        per_mille: u32,
    },
    /// Refuse every AUTH as Gmail does: 334 with an error in JSON, an answer awaited, then 535.
    ErrorChallenge,
    /// Refuse an AUTH command of more than 512 octets (RFC 4954 section 4), so that the token must
    /// wait for the 334.
    BareAuth,
    /// EHLO does not list this extension (`8BITMIME`, `PIPELINING`, …).
    Without(String),
    /// Refuse this recipient (or `*@domain`) with this reply.
    RefuseRecipient(String, String),
}

impl FromStr for Phase {
    type Err = BadFault;

    fn from_str(text: &str) -> Result<Self, BadFault> {
        Ok(match text {
            "greeting" => Self::Greeting,
            "ehlo" => Self::Ehlo,
            "starttls" => Self::StartTls,
            "handshake" => Self::Handshake,
            "ehlo-after-tls" => Self::EhloAfterTls,
            "auth" => Self::Auth,
            "mail" => Self::Mail,
            "rcpt" => Self::Rcpt,
            "data" => Self::Data,
            "mid-body" => Self::MidBody,
            "after-dot" => Self::AfterDot,
            "after-dot-accepted" => Self::AfterDotAccepted,
            "rset" => Self::Rset,
            "quit" => Self::Quit,
            _ => return Err(BadFault::Phase),
        })
    }
}

impl FromStr for ExchangeFault {
    type Err = BadFault;

    fn from_str(text: &str) -> Result<Self, BadFault> {
        let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
        let pair = |value: &str| match value.split_once(':') {
            Some((before, after)) if reply_code(after).is_some() => {
                Ok((before.to_owned(), after.replace("\\n", "\n")))
            }
            Some(_) | None => Err(BadFault::Value("a reply is missing behind the colon: 451 4.7.0 Text")),
        };
        Ok(match (name, value) {
            ("no-starttls", None) => Self::NoStartTls,
            ("inject", Some(text)) => Self::InjectAfterStartTls(format!("{text}\r\n")),
            ("certificate", Some(kind)) => Self::Certificate(certificate(kind)?),
            ("drop", Some(phase)) => Self::At(phase.parse()?, Act::Drop),
            ("stall", Some(phase)) => Self::At(phase.parse()?, Act::Stall),
            ("endless-lines", Some(phase)) => Self::At(phase.parse()?, Act::EndlessLines),
            ("endless-line", Some(phase)) => Self::At(phase.parse()?, Act::EndlessLine),
            ("reply", Some(value)) => {
                let (phase, reply) = pair(value)?;
                Self::At(phase.parse()?, Act::Reply(reply))
            }
            ("slow", Some(time)) => Self::SlowReplies(duration(time)?.unsigned_abs()),
            ("slow-body", Some(time)) => Self::SlowBody(duration(time)?.unsigned_abs()),
            ("random", Some(value)) => random(value)?,
            ("latency", Some(time)) => Self::Latency(duration(time)?.unsigned_abs()),
            ("challenge", None) => Self::ErrorChallenge,
            ("bare-auth", None) => Self::BareAuth,
            ("without", Some(extension)) => Self::Without(extension.to_owned()),
            ("recipient", Some(value)) => {
                let (address, reply) = pair(value)?;
                Self::RefuseRecipient(address, reply)
            }
            _ => return Err(BadFault::UnknownToExchange),
        })
    }
}

/// `SEED:PER_MILLE`.
fn random(value: &str) -> Result<ExchangeFault, BadFault> {
    let numbers = value.split_once(':').and_then(|(seed, per_mille)| {
        Some((seed.parse().ok()?, per_mille.parse().ok().filter(|often| *often <= 1000)?))
    });
    let (seed, per_mille) = numbers.ok_or(BadFault::Value("random faults are SEED:TIMES_IN_A_THOUSAND"))?;
    Ok(ExchangeFault::Random { seed, per_mille })
}

/// The code that a reply begins with.
pub(super) fn reply_code(reply: &str) -> Option<u16> {
    reply.get(..3)?.parse().ok().filter(|code| (200..=599).contains(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_as_it_is_written_on_a_command_line() {
        assert_eq!("drop=after-dot".parse(), Ok(ExchangeFault::At(Phase::AfterDot, Act::Drop)));
        assert_eq!(
            "reply=mail:451 4.7.0 Temporary: later".parse(),
            Ok(ExchangeFault::At(Phase::Mail, Act::Reply("451 4.7.0 Temporary: later".to_owned())))
        );
        assert_eq!("latency=20ms".parse(), Ok(ExchangeFault::Latency(Duration::from_millis(20))));
        assert_eq!(
            "recipient=*@bad.example:550 5.1.10 no".parse(),
            Ok(ExchangeFault::RefuseRecipient("*@bad.example".to_owned(), "550 5.1.10 no".to_owned()))
        );
        assert_eq!("random=7:20".parse(), Ok(ExchangeFault::Random { seed: 7, per_mille: 20 }));
        for wrong in [
            "",
            "random=7",
            "random=7:2000",
            "drop",
            "drop=dot",
            "reply=mail",
            "reply=mail:x",
            "slow=soon",
            "no-starttls=1",
        ] {
            assert!(wrong.parse::<ExchangeFault>().is_err(), "{wrong}");
        }
    }
}
