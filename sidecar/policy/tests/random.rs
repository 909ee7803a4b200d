//! Whatever an app writes: what is let through names no foreign author, and is one header section.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy.toml allows it in test functions, not in what they call"
)]

use mail_egress_config::{ForeignFrom, Rules};
use mail_egress_policy::{Context, Policy};
use mail_parser::{Address, HeaderName, HeaderValue, MessageParser};

const PIECES: [&[u8]; 44] = [
    b"From: ",
    b"from:",
    b"From : ",
    b"F rom:",
    b"From ",
    b"Sender: ",
    b"Bcc: ",
    b"Reply-To: ",
    b"Date: x",
    b"Message-ID: <1@a>",
    b"Subject: y",
    b"DKIM-Signature: h=from:date",
    b"Content-Type: multipart/signed",
    b"X:",
    b":",
    b"\r\n",
    b"\r\n",
    b"\r\n",
    b"\r\n",
    b"\r\n ",
    b"\r\n\t",
    b"\r\n\r\n",
    b"\r",
    b"\n",
    b" ",
    b"\t",
    b"\0",
    b"billing@contoso.com",
    b"<billing@contoso.com>",
    b"<billing@contoso.com>",
    b"evil@fabrikam.com",
    b"<evil@fabrikam.com>",
    b"<evil@fabrikam.com>",
    b"\"",
    b"(",
    b")",
    b"<",
    b">",
    b",",
    b"\\",
    b"=?utf-8?q?a=40b=0D=0A?=",
    b"name",
    b"\xff",
    b"\xc3\xb6",
];

/// A generator that anybody can run again from its seed (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % end as u64).unwrap()
    }

    /// Mostly whole fields, so that many are let through.
    fn header(&mut self) -> Vec<u8> {
        let mut header = Vec::new();
        if self.below(3) > 0 {
            header.extend_from_slice(b"Subject: z\r\nFrom: ");
        }
        for _ in 0..self.below(14) {
            header.extend_from_slice(PIECES[self.below(PIECES.len())]);
        }
        header.extend_from_slice([&b"\r\n\r\n"[..], b"\r\n", b""][self.below(3)]);
        header
    }
}

/// Every address that the mail parser finds in any From field.
fn authors(message: &[u8]) -> Vec<String> {
    let parsed = MessageParser::new().with_address_headers().parse_headers(message).unwrap();
    let mut found = Vec::new();
    for header in parsed.parts[0].headers.iter().filter(|header| header.name == HeaderName::From) {
        match &header.value {
            HeaderValue::Address(Address::List(list)) => {
                found.extend(list.iter().map(|it| it.address().unwrap_or_default().to_owned()));
            }
            other => found.push(format!("{other:?}")),
        }
    }
    found
}

#[test]
fn what_is_let_through_has_the_sender_as_its_only_author() {
    let seed = std::env::var("SEED").ok().and_then(|it| it.parse().ok()).unwrap_or(0x5eed_2026_1123_u64);
    println!("seed {seed}");
    let mut random = Random(seed);
    let context = Context {
        now: "2026-11-23T06:39:39Z".parse().unwrap(),
        message_id: "queue@contoso.com",
        received: "Received: from localhost;\r\n\tMon, 23 Nov 2026 06:39:39 +0000\r\n",
    };
    let (mut through, mut rewritten) = (0, 0);
    for _ in 0..60_000 {
        let header_from = if random.below(4) == 0 { ForeignFrom::Refuse } else { ForeignFrom::Rewrite };
        let policy = Policy::new("billing@contoso.com", &Rules { header_from, ..Rules::default() });
        let header = random.header();
        let shown = String::from_utf8_lossy(&header).into_owned();
        let Ok(edit) = policy.header(&header, &context) else { continue };
        through += 1;

        let kept = usize::try_from(edit.replaces).unwrap();
        rewritten += usize::from(kept > 0);
        let whole = [&edit.head[..], &header[kept..]].concat();
        assert_eq!(authors(&whole), ["billing@contoso.com"], "seed {seed}: {shown:?}");

        let head = String::from_utf8(edit.head.clone()).unwrap_or_else(|e| {
            // other fields' octets go out as they came
            String::from_utf8_lossy(e.as_bytes()).into_owned()
        });
        let bare = head.replace("\r\n", "");
        assert!(!bare.contains(['\r', '\n']), "seed {seed}: {shown:?}");
        let end = head.find("\r\n\r\n").map_or(head.len(), |at| at + 4);
        assert!(end == head.len() && !head.starts_with("\r\n"), "seed {seed}: {shown:?}");
        assert!(kept > 0 || !head.contains("\r\n\r\n"), "seed {seed}: {shown:?}");
    }
    assert!(through > 1_000 && rewritten > 100, "{through} were let through, {rewritten} rewritten");
}
