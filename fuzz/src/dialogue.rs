//! The dialogue towards the relay.

mod drive;
mod messages;

use std::time::Instant;

use mail_egress_smtp::{
    client::{Accepted, Action, Attempt, Dialogue, Login, Message, Security, Settings, Timeouts, XOAuth2},
    data::Scan,
};

use self::drive::Run;
use crate::steering::{PAUSE, Steering};

/// Whatever a relay says: the token is written only within TLS, a message is said to be accepted
/// only behind its dot and a 2yz, no dot follows a body that broke off, what leaves is one message,
/// and every attempt ends in one way, the same however the relay's words are cut.
///
/// Input: a line of choices (how TLS begins, messages, what happens at a pause), and then what the
/// relay says; `0x1e` is a pause, in which it is answered.
pub fn dialogue(input: &[u8]) {
    let (steering, wire) = Steering::split(input);
    let mut whole = Run::new(steering.clone());
    let mut one_by_one = Run::new(steering.clone());
    for stretch in wire.split(|octet| *octet == PAUSE) {
        whole.give(&[stretch]);
        one_by_one.give(&stretch.chunks(1).collect::<Vec<_>>());
        if one_by_one.was_early() && one_by_one.seen() != whole.seen() {
            break;
        }
        assert_eq!(one_by_one.seen(), whole.seen());
    }
    whole.close();
    one_by_one.close();
}

/// What a relay accepts with these words.
pub(crate) fn accepted(words: &str) -> Accepted {
    let reply = format!("250 {words}\r\n");
    match dotted().feed(reply.as_bytes(), Instant::now()) {
        Some(Action::Finished(Attempt::Accepted(accepted))) => accepted,
        other => panic!("{other:?}"),
    }
}

/// A dialogue that has just written its final dot.
pub(crate) fn dotted() -> Dialogue {
    let now = Instant::now();
    let mut dialogue = Dialogue::new(settings(Security::Implicit, "token"), now);
    for said in ["220 x\r\n", "250-x\r\n250-PIPELINING\r\n250 AUTH XOAUTH2\r\n", "235 x\r\n"] {
        let _ = dialogue.feed(said.as_bytes(), now);
    }
    let mut scan = Scan::default();
    scan.feed(b"x\r\n");
    let message = Message { envelope: messages::envelope("", &["a@b"]), content: scan.content() };
    assert_eq!(dialogue.send(message, now), Ok(None));
    assert_eq!(dialogue.feed(b"250 x\r\n250 x\r\n354 x\r\n", now), Some(Action::SendBody));
    let mut out = Vec::new();
    assert_eq!(dialogue.body(b"x\r\n", &mut out, now), Ok(()));
    assert_eq!(dialogue.end_of_body(&mut out, now), Ok(()));
    drop(dialogue.take_output());
    dialogue
}

fn settings(security: Security, token: &str) -> Settings {
    Settings {
        name: "pod".to_owned(),
        security,
        login: Login::XOAuth2(XOAuth2 { user: "ann@example.com".to_owned(), token: token.into() }),
        timeouts: Timeouts::default(),
    }
}
