//! What the lab's Graph can be told to do wrong, and how that is written on a command line.

use std::str::FromStr;
use std::time::Duration;

use crate::lab::authority::CertificateFault;
use crate::lab::fault_text::{BadFault, certificate, duration};

/// A request of Graph's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// `sendMail`.
    SendMail,
    /// A draft is created.
    Create,
    /// An attachment is added to it in one request.
    Attach,
    /// An upload session is begun.
    Session,
    /// A piece is uploaded.
    Upload,
    /// The draft is sent.
    Send,
    /// The draft is deleted.
    Delete,
}

/// What is done to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GraphAct {
    /// Read it, and answer this in place of obeying.
    Answer {
        /// The HTTP status.
        status: u16,
        /// The error's code.
        code: String,
        /// `Retry-After` in seconds.
        retry_after: Option<u32>,
    },
    /// Answer this status before the body is read.
    Early(u16),
    /// Close the connection before the body is read.
    Drop,
    /// Read it, obey, and close the connection in place of the answer.
    DropAnswer,
    /// Read it, and obey only after this time.
    Slow(Duration),
    /// Read it, and obey only once the faults are cleared.
    Hold,
}

/// A misbehaviour of Graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GraphFault {
    /// An act on a request.
    At(Step, GraphAct),
    /// Close each connection before a word is said.
    Down,
    /// Show a bad certificate.
    Certificate(CertificateFault),
}

impl GraphFault {
    /// `sendMail` is answered so.
    pub fn answers(status: u16, code: &str, retry_after: Option<u32>) -> Self {
        Self::At(Step::SendMail, GraphAct::Answer { status, code: code.to_owned(), retry_after })
    }
}

impl FromStr for Step {
    type Err = BadFault;

    fn from_str(text: &str) -> Result<Self, BadFault> {
        Ok(match text {
            "send-mail" => Self::SendMail,
            "create" => Self::Create,
            "attach" => Self::Attach,
            "session" => Self::Session,
            "upload" => Self::Upload,
            "send" => Self::Send,
            "delete" => Self::Delete,
            _ => return Err(BadFault::UnknownToGraph),
        })
    }
}

impl FromStr for GraphFault {
    type Err = BadFault;

    fn from_str(text: &str) -> Result<Self, BadFault> {
        let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
        let (step, value) = match value {
            None if name == "down" => return Ok(Self::Down),
            Some(kind) if name == "certificate" => return Ok(Self::Certificate(certificate(kind)?)),
            None => return Err(BadFault::UnknownToGraph),
            Some(value) => value.split_once(':').map_or((value, None), |(step, rest)| (step, Some(rest))),
        };
        let status = |text: &str| {
            let status = text.parse().ok().filter(|status| (200..=599).contains(status));
            status.ok_or(BadFault::Value("a status is 200 to 599"))
        };
        let act = match (name, value) {
            ("answer", Some(value)) => {
                let mut parts = value.split(':');
                GraphAct::Answer {
                    status: status(parts.next().unwrap_or_default())?,
                    code: parts.next().unwrap_or_default().to_owned(),
                    retry_after: match parts.next() {
                        Some(text) => {
                            Some(text.parse().map_err(|_| BadFault::Value("Retry-After is in seconds"))?)
                        }
                        None => None,
                    },
                }
            }
            ("early", Some(text)) => GraphAct::Early(status(text)?),
            ("slow", Some(text)) => GraphAct::Slow(duration(text)?.unsigned_abs()),
            ("drop", None) => GraphAct::Drop,
            ("drop-answer", None) => GraphAct::DropAnswer,
            ("hold", None) => GraphAct::Hold,
            _ => return Err(BadFault::UnknownToGraph),
        };
        Ok(Self::At(step.parse()?, act))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_as_it_is_written_on_a_command_line() {
        let throttled = GraphFault::answers(429, "ApplicationThrottled", Some(5));
        assert_eq!("answer=send-mail:429:ApplicationThrottled:5".parse(), Ok(throttled));
        assert_eq!("answer=send-mail:503".parse(), Ok(GraphFault::answers(503, "", None)));
        assert_eq!("drop=upload".parse(), Ok(GraphFault::At(Step::Upload, GraphAct::Drop)));
        let slow = GraphAct::Slow(Duration::from_millis(500));
        assert_eq!("slow=send-mail:500ms".parse(), Ok(GraphFault::At(Step::SendMail, slow)));
        assert_eq!("down".parse(), Ok(GraphFault::Down));
        for wrong in ["", "drop", "drop=x", "answer=send-mail", "answer=send-mail:99", "early=send-mail:x"] {
            assert!(wrong.parse::<GraphFault>().is_err(), "{wrong}");
        }
    }
}
