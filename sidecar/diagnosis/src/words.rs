//! Other people's words, made fit to repeat.

/// Longest text repeated from another side, in octets.
const MOST: usize = 400;

/// Makes a foreign text safe to repeat in a reply, a condition or a log line: printable ASCII,
/// one line, single spaces, at most 400 octets.
#[must_use]
pub fn words(text: &str) -> String {
    let mut out = String::with_capacity(text.len().min(MOST));
    for c in text.chars() {
        let c = match c {
            ' '..='~' => c,
            _ if c.is_whitespace() || c.is_control() => ' ',
            _ => '?',
        };
        if c == ' ' && (out.is_empty() || out.ends_with(' ')) {
            continue;
        }
        if out.len() >= MOST {
            out.truncate(MOST - 3);
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
    use super::words;

    #[test]
    fn makes_one_clean_line() {
        assert_eq!(words("  a\r\n\tb  caf\u{e9}\u{0} "), "a b caf?");
    }

    #[test]
    fn caps_the_length() {
        let long = words(&"x".repeat(5_000));
        assert_eq!(long.len(), 400);
        assert!(long.ends_with("..."));
    }
}
