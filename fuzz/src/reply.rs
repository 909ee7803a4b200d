//! Replies, the relay's and our own.

use std::time::Instant;

use mail_egress_smtp::{
    client::{Action, Attempt, UpstreamReply},
    reply::{Enhanced, NegativeCode, NegativeReply, Status},
};

use crate::{dialogue, replies, steering::Steering, steering::cuts};

/// A relay's reply is read within its limits, the same however it is cut, and alone as within a
/// dialogue; and a refusal with its words in it is well formed.
///
/// Input: a line that says where to cut, and then what the relay says to the final dot.
pub fn reply(input: &[u8]) {
    let (steering, octets) = Steering::split(input);
    let [whole, one_by_one, steered] = cuts(&steering, octets).map(|pieces| answer(&pieces));
    assert_eq!(one_by_one, whole);
    assert_eq!(steered, whole);
    if let Ok(Some(reply)) = UpstreamReply::read(octets) {
        assert!((200..600).contains(&reply.code) && reply.text.len() <= 1_000);
        assert!(!reply.text.contains(char::is_control) && !reply.text.contains("  "));
        assert!(octets.len() <= 64 * 1024 && octets.ends_with(b"\r\n"));
        assert!(reply.enhanced.is_none_or(|enhanced| matches!(enhanced.class, 2 | 4 | 5)));
        let alone = match whole {
            Some(Action::Finished(Attempt::Accepted(accepted))) => accepted.reply().clone(),
            Some(Action::Finished(Attempt::Refused(refusal))) => refusal.reply,
            Some(Action::Finished(Attempt::Uncertain(_))) if reply.code / 100 == 3 => reply.clone(),
            other => panic!("{other:?}"),
        };
        assert_eq!(alone, reply);
    }
    refusal(&String::from_utf8_lossy(octets), steering);
}

/// What a dialogue makes of it as the answer to its final dot.
fn answer(pieces: &[&[u8]]) -> Option<Action> {
    let (mut dialogue, mut action) = (dialogue::dotted(), None);
    for piece in pieces {
        action = dialogue.feed(piece, Instant::now()).or(action);
    }
    assert!(action.is_none() || dialogue.is_ready() || dialogue.is_ended());
    action
}

fn refusal(text: &str, mut steering: Steering<'_>) {
    let code = steering.one(&[
        NegativeCode::LocalError,
        NegativeCode::InsufficientStorage,
        NegativeCode::NotTaken,
        NegativeCode::TransactionFailed,
    ]);
    let read = Enhanced::split_from(text.trim_start());
    if let Some((enhanced, _)) = read {
        // up to leading zeros
        let again = enhanced.to_string();
        assert_eq!(Enhanced::split_from(&again), Some((enhanced, "")));
    }
    let status = read.map_or(Status::new(0, 0), |(enhanced, _)| enhanced.status());
    let reply = NegativeReply::new(code, status, text);
    let mut wire = Vec::new();
    reply.as_reply().write_to(&mut wire);
    assert_eq!(replies::codes(&wire), [code.number()]);
}
