//! The path of MAIL and RCPT, and what stands behind it.

/// Splits `FROM:<path> parameters` at its path; the path comes without brackets and without a
/// source route, which is to be ignored (RFC 5321 section 4.1.1.3).
///
/// A space behind the colon and missing brackets are let pass, as simple clients write them.
pub(super) fn split<'a>(
    argument: &'a str,
    keyword: &str,
) -> Option<(&'a str, impl Iterator<Item = &'a str>)> {
    let (head, rest) = argument.split_at_checked(keyword.len())?;
    let rest = rest.trim_start_matches(' ');
    if !head.eq_ignore_ascii_case(keyword) {
        return None;
    }
    let (path, parameters) = match rest.strip_prefix('<') {
        Some(inner) => {
            let end = closing_bracket(inner)?;
            (&inner[..end], &inner[end + 1..])
        }
        None if rest.is_empty() => return None,
        None => rest.split_at(rest.find(' ').unwrap_or(rest.len())),
    };
    if !parameters.is_empty() && !parameters.starts_with(' ') {
        return None;
    }
    let path = match path.strip_prefix('@') {
        Some(route) => route.split_once(':')?.1,
        None => path,
    };
    Some((path, parameters.split(' ').filter(|p| !p.is_empty())))
}

/// The index of the `>` that is not within a quoted string.
fn closing_bracket(text: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    text.bytes().position(|b| {
        match b {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
        b == b'>' && !quoted
    })
}
