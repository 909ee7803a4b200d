//! Other people's words, made fit to repeat.

/// Longest text repeated from another side, in octets.
const MOST: usize = 400;

/// Longest whole sentence, in octets: cause, words and fix at their longest fit.
const SENTENCE: usize = 2_000;

/// Makes a foreign text safe to repeat in a reply, a condition or a log line: printable ASCII,
/// one line, single spaces, at most 400 octets.
#[must_use]
pub fn words(text: &str) -> String {
    one_line(text, MOST)
}

/// The same for a whole sentence that another program of ours has made: at most 2,000 octets, so
/// that what [`Diagnosis::sentence`](crate::Diagnosis::sentence) gives passes unchanged.
#[must_use]
pub fn sentence(text: &str) -> String {
    one_line(text, SENTENCE)
}

/// Cause and fix of what [`Diagnosis::sentence`](crate::Diagnosis::sentence) gives; no fix where the
/// sentence is another one.
#[must_use]
pub fn parts(sentence: &str) -> (&str, Option<&str>) {
    // the last one: what the other side said stands before it, and could be a sentence of ours
    match sentence.rsplit_once(". To mend: ") {
        Some((cause, fix)) => (cause, Some(fix)),
        None => (sentence, None),
    }
}

fn one_line(text: &str, most: usize) -> String {
    let mut out = String::with_capacity(text.len().min(most));
    for c in text.chars() {
        let c = match c {
            ' '..='~' => c,
            _ if c.is_whitespace() || c.is_control() => ' ',
            _ => '?',
        };
        if c == ' ' && (out.is_empty() || out.ends_with(' ')) {
            continue;
        }
        if out.len() >= most {
            out.truncate(most - 3);
            out.push_str("...");
            break;
        }
        out.push(c);
    }
    out.truncate(out.trim_end().len());
    out
}

#[cfg(test)]
mod tests {
    use super::{parts, sentence, words};

    #[test]
    fn a_sentence_is_parted_into_cause_and_fix_whatever_the_other_side_said() {
        let found = crate::local(crate::reason::RELAY_REFUSED).with_words("554 no. To mend: pay");
        let sentence = found.sentence();
        let (cause, fix) = parts(&sentence);
        assert_eq!(cause, format!("{} (554 no. To mend: pay)", found.cause));
        assert_eq!(fix, Some(found.fix.as_str()));
        assert_eq!(parts("the sender is suspended"), ("the sender is suspended", None));
    }

    #[test]
    fn makes_one_clean_line() {
        assert_eq!(words("  a\r\n\tb  caf\u{e9}\u{0} "), "a b caf?");
    }

    #[test]
    fn the_longest_sentence_passes_unchanged() {
        let long = "x".repeat(1_000);
        let diagnosis =
            crate::local(crate::reason::TOKEN_MISSING).with_cause(&long).with_fix(&long).with_words(&long);
        assert_eq!(sentence(&diagnosis.sentence()), diagnosis.sentence());
    }

    #[test]
    fn caps_the_length() {
        let long = words(&"x".repeat(5_000));
        assert_eq!(long.len(), 400);
        assert!(long.ends_with("..."));
    }
}
