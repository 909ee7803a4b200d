//! Who a From or Sender field names, if every reader would say the same.

use mail_parser::{Address, HeaderValue};

use crate::{Denied, address::plain};

/// The one address of a field.
#[derive(Debug)]
pub(crate) struct Author {
    /// The display name, decoded.
    pub(crate) name: Option<String>,
    /// As it is written.
    pub(crate) address: String,
    /// In the form that patterns know.
    pub(crate) plain: String,
}

impl Author {
    /// Reads a field's raw value ourselves, and compares with what the mail parser `read` in it.
    pub(crate) fn read(value: &[u8], read: &HeaderValue<'_>) -> Result<Self, Denied> {
        let text = std::str::from_utf8(value).map_err(|_| Denied::FromUnclear)?.replace("\r\n", "");
        let address = only_address(&text)?;
        let HeaderValue::Address(Address::List(list)) = read else { return Err(Denied::FromUnclear) };
        let [one] = list.as_slice() else { return Err(Denied::SeveralFrom) };
        if one.address() != Some(address.as_str()) {
            return Err(Denied::FromUnclear);
        }
        let plain = plain(&address).ok_or(Denied::FromUnclear)?;
        Ok(Self { name: one.name().map(str::to_owned), address, plain })
    }
}

/// The address in an unfolded value that is `address` or `name <address>`, with comments, and
/// nothing else: no group, no list, no second address outside quotes (RFC 5322 section 3.4).
pub(super) fn only_address(text: &str) -> Result<String, Denied> {
    let (mut outside, mut inside) = (String::new(), None);
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let length = match c {
            '<' if inside.is_some() => return Err(Denied::SeveralFrom),
            ',' | ';' => return Err(Denied::SeveralFrom),
            '(' => comment(rest).ok_or(Denied::FromUnclear)?,
            // nothing but comments may follow the address
            c if inside.is_some() && !matches!(c, ' ' | '\t') => return Err(Denied::FromUnclear),
            '"' => quoted(rest).ok_or(Denied::FromUnclear)?,
            '<' => angle(rest).ok_or(Denied::FromUnclear)?,
            ':' | '>' | ')' | '\\' => return Err(Denied::FromUnclear),
            c if c.is_control() && c != '\t' => return Err(Denied::FromUnclear),
            c => c.len_utf8(),
        };
        let (piece, after) = rest.split_at(length);
        match c {
            '(' => outside.push(' '),
            '<' => inside = Some(piece[1..length - 1].to_owned()),
            // names in quotes may hold anything; where there is no other address they are part of it
            '"' if after.starts_with('@') && inside.is_none() => outside.push_str(piece),
            '"' => outside.push('"'),
            _ => outside.push_str(piece),
        }
        rest = after;
    }
    match inside {
        Some(_) if outside.contains('@') => Err(Denied::SeveralFrom),
        Some(inside) => Ok(inside),
        None => Ok(outside.trim_matches([' ', '\t']).to_owned()),
    }
}

/// Octets of the quoted string at the start of `text`.
pub(super) fn quoted(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (index, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(index + 1),
            _ => {}
        }
    }
    None
}

/// Octets of the comment at the start of `text`; comments nest.
pub(super) fn comment(text: &str) -> Option<usize> {
    let (mut depth, mut escaped) = (0_usize, false);
    for (index, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '(' => depth += 1,
            ')' if depth == 1 => return Some(index + 1),
            ')' => depth -= 1,
            _ => {}
        }
    }
    None
}

/// Octets of the `<address>` at the start of `text`.
pub(super) fn angle(text: &str) -> Option<usize> {
    let mut at = 1;
    loop {
        at += match text.get(at..)?.chars().next()? {
            '"' => quoted(&text[at..])?,
            '>' => return Some(at + 1),
            '<' | '(' => return None,
            c => c.len_utf8(),
        };
    }
}
