//! The strict scan of a header section: what passes, every reader divides into the same fields.

use crate::Denied;

/// Longest header section, in octets.
const MOST: usize = 256 * 1024;

/// A header section, divided into its fields.
#[derive(Debug)]
pub(crate) struct Section<'a> {
    /// With the empty line that ends it.
    pub(crate) octets: &'a [u8],
    pub(crate) fields: Vec<Field<'a>>,
    /// Whether an empty line ends it.
    pub(crate) ended: bool,
}

/// One field, continuation lines included.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'a> {
    pub(crate) name: &'a str,
    /// The whole field with its CRLF.
    pub(crate) whole: &'a [u8],
    /// Where in the section it begins.
    pub(crate) start: usize,
}

impl<'a> Section<'a> {
    /// Divides what begins with a header section.
    pub(crate) fn read(octets: &'a [u8]) -> Result<Self, Denied> {
        let mut fields: Vec<Field<'a>> = Vec::new();
        let mut at = 0;
        while at < octets.len() {
            if at > MOST {
                return Err(Denied::TooLong);
            }
            let line = line(&octets[at..])?;
            let text = line.strip_suffix(b"\r\n").unwrap_or(line);
            if text.is_empty() {
                return Self::whole(&octets[..at + line.len()], fields, true);
            }
            if text[0] == b' ' || text[0] == b'\t' {
                // one of blanks alone is the section's end to some readers
                let blank = text.iter().all(|octet| *octet <= b' ');
                let field = fields.last_mut().filter(|_| !blank).ok_or(Denied::Malformed)?;
                field.whole = &octets[field.start..at + line.len()];
            } else {
                let name = name(text).ok_or_else(|| unnamed(text, at))?;
                fields.push(Field { name, whole: line, start: at });
            }
            at += line.len();
        }
        Self::whole(octets, fields, false)
    }

    fn whole(octets: &'a [u8], fields: Vec<Field<'a>>, ended: bool) -> Result<Self, Denied> {
        if octets.len() > MOST {
            return Err(Denied::TooLong);
        }
        Ok(Self { octets, fields, ended })
    }

    /// The fields of that name, in order.
    pub(crate) fn named(&self, name: &str) -> impl Iterator<Item = &Field<'a>> {
        self.fields.iter().filter(move |field| field.is(name))
    }
}

impl<'a> Field<'a> {
    /// Whether it has that name.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    /// What stands behind the colon, line ends included.
    pub(crate) fn value(&self) -> &'a [u8] {
        self.whole.get(self.name.len() + 1..).unwrap_or_default()
    }
}

/// The first line with its CRLF; a bare CR, a bare LF or a NUL is not to be in it.
fn line(octets: &[u8]) -> Result<&[u8], Denied> {
    let end = octets.iter().position(|octet| matches!(octet, b'\r' | b'\n' | 0)).unwrap_or(octets.len());
    match &octets[end..] {
        [] => Ok(octets),
        [b'\r', b'\n', ..] => Ok(&octets[..end + 2]),
        _ => Err(Denied::Malformed),
    }
}

/// The field's name (RFC 5322 section 3.6.8), where the colon follows it directly.
fn name(text: &[u8]) -> Option<&str> {
    let colon = text.iter().position(|octet| *octet == b':').filter(|at| *at > 0)?;
    let name = &text[..colon];
    name.iter().all(u8::is_ascii_graphic).then(|| std::str::from_utf8(name).ok())?
}

fn unnamed(text: &[u8], at: usize) -> Denied {
    let mbox =
        at == 0 && text.strip_prefix(b"From ").is_some_and(|it| !it.trim_ascii_start().starts_with(b":"));
    if mbox { Denied::MboxLine } else { Denied::Malformed }
}
