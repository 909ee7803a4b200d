//! The header section and the addresses of the envelope, judged by a sender's rules.

use mail_egress_config::{ForeignFrom, Rules};
use mail_egress_policy::{Context, Denied, Policy};
use mail_parser::{Address, HeaderName, HeaderValue, MessageParser};

use crate::{data::one_kind_of_line_end, steering::Steering};

const MAILBOX: &str = "billing@contoso.com";

/// Whatever an app writes: what is let through is one header section that names nobody but the
/// sender as its author, completed; a signed one is not written anew; and what was let through once
/// is let through as it is.
///
/// Input: a line that chooses the rules, and then the message; its last line ends.
pub fn header(input: &[u8]) {
    let (mut steering, message) = Steering::split(input);
    let mut message = message.to_vec();
    if !message.is_empty() && !message.ends_with(b"\r\n") {
        message.extend_from_slice(b"\r\n");
    }
    let message = message.as_slice();
    let rules = Rules {
        header_from: steering.one(&[ForeignFrom::Rewrite, ForeignFrom::Refuse]),
        send_as: steering
            .one(&[&[][..], &["*@sales.contoso.com"]])
            .iter()
            .map(|it| (*it).to_owned())
            .collect(),
        deny_recipients: steering
            .one(&[&[][..], &["*@fabrikam.com"]])
            .iter()
            .map(|it| (*it).to_owned())
            .collect(),
        ..Rules::default()
    };
    let policy = Policy::new(MAILBOX, &rules);
    envelope(&policy, &rules, &String::from_utf8_lossy(message));
    let context = Context {
        now: "2026-11-23T06:39:39Z".parse().unwrap(),
        message_id: "queue@contoso.com",
        received: "Received: from localhost;\r\n\tMon, 23 Nov 2026 06:39:39 +0000\r\n",
    };
    let Ok(edit) = policy.header(message, &context) else { return };
    let kept = usize::try_from(edit.replaces).unwrap();
    let (head, behind) = (&edit.head, &message[kept..]);

    one_kind_of_line_end(head);
    assert!(head.ends_with(b"\r\n") && head.starts_with(b"Received: "));
    let blank = head.windows(4).position(|window| window == b"\r\n\r\n");
    assert!(blank.is_none_or(|at| kept > 0 && at + 4 == head.len()), "the header ends within its head");
    assert!(kept == 0 || kept == section(message), "a part of the header is replaced");
    assert!(kept == 0 || !signed(message), "a signed message is written anew");

    let whole = [head, behind].concat();
    let own = |author: &String| {
        let plain = author.replace(['"', '\\'], "").to_ascii_lowercase();
        let plain = plain.strip_suffix('.').unwrap_or(&plain);
        plain == MAILBOX || (!rules.send_as.is_empty() && plain.ends_with("@sales.contoso.com"))
    };
    let authors = authors(&whole);
    assert!(authors.len() == 1 && authors.iter().all(own), "from {authors:?}");

    let again = policy.header(&whole, &context).expect("what was let through once");
    assert_eq!((again.replaces, again.message_id), (0, edit.message_id));
    assert_eq!(again.head, context.received.as_bytes(), "completed twice");
}

/// Addresses that an app could give, in quotes and out of them.
fn envelope(policy: &Policy, rules: &Rules, text: &str) {
    for to in [text, &format!("\"{text}\"@fabrikam.com"), &format!("{text}@fabrikam.com")] {
        let refused = policy.recipient(to);
        let denied = !rules.deny_recipients.is_empty() && to.ends_with("@fabrikam.com");
        assert!(!denied || refused.is_err(), "a denied recipient");
        let _: Result<_, Denied> = policy.sender(to);
    }
}

/// Octets of the header section with the empty line that ends it.
fn section(message: &[u8]) -> usize {
    message.windows(4).position(|window| window == b"\r\n\r\n").map_or(message.len(), |at| at + 4)
}

/// By a field that nobody can overlook.
fn signed(message: &[u8]) -> bool {
    let header = message[..section(message)].to_ascii_lowercase();
    let behind = [b"\n", &header[..]].concat();
    ["\ndkim-signature:", "\narc-seal:"]
        .iter()
        .any(|name| behind.windows(name.len()).any(|it| it == name.as_bytes()))
}

/// Every address that the mail parser finds in any From field.
fn authors(message: &[u8]) -> Vec<String> {
    let parsed = MessageParser::new().with_address_headers().parse_headers(message).unwrap();
    let headers = &parsed.parts.first().unwrap().headers;
    let mut found = Vec::new();
    for header in headers.iter().filter(|header| header.name == HeaderName::From) {
        match &header.value {
            HeaderValue::Address(Address::List(list)) => {
                found.extend(list.iter().map(|it| it.address().unwrap_or_default().to_owned()));
            }
            other => found.push(format!("{other:?}")),
        }
    }
    found
}
