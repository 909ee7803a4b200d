//! What becomes of a header section: read, judged, completed, and written anew where it must be.

mod author;
pub(crate) mod recipients;
mod section;
mod signed;
mod write;

use jiff::{fmt::rfc2822, tz::TimeZone};
use mail_egress_config::ForeignFrom;
use mail_egress_diagnosis::words;
use mail_parser::{Header, HeaderName, MessageParser};

use self::{
    author::Author,
    section::{Field, Section},
};
use crate::{Context, Denied, Edit, Policy};

/// What was found out about a header section.
struct Judged<'a> {
    section: Section<'a>,
    /// A foreign author, who makes way for the mailbox.
    replaced: Option<Author>,
    /// Where the fields begin that do not go out.
    dropped: Vec<usize>,
}

/// See [`Policy::header`].
pub(crate) fn edit(policy: &Policy, header: &[u8], context: &Context<'_>) -> Result<Edit, Denied> {
    let judged = judge(policy, Section::read(header)?)?;
    let section = &judged.section;
    let mut head = context.received.as_bytes().to_vec();
    let has = |name: &str| section.named(name).next().is_some();
    let missing = |name: &str| !has(name) && !signed::covers(section, name);
    if missing("Date") {
        // fails only beyond the year 9999
        let date = rfc2822::to_string(&context.now.to_zoned(TimeZone::UTC)).unwrap_or_default();
        head.extend(format!("Date: {date}\r\n").bytes());
    }
    if !has("From") {
        head.extend(write::mailbox("From", None, &policy.mailbox).bytes());
    }
    let message_id = match section.named("Message-ID").next() {
        Some(field) => words(&String::from_utf8_lossy(field.value())),
        None if missing("Message-ID") => {
            head.extend(format!("Message-ID: <{}>\r\n", context.message_id).bytes());
            words(&format!("<{}>", context.message_id))
        }
        None => String::new(),
    };
    let replaces = if judged.replaced.is_some() || !judged.dropped.is_empty() {
        rewrite(policy, &judged, &mut head);
        section.octets.len() as u64
    } else {
        0
    };
    Ok(Edit { head, replaces, message_id })
}

/// Applies the rules to what stands in the section.
fn judge<'a>(policy: &Policy, section: Section<'a>) -> Result<Judged<'a>, Denied> {
    let parser = MessageParser::new()
        .header_address(HeaderName::From)
        .header_address(HeaderName::Sender)
        .header_content_type(HeaderName::ContentType)
        .default_header_ignore();
    let parsed = parsed(&section, &parser)?;
    let types = parsed.iter().filter_map(|header| header.value.as_content_type());
    let signed = signed::is_signed(&section, types);

    let mut fields = section.fields.iter().zip(&parsed).filter(|(field, _)| field.is("From"));
    let author = match (fields.next(), fields.next()) {
        (None, _) if signed => return Err(Denied::SignedWithoutFrom),
        (None, _) => None,
        (Some(_), Some(_)) => return Err(Denied::SeveralFrom),
        (Some((field, header)), None) => Some(Author::read(field.value(), &header.value)?),
    };
    let replaced = author.filter(|author| !policy.owns(&author.plain));
    let foreign = |(field, header): &(&Field<'_>, &Header<'_>)| {
        let owned = Author::read(field.value(), &header.value).is_ok_and(|it| policy.owns(&it.plain));
        field.is("Sender") && !owned
    };
    let mut dropped: Vec<_> =
        section.fields.iter().zip(&parsed).filter(foreign).map(|(field, _)| field.start).collect();

    match (policy.rules.header_from, &replaced) {
        (ForeignFrom::Refuse, Some(author)) => return Err(Denied::From(author.address.clone())),
        (ForeignFrom::Refuse, None) if !dropped.is_empty() => return Err(Denied::SenderHeader),
        (ForeignFrom::Rewrite, _) if signed && (replaced.is_some() || !dropped.is_empty()) => {
            return Err(Denied::Signed);
        }
        (ForeignFrom::Refuse | ForeignFrom::Rewrite, _) => {}
    }
    if !signed {
        dropped.extend(section.named("Bcc").map(|field| field.start));
    }
    Ok(Judged { section, replaced, dropped })
}

/// The mail parser's fields, one for each of ours; a section that it divides otherwise is refused. Names
/// that `parser` was told to read must be the same in both.
fn parsed<'a>(section: &Section<'a>, parser: &MessageParser) -> Result<Vec<Header<'a>>, Denied> {
    if section.fields.is_empty() {
        return Ok(Vec::new());
    }
    let headers = parser.parse_headers(section.octets).and_then(|message| {
        // the first part is the message itself
        message.parts.into_iter().next().map(|part| part.headers)
    });
    let headers = headers.ok_or(Denied::Malformed)?;
    let same = |(field, header): (&Field<'_>, &Header<'_>)| {
        let read = matches!(header.name, HeaderName::Other(_)) || field.is(header.name.as_str());
        read && field.start == header.offset_field as usize
    };
    let agreed = headers.len() == section.fields.len() && section.fields.iter().zip(&headers).all(same);
    if agreed { Ok(headers) } else { Err(Denied::Malformed) }
}

/// Writes all fields again, byte for byte but for those that change.
fn rewrite(policy: &Policy, judged: &Judged<'_>, head: &mut Vec<u8>) {
    let section = &judged.section;
    for field in &section.fields {
        match &judged.replaced {
            _ if judged.dropped.contains(&field.start) => {}
            Some(author) if field.is("From") => {
                let name = author.name.as_deref();
                head.extend(write::mailbox("From", name, &policy.mailbox).bytes());
                if section.named("Reply-To").next().is_none() {
                    head.extend(write::mailbox("Reply-To", name, &author.address).bytes());
                }
            }
            _ => head.extend_from_slice(field.whole),
        }
    }
    if section.ended {
        head.extend_from_slice(b"\r\n");
    }
}
