//! What the lab's Exchange has seen since it started.

use std::fmt;
use std::sync::Arc;

use super::access::Refused;
use super::message::Message;

/// Everything that is kept for tests to look at.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) counters: Counters,
    pub(super) messages: Vec<Arc<Message>>,
    pub(super) sign_ins: Vec<Arc<SignIn>>,
    pub(super) handshake_failures: Vec<String>,
    pub(super) violations: Vec<String>,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Connections accepted.
    pub connections: usize,
    /// Of these, the ones still open.
    pub open: usize,
    /// TLS handshakes that succeeded.
    pub handshakes: usize,
    /// TLS handshakes that failed, or were not begun behind a 220.
    pub failed_handshakes: usize,
    /// AUTH commands, those in plaintext and those a fault answered included.
    pub auth_commands: usize,
    /// Attempts that were let in.
    pub signed_in: usize,
    /// RSET commands obeyed.
    pub resets: usize,
    /// Messages accepted.
    pub messages: usize,
    /// Messages whose reply waited for the limit per minute.
    pub throttled: usize,
    /// Messages refused with 432, of a mailbox with too many connections.
    pub over_connections: usize,
    /// Acts that a fault ordered at a point of a dialogue and that were done.
    pub misbehaved: usize,
    /// Lines on plaintext connections that hold, or ask to show, a credential. Must be 0.
    pub plaintext_secrets_seen: usize,
}

/// One attempt to sign in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignIn {
    /// The connection.
    pub connection: u64,
    /// The `user=` that was shown, where it could be read.
    pub user: Option<String>,
    /// The client id of the app that was let in, or why nobody was.
    pub verdict: Result<String, Refused>,
}

impl fmt::Display for SignIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.user.as_deref().unwrap_or("-");
        write!(f, "exchange: connection {}, sign-in as {user}: ", self.connection)?;
        match &self.verdict {
            Ok(app) => write!(f, "accepted, app {app}"),
            Err(why) => write!(f, "refused, {why}"),
        }
    }
}
