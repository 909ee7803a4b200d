//! Just enough of RFC 5322 to look at a message's header fields: no decoding, no opinions.

/// The header section, the CRLF of its last line included.
pub(super) fn section(content: &[u8]) -> &[u8] {
    if content.starts_with(b"\r\n") {
        return &[];
    }
    match content.windows(4).position(|window| window == b"\r\n\r\n") {
        Some(end) => &content[..end + 2],
        None => content,
    }
}

/// What follows the empty line.
pub(super) fn body(content: &[u8]) -> &[u8] {
    content.get(section(content).len() + 2..).unwrap_or_default()
}

/// The first field of this name, unfolded.
pub(super) fn field(content: &[u8], name: &str) -> Option<String> {
    let section = String::from_utf8_lossy(section(content));
    let mut lines = section.split("\r\n").skip_while(|line| {
        !line.split_once(':').is_some_and(|(own, _)| own.trim_end().eq_ignore_ascii_case(name))
    });
    let (_, first) = lines.next()?.split_once(':')?;
    let folded = lines.take_while(|line| line.starts_with([' ', '\t']));
    let value = folded.fold(first.to_owned(), |value, line| value + line);
    Some(value.trim().to_owned())
}

/// The addresses in the value of a From field: what stands in angle brackets, or else alone.
pub(super) fn addresses(value: &str) -> Vec<String> {
    let mut plain = String::new();
    let (mut quoted, mut comment, mut escaped) = (false, 0_u32, false);
    for c in value.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted || comment > 0 => escaped = true,
            '"' if comment == 0 => quoted = !quoted,
            '(' if !quoted => comment += 1,
            ')' if !quoted && comment > 0 => comment -= 1,
            _ if quoted || comment > 0 => {}
            _ => plain.push(c),
        }
    }
    plain
        .split(',')
        .map(|one| match one.split_once('<') {
            Some((_, rest)) => rest.split('>').next().unwrap_or_default(),
            None => one,
        })
        .map(|one| one.trim().to_owned())
        .filter(|one| one.contains('@'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIL: &[u8] =
        b"Subject: a\r\n long one\r\nfrom: \"x, <a@b>\" (c@d) <billing@contoso.com>\r\n\r\nFrom: body\r\n";

    #[test]
    fn finds_fields_in_the_header_only() {
        assert_eq!(field(MAIL, "subject").as_deref(), Some("a long one"));
        assert_eq!(addresses(&field(MAIL, "From").unwrap()), ["billing@contoso.com"]);
        assert_eq!(field(b"A: b\r\n\r\nFrom: x@y\r\n", "From"), None);
        assert_eq!(field(b"\r\nFrom: x@y\r\n", "From"), None);
        assert_eq!(body(MAIL), b"From: body\r\n");
        assert_eq!(body(b"\r\nx"), b"x");
        assert_eq!(body(b"A: b\r\n"), b"");
    }

    #[test]
    fn reads_every_author() {
        assert_eq!(addresses("a@x, B <b@y>"), ["a@x", "b@y"]);
        assert_eq!(addresses("undisclosed"), Vec::<String>::new());
    }
}
