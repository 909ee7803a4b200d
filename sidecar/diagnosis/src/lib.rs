//! What each failure means and how to mend it: the one table that the app's reply, the log, the
//! metric, the condition and the documentation all come from.
//!
//! [`TABLE`] holds the rows; [`entra`], [`provider`], [`smtp`], [`graph`] and [`local`] find the row for what was seen and
//! make a [`Diagnosis`] of it. Everything here is pure: no I/O, no clock.

mod lookup;
mod page;
mod row;
mod table;
mod words;

pub use lookup::{At, Smtp, entra, graph, is_entras, local, provider, smtp};
pub use page::page;
pub use row::{Class, Retry, Row, When};
pub use table::{TABLE, local as reason};
pub use words::{parts, sentence, words};

/// A failure, explained: what happened, what the other side said, and how a person mends it.
///
/// All texts are printable ASCII on one line, so that an SMTP reply, a condition and a log line
/// can carry them unchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnosis {
    /// Bounded and stable, CamelCase: a condition's reason and a metric's label value.
    pub reason: &'static str,
    /// What repeating the same message can achieve.
    pub class: Class,
    /// Whether and when the failed step itself is worth repeating.
    pub retry: Retry,
    /// What is wrong, in one clause.
    pub cause: String,
    /// The other side's own words, cleaned and capped; `None` where nobody said anything.
    pub said: Option<String>,
    /// What to do about it, in one clause.
    pub fix: String,
}

impl Diagnosis {
    /// The one sentence that is shown everywhere: cause, the other side's words, and the mend.
    #[must_use]
    pub fn sentence(&self) -> String {
        match &self.said {
            Some(said) => format!("{} ({said}). To mend: {}", self.cause, self.fix),
            None => format!("{}. To mend: {}", self.cause, self.fix),
        }
    }

    /// The same diagnosis with the other side's words, cleaned by [`words`].
    #[must_use]
    pub fn with_words(mut self, said: &str) -> Self {
        let said = words(said);
        self.said = (!said.is_empty()).then_some(said);
        self
    }

    /// The same diagnosis with a cause that names the thing at hand; it is cleaned by [`words`].
    #[must_use]
    pub fn with_cause(mut self, cause: &str) -> Self {
        self.cause = words(cause);
        self
    }

    /// The same diagnosis with a fix that names the thing at hand; it is cleaned by [`words`].
    #[must_use]
    pub fn with_fix(mut self, fix: &str) -> Self {
        self.fix = words(fix);
        self
    }
}
