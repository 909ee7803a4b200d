//! Whether somebody has signed a message, and which fields the signature speaks of.

use mail_parser::ContentType;

use super::section::{Field, Section};

/// Whether changing From could make a signature fail: DKIM, ARC, S/MIME or OpenPGP.
pub(crate) fn is_signed<'a>(section: &Section<'_>, types: impl Iterator<Item = &'a ContentType<'a>>) -> bool {
    section.fields.iter().any(is_signature) || types.into_iter().any(is_signed_type)
}

/// Whether a DKIM or ARC signature covers the field `name`, also by covering its absence (RFC 6376
/// section 5.4); one whose list cannot be read covers everything.
pub(crate) fn covers(section: &Section<'_>, name: &str) -> bool {
    let listing = |field: &&Field<'_>| field.is("DKIM-Signature") || field.is("ARC-Message-Signature");
    section.fields.iter().filter(listing).any(|field| {
        let value = String::from_utf8_lossy(field.value());
        let mut tags = value.split(';').filter_map(|tag| tag.split_once('='));
        let list = tags.find(|(tag, _)| tag.trim() == "h");
        list.is_none_or(|(_, list)| list.split(':').any(|it| it.trim().eq_ignore_ascii_case(name)))
    })
}

fn is_signature(field: &Field<'_>) -> bool {
    let arc = field.name.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("ARC-"));
    arc || field.is("DKIM-Signature")
}

/// An encrypted message may be signed inside.
fn is_signed_type(content: &ContentType<'_>) -> bool {
    let kind = content.ctype().to_ascii_lowercase();
    let subtype = content.subtype().unwrap_or_default().to_ascii_lowercase();
    match kind.as_str() {
        "multipart" => matches!(subtype.as_str(), "signed" | "encrypted"),
        "application" => {
            matches!(subtype.as_str(), "pkcs7-mime" | "x-pkcs7-mime") || subtype.starts_with("pgp-")
        }
        _ => false,
    }
}
