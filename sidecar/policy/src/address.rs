//! The one form of an address that patterns can be compared with.

/// `text` with no needless quotes and no dot behind the domain; `None` where an address has no
/// plain form, or would be routed by what stands in its local part (`a%b@c`, `a!b@c`, `"a@b"@c`).
pub(crate) fn plain(text: &str) -> Option<String> {
    let (local, domain) = split(text)?;
    let local = plain_local(local).filter(|it| !it.contains(['@', '%', '!']))?;
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    domain.split('.').all(is_label).then(|| format!("{local}@{domain}"))
}

/// A pattern in the same form; what is no pattern stays what it is.
pub(crate) fn plain_pattern(pattern: &str) -> String {
    let Some((local, domain)) = pattern.rsplit_once('@') else { return pattern.to_owned() };
    let domain = domain.strip_suffix('.').unwrap_or(domain);
    // a quoted star is a name, a plain one is everybody
    let local = plain_local(local).filter(|it| !it.contains('*')).unwrap_or_else(|| local.to_owned());
    format!("{local}@{domain}")
}

/// Whether a label of the domain is in the encoded form of an international name.
pub(crate) fn has_a_label(plain: &str) -> bool {
    let (_, domain) = plain.rsplit_once('@').unwrap_or_default();
    domain.split('.').any(|label| label.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("xn--")))
}

/// Local part, with its quotes, and domain.
fn split(text: &str) -> Option<(&str, &str)> {
    if !text.starts_with('"') {
        return text.split_once('@');
    }
    let mut escaped = false;
    for (index, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some((&text[..=index], text[index + 1..].strip_prefix('@')?)),
            _ => {}
        }
    }
    None
}

fn plain_local(local: &str) -> Option<String> {
    let Some(quoted) = local.strip_prefix('"') else {
        return is_dot_string(local).then(|| local.to_owned());
    };
    let mut name = String::new();
    let mut chars = quoted.strip_suffix('"')?.chars();
    while let Some(c) = chars.next() {
        name.push(if c == '\\' { chars.next()? } else { c });
    }
    if name.contains(char::is_control) {
        return None;
    }
    if is_dot_string(&name) {
        return Some(name);
    }
    Some(format!("\"{}\"", name.replace('\\', "\\\\").replace('"', "\\\"")))
}

fn is_dot_string(local: &str) -> bool {
    local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || is_foreign(c)
}

fn is_label(label: &str) -> bool {
    !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || "-_".contains(c) || is_foreign(c))
}

fn is_foreign(c: char) -> bool {
    !c.is_ascii() && !c.is_control() && !c.is_whitespace()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needless_quotes_and_a_trailing_dot_go() {
        for (given, form) in [
            ("a@b.c", "a@b.c"),
            ("A.b+c@B.c.", "A.b+c@B.c"),
            ("\"a\"@b", "a@b"),
            ("\"\\a\"@b", "a@b"),
            ("\"a b\"@c", "\"a b\"@c"),
            ("\"a\\ b\"@c", "\"a b\"@c"),
            ("\"a\\\"b\"@c", "\"a\\\"b\"@c"),
            ("jörg@bücher.example", "jörg@bücher.example"),
        ] {
            assert_eq!(plain(given).as_deref(), Some(form), "{given:?}");
        }
    }

    #[test]
    fn what_is_routed_or_no_name_at_all_has_no_plain_form() {
        for given in [
            "",
            "a",
            "@b",
            "a@",
            "a@.",
            "a@b..",
            "a@b..c",
            "a@[192.0.2.1]",
            "@a,@b:c@d",
            "a%b@c",
            "a!b@c",
            "\"a%b\"@c",
            "\"a@b\"@c",
            "a@b@c",
            "\"a\"b@c",
            "\"a@c",
            "a b@c",
            "a@b c",
            "a@b\r\n",
            "a..b@c",
            "\"a\nb\"@c",
            "<a@b>",
            "a@b\u{a0}",
        ] {
            assert_eq!(plain(given), None, "{given:?}");
        }
    }

    #[test]
    fn a_quoted_star_is_not_everybody() {
        assert_eq!(plain_pattern("\"*\"@b"), "\"*\"@b");
        assert_eq!(plain_pattern("\"a\"@b."), "a@b");
        assert_eq!(plain_pattern("*@*.b"), "*@*.b");
        assert_eq!(plain_pattern("*"), "*");
    }

    #[test]
    fn knows_an_encoded_label() {
        assert!(has_a_label("a@x.XN--bcher-kva.example"));
        assert!(!has_a_label("xn--a@example.com") && !has_a_label("a@日本"));
    }
}
