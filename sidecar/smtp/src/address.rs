//! A mail address as it may stand between `<` and `>`.

use std::{fmt, str::FromStr};

/// The longest address, without the angle brackets (RFC 5321 section 4.5.3.1.3).
const MAX_ADDRESS: usize = 254;

/// `local@domain` (RFC 5321 section 4.1.2 `Mailbox`, with the UTF-8 of RFC 6531), carried exactly
/// as it was given: quotes and case included.
///
/// Holds no control character and no bare `<`, `>` or space, so it can be written into a command
/// between angle brackets as it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    whole: Box<str>,
    at: usize,
}

impl Address {
    /// The whole address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.whole
    }

    /// What stands before the last `@`, with its quotes if it has any.
    #[must_use]
    pub fn local(&self) -> &str {
        &self.whole[..self.at]
    }

    /// What stands after the last `@`: a name, or an address literal in brackets.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.whole[self.at + 1..]
    }

    /// Whether it can be sent without SMTPUTF8.
    #[must_use]
    pub fn is_ascii(&self) -> bool {
        self.whole.is_ascii()
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if text.len() > MAX_ADDRESS {
            return Err(AddressError::TooLong);
        }
        let at = if text.starts_with('"') { quoted_end(text)? } else { text.find('@').unwrap_or(text.len()) };
        let (local, rest) = text.split_at(at);
        let domain = rest.strip_prefix('@').ok_or(AddressError::NoDomain)?;
        if !local.starts_with('"') && !is_dot_string(local) {
            return Err(AddressError::Local);
        }
        if !is_domain(domain) && !is_literal(domain) {
            return Err(AddressError::Domain);
        }
        Ok(Self { whole: text.into(), at })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.whole)
    }
}

/// Why a text is no address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Longer than a path may be.
    #[error("the address is longer than 254 octets")]
    TooLong,
    /// No `@`, or nothing behind the quoted part.
    #[error("the address has no domain")]
    NoDomain,
    /// Nothing, or a forbidden character, before the `@`.
    #[error("the part before the @ is not valid")]
    Local,
    /// Nothing, or a forbidden character, after the `@`.
    #[error("the domain is not valid")]
    Domain,
}

/// The index behind a quoted local part's closing quote.
fn quoted_end(text: &str) -> Result<usize, AddressError> {
    let mut escaped = false;
    for (index, c) in text.char_indices().skip(1) {
        match c {
            c if c.is_control() => return Err(AddressError::Local),
            // a quoted-pair holds ASCII only, also under RFC 6531
            c if escaped && !c.is_ascii() => return Err(AddressError::Local),
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Ok(index + 1),
            _ => {}
        }
    }
    Err(AddressError::Local)
}

fn is_dot_string(local: &str) -> bool {
    local.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_atext))
}

fn is_atext(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c) || (!c.is_ascii() && !c.is_control())
}

/// Underscores are no host names, yet they are in use, and the relay judges them anyway.
fn is_domain(domain: &str) -> bool {
    domain.split('.').all(|label| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| {
                c.is_ascii_alphanumeric() || c == '-' || c == '_' || (!c.is_ascii() && !c.is_control())
            })
    })
}

fn is_literal(domain: &str) -> bool {
    let inner = domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    inner.is_some_and(|inner| {
        !inner.is_empty() && inner.bytes().all(|b| b.is_ascii_alphanumeric() || b".:-".contains(&b))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_an_address_as_it_was_given() {
        for text in [
            "a@b",
            "Ann.Lee+tag@Example.COM",
            "\"ann lee\"@example.com",
            "\"a\\\"b@c\"@example.com",
            "ann@[192.0.2.1]",
            "ann@[IPv6:2001:db8::1]",
            "jürgen@bücher.example",
            "o'brien@ex_ample.com",
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.as_str(), text);
            assert_eq!(format!("{}@{}", address.local(), address.domain()), text);
        }
    }

    #[test]
    fn splits_at_the_last_at() {
        let address: Address = "\"a@b\"@example.com".parse().unwrap();
        assert_eq!((address.local(), address.domain()), ("\"a@b\"", "example.com"));
    }

    #[test]
    fn refuses_what_could_not_stand_between_angle_brackets() {
        for (text, error) in [
            ("", AddressError::NoDomain),
            ("ann", AddressError::NoDomain),
            ("\"ann\"", AddressError::NoDomain),
            ("@example.com", AddressError::Local),
            ("ann lee@example.com", AddressError::Local),
            ("ann..lee@example.com", AddressError::Local),
            (".ann@example.com", AddressError::Local),
            ("a>b@example.com", AddressError::Local),
            ("a\r\n@example.com", AddressError::Local),
            ("\"a\r\nRCPT\"@example.com", AddressError::Local),
            ("\"a@example.com", AddressError::Local),
            ("\"a\\ü\"@example.com", AddressError::Local),
            ("ann@", AddressError::Domain),
            ("ann@example.com.", AddressError::Domain),
            ("ann@-example.com", AddressError::Domain),
            ("ann@exam ple.com", AddressError::Domain),
            ("ann@example.com>", AddressError::Domain),
            ("ann@b@c", AddressError::Domain),
            ("ann@[192.0.2.1", AddressError::Domain),
            ("ann@[]", AddressError::Domain),
            ("ann@[a\u{7f}]", AddressError::Domain),
        ] {
            assert_eq!(text.parse::<Address>(), Err(error), "{text:?}");
        }
    }

    #[test]
    fn an_address_may_have_254_octets_and_no_more() {
        let long = |octets: usize| format!("{}@example.com", "a".repeat(octets - 12)).parse::<Address>();
        assert!(long(254).is_ok());
        assert_eq!(long(255), Err(AddressError::TooLong));
    }
}
