//! What was found, step by step, for a person or as JSON.

use std::io::Write;

use mail_egress_config::SenderRef;
use mail_egress_diagnosis::{Diagnosis, parts, words};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use tokio::time::Instant;

use crate::args::CheckForm;
use crate::message::refusal::Refusal;

/// The steps, in the order in which they are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    Configuration,
    Token,
    Mx,
    Dns,
    Tcp,
    Greeting,
    Tls,
    Auth,
    MailFrom,
    TestMessage,
}

/// Those that are listed where they were not taken; MX is a step of Direct Send alone.
const ALL: [Kind; 9] = [
    Kind::Configuration,
    Kind::Token,
    Kind::Dns,
    Kind::Tcp,
    Kind::Greeting,
    Kind::Tls,
    Kind::Auth,
    Kind::MailFrom,
    Kind::TestMessage,
];

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Configuration => "configuration",
            Self::Token => "token",
            Self::Mx => "MX",
            Self::Dns => "DNS",
            Self::Tcp => "TCP",
            Self::Greeting => "greeting",
            Self::Tls => "TLS",
            Self::Auth => "AUTH",
            Self::MailFrom => "MAIL FROM",
            Self::TestMessage => "test message",
        }
    }
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome {
    Ok,
    Warning,
    Failed,
    Skipped,
}

/// What came of a step.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Finding {
    pub(super) result: Outcome,
    pub(super) seen: Option<String>,
    pub(super) cause: Option<String>,
    pub(super) fix: Option<String>,
}

impl Finding {
    pub(super) fn ok(seen: String) -> Self {
        Self { result: Outcome::Ok, seen: Some(seen), cause: None, fix: None }
    }

    /// It is odd, and nothing is decided by it.
    pub(super) fn warning(seen: String, cause: String, fix: String) -> Self {
        Self { result: Outcome::Warning, seen: Some(seen), cause: Some(cause), fix: Some(fix) }
    }

    pub(super) fn skipped(why: &str) -> Self {
        Self { result: Outcome::Skipped, seen: Some(why.to_owned()), cause: None, fix: None }
    }

    pub(super) fn failed(why: &Diagnosis) -> Self {
        Self {
            result: Outcome::Failed,
            seen: why.said.clone(),
            cause: Some(why.cause.clone()),
            fix: Some(why.fix.clone()),
        }
    }

    /// What the app would be told; `said`: the relay's own words, which are then not repeated.
    pub(super) fn refused(why: &Refusal, said: Option<String>) -> Self {
        let said = said.map(|said| words(&said)).filter(|said| !said.is_empty());
        let (cause, fix) = parts(&why.sentence);
        let cause = match &said {
            Some(said) => cause.replace(&format!(" ({said})"), ""),
            None => cause.to_owned(),
        };
        Self { result: Outcome::Failed, seen: said, cause: Some(cause), fix: fix.map(str::to_owned) }
    }
}

#[derive(Debug, Serialize)]
struct Step {
    step: Kind,
    took_ms: u64,
    #[serde(flatten)]
    finding: Finding,
}

/// Gathers the steps; in text, tells each as it ends. What it is told to hide it never shows.
pub(super) struct Report<'a> {
    sender: Option<SenderRef>,
    form: CheckForm,
    out: &'a mut dyn Write,
    secret: Option<SecretString>,
    steps: Vec<Step>,
}

/// The JSON, whose shape is kept from version to version; more fields may come.
#[derive(Serialize)]
struct Whole<'a> {
    ok: bool,
    sender: Option<String>,
    steps: &'a [Step],
}

impl<'a> Report<'a> {
    pub(super) fn new(form: CheckForm, out: &'a mut dyn Write) -> Self {
        Self { sender: None, form, out, secret: None, steps: Vec::new() }
    }

    /// Whose way is checked.
    pub(super) fn of(&mut self, sender: Option<&SenderRef>) {
        self.sender = sender.cloned();
    }

    /// The token: in no text of this report from now on, even where a relay repeats it.
    pub(super) fn hide(&mut self, secret: SecretString) {
        self.secret = Some(secret);
    }

    pub(super) fn add(&mut self, step: Kind, began: Instant, finding: Finding) {
        let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.push(Step { step, took_ms, finding });
    }

    /// Adds what came of a step that gives something to the next.
    pub(super) fn settle<T>(
        &mut self,
        step: Kind,
        began: Instant,
        found: Result<T, Finding>,
        seen: impl FnOnce(&T) -> Finding,
    ) -> Option<T> {
        match found {
            Ok(found) => {
                self.add(step, began, seen(&found));
                Some(found)
            }
            Err(why) => {
                self.add(step, began, why);
                None
            }
        }
    }

    fn push(&mut self, mut step: Step) {
        for text in
            [&mut step.finding.seen, &mut step.finding.cause, &mut step.finding.fix].into_iter().flatten()
        {
            *text = hidden(text, self.secret.as_ref(), step.step >= Kind::Auth);
        }
        if self.form == CheckForm::Text {
            // see `check`: who stops reading has seen enough
            let _ = write_text(self.out, &step);
        }
        self.steps.push(step);
    }

    /// Lists what was not done, writes the end, and tells whether no step failed.
    pub(super) fn close(mut self, test_message: bool) -> bool {
        for step in ALL {
            if !self.steps.iter().any(|taken| taken.step == step) {
                let why = match step {
                    Kind::TestMessage if !test_message => "not asked for: --send-test-message-to ADDRESS",
                    _ => "not reached",
                };
                self.push(Step { step, took_ms: 0, finding: Finding::skipped(why) });
            }
        }
        let ok = self.count(Outcome::Failed) == 0;
        let _ = match self.form {
            CheckForm::Text => self.write_end(),
            CheckForm::Json => self.write_json(ok),
        };
        ok
    }

    fn count(&self, outcome: Outcome) -> usize {
        self.steps.iter().filter(|step| step.finding.result == outcome).count()
    }

    fn write_end(&mut self) -> std::io::Result<()> {
        let sender = self.sender.as_ref().map(|sender| format!(" of {sender}")).unwrap_or_default();
        let failed: Vec<_> = self
            .steps
            .iter()
            .filter(|it| it.finding.result == Outcome::Failed)
            .map(|it| it.step.name())
            .collect();
        let warnings = match self.count(Outcome::Warning) {
            0 => String::new(),
            1 => ", with a warning".to_owned(),
            more => format!(", with {more} warnings"),
        };
        match failed.as_slice() {
            [] => writeln!(self.out, "\nThe way{sender} is open{warnings}."),
            failed => writeln!(self.out, "\nThe way{sender} failed at: {}{warnings}.", failed.join(", ")),
        }?;
        self.out.flush()
    }

    fn write_json(&mut self, ok: bool) -> std::io::Result<()> {
        let sender = self.sender.as_ref().map(ToString::to_string);
        let whole = Whole { ok, sender, steps: &self.steps };
        serde_json::to_writer_pretty(&mut *self.out, &whole)?;
        writeln!(self.out)?;
        self.out.flush()
    }
}

fn write_text(out: &mut dyn Write, step: &Step) -> std::io::Result<()> {
    let result = match step.finding.result {
        Outcome::Ok => "ok",
        Outcome::Warning => "warning",
        Outcome::Failed => "FAILED",
        Outcome::Skipped => "skipped",
    };
    let took = match step.finding.result {
        Outcome::Skipped => String::new(),
        Outcome::Ok | Outcome::Warning | Outcome::Failed => format!("{} ms", step.took_ms),
    };
    let head = format!("{result:<8} {:<13} {took:>9}", step.step.name());
    match &step.finding.seen {
        Some(seen) => writeln!(out, "{head}  {seen}"),
        None => writeln!(out, "{head}"),
    }?;
    for (name, text) in [("cause:", &step.finding.cause), ("to mend:", &step.finding.fix)] {
        if let Some(text) = text {
            writeln!(out, "{name:>31}  {text}")?;
        }
    }
    out.flush()
}

/// Longer than any word that a relay needs, shorter than any encoded token.
const LONGEST_WORD: usize = 120;

/// Without the token, and where a relay speaks, without any word that could be it in another
/// encoding: a relay in debugging mode may repeat what it was told.
fn hidden(text: &str, secret: Option<&SecretString>, by_relay: bool) -> String {
    // of a few characters it would be found everywhere, and is no token
    let secret = secret.map(ExposeSecret::expose_secret).filter(|secret| secret.len() >= 8);
    let text = secret.map_or_else(|| text.to_owned(), |secret| text.replace(secret, "[hidden]"));
    if !by_relay {
        return text;
    }
    let words = text.split(' ').map(|word| if word.len() > LONGEST_WORD { "[hidden]" } else { word });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use mail_egress_diagnosis::{local, reason};

    use super::*;

    fn report(form: CheckForm, fill: impl FnOnce(&mut Report<'_>)) -> (bool, String) {
        let mut out = Vec::new();
        let mut report = Report::new(form, &mut out);
        report.of(Some(&"shop/billing".parse().unwrap()));
        fill(&mut report);
        let ok = report.close(false);
        (ok, String::from_utf8(out).unwrap())
    }

    fn one_failure(report: &mut Report<'_>) {
        let now = Instant::now();
        report.add(Kind::Configuration, now, Finding::ok("mailbox a@b.test".to_owned()));
        report.add(Kind::Token, now, Finding::failed(&local(reason::TOKEN_MISSING)));
    }

    #[test]
    fn json_has_all_steps_in_a_stable_shape() {
        let (ok, text) = report(CheckForm::Json, one_failure);
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(!ok && json["ok"] == false && json["sender"] == "shop/billing", "{text}");
        let steps: Vec<_> =
            json["steps"].as_array().unwrap().iter().map(|it| it["step"].as_str().unwrap()).collect();
        let all = "configuration token dns tcp greeting tls auth mail-from test-message";
        assert_eq!(steps.join(" "), all);
        assert_eq!(json["steps"][1]["result"], "failed");
        assert_eq!(json["steps"][1]["cause"], "there is no token yet");
        for field in ["step", "result", "took_ms", "seen", "cause", "fix"] {
            assert!(json["steps"].as_array().unwrap().iter().all(|it| it.get(field).is_some()), "{field}");
        }
    }

    #[test]
    fn text_says_where_it_failed_and_how_to_mend_it() {
        let (_, text) = report(CheckForm::Text, one_failure);
        assert!(text.contains("FAILED   token"), "{text}");
        assert!(text.contains("cause:  there is no token yet\n"), "{text}");
        assert!(text.contains("to mend:  wait a moment"), "{text}");
        assert!(text.ends_with("\nThe way of shop/billing failed at: token.\n"), "{text}");
    }

    #[test]
    fn a_warning_is_no_failure() {
        let (ok, text) = report(CheckForm::Text, |report| {
            report.add(Kind::Token, Instant::now(), Finding::warning("s".into(), "c".into(), "f".into()));
        });
        assert!(ok && text.contains("is open, with a warning."), "{text}");
    }

    #[test]
    fn a_relay_that_repeats_the_token_does_not_make_us_show_it() {
        let encoded = "QUJD".repeat(40);
        let (_, text) = report(CheckForm::Json, |report| {
            report.hide("s3cret-token".into());
            report.add(Kind::Auth, Instant::now(), Finding::ok(format!("501 s3cret-token {encoded} is bad")));
        });
        assert!(text.contains("501 [hidden] [hidden] is bad"), "{text}");
    }

    #[test]
    fn the_relays_words_are_not_said_twice() {
        let refusal = Refusal::from(local(reason::RELAY_REFUSED).with_words("554 go away"));
        let found = Finding::refused(&refusal, Some("554 go away".to_owned()));
        assert_eq!(found.seen.as_deref(), Some("554 go away"));
        assert_eq!(found.cause.as_deref(), Some("the relay refused the connection"));
        assert!(found.fix.unwrap().starts_with("read the relay's words"));
    }
}
