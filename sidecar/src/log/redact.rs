//! Addresses in log lines, made unreadable: on the finished line, so that no field, no words of a
//! relay and no other crate's line is left out.

use std::io::{self, Write};

use tracing_subscriber::fmt::MakeWriter;

use crate::args::LogAddresses;

/// What stands in an address's place where nothing of it is shown.
const HIDDEN: &str = "[address]";
/// What stands in its local part's place.
const HIDDEN_LOCAL: &str = "***";
/// How a Message-ID of ours begins, in text and in JSON. Within a field's value the quotes are
/// escaped, so nobody else's words can look like this.
const MESSAGE_ID: [&str; 2] = ["message_id=\"", "\"message_id\":\""];

/// Writes lines to `W`, each with as much of its addresses as is allowed.
#[derive(Debug, Clone)]
pub(super) struct Redacting<W> {
    inner: W,
    shown: LogAddresses,
}

impl<W> Redacting<W> {
    pub(super) fn new(inner: W, shown: LogAddresses) -> Self {
        Self { inner, shown }
    }
}

impl<'a, W: MakeWriter<'a>> MakeWriter<'a> for Redacting<W> {
    type Writer = Redacting<W::Writer>;

    fn make_writer(&'a self) -> Self::Writer {
        Redacting { inner: self.inner.make_writer(), shown: self.shown }
    }
}

impl<W: Write> Write for Redacting<W> {
    /// The subscriber writes each line at once and as a whole.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.shown == LogAddresses::Full {
            return self.inner.write(line);
        }
        let text = String::from_utf8_lossy(line);
        self.inner.write_all(redacted(&text, self.shown).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// The line with its addresses shown so far.
fn redacted(line: &str, shown: LogAddresses) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find('@') {
        let (before, behind) = rest.split_at(at);
        let behind = behind.get(1..).unwrap_or_default();
        let start = start_of_local(before);
        let domain = domain(behind);
        if start == before.len() || domain.is_empty() {
            out.push_str(&without_cut_words(before));
            out.push('@');
            rest = behind;
            continue;
        }
        let (kept, local) = before.split_at(start);
        out.push_str(&without_cut_words(kept));
        let named = MESSAGE_ID.iter().any(|field| kept.trim_end_matches('<').ends_with(field));
        // with a second `@` it could hold an address
        let is_message_id = named && !domain.contains('@');
        let last = domain.rsplit('@').next().unwrap_or_default();
        match shown {
            LogAddresses::Full => out.extend([local, "@", domain]),
            // without what makes it unique, a message cannot be found again
            LogAddresses::Domain if is_message_id => out.extend([local, "@", domain]),
            LogAddresses::None if is_message_id => out.extend([local, "@", HIDDEN_LOCAL]),
            LogAddresses::Domain => out.extend([HIDDEN_LOCAL, "@", last]),
            LogAddresses::None => out.push_str(HIDDEN),
        }
        rest = behind.get(domain.len()..).unwrap_or_default();
    }
    out.push_str(&without_cut_words(rest));
    out
}

/// Where the local part (RFC 5321 section 4.1.2) that ends with `before` begins.
fn start_of_local(before: &str) -> usize {
    // within a field's value, the log has escaped the quotes of a quoted string
    for quote in ["\\\"", "\""] {
        if let Some(within) = before.strip_suffix(quote) {
            return within.rfind(quote).unwrap_or(before.len());
        }
    }
    start_of_word(before)
}

fn start_of_word(before: &str) -> usize {
    let word = before.rfind(|c: char| !is_part(c)).map_or(before, |last| {
        let mut behind = before.get(last..).unwrap_or_default().chars();
        let _ = behind.next();
        behind.as_str()
    });
    let start = before.len() - word.len();
    start + escape(before.get(..start).unwrap_or_default(), word)
}

/// How much of `local` belongs to an escape of the log's (`\n`, `\u001b`) that began before it.
fn escape(before: &str, local: &str) -> usize {
    if !before.ends_with('\\') {
        return 0;
    }
    let escaped = if local.starts_with('u') { 5 } else { 1 };
    if local.is_char_boundary(escaped) { escaped } else { 0 }
}

/// The domain or address literal that `behind` begins with, with further `@` and what they lead to.
fn domain(behind: &str) -> &str {
    if behind.starts_with('[') {
        return behind.find(']').and_then(|end| behind.get(..=end)).unwrap_or_default();
    }
    let end = behind
        .find(|c: char| !(c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '@')))
        .unwrap_or(behind.len());
    behind.get(..end).unwrap_or_default().trim_end_matches(['.', '-', '@'])
}

/// Whether it may stand in a local part without quotes (RFC 5322 `atext`, RFC 6531), dots included.
fn is_part(c: char) -> bool {
    match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' => true,
        '!' | '#' | '$' | '%' | '&' | '\'' | '*' | '+' | '-' | '/' | '=' | '?' | '^' | '_' | '`' | '{'
        | '|' | '}' | '~' | '.' => true,
        c => !c.is_ascii() && !c.is_whitespace() && !c.is_control(),
    }
}

/// A foreign text too long to be repeated is cut, and the cut may go through an address before its
/// `@`: the word that it goes through is left out.
fn without_cut_words(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(cut) = rest.find("...") {
        let (before, behind) = rest.split_at(cut);
        let behind = behind.trim_start_matches('.');
        out.push_str(before.get(..start_of_word(before)).unwrap_or_default());
        out.push_str("...");
        rest = behind;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn domain_only(line: &str) -> String {
        redacted(line, LogAddresses::Domain)
    }

    fn nothing(line: &str) -> String {
        redacted(line, LogAddresses::None)
    }

    #[test]
    fn shows_the_domain_or_nothing_wherever_an_address_stands() {
        for (line, domain, none) in [
            ("from=\"a.b+c@contoso.com\" x", "from=\"***@contoso.com\" x", "from=\"[address]\" x"),
            ("550 <to@example.org>: no", "550 <***@example.org>: no", "550 <[address]>: no"),
            (
                "a@b.c not allowed as x@y.z.",
                "***@b.c not allowed as ***@y.z.",
                "[address] not allowed as [address].",
            ),
            ("bounce+to=example.org@list.test;", "***@list.test;", "[address];"),
            ("j\u{f6}rg@m\u{fc}ller.de", "***@m\u{fc}ller.de", "[address]"),
            ("to@[192.0.2.1] ", "***@[192.0.2.1] ", "[address] "),
            (r#""550 \"john doe\"@example.org""#, r#""550 ***@example.org""#, r#""550 [address]""#),
            (r#"no "john doe"@example.org"#, "no ***@example.org", "no [address]"),
        ] {
            assert_eq!((domain_only(line).as_str(), nothing(line).as_str()), (domain, none), "{line}");
        }
    }

    #[test]
    fn what_is_no_address_stays() {
        for line in [
            "at 3 @ noon",
            "@",
            "a @b",
            "a@ b",
            "no at all",
            "[Hostname=SYBP282.PROD.OUTLOOK.COM]",
            r#"why="550 \"@example.org""#,
        ] {
            assert_eq!(nothing(line), line);
        }
    }

    #[test]
    fn a_message_id_of_ours_keeps_what_makes_it_unique_and_nobody_elses_words_can_pose_as_one() {
        for field in MESSAGE_ID {
            let line = format!("{field}65f.1@contoso.com\" next");
            assert_eq!(domain_only(&line), line);
            assert_eq!(nothing(&line), format!("{field}65f.1@***\" next"));
        }
        let posing = r#"why="550 message_id=\"to@example.org\"""#;
        assert_eq!(nothing(posing), r#"why="550 message_id=\"[address]\"""#);
    }

    #[test]
    fn a_message_id_with_an_address_within_is_none() {
        let found = nothing(r#"message_id="to@example.org@contoso.com""#);
        assert_eq!(found, "message_id=\"[address]\"");
    }

    #[test]
    fn a_cut_goes_through_no_address() {
        assert_eq!(nothing("(550 who is <john.do...). To mend"), "(550 who is <...). To mend");
        assert_eq!(nothing("to@example.org and john.do..."), "[address] and ...");
    }

    #[test]
    fn escapes_of_the_log_stay_whole() {
        assert_eq!(nothing(r#"{"m":"x\nto@example.org"}"#), r#"{"m":"x\n[address]"}"#);
        assert_eq!(nothing(r#"{"m":"x\u001bto@example.org"}"#), r#"{"m":"x\u001b[address]"}"#);
    }

    #[test]
    fn full_lines_pass_byte_for_byte() {
        let mut out = Vec::new();
        Redacting::new(&mut out, LogAddresses::Full).write_all(b"a@b.c \xff\n").unwrap();
        assert_eq!(out, b"a@b.c \xff\n");
        let mut out = Vec::new();
        Redacting::new(&mut out, LogAddresses::None).write_all(b"a@b.c\n").unwrap();
        assert_eq!(out, b"[address]\n");
    }
}
