//! A message taken apart into what a draft is made of, or why that would break it: pure.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mail_parser::{Addr, Address, ContentType, Message, MessageParser, MessagePart, MimeHeaders, PartType};
use serde_json::{Value, json};

use crate::Unfit;

/// Fields that the draft has in its own form, that the server writes anew, or that say nothing to
/// whoever reads the message.
const KNOWN: [&str; 18] = [
    "from",
    "sender",
    "to",
    "cc",
    "bcc",
    "reply-to",
    "subject",
    "date",
    "message-id",
    "received",
    "mime-version",
    "content-type",
    "content-transfer-encoding",
    "content-disposition",
    "content-language",
    "user-agent",
    "x-mailer",
    "return-path",
];
/// More fields of an app's own than this Graph does not take.
const MOST_OWN_FIELDS: usize = 5;
/// The text of a message, which must fit into the request that creates the draft.
const MOST_TEXT: usize = 2_000_000;

/// What a draft is made of.
#[derive(Debug)]
pub struct Plan {
    /// The message without its attachments.
    pub(super) message: Value,
    pub(super) attachments: Vec<File>,
}

/// One attachment.
#[derive(Debug)]
pub(super) struct File {
    pub(super) name: String,
    kind: String,
    /// Its Content-ID, where the text shows it.
    inline: Option<String>,
    pub(super) content: Vec<u8>,
}

impl File {
    /// Without its content, for an upload session.
    pub(super) fn item(&self) -> Value {
        let mut item = json!({
            "attachmentType": "file",
            "name": self.name,
            "size": self.content.len(),
            "contentType": self.kind,
        });
        self.mark_inline(&mut item);
        item
    }

    /// With its content, for one request.
    pub(super) fn whole(&self) -> Value {
        let mut whole = json!({
            "@odata.type": "#microsoft.graph.fileAttachment",
            "name": self.name,
            "contentType": self.kind,
            "contentBytes": STANDARD.encode(&self.content),
        });
        self.mark_inline(&mut whole);
        whole
    }

    fn mark_inline(&self, item: &mut Value) {
        if let Some(id) = &self.inline {
            item["isInline"] = true.into();
            item["contentId"] = id.as_str().into();
        }
    }
}

fn breaks(what: &str) -> Unfit {
    Unfit::NotRebuilt(what.to_owned())
}

impl Plan {
    /// Takes a whole message apart.
    ///
    /// # Errors
    /// [`Unfit::NotRebuilt`], with what would be lost.
    pub fn read(mime: &[u8]) -> Result<Self, Unfit> {
        let message = MessageParser::default().parse(mime).ok_or_else(|| breaks("it cannot be read"))?;
        let own_fields = own_fields(&message)?;
        for part in &message.parts {
            rebuilt(part)?;
        }
        let (text, content_type) = text(&message)?;
        let mut json = json!({
            "subject": message.subject().unwrap_or_default(),
            "body": {"contentType": content_type, "content": text},
            "toRecipients": people(message.to()),
            "ccRecipients": people(message.cc()),
            "bccRecipients": people(message.bcc()),
            "replyTo": people(message.reply_to()),
        });
        for (name, field) in [("from", message.from()), ("sender", message.sender())] {
            if let Some(person) = people(field).into_iter().next() {
                json[name] = person;
            }
        }
        if let Some(id) = message.message_id() {
            json["internetMessageId"] = format!("<{id}>").into();
        }
        if !own_fields.is_empty() {
            json["internetMessageHeaders"] = own_fields.into();
        }
        // what is decoded is moved, not copied: it is large
        let texts: Vec<u32> = message.html_body.iter().chain(&message.text_body).copied().collect();
        let ids = (0..).zip(message.parts);
        let files =
            ids.filter(|(id, part)| !texts.contains(id) && !matches!(part.body, PartType::Multipart(_)));
        let attachments = files.map(|(_, part)| file(part)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { message: json, attachments })
    }
}

/// The fields that begin with X-, which a draft may have; another one that means something is a refusal.
fn own_fields(message: &Message<'_>) -> Result<Vec<Value>, Unfit> {
    let mut own = Vec::new();
    for (name, value) in message.headers_raw() {
        let lower = name.to_ascii_lowercase();
        if KNOWN.contains(&lower.as_str()) {
            continue;
        }
        if !lower.starts_with("x-") {
            return Err(breaks(&format!("its field {name} would be lost")));
        }
        own.push(json!({"name": name, "value": value.replace("\r\n", "").trim()}));
    }
    if own.len() > MOST_OWN_FIELDS {
        return Err(breaks(&format!("more than {MOST_OWN_FIELDS} of its X- fields would be lost")));
    }
    Ok(own)
}

/// Whether this part can be had again from its content.
fn rebuilt(part: &MessagePart<'_>) -> Result<(), Unfit> {
    if let Some(kind) = part.content_type() {
        known(kind)?;
    }
    match part.is_encoding_problem {
        true => Err(breaks("a part of it is not encoded as it says")),
        false => Ok(()),
    }
}

fn known(kind: &ContentType<'_>) -> Result<(), Unfit> {
    let name = format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or_default()).to_ascii_lowercase();
    let (main, sub) = name.split_once('/').unwrap_or_default();
    let fits = match main {
        "multipart" => matches!(sub, "mixed" | "alternative" | "related"),
        "message" => false,
        "text" => sub != "calendar",
        "application" => !sub.contains("pkcs7-") && !sub.starts_with("pgp-"),
        _ => true,
    };
    if fits { Ok(()) } else { Err(breaks(&format!("it has a part of the type {name}"))) }
}

/// The one text of the message, as HTML where there is HTML: the server makes the other form itself.
fn text<'a>(message: &'a Message<'_>) -> Result<(&'a str, &'static str), Unfit> {
    let mut ids: Vec<u32> = message.html_body.iter().chain(&message.text_body).copied().collect();
    ids.sort_unstable();
    ids.dedup();
    let parts: Vec<_> = ids.iter().filter_map(|id| message.part(*id)).map(|part| &part.body).collect();
    let found = match parts.as_slice() {
        [] => ("", "text"),
        [PartType::Text(text)] => (text.as_ref(), "text"),
        [PartType::Html(text)] | [PartType::Text(_), PartType::Html(text)] => (text.as_ref(), "html"),
        _ => return Err(breaks("its text is in several parts")),
    };
    if found.0.len() > MOST_TEXT { Err(breaks("its text is too large for one request")) } else { Ok(found) }
}

fn file(part: MessagePart<'_>) -> Result<File, Unfit> {
    let kind = part.content_type();
    let charset = kind.and_then(|kind| kind.attribute("charset")).unwrap_or("utf-8");
    let unchanged = ["utf-8", "us-ascii"].iter().any(|it| charset.eq_ignore_ascii_case(it));
    let kind = kind.map_or_else(
        || "application/octet-stream".to_owned(),
        |kind| format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or("octet-stream")),
    );
    let name = part.attachment_name().unwrap_or("attachment").to_owned();
    let inline = part.content_id().map(str::to_owned);
    let content = match part.body {
        // texts were decoded, so their octets are those of the file in UTF-8 alone
        PartType::Text(text) | PartType::Html(text) if unchanged => text.into_owned().into_bytes(),
        PartType::Text(_) | PartType::Html(_) => {
            return Err(breaks("a text that is attached is not in UTF-8"));
        }
        PartType::Binary(octets) | PartType::InlineBinary(octets) => octets.into_owned(),
        PartType::Message(_) | PartType::Multipart(_) => return Err(breaks("it has a message attached")),
    };
    if content.is_empty() {
        return Err(breaks("an attachment is empty"));
    }
    Ok(File { name, kind, inline, content })
}

fn people(field: Option<&Address<'_>>) -> Vec<Value> {
    let person = |addr: &Addr<'_>| {
        let address = addr.address()?;
        Some(match addr.name() {
            Some(name) => json!({"emailAddress": {"address": address, "name": name}}),
            None => json!({"emailAddress": {"address": address}}),
        })
    };
    field.into_iter().flat_map(Address::iter).filter_map(person).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "Bcc: b@x.test\r\nReceived: x\r\nFrom: F <f@x.test>\r\nTo: \"A, a\" <a@x.test>\r\nSubject: =?utf-8?q?=C3=B6?=\r\nMessage-ID: <1@x>\r\nX-Own: yes\r\n";

    fn read(rest: &str) -> Result<Plan, String> {
        let read = Plan::read(format!("{HEAD}{rest}").as_bytes());
        read.map_err(|unfit| unfit.diagnosis().sentence())
    }

    fn mixed(parts: &[&str]) -> String {
        let parts: String = parts.iter().map(|part| format!("--b\r\n{part}\r\n")).collect();
        format!("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n{parts}--b--\r\n")
    }

    #[test]
    fn text_and_files_are_taken_apart() {
        let plan = read(&mixed(&[
            "Content-Type: text/plain\r\n\r\nHello.",
            "Content-Type: application/pdf\r\nContent-Disposition: attachment; filename=a.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC",
        ]));
        let plan = plan.unwrap();
        assert_eq!(plan.message["subject"], "\u{f6}");
        assert_eq!(plan.message["body"], json!({"contentType": "text", "content": "Hello."}));
        assert_eq!(plan.message["from"], json!({"emailAddress": {"address": "f@x.test", "name": "F"}}));
        assert_eq!(plan.message["toRecipients"][0]["emailAddress"]["name"], "A, a");
        assert_eq!(plan.message["bccRecipients"][0]["emailAddress"]["address"], "b@x.test");
        assert_eq!(plan.message["internetMessageId"], "<1@x>");
        assert_eq!(plan.message["internetMessageHeaders"], json!([{"name": "X-Own", "value": "yes"}]));
        let [file] = plan.attachments.as_slice() else { panic!("{plan:?}") };
        assert_eq!((file.name.as_str(), file.content.as_slice()), ("a.pdf", &[0, 1, 2][..]));
        assert_eq!(file.whole()["contentBytes"], "AAEC");
    }

    #[test]
    fn of_alternatives_the_html_is_taken_with_its_pictures() {
        let related = "Content-Type: multipart/related; boundary=r\r\n\r\n--r\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n--a\r\nContent-Type: text/plain\r\n\r\nHello.\r\n--a\r\nContent-Type: text/html\r\n\r\n<b>Hello.</b>\r\n--a--\r\n--r\r\nContent-Type: image/png\r\nContent-ID: <p1>\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC\r\n--r--\r\n";
        let plan = read(&format!("MIME-Version: 1.0\r\n{related}")).unwrap();
        assert_eq!(plan.message["body"], json!({"contentType": "html", "content": "<b>Hello.</b>"}));
        assert_eq!(plan.attachments[0].item()["contentId"], "p1");
    }

    #[test]
    fn what_a_draft_would_break_is_refused_with_what_it_is() {
        let part = |kind: &str| {
            mixed(&["Content-Type: text/plain\r\n\r\nHello.", &format!("Content-Type: {kind}\r\n\r\nx")])
        };
        for (rest, why) in [
            (
                "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\nx\r\n--b--\r\n".to_owned(),
                "multipart/signed",
            ),
            (part("application/pkcs7-signature"), "application/pkcs7-signature"),
            (part("text/calendar"), "text/calendar"),
            (part("message/rfc822"), "message/rfc822"),
            ("DKIM-Signature: v=1\r\n\r\nx\r\n".to_owned(), "field DKIM-Signature would be lost"),
            ("In-Reply-To: <0@x>\r\n\r\nx\r\n".to_owned(), "field In-Reply-To would be lost"),
            ("X-A: 1\r\nX-B: 1\r\nX-C: 1\r\nX-D: 1\r\nX-E: 1\r\n\r\nx\r\n".to_owned(), "more than 5"),
            (
                mixed(&["Content-Type: text/plain\r\n\r\na", "Content-Type: text/plain\r\n\r\nb"]),
                "several parts",
            ),
        ] {
            let told = read(&rest).map(|plan| format!("{plan:?}")).unwrap_err();
            assert!(told.contains(why) && told.contains("fallbackRoute"), "{why}: {told}");
        }
    }
}
