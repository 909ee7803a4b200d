//! The table as a page for people, `docs/errors.md`.

use std::fmt::Write as _;

use crate::reason;
use crate::row::{Class, Retry, Row, When};
use crate::table::{ENTRA, GRAPH, LOCAL, PROVIDER, SMTP};

const HEAD: &str = "\
# Errors

What the app's SMTP reply, the log, the metrics' `reason` label and the MailSender's conditions say, \
what it means and how it is mended. Find the reason, or the server's words, on this page.

The app is told 4yz for everything that time or a person can mend without touching the message, so that \
an app with a queue keeps it; 5yz only for what this message can never achieve, and for a login that is \
wrong or missing.

This page is made from the table in `sidecar/diagnosis/src/table/`: change that, then `make generate`.
";

/// The whole page, in Markdown.
#[must_use]
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    let sides = [
        ("Microsoft Entra, when a token is asked for", "Entra answers", ENTRA),
        ("Other providers, when a token is asked for", "The token host answers", PROVIDER),
        ("Exchange Online and other SMTP servers", "The server answers", SMTP),
        ("Microsoft Graph", "Graph answers", GRAPH),
        ("What mail-egress finds itself", "", LOCAL),
    ];
    for (title, when, rows) in sides {
        section(&mut page, title, when, rows);
    }
    page
}

fn section(page: &mut String, title: &str, when: &str, rows: &[Row]) {
    // writing to a String cannot fail
    let _ = write!(page, "\n## {title}\n");
    for row in rows {
        let _ = write!(page, "\n### {}\n\n", row.reason);
        let seen = seen(&row.when);
        if !seen.is_empty() {
            let _ = writeln!(page, "- {when}: {seen}");
        }
        let _ = writeln!(page, "- Means: {}.", row.cause);
        let _ = writeln!(page, "- To mend: {}.", row.fix);
        let _ = writeln!(page, "- The app is told: {}. {}", told(row), repeated(row.retry));
    }
}

fn seen(when: &When) -> String {
    match *when {
        When::Aadsts(codes) => {
            codes.iter().map(|code| format!("`AADSTS{code}`")).collect::<Vec<_>>().join(", ")
        }
        When::OauthError(error) => format!("`{error}` with another number or none"),
        When::ProviderError(error) => format!("`{error}`"),
        When::EntraStatus(0, _) | When::ProviderStatus(0, _) => "anything else".to_owned(),
        When::EntraStatus(from, to) | When::ProviderStatus(from, to) => {
            format!("HTTP {}", range(from, to))
        }
        When::Smtp { code, enhanced, text } => {
            let code = if code == 0 { String::new() } else { code.to_string() };
            let enhanced = match enhanced.strip_suffix('.') {
                Some(stem) => format!("{stem}.*"),
                None => enhanced.to_owned(),
            };
            let reply =
                [code, enhanced].into_iter().filter(|it| !it.is_empty()).collect::<Vec<_>>().join(" ");
            let reply = if reply.is_empty() { "any code".to_owned() } else { format!("`{reply}`") };
            if text.is_empty() { reply } else { format!("{reply} with \"{text}\"") }
        }
        When::Graph { from: 0, to: 999, .. } => "anything else".to_owned(),
        When::Graph { to: 0, code, .. } => format!("`{code}`"),
        When::Graph { from, to, code: "" } => format!("HTTP {}", range(from, to)),
        When::Graph { from, to, code } => format!("HTTP {} with `{code}`", range(from, to)),
        When::Local => String::new(),
    }
}

fn range(from: u16, to: u16) -> String {
    if from == to { from.to_string() } else { format!("{from} to {to}") }
}

/// A login has codes of its own (RFC 4954 section 6), by which a client knows what to do.
fn told(row: &Row) -> &'static str {
    match row.reason {
        reason::APP_NOT_LOGGED_IN => return "530, until it logs in",
        reason::APP_LOGIN_WRONG => return "535, until it logs in with the right ones",
        reason::APP_LOGIN_UNREADABLE | reason::APP_LOGINS_TOO_MANY => {
            return "454, its login cannot be checked now";
        }
        _ => {}
    }
    match row.class {
        Class::Transient => "4yz, it goes away by itself",
        Class::Mendable => "451, until somebody has mended it",
        Class::Permanent => "5yz, this message can never be delivered so",
        Class::Uncertain => "451, the message may have been delivered",
    }
}

fn repeated(retry: Retry) -> &'static str {
    match retry {
        Retry::WhenMended => "mail-egress does not repeat it until something was changed.",
        Retry::OnceFresh => "mail-egress repeats it once, with a fresh token or assertion.",
        Retry::BackOff => "mail-egress repeats it with growing intervals.",
        Retry::Slow => "mail-egress repeats it with intervals of minutes.",
        Retry::Never => "mail-egress never repeats it by itself.",
    }
}

#[cfg(test)]
mod tests {
    use super::page;

    #[test]
    fn the_committed_page_is_the_tables() {
        let committed = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors.md");
        let committed = std::fs::read_to_string(committed).unwrap();
        assert!(committed == page(), "docs/errors.md is not what the table says: run `make generate`");
    }

    #[test]
    fn names_what_was_seen_in_the_servers_own_words() {
        let page = page();
        for words in
            ["`AADSTS7000222`", "`535 5.7.3`", "`451 4.7.500-699`", "`ErrorSendAsDenied`", "HTTP 500 to 599"]
        {
            assert!(page.contains(words), "{words}");
        }
    }
}
