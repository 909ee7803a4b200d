//! Fields as they are written.

/// Longest display name that is carried over, in characters.
const LONGEST_NAME: usize = 200;

/// Octets of text in one encoded word: it may have 75 with `=?utf-8?q?` and `?=` (RFC 2047
/// section 2).
const WORD: usize = 75 - 12;

/// `field: "name" <address>` with its CRLF, folded where it would be long.
///
/// The name is cleaned, and quoted or encoded so that no reader can take any of it for an address.
pub(crate) fn mailbox(field: &str, name: Option<&str>, address: &str) -> String {
    let name = clean(name.unwrap_or_default());
    if name.is_empty() {
        return format!("{field}: {address}\r\n");
    }
    // some readers decode encoded words within quotes
    let quotable = name.is_ascii() && !name.contains("=?");
    let name = if quotable { quoted(&name) } else { encoded(&name) };
    let fold = if field.len() + name.len() + address.len() > 72 { "\r\n " } else { " " };
    format!("{field}: {name}{fold}<{address}>\r\n")
}

fn clean(name: &str) -> String {
    let name = name.replace(char::is_control, " ");
    name.split_whitespace().collect::<Vec<_>>().join(" ").chars().take(LONGEST_NAME).collect()
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\""))
}

/// The Q encoding, with the few characters that RFC 2047 section 5 (3) leaves to a phrase.
fn encoded(name: &str) -> String {
    let (mut words, mut word) = (Vec::new(), String::new());
    for c in name.chars() {
        let piece: String = match c {
            ' ' => "_".to_owned(),
            c if c.is_ascii_alphanumeric() => c.to_string(),
            c => c.encode_utf8(&mut [0; 4]).bytes().map(|octet| format!("={octet:02X}")).collect(),
        };
        if word.len() + piece.len() > WORD {
            words.push(std::mem::take(&mut word));
        }
        word.push_str(&piece);
    }
    words.push(word);
    let words: Vec<_> = words.iter().map(|word| format!("=?utf-8?q?{word}?=")).collect();
    words.join("\r\n ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_quoted_or_encoded_and_an_address_stands_alone() {
        assert_eq!(mailbox("From", None, "a@b"), "From: a@b\r\n");
        assert_eq!(mailbox("From", Some(" \t"), "a@b"), "From: a@b\r\n");
        assert_eq!(mailbox("From", Some("x\r\ny \"<\\"), "a@b"), "From: \"x y \\\"<\\\\\" <a@b>\r\n");
        assert_eq!(mailbox("From", Some("Jörg, x"), "a@b"), "From: =?utf-8?q?J=C3=B6rg=2C_x?= <a@b>\r\n");
        assert_eq!(
            mailbox("From", Some("=?utf-8?q?x?="), "a@b"),
            "From: =?utf-8?q?=3D=3Futf=2D8=3Fq=3Fx=3F=3D?= <a@b>\r\n"
        );
    }

    #[test]
    fn a_long_name_is_folded_and_no_line_is_longer_than_a_word() {
        let field = mailbox("From", Some(&"日本 ".repeat(500)), "a@b");
        assert!(field.split("\r\n").all(|line| line.len() <= 82), "{field}");
        assert!(field.ends_with("?=\r\n <a@b>\r\n"), "{field}");
    }
}
