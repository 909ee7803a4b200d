//! The name that a program gives of itself in a greeting or hello.

/// `name` if it is a host name, `otherwise` if it could be anything else in a line of SMTP.
pub(crate) fn host_name<'a>(name: &'a str, otherwise: &'a str) -> &'a str {
    let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-'));
    if plain && (1..=253).contains(&name.len()) { name } else { otherwise }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_host_name_is_said() {
        assert_eq!(host_name("pod-7.shop", "x"), "pod-7.shop");
        for bad in ["", "a b", "a\r\nQUIT", "a_b", "ä"] {
            assert_eq!(host_name(bad, "x"), "x");
        }
        assert_eq!(host_name(&"a".repeat(254), "x"), "x");
    }
}
