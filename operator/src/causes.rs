//! An error with its causes on one line, for logs: a field that holds an error is written without
//! them where the log is JSON.

use std::error::Error;
use std::fmt;

/// Shows an error as `what: why: why`.
pub(crate) struct Causes<'a>(pub(crate) &'a dyn Error);

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut said = self.0.to_string();
        f.write_str(&said)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            let text = error.to_string();
            // some errors repeat their cause
            if !said.ends_with(&text) {
                write!(f, ": {text}")?;
            }
            said = text;
            cause = error.source();
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the lease could not be read")]
    struct Outer(#[source] Middle);

    #[derive(Debug, thiserror::Error)]
    #[error("connection failed: {0}")]
    struct Middle(#[source] std::io::Error);

    #[test]
    fn shows_every_cause_once() {
        let error = Outer(Middle(std::io::Error::other("no route")));
        assert_eq!(Causes(&error).to_string(), "the lease could not be read: connection failed: no route");
    }
}
