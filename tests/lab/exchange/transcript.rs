//! What was said on one connection, in order; secrets and message content are left out.

use std::fmt;

/// Lines that one transcript keeps; a test that needs more counts something instead.
const LIMIT: usize = 10_000;

/// The dialogue of one connection.
#[derive(Clone, Debug, Default)]
pub struct Transcript {
    /// The connection, counted from 1.
    pub connection: u64,
    /// What was said.
    pub lines: Vec<Line>,
}

/// One line of a dialogue, without its CRLF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// The client said it.
    Client(String),
    /// The server said it.
    Server(String),
    /// It happened.
    Note(String),
}

impl Transcript {
    pub(super) fn push(&mut self, line: Line) {
        if self.lines.len() < LIMIT {
            self.lines.push(line);
        }
    }

    /// What the client said, in order.
    pub fn client_lines(&self) -> Vec<&str> {
        self.lines
            .iter()
            .filter_map(|line| match line {
                Line::Client(text) => Some(text.as_str()),
                Line::Server(_) | Line::Note(_) => None,
            })
            .collect()
    }
}

impl fmt::Display for Transcript {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "connection {}", self.connection)?;
        for line in &self.lines {
            match line {
                Line::Client(text) => writeln!(f, "C: {text}")?,
                Line::Server(text) => writeln!(f, "S: {text}")?,
                Line::Note(text) => writeln!(f, "-- {text}")?,
            }
        }
        Ok(())
    }
}

/// A command line as it may be kept: an AUTH response is replaced by its length.
pub(super) fn redacted(line: &str) -> String {
    let mut words = line.splitn(3, ' ');
    match (words.next(), words.next(), words.next()) {
        (Some(auth), Some(mechanism), Some(response)) if auth.eq_ignore_ascii_case("AUTH") => {
            format!("{auth} {mechanism} ({} characters)", response.len())
        }
        (_, _, _) => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leaves_the_token_out() {
        assert_eq!(redacted("auth xoauth2 dXNlcj1"), "auth xoauth2 (7 characters)");
        assert_eq!(redacted("AUTH XOAUTH2"), "AUTH XOAUTH2");
        assert_eq!(redacted("MAIL FROM:<a@b> SIZE=1 X"), "MAIL FROM:<a@b> SIZE=1 X");
    }
}
