//! A message taken apart into what a draft is made of, or why that would break it: pure.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mail_parser::{Addr, Address, ContentType, Message, MessageParser, MessagePart, MimeHeaders, PartType};
use serde_json::{Value, json};

use mail_egress_policy::is_same;

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
    /// Its Content-ID.
    id: Option<String>,
    /// Whether the text shows it, so that it is not listed beside it.
    is_inline: bool,
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
        self.identify(&mut item);
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
        self.identify(&mut whole);
        whole
    }

    fn identify(&self, item: &mut Value) {
        if let Some(id) = &self.id {
            item["isInline"] = self.is_inline.into();
            item["contentId"] = id.as_str().into();
        }
    }
}

fn breaks(what: &str) -> Unfit {
    Unfit::NotRebuilt(what.to_owned())
}

impl Plan {
    /// Takes a whole message apart, which is for these recipients and no others.
    ///
    /// # Errors
    /// [`Unfit::NotRebuilt`], with what would be lost.
    pub fn read(mime: &[u8], to: &[String]) -> Result<Self, Unfit> {
        let message = MessageParser::default().parse(mime).ok_or_else(|| breaks("it cannot be read"))?;
        let own_fields = own_fields(&message)?;
        for part in &message.parts {
            rebuilt(part)?;
        }
        let (text, content_type) = text(&message)?;
        meant(&message, to)?;
        // some mailers give every part an id
        let shows = |id: &&str| content_type == "html" && text.contains(&format!("cid:{id}"));
        let shown: Vec<String> = message
            .parts
            .iter()
            .filter_map(|part| part.content_id())
            .filter(shows)
            .map(str::to_owned)
            .collect();
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
        let attachments = files.map(|(_, part)| file(part, &shown)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { message: json, attachments })
    }
}

impl Plan {
    /// Of its text, which the answer to the draft repeats.
    pub(super) fn text_octets(&self) -> usize {
        self.message["body"]["content"].as_str().map_or(0, str::len)
    }
}

/// Whether those whom the draft would be sent to are those of the envelope. Of several To fields the
/// draft has the last one alone.
fn meant(message: &Message<'_>, to: &[String]) -> Result<(), Unfit> {
    let fields = [message.to(), message.cc(), message.bcc()].into_iter().flatten();
    let planned: Vec<&str> = fields.flat_map(Address::iter).filter_map(Addr::address).collect();
    let all_reached = to.iter().all(|to| planned.iter().any(|address| is_same(address, to)));
    let none_beyond = planned.iter().all(|address| to.iter().any(|to| is_same(address, to)));
    match all_reached && none_beyond {
        true => Ok(()),
        false => Err(breaks("not all of its recipients can be read from one To, one Cc and one Bcc field")),
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
    let several = || breaks("its text is in several parts");
    // both are the same part, or two forms of one text; a text with an HTML footer is in both lists twice
    let (plain, html) = match (message.text_body.as_slice(), message.html_body.as_slice()) {
        ([], []) => return Ok(("", "text")),
        ([plain], [html]) => (plain, html),
        _ => return Err(several()),
    };
    let part = |id: &u32| message.part(*id).ok_or_else(several);
    let (plain, html) = (part(plain)?, part(html)?);
    let found = match (&plain.body, &html.body) {
        (PartType::Text(text), PartType::Text(_)) => (decoded(text, plain)?, "text"),
        (PartType::Html(_) | PartType::Text(_), PartType::Html(text)) => (decoded(text, html)?, "html"),
        _ => return Err(several()),
    };
    if found.0.len() > MOST_TEXT { Err(breaks("its text is too large for one request")) } else { Ok(found) }
}

/// A text that was decoded as it says; what cannot be is replaced without a word by the parser.
fn decoded<'a>(text: &'a str, part: &MessagePart<'_>) -> Result<&'a str, Unfit> {
    let is_ascii = charset(part).eq_ignore_ascii_case("us-ascii");
    match text.contains('\u{fffd}') || (is_ascii && !text.is_ascii()) {
        true => Err(breaks("a text of it is not in the charset that it names")),
        false => Ok(text),
    }
}

fn charset<'a>(part: &'a MessagePart<'_>) -> &'a str {
    part.content_type().and_then(|kind| kind.attribute("charset")).unwrap_or("utf-8")
}

fn file(part: MessagePart<'_>, shown: &[String]) -> Result<File, Unfit> {
    let kind = part.content_type();
    let unchanged = ["utf-8", "us-ascii"].iter().any(|it| charset(&part).eq_ignore_ascii_case(it));
    if let PartType::Text(text) | PartType::Html(text) = &part.body {
        decoded(text, &part)?;
    }
    let kind = kind.map_or_else(
        || "application/octet-stream".to_owned(),
        |kind| format!("{}/{}", kind.ctype(), kind.subtype().unwrap_or("octet-stream")),
    );
    let name = part.attachment_name().unwrap_or("attachment").to_owned();
    let id = part.content_id().map(str::to_owned);
    let is_inline = id.as_ref().is_some_and(|id| shown.contains(id));
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
    Ok(File { name, kind, id, is_inline, content })
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
        let to = ["a@x.test", "b@x.test"].map(str::to_owned);
        let read = Plan::read(format!("{HEAD}{rest}").as_bytes(), &to);
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
        let related = "Content-Type: multipart/related; boundary=r\r\n\r\n--r\r\nContent-Type: multipart/alternative; boundary=a\r\n\r\n--a\r\nContent-Type: text/plain\r\n\r\nHello.\r\n--a\r\nContent-Type: text/html\r\n\r\n<b>Hello.</b><img src=\"cid:p1\">\r\n--a--\r\n--r\r\nContent-Type: image/png\r\nContent-ID: <p1>\r\nContent-Transfer-Encoding: base64\r\n\r\nAAEC\r\n--r--\r\n";
        let plan = read(&format!("MIME-Version: 1.0\r\n{related}")).unwrap();
        assert_eq!(
            plan.message["body"],
            json!({"contentType": "html", "content": "<b>Hello.</b><img src=\"cid:p1\">"})
        );
        let item = plan.attachments[0].item();
        assert_eq!((&item["contentId"], &item["isInline"]), (&"p1".into(), &true.into()));
    }

    #[test]
    fn a_file_with_an_id_that_no_text_shows_is_listed() {
        let file = "Content-Type: application/pdf\r\nContent-ID: <f1>\r\nContent-Disposition: attachment; filename=a.pdf\r\n\r\nx";
        let plan = read(&mixed(&["Content-Type: text/html\r\n\r\n<p>Hello</p>", file])).unwrap();
        assert_eq!(plan.attachments[0].whole()["isInline"], false);
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
            (
                mixed(&["Content-Type: text/plain\r\n\r\na", "Content-Type: text/html\r\n\r\n<p>footer</p>"]),
                "several parts",
            ),
            (
                "Content-Type: text/plain; charset=us-ascii\r\n\r\n\u{e9}\r\n".to_owned(),
                "the charset that it names",
            ),
            ("To: another@x.test\r\n\r\nx\r\n".to_owned(), "one To, one Cc and one Bcc"),
        ] {
            let told = read(&rest).map(|plan| format!("{plan:?}")).unwrap_err();
            assert!(told.contains(why) && told.contains("fallbackRoute"), "{why}: {told}");
        }
    }
}
