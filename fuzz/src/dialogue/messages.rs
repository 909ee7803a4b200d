//! The messages that a dialogue is given to send.

use mail_egress_smtp::{
    Address, BodyType, Dsn, Envelope, Recipient, Ret, ReversePath, client::Message, data::Scan,
};

/// An envelope and a body, and what was found out about the body.
pub(crate) struct Mail {
    pub(crate) message: Message,
    pub(crate) body: Vec<u8>,
}

impl Mail {
    /// One of eight.
    pub(crate) fn numbered(number: usize) -> Self {
        let (from, to, body): (_, &[&str], &[u8]) = match number {
            0 => ("ann@example.com", &["bob@example.com"], b"Subject: x\r\n\r\nhello\r\n"),
            1 => {
                ("ann@example.com", &["bob@example.com", "eve@example.com"], b"Subject: x\r\n\r\n.\r\n..\r\n")
            }
            2 => ("", &["bob@example.com"], b""),
            3 => ("ann@example.com", &["bob@example.com"; 70], b"Subject: many\r\n\r\n"),
            4 => ("j\u{fc}rgen@example.com", &["bob@example.com"], b"Subject: \xc3\xbc\r\n\r\n\xc3\xbc\r\n"),
            5 => ("ann@example.com", &["bob@example.com"], b"\r\n\xff\r\n"),
            6 => (
                "ann@example.com",
                &["\"b>b\"@example.com"; 3],
                b"a\n.\nb\r.\rMAIL FROM:<eve@example.com>\r\n",
            ),
            _ => ("ann@example.com", &["bob@example.com"], &[b'.'; 3_000]),
        };
        let (mut envelope, mut scan) = (envelope(from, to), Scan::default());
        scan.feed(body);
        if number == 6 {
            envelope.dsn.ret = Some(Ret::Headers);
            envelope.to[0].dsn.notify = "SUCCESS,DELAY".parse().ok();
        }
        Self { message: Message { envelope, content: scan.content() }, body: body.to_vec() }
    }
}

pub(crate) fn envelope(from: &str, to: &[&str]) -> Envelope {
    let from = match from {
        "" => ReversePath::Null,
        address => ReversePath::Address(address.parse().unwrap()),
    };
    let to = to.iter().map(|to| Recipient::from(to.parse::<Address>().unwrap())).collect();
    Envelope { from, to, body: BodyType::EightBitMime, smtputf8: true, size: None, dsn: Dsn::default() }
}
