//! What the rules say of header sections.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy.toml allows it in test functions, not in what they call"
)]

use mail_egress_config::{ForeignFrom, Rules};
use mail_egress_policy::{Context, Denied, Edit, Policy};

const RECEIVED: &str = "Received: from localhost;\r\n\tMon, 23 Nov 2026 06:39:39 +0000\r\n";
const REST: &str = "Date: Mon, 23 Nov 2026 06:00:00 +0000\r\nMessage-ID: <1@app>\r\n";

fn edit(header_from: ForeignFrom, header: &[u8]) -> Result<Edit, Denied> {
    let rules = Rules { header_from, send_as: vec!["*@shop.contoso.com".to_owned()], ..Rules::default() };
    let context = Context {
        now: "2026-11-23T06:39:39Z".parse().unwrap(),
        message_id: "queue@contoso.com",
        received: RECEIVED,
    };
    Policy::new("billing@contoso.com", &rules).header(header, &context)
}

fn refusing(header: &str) -> Result<Edit, Denied> {
    edit(ForeignFrom::Refuse, header.as_bytes())
}

fn rewriting(header: &str) -> Result<Edit, Denied> {
    edit(ForeignFrom::Rewrite, header.as_bytes())
}

fn reason(edit: Result<Edit, Denied>) -> &'static str {
    edit.map_or_else(|denied| denied.diagnosis().reason, |_| "ok")
}

#[test]
fn a_complete_message_of_the_mailbox_gets_a_trace_line_and_nothing_else() {
    for from in [
        "billing@contoso.com",
        "<Billing@Contoso.com>",
        "\"Doe, Jane <x@y>\" <billing@contoso.com>",
        "=?utf-8?q?J=C3=B6rg?=\r\n <billing@contoso.com> (accounts \\) (payable))",
        "Jörg [x] <a@shop.contoso.com>",
        "billing@contoso.com (Billing)",
    ] {
        let edit =
            refusing(&format!("From: {from}\r\n{REST}\r\nbody: x")).unwrap_or_else(|e| panic!("{from}: {e}"));
        assert_eq!(edit.head, RECEIVED.as_bytes(), "{from}");
        assert_eq!((edit.replaces, edit.message_id.as_str()), (0, "<1@app>"), "{from}");
    }
}

#[test]
fn a_foreign_from_is_refused_with_the_address_for_the_app_only() {
    let denied = refusing(&format!("From: Ann <ann@fabrikam.com>\r\n{REST}\r\n")).unwrap_err();
    assert_eq!(denied.diagnosis().reason, "FromNotAllowed");
    assert_eq!(denied.whom(), Some("ann@fabrikam.com"));
    assert!(!denied.diagnosis().sentence().contains("ann@"));
    assert!(!format!("{denied:?} {denied}").contains("ann@"));
}

#[test]
fn a_from_that_readers_could_read_differently_is_refused() {
    for (from, found) in [
        ("billing@contoso.com, ann@fabrikam.com", "FromSeveral"),
        ("<billing@contoso.com> <ann@fabrikam.com>", "FromSeveral"),
        ("ann@fabrikam.com <billing@contoso.com>", "FromSeveral"),
        ("\"ann\"@fabrikam.com <billing@contoso.com>", "FromSeveral"),
        ("<billing@contoso.com> ann@fabrikam.com", "FromUnclear"),
        ("<billing@contoso.com> \"x\"", "FromUnclear"),
        ("group: billing@contoso.com;", "FromUnclear"),
        ("<@fabrikam.com:billing@contoso.com>", "FromUnclear"),
        ("<billing@contoso.com(x)>", "FromUnclear"),
        ("<billing@\r\n contoso.com>", "FromUnclear"),
        ("billing@contoso.com ann", "FromUnclear"),
        ("<billing@contoso.com", "FromUnclear"),
        ("\"billing@contoso.com", "FromUnclear"),
        ("(billing@contoso.com", "FromUnclear"),
        ("=?utf-8?q?billing?=@contoso.com", "FromUnclear"),
        ("<=?utf-8?q?billing=40contoso.com?=>", "FromUnclear"),
        ("Billing", "FromUnclear"),
        ("<>", "FromUnclear"),
        ("", "FromUnclear"),
        ("billing@[127.0.0.1]", "FromUnclear"),
    ] {
        let header = format!("From: {from}\r\n{REST}\r\n");
        assert_eq!(reason(refusing(&header)), found, "{from}");
        assert_eq!(reason(rewriting(&header)), found, "{from}");
    }
    let latin1 = b"From: J\xf6rg <billing@contoso.com>\r\n\r\n";
    assert_eq!(reason(edit(ForeignFrom::Refuse, latin1)), "FromUnclear");
}

#[test]
fn fields_that_readers_could_divide_differently_are_refused() {
    for header in [
        "F rom: ann@fabrikam.com\r\n\r\n",
        "From : ann@fabrikam.com\r\n\r\n",
        "X: y\r\nFrom : ann@fabrikam.com\r\n\r\n",
        ":From: ann@fabrikam.com\r\n\r\n",
        " From: ann@fabrikam.com\r\n\r\n",
        "Hello\r\n\r\n",
        "X: y\r\nHello\r\nFrom: ann@fabrikam.com\r\n\r\n",
        "X: y\r\n \t\r\nFrom: ann@fabrikam.com\r\n\r\n",
        "X: y\r\n \x0c\r\n\r\n",
        "X: y\r\n\x0cFrom: ann@fabrikam.com\r\n\r\n",
        "X: y\0\r\n\r\n",
        "X: y\rFrom: ann@fabrikam.com\r\n\r\n",
        "X: y\nFrom: ann@fabrikam.com\r\n\r\n",
        "X: y\r\n\n\r\n",
        "Fröm: x\r\n\r\n",
    ] {
        assert_eq!(reason(refusing(header)), "HeaderMalformed", "{header:?}");
    }
    assert_eq!(reason(refusing("From ann Mon Nov 23 06:00:00 2026\r\nX: y\r\n\r\n")), "HeaderMboxLine");
    assert_eq!(
        reason(refusing("From: billing@contoso.com\r\nfrom: billing@contoso.com\r\n\r\n")),
        "FromSeveral"
    );
}

#[test]
fn a_header_section_beyond_its_limit_is_refused() {
    let long = |octets: usize| format!("X: {}\r\n\r\n", "x".repeat(octets - 7));
    assert_eq!(reason(refusing(&long(256 * 1024))), "ok");
    assert_eq!(reason(refusing(&long(256 * 1024 + 1))), "HeaderTooLong");
    let many = "X: y\r\n".repeat(50_000);
    assert_eq!(reason(refusing(&many)), "HeaderTooLong");
}

#[test]
fn a_message_without_header_is_completed() {
    let added = "Date: Mon, 23 Nov 2026 06:39:39 +0000\r\nFrom: billing@contoso.com\r\nMessage-ID: <queue@contoso.com>\r\n";
    for header in ["", "\r\n", "\r\nbody\r\n", "X: y", "X: y\r\n"] {
        let edit = refusing(header).unwrap();
        assert_eq!(String::from_utf8(edit.head).unwrap(), format!("{RECEIVED}{added}"), "{header:?}");
        assert_eq!((edit.replaces, edit.message_id.as_str()), (0, "<queue@contoso.com>"));
    }
}

#[test]
fn a_signed_message_is_never_rewritten() {
    for mark in [
        "DKIM-Signature: v=1; h=from:to; b=x",
        "ARC-Seal: i=1",
        "Content-Type: Multipart/Signed; boundary=x",
        "Content-Type: multipart/encrypted; boundary=x",
        "Content-Type: application/pkcs7-mime; name=smime.p7m",
        "Content-Type: application/x-pkcs7-mime",
        "Content-Type:\r\n application/pgp-encrypted",
    ] {
        let with = |from: &str| format!("{mark}\r\n{from}{REST}\r\n");
        assert_eq!(reason(rewriting(&with("From: ann@fabrikam.com\r\n"))), "SignedNotRewritten", "{mark}");
        let sender = "From: billing@contoso.com\r\nSender: ann@fabrikam.com\r\n";
        assert_eq!(reason(rewriting(&with(sender))), "SignedNotRewritten", "{mark}");
        assert_eq!(reason(refusing(&with(""))), "SignedWithoutFrom", "{mark}");
        let edit = rewriting(&with("From: billing@contoso.com\r\nBcc: ann@fabrikam.com\r\n")).unwrap();
        assert_eq!((edit.head.as_slice(), edit.replaces), (RECEIVED.as_bytes(), 0), "{mark}");
    }
}

#[test]
fn a_signature_that_speaks_of_an_absent_field_keeps_it_absent() {
    let head = |list: &str| {
        let header = format!("DKIM-Signature: v=1; {list} b=x\r\nFrom: billing@contoso.com\r\n\r\n");
        let edit = refusing(&header).unwrap();
        assert_eq!(edit.replaces, 0);
        let head = String::from_utf8(edit.head).unwrap();
        (head.contains("\r\nDate: "), head.contains("\r\nMessage-ID: "))
    };
    assert_eq!(head("h=from:to;"), (true, true));
    assert_eq!(head("h=From :\r\n DATE: to;"), (false, true));
    assert_eq!(head("h=from:message-id;"), (true, false));
    assert_eq!(head(""), (false, false));
}

#[test]
fn a_foreign_sender_header_follows_the_rule_on_from() {
    let with = |sender: &str| format!("From: billing@contoso.com\r\nSender: {sender}\r\n{REST}\r\n");
    assert_eq!(reason(refusing(&with("x@shop.contoso.com"))), "ok");
    for foreign in ["ann@fabrikam.com", "billing@contoso.com, ann@fabrikam.com", "root", ""] {
        assert_eq!(reason(refusing(&with(foreign))), "SenderHeaderNotAllowed", "{foreign}");
        let edit = rewriting(&with(foreign)).unwrap();
        let left = format!("{RECEIVED}From: billing@contoso.com\r\n{REST}\r\n");
        assert_eq!(String::from_utf8(edit.head).unwrap(), left, "{foreign}");
        assert_eq!(edit.replaces, with(foreign).len() as u64);
    }
}
