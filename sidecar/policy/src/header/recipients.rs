//! Whom To, Cc and Bcc name, if every reader would say the same.

use mail_parser::{Address, Header, HeaderName, HeaderValue, MessageParser};

use super::{
    author::{angle, comment, only_address, quoted},
    parsed,
    section::{Field, Section},
};
use crate::{Denied, Named, address::plain};

/// See [`crate::named`].
pub(crate) fn named(header: &[u8]) -> Result<Named, Denied> {
    let section = Section::read(header)?;
    let parser = MessageParser::new()
        .header_address(HeaderName::To)
        .header_address(HeaderName::Cc)
        .header_address(HeaderName::Bcc)
        .default_header_ignore();
    let mut named = Named::default();
    for (field, header) in section.fields.iter().zip(&parsed(&section, &parser)?) {
        let resent = ["Resent-To", "Resent-Cc", "Resent-Bcc"].iter().any(|name| field.is(name));
        let names = ["To", "Cc", "Bcc"].iter().any(|name| field.is(name));
        named.resent |= resent;
        named.blind |= field.is("Bcc");
        if names {
            named.recipients.extend(read(field, header)?);
        }
    }
    Ok(named)
}

/// Reads a field's raw value ourselves, and compares with what the mail parser read in it.
fn read(field: &Field<'_>, header: &Header<'_>) -> Result<Vec<String>, Denied> {
    let unclear = || Denied::HeaderRecipientsUnclear;
    let text = std::str::from_utf8(field.value()).map_err(|_| unclear())?.replace("\r\n", "");
    let ours: Vec<_> = mailboxes(&text)
        .ok_or_else(unclear)?
        .into_iter()
        .map(only_address)
        .collect::<Result<_, _>>()
        .map_err(|_| unclear())?;
    let theirs: Vec<_> = match &header.value {
        HeaderValue::Address(Address::List(list)) => list.iter().collect(),
        HeaderValue::Address(Address::Group(groups)) => groups.iter().flat_map(|it| &it.addresses).collect(),
        // a field without a word in it
        HeaderValue::Empty => Vec::new(),
        _ => return Err(unclear()),
    };
    // of an empty list, or an empty group, the parser makes an address without one
    let theirs: Vec<_> = theirs.into_iter().filter_map(|it| it.address()).collect();
    let agreed = ours == theirs && ours.iter().all(|it| plain(it).is_some());
    if agreed { Ok(ours) } else { Err(unclear()) }
}

/// Cuts an unfolded address list (RFC 5322 section 3.4) at its commas and groups, into pieces that
/// hold one mailbox each.
fn mailboxes(text: &str) -> Option<Vec<&str>> {
    let (mut pieces, mut begin, mut at) = (Vec::new(), 0, 0);
    let (mut in_group, mut behind_group) = (false, false);
    while let Some(c) = text[at..].chars().next() {
        let length = match c {
            '"' => quoted(&text[at..])?,
            '(' => comment(&text[at..])?,
            '<' => angle(&text[at..])?,
            c => c.len_utf8(),
        };
        let piece = &text[begin..at];
        match c {
            // what stands before is the group's name; a name with an address in it is none
            ':' if in_group || behind_group || piece.contains(['@', '<']) => return None,
            ':' => in_group = true,
            ';' if !in_group => return None,
            ',' | ';' => {
                pieces.push(piece);
                behind_group = c == ';';
                in_group &= c == ',';
            }
            ' ' | '\t' | '(' => {}
            _ if behind_group => return None,
            _ => {}
        }
        at += length;
        if matches!(c, ':' | ',' | ';') {
            begin = at;
        }
    }
    pieces.push(&text[begin..]);
    // obsolete syntax has commas with nothing between (RFC 5322 section 4.4)
    let is_blank = |piece: &&str| piece.trim_matches([' ', '\t']).is_empty();
    let whole = !in_group;
    whole.then(|| pieces.into_iter().filter(|piece| !is_blank(piece)).collect())
}
