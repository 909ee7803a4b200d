//! Lines in and replies out, and what is noted about them.

use super::Session;
use crate::lab::exchange::fault::ExchangeFault;
use crate::lab::exchange::locked;
use crate::lab::exchange::reply::{self, Reply};
use crate::lab::exchange::transcript::Line;
use crate::lab::exchange::wire::Ended;

/// Longest command line that is read at all, in octets: an AUTH line (RFC 4954 section 4).
const LINE_LIMIT: usize = 12_288;

impl Session {
    /// The next line, without its line ending.
    pub(super) async fn line(&mut self) -> Result<String, Ended> {
        let mut line = loop {
            if let Some(line) = self.wire.take_line() {
                break line;
            }
            if self.wire.buffered().len() > LINE_LIMIT {
                self.say(&reply::line_too_long()).await?;
                self.flush().await?;
                return Err(Ended::Violation("a line was longer than any may be"));
            }
            self.more().await?;
        };
        line.pop();
        if line.pop_if(|octet| *octet == b'\r').is_none() {
            self.violation("a command line ended in a bare LF");
        }
        let line = String::from_utf8_lossy(&line).into_owned();
        if self.tls.is_none() && shows_secret(&line) {
            self.inner.seen.send_modify(|seen| seen.counters.plaintext_secrets_seen += 1);
            self.note("a credential, or the offer of one, in plaintext".to_owned());
        }
        Ok(line)
    }

    /// Sends what is to be sent, and waits for more to read.
    pub(super) async fn more(&mut self) -> Result<(), Ended> {
        match self.latency() {
            Some(delay) => self.wire.post(delay),
            None => self.wire.flush().await?,
        }
        match self.wire.fill().await {
            Err(ended @ (Ended::Idle | Ended::Session)) => {
                self.say(&reply::timed_out()).await?;
                self.flush().await?;
                Err(ended)
            }
            filled => filled,
        }
    }

    pub(super) async fn say(&mut self, reply: &Reply) -> Result<(), Ended> {
        if let Some(delay) = self.inner.faults.strike(self.number, |fault| {
            if let ExchangeFault::SlowReplies(delay) = fault { Some(*delay) } else { None }
        }) {
            self.flush().await?;
            tokio::time::sleep(delay).await;
        }
        for line in reply.wire_lines() {
            self.put_line(line);
        }
        Ok(())
    }

    pub(super) fn put_line(&mut self, line: String) {
        self.wire.put(line.as_bytes());
        self.wire.put(b"\r\n");
        locked(&self.transcript).push(Line::Server(line));
    }

    /// Sends what is to be sent, and waits until it is on the wire.
    pub(super) async fn flush(&mut self) -> Result<(), Ended> {
        if let Some(delay) = self.latency() {
            self.wire.post(delay);
        }
        self.wire.flush().await
    }

    fn latency(&self) -> Option<std::time::Duration> {
        self.inner.faults.strike(self.number, |fault| {
            if let ExchangeFault::Latency(delay) = fault { Some(*delay) } else { None }
        })
    }

    pub(super) fn heard(&self, line: &str) {
        locked(&self.transcript).push(Line::Client(line.to_owned()));
    }

    pub(super) fn note(&self, what: String) {
        locked(&self.transcript).push(Line::Note(what));
    }

    pub(super) fn violation(&self, what: &str) {
        self.note(what.to_owned());
        let what = format!("connection {}: {what}", self.number);
        self.inner.seen.send_modify(|seen| seen.violations.push(what));
    }
}

/// Whether a line asks to sign in, or looks like a SASL response or a token.
fn shows_secret(line: &str) -> bool {
    let auth = line.get(..4).is_some_and(|word| word.eq_ignore_ascii_case("AUTH"));
    // base64 of `user=`, and of the `{"` that every JWT begins with
    auth || line.contains("dXNlcj") || line.contains("eyJ") || line.contains("Bearer ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_a_secret_when_it_sees_one() {
        for line in ["auth XOAUTH2", "AUTH LOGIN x", "dXNlcj1iaWxsaW5n", "xx eyJhbGciOi"] {
            assert!(shows_secret(line), "{line}");
        }
        for line in ["EHLO author.example", "MAIL FROM:<auth@x.example>", "STARTTLS", "aut", ""] {
            assert!(!shows_secret(line), "{line}");
        }
    }
}
