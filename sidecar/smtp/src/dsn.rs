//! What the app asks to be told of a message's fate (RFC 3461), as it stands in the envelope.
//!
//! Each value is parsed strictly, is shown exactly as it may stand in a command, and holds neither
//! a space nor a control character.

use std::{fmt, str::FromStr};

/// The longest ENVID (RFC 3461 section 4.4).
const MAX_ENVID: usize = 100;
/// The longest ORCPT (RFC 3461 section 4.2).
const MAX_ORCPT: usize = 500;

/// What is asked for the whole message, by MAIL.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dsn {
    /// RET: how much of the message comes back with a failure.
    pub ret: Option<Ret>,
    /// ENVID: by which name notifications speak of it.
    pub envid: Option<EnvelopeId>,
}

/// What is asked for one recipient, by RCPT.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecipientDsn {
    /// NOTIFY: when to notify.
    pub notify: Option<Notify>,
    /// ORCPT: whom the app, or somebody before it, meant at first.
    pub orcpt: Option<OriginalRecipient>,
}

/// A parameter whose value is none that it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid value of a DSN parameter")]
pub struct BadDsn;

/// `FULL` or `HDRS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ret {
    /// The whole message.
    Full,
    /// Its header section.
    Headers,
}

impl FromStr for Ret {
    type Err = BadDsn;

    fn from_str(text: &str) -> Result<Self, BadDsn> {
        let is = |word| text.eq_ignore_ascii_case(word);
        if is("FULL") {
            Ok(Self::Full)
        } else if is("HDRS") {
            Ok(Self::Headers)
        } else {
            Err(BadDsn)
        }
    }
}

impl fmt::Display for Ret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "FULL",
            Self::Headers => "HDRS",
        })
    }
}

/// `NEVER`, or one or more of `SUCCESS`, `FAILURE` and `DELAY`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Notify {
    /// In the order of [`OCCASIONS`]; none: never.
    on: [bool; 3],
}

const OCCASIONS: [&str; 3] = ["SUCCESS", "FAILURE", "DELAY"];

impl FromStr for Notify {
    type Err = BadDsn;

    fn from_str(text: &str) -> Result<Self, BadDsn> {
        let mut on = [false; 3];
        if text.eq_ignore_ascii_case("NEVER") {
            return Ok(Self { on });
        }
        for word in text.split(',') {
            let known = OCCASIONS.iter().position(|it| word.eq_ignore_ascii_case(it)).ok_or(BadDsn)?;
            if std::mem::replace(&mut on[known], true) {
                return Err(BadDsn);
            }
        }
        Ok(Self { on })
    }
}

impl fmt::Display for Notify {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wanted = OCCASIONS.iter().zip(self.on).filter_map(|(word, on)| on.then_some(*word));
        match wanted.collect::<Vec<_>>().as_slice() {
            [] => f.write_str("NEVER"),
            words => f.write_str(&words.join(",")),
        }
    }
}

/// The app's own name for the message, as xtext.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnvelopeId(Box<str>);

impl FromStr for EnvelopeId {
    type Err = BadDsn;

    fn from_str(text: &str) -> Result<Self, BadDsn> {
        let fits = (1..=MAX_ENVID).contains(&text.len()) && text.is_ascii() && is_xtext(text);
        if fits { Ok(Self(text.into())) } else { Err(BadDsn) }
    }
}

impl fmt::Display for EnvelopeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An address type, `;`, and an address as xtext; under the type `utf-8` the address may hold
/// letters beyond ASCII as they are (RFC 6533 section 3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OriginalRecipient(Box<str>);

impl OriginalRecipient {
    /// As it stands behind `ORCPT=`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it can be sent without SMTPUTF8.
    #[must_use]
    pub fn is_ascii(&self) -> bool {
        self.0.is_ascii()
    }
}

impl FromStr for OriginalRecipient {
    type Err = BadDsn;

    fn from_str(text: &str) -> Result<Self, BadDsn> {
        let (kind, address) = text.split_once(';').ok_or(BadDsn)?;
        let atom = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*-/?^_`{|}~".contains(c);
        let letters = address.is_ascii() || kind.eq_ignore_ascii_case("utf-8");
        let fits = text.len() <= MAX_ORCPT
            && !kind.is_empty()
            && kind.chars().all(atom)
            && !address.is_empty()
            && letters
            && is_xtext(address);
        if fits { Ok(Self(text.into())) } else { Err(BadDsn) }
    }
}

impl fmt::Display for OriginalRecipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// RFC 3461 section 4: `+` begins two capital hexadecimal digits, `=` stands nowhere; what is encoded
/// is printable ASCII (sections 4.2 and 4.4), so that no line end comes out of it elsewhere. Letters
/// beyond ASCII are let pass.
fn is_xtext(text: &str) -> bool {
    let mut parts = text.split('+');
    let plain = |part: &str| part.chars().all(|c| !matches!(c, '\0'..=' ' | '=' | '\x7f'..='\u{9f}'));
    let encoded = |part: &str| {
        let Some((digits, rest)) = part.split_at_checked(2) else { return false };
        let capital = |b: u8| matches!(b, b'0'..=b'9' | b'A'..=b'F');
        let octet = u8::from_str_radix(digits, 16).ok().filter(|_| digits.bytes().all(capital));
        octet.is_some_and(|octet| matches!(octet, b' '..=b'~')) && plain(rest)
    };
    parts.next().is_some_and(plain) && parts.all(encoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How it is shown again, or that it is refused.
    fn read<T: FromStr + ToString>(text: &str) -> Option<String> {
        text.parse::<T>().ok().map(|it| it.to_string())
    }

    #[test]
    fn ret_is_full_or_hdrs_in_any_case() {
        for (text, shown) in [("FULL", Some("FULL")), ("hdrs", Some("HDRS")), ("ALL", None), ("", None)] {
            assert_eq!(read::<Ret>(text).as_deref(), shown, "{text}");
        }
    }

    #[test]
    fn notify_is_never_alone_or_a_list_without_repetition() {
        for (text, shown) in [
            ("never", Some("NEVER")),
            ("DELAY,Success", Some("SUCCESS,DELAY")),
            ("SUCCESS,FAILURE,DELAY", Some("SUCCESS,FAILURE,DELAY")),
            ("NEVER,FAILURE", None),
            ("FAILURE,NEVER", None),
            ("FAILURE,FAILURE", None),
            ("FAILURE,", None),
            ("", None),
        ] {
            assert_eq!(read::<Notify>(text).as_deref(), shown, "{text}");
        }
    }

    #[test]
    fn an_envelope_id_is_xtext_of_at_most_100_octets() {
        for good in ["QQ314159", "a+2Bb+3Dc+20d", "!~", &"x".repeat(100)] {
            assert_eq!(read::<EnvelopeId>(good).as_deref(), Some(good));
        }
        for bad in [
            "",
            "a=b",
            "a+b",
            "a+2b",
            "a+2",
            "a+",
            "+0D+0A",
            "+7F",
            "+80",
            "a b",
            "ä",
            "a+ä",
            &"x".repeat(101),
        ] {
            assert_eq!(read::<EnvelopeId>(bad), None, "{bad}");
        }
    }

    #[test]
    fn an_original_recipient_has_a_type_and_an_xtext_address() {
        let longest = format!("rfc822;{}", "x".repeat(493));
        for good in
            ["rfc822;Bob@example.com", "rfc822;a+2Bb@example.com", "utf-8;bücher@example.com", &longest]
        {
            assert_eq!(read::<OriginalRecipient>(good).as_deref(), Some(good));
        }
        let too_long = format!("{longest}x");
        for bad in [
            "",
            "Bob@example.com",
            ";Bob@example.com",
            "rfc822;",
            "rfc 822;a@b",
            "rfc822;a+b@c",
            "rfc822;+0A",
            "rfc822;bücher@example.com",
            "utf-8;a\u{85}b@c",
            &too_long,
        ] {
            assert_eq!(read::<OriginalRecipient>(bad), None, "{bad}");
        }
    }
}
