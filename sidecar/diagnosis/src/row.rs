//! One row of the table, and what it is looked up by.

/// What repeating the same message can achieve. The app is told 451 for all but
/// [`Class::Permanent`]: what a person can mend without touching the message is temporary to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Goes away by itself: network, throttling, an upstream that is busy.
    Transient,
    /// A person must mend something, but not the message.
    Mendable,
    /// This message can never be delivered: a bad recipient, too large, malformed content.
    Permanent,
    /// The answer was lost after the final dot: it may have been delivered.
    Uncertain,
}

/// Whether the failed step itself is worth repeating by us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Retry {
    /// Not until something was changed.
    WhenMended,
    /// Once, with a fresh token or assertion.
    OnceFresh,
    /// With growing intervals.
    BackOff,
    /// With growing intervals of minutes: propagation, long blocks.
    Slow,
    /// Never: the message itself is at fault, or its fate is unknown.
    Never,
}

/// What a row is looked up by. Of several rows that match, the first wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Entra answered with one of these AADSTS numbers (fact sheet A, "Errors").
    Aadsts(&'static [u32]),
    /// Entra answered with this OAuth `error` (RFC 6749 section 5.2) and no number we know.
    OauthError(&'static str),
    /// Entra answered with a status from this range and nothing else we know.
    EntraStatus(u16, u16),
    /// The token endpoint of another provider answered with this OAuth `error`.
    ProviderError(&'static str),
    /// It answered with a status from this range and no error that we know.
    ProviderStatus(u16, u16),
    /// An SMTP server answered so (fact sheet C).
    Smtp {
        /// The basic code; 0 matches any.
        code: u16,
        /// The enhanced code's text; its beginning up to a dot ("4.7." matches "4.7.500"); or a
        /// range of details ("4.7.500-699").
        enhanced: &'static str,
        /// A part of the text in lower case; empty matches any.
        text: &'static str,
    },
    /// Graph answered with a status from this range and this error code (fact sheet D).
    Graph {
        /// The lowest status; `0..=0` matches any.
        from: u16,
        /// The highest status.
        to: u16,
        /// The `code` of its error; empty matches any.
        code: &'static str,
    },
    /// Our own finding: nobody answered anything; looked up by its reason.
    Local,
}

/// One row: when it applies, what it is called, what it means and how it is mended.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// What it is looked up by.
    pub when: When,
    /// Bounded and stable, CamelCase.
    pub reason: &'static str,
    /// What repeating the message can achieve.
    pub class: Class,
    /// Whether repeating the step helps.
    pub retry: Retry,
    /// What is wrong, in one clause without a full stop.
    pub cause: &'static str,
    /// What a person does about it, in one clause without a full stop.
    pub fix: &'static str,
}
