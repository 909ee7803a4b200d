//! The labels whose values are ours; each is one of a few.

/// What became of a message, as the app was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// 250: the relay has it.
    Accepted,
    /// 250: it is on disk. What becomes of it is counted once more, at its end.
    Spooled,
    /// 4xx: not sent, the app should keep it.
    Deferred,
    /// 5xx: not sent, and never can be.
    Refused,
    /// 451: it may have been delivered.
    Uncertain,
    /// Not sent: the app left before its message was complete, or could still be held back.
    Abandoned,
    /// A spooled message that was given up at its age.
    Expired,
}

impl Fate {
    pub(super) const ALL: [Self; 7] = [
        Self::Accepted,
        Self::Spooled,
        Self::Deferred,
        Self::Refused,
        Self::Uncertain,
        Self::Abandoned,
        Self::Expired,
    ];

    /// The label's value.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Spooled => "spooled",
            Self::Deferred => "deferred",
            Self::Refused => "refused",
            Self::Uncertain => "uncertain",
            Self::Abandoned => "abandoned",
            Self::Expired => "expired",
        }
    }
}

/// Where a message spends its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Before its 354: for room, and for its turn within the limits.
    Hold,
    /// From the 354 to the app's final dot.
    Receive,
    /// Behind the dot, for a place upstream.
    Wait,
    /// Name and TCP.
    Connect,
    /// Greeting, TLS and AUTH.
    Login,
    /// Envelope, content and the last reply.
    Transfer,
}

impl Phase {
    pub(super) const ALL: [Self; 6] =
        [Self::Hold, Self::Receive, Self::Wait, Self::Connect, Self::Login, Self::Transfer];

    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Hold => "hold",
            Self::Receive => "receive",
            Self::Wait => "wait",
            Self::Connect => "connect",
            Self::Login => "login",
            Self::Transfer => "transfer",
        }
    }
}

/// At which stage authentication failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthStage {
    /// The app's own login, where one is asked for.
    App,
    /// There was no token to send, or it had expired.
    Token,
    /// The relay refused it.
    Relay,
}

impl AuthStage {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Token => "token",
            Self::Relay => "relay",
        }
    }
}

/// What looking at the configuration brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Load {
    /// A file that can be used.
    Usable,
    /// A file that cannot.
    Unusable,
    /// No file.
    Missing,
}

impl Load {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Usable => "usable",
            Self::Unusable => "unusable",
            Self::Missing => "missing",
        }
    }
}
