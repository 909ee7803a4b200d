//! The session towards the app, without its socket.
//!
//! Expected flow, for a connection just accepted:
//!
//! ```text
//! let mut session = Session::new(settings, now);
//! loop {
//!     write session.take_output() and flush; stop if session.is_closed()
//!     wait for input, session.deadline() → handle_timeout, or the end of the process → shutdown
//!     while input is left: session.feed(input, &mut body, now), write take_output(), then
//!         Event::Sender, Event::Recipient, Event::Login, Event::Data → decide → permit | refuse
//!         Event::Unfit          → drop the body
//!         Event::End            → send body on → finish(Outcome)
//! }
//! ```
//!
//! Guarantees: replies come in the order of the commands; nothing behind a `DATA` is read before
//! the decision, nothing behind the end of a message before its outcome, so that what the app
//! sends too early stays with the caller. A message is complete only with [`Event::End`]:
//! whatever else comes instead (a closed connection, a timeout), what has been collected must be
//! dropped.

mod chunks;
mod command;
mod decided;
mod incoming;
mod line;
mod obey;
mod sasl;
mod session;

use std::{sync::Arc, time::Duration};

pub use sasl::Credentials;
pub use session::Session;

use crate::{
    Address, Envelope, ReversePath,
    client::Accepted,
    reply::{NegativeReply, Reply},
};

/// How long a line of a message may be, in octets. RFC 5321 section 4.5.3.1.6 promises 998, and apps
/// write whole pages into one line, which Exchange takes; a line beyond this is no text of anybody's.
const MAX_TEXT_LINE: usize = 1024 * 1024;

/// What a session needs to know of its surroundings; shared by all sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Our name in the greeting; where it is no host name, `localhost` is said instead.
    pub name: String,
    /// The domain whose postmaster `RCPT TO:<postmaster>` means; `None` while it is not known.
    pub postmaster_domain: Option<String>,
    /// The largest message taken, in octets, and what SIZE says.
    pub max_message_bytes: u64,
    /// The most recipients of one message (RFC 5321 section 4.5.3.1.8 wants at least 100).
    pub max_recipients: usize,
    /// The most octets of all their addresses and ORCPT values together: what a session may hold for
    /// an envelope.
    pub max_recipient_octets: usize,
    /// Whether DSN (RFC 3461) is offered: `false` only for a way out that has nothing like it. What the
    /// relay offers is found out when the message is sent.
    pub dsn: bool,
    /// After so many bad commands the session is closed.
    pub max_errors: u32,
    /// What is done with a bare CR or LF in a message.
    pub bare_line_endings: BareLineEndings,
    /// The most octets of one line of a message, without its CRLF; up to there lines are carried
    /// unchanged.
    pub max_text_line: usize,
    /// How long the app may stay silent.
    pub timeouts: Timeouts,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            name: "localhost".to_owned(),
            postmaster_domain: None,
            max_message_bytes: 35 * 1024 * 1024,
            max_recipients: 500,
            // more than a hundred of the longest, and 500 of 65 octets
            max_recipient_octets: 32 * 1024,
            dsn: true,
            max_errors: 20,
            bare_line_endings: BareLineEndings::Normalize,
            max_text_line: MAX_TEXT_LINE,
            timeouts: Timeouts::default(),
        }
    }
}

/// What is done with a bare CR or LF in a message. Only `CRLF . CRLF` ends it in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BareLineEndings {
    /// Each becomes CRLF.
    #[default]
    Normalize,
    /// The message is refused once it has ended.
    Refuse,
}

/// How long the app may take (RFC 5321 section 4.5.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From one reply to the end of the next command, however slowly that trickles in.
    pub command: Duration,
    /// Between two pieces of a message.
    pub data_block: Duration,
    /// From the 354 to the end of the message.
    pub message: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            command: Duration::from_secs(5 * 60),
            data_block: Duration::from_secs(3 * 60),
            message: Duration::from_secs(30 * 60),
        }
    }
}

/// What [`Session::feed`] did.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub struct Fed {
    /// How much of the input was taken; the caller offers the rest again.
    ///
    /// Less than all where an event waits for its answer, where the session is closed, or where
    /// much output has gathered that should be written first.
    pub consumed: usize,
    /// What the caller must see to now.
    pub event: Option<Event>,
}

/// Something that only the caller can decide or do.
#[derive(Debug, PartialEq, Eq)]
pub enum Event {
    /// The app wants to send as this sender (MAIL). Nothing was answered yet; answer with
    /// [`Session::permit`] or [`Session::refuse`].
    Sender(ReversePath),
    /// The app wants to send to this recipient (RCPT); answer likewise. A refused one is left out,
    /// and the app may go on.
    Recipient(Address),
    /// The app logs in, where that is demanded; check [`Session::credentials`] and answer likewise.
    Login,
    /// The app asks to send the message of this envelope, by DATA or by its first BDAT; answer
    /// likewise.
    Data(Envelope),
    /// The app has given up the message that it was sending in chunks; what was collected can be
    /// dropped.
    Dropped,
    /// The message will not be taken; what was collected can be dropped. The rest of it is skipped
    /// and answered with a refusal, and [`Event::End`] does not come.
    Unfit(Unfit),
    /// The message is complete in the caller's `body`; answer with [`Session::finish`].
    End,
}

/// Why a message is not taken, as far as that shows while it comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It has become larger than the settings allow; told with 552.
    TooLarge,
    /// It has a bare CR or LF, which the settings refuse; told with 550.
    BareEnding,
    /// It has a longer line than the settings allow; told with 550.
    LongLine,
}

/// Something that the session refused by itself and has answered; for the caller's count and log.
#[derive(Debug, PartialEq, Eq)]
pub struct Declined {
    /// What the app is told.
    pub reply: Reply,
    /// What was refused.
    pub cause: Cause,
}

/// What the session refused by itself.
#[derive(Debug, PartialEq, Eq)]
pub enum Cause {
    /// A command, or the session itself.
    Command,
    /// A whole message, which MAIL announced as too large; by this sender.
    TooLarge(ReversePath),
    /// A whole message, before a login that is demanded; by this sender.
    NotLoggedIn(ReversePath),
}

/// What became of a message.
#[derive(Debug)]
pub enum Outcome {
    /// A route has it: 250 with the relay's own words.
    Accepted(Accepted),
    /// A route that speaks no SMTP has it: 250 with what was said to it.
    Taken(Taken),
    /// It is on disk: 250, and the sidecar goes on with it.
    Kept(Kept),
    /// It was not sent, or perhaps not.
    Refused(NegativeReply),
}

/// That a route which speaks no SMTP has a message.
///
/// Made by whoever holds that route's own proof of it, and by nobody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taken {
    said: Box<str>,
}

impl Taken {
    /// `said` is what the route answered, for the app's log.
    #[must_use]
    pub fn with(said: &str) -> Self {
        Self { said: said.into() }
    }

    /// What the route answered.
    #[must_use]
    pub fn said(&self) -> &str {
        &self.said
    }
}

/// That a message and its envelope are synced to disk under a name, whatever ends the process now.
///
/// Made by whoever holds the spool's own proof of that, and by nobody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    id: Box<str>,
}

impl Kept {
    /// `id` is the message's name in the spool, for the app's log: printable ASCII.
    #[must_use]
    pub fn under(id: &str) -> Self {
        Self { id: id.into() }
    }

    /// The name.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

type Shared = Arc<Settings>;
