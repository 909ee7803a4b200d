//! The phases of a dialogue and the patience for each.

use std::{fmt, time::Duration};

/// What the relay was last asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Its greeting.
    Greeting,
    /// Its offers, before or after TLS.
    Ehlo,
    /// The reply to STARTTLS.
    StartTls,
    /// The TLS handshake.
    Handshake,
    /// The reply to AUTH and to what followed.
    Auth,
    /// The reply to MAIL.
    Mail,
    /// The reply to RCPT.
    Rcpt,
    /// The reply to DATA.
    Data,
    /// Nothing: it takes the message.
    Body,
    /// The reply to the final dot.
    FinalDot,
    /// The reply to RSET.
    Reset,
    /// Nothing: it waits for the next message.
    Idle,
    /// The reply to QUIT.
    Quit,
}

impl Phase {
    /// A short name for logs and metric labels.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Greeting => "greeting",
            Self::Ehlo => "ehlo",
            Self::StartTls => "starttls",
            Self::Handshake => "handshake",
            Self::Auth => "auth",
            Self::Mail => "mail",
            Self::Rcpt => "rcpt",
            Self::Data => "data",
            Self::Body => "body",
            Self::FinalDot => "final-dot",
            Self::Reset => "reset",
            Self::Idle => "idle",
            Self::Quit => "quit",
        }
    }
}

/// As it ends a sentence: "before its greeting", "after MAIL".
impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Greeting => "before its greeting",
            Self::Ehlo => "after EHLO",
            Self::StartTls => "after STARTTLS",
            Self::Handshake => "in the TLS handshake",
            Self::Auth => "after AUTH",
            Self::Mail => "after MAIL",
            Self::Rcpt => "after RCPT",
            Self::Data => "after DATA",
            Self::Body => "within the message",
            Self::FinalDot => "after the final dot",
            Self::Reset => "after RSET",
            Self::Idle => "between two messages",
            Self::Quit => "after QUIT",
        })
    }
}

/// The patience for each phase, counted from when it began.
///
/// Up to the final dot giving up early loses nothing, since the app keeps the message: these are
/// shorter than RFC 5321 section 4.5.3.2 proposes. Behind the dot giving up makes an uncertain
/// outcome, so there it is the RFC's ten minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// The greeting.
    pub greeting: Duration,
    /// EHLO, STARTTLS, the TLS handshake and each step of AUTH.
    pub setup: Duration,
    /// MAIL and each RCPT.
    pub envelope: Duration,
    /// DATA.
    pub data: Duration,
    /// Between two pieces of the body: the relay does not take more.
    pub body_block: Duration,
    /// The final dot.
    pub final_dot: Duration,
    /// RSET and QUIT.
    pub farewell: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            greeting: Duration::from_secs(30),
            setup: Duration::from_secs(30),
            envelope: Duration::from_secs(60),
            data: Duration::from_secs(120),
            body_block: Duration::from_secs(180),
            final_dot: Duration::from_secs(600),
            farewell: Duration::from_secs(5),
        }
    }
}
