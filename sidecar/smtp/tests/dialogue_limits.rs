//! A relay that says too much, and many recipients.

use std::fmt::Write as _;

use mail_egress_smtp::client::{Action, Attempt, Failure, Lost, Phase};

use crate::{
    dialogue::{LOGIN, Run, settings},
    pieces::Pieces,
};

/// Feeds `piece` again and again; gives what was wrong and how often it was taken.
fn endless(piece: &[u8]) -> (&'static str, usize) {
    let mut run = Run::new(&settings("token"), Pieces::Of(1));
    for times in 1..1_000_000 {
        if let Some(action) = run.dialogue.feed(piece, run.now) {
            let Action::Finished(Attempt::Failed(Failure::Lost(Lost::Garbled { phase, what }))) = action
            else {
                panic!("{action:?}")
            };
            assert_eq!(phase, Phase::Greeting);
            assert!(run.dialogue.is_ended());
            return (what, times);
        }
    }
    panic!("nothing was too much")
}

#[test]
fn an_endless_line_ends_it() {
    assert_eq!(endless(b"2"), ("a reply line is too long", 2_049));
    assert_eq!(endless(&[b'x'; 100_000]), ("a reply line is too long", 1));
}

#[test]
fn an_endless_reply_ends_it() {
    assert_eq!(endless(b"220-x\r\n"), ("a reply has too many lines", 101));
    let long = format!("220-{}\r\n", "x".repeat(1_994));
    assert_eq!(endless(long.as_bytes()), ("a reply is too long", 33));
}

#[test]
fn what_comes_behind_the_end_is_ignored() {
    let mut run = Run::new(&settings("token"), Pieces::Of(1));
    assert!(run.dialogue.feed(b"554 no\r\n", run.now).is_some());
    assert_eq!(run.dialogue.feed(b"220 changed my mind\r\n250 ok\r\n", run.now), None);
    assert!(run.dialogue.is_ended());
    assert_eq!(run.dialogue.take_output(), b"QUIT\r\n");
}

/// How many commands of a message to 500 recipients are under way at once, when the relay accepts.
fn most_under_way(login: &str) -> usize {
    let to = (0..500).fold(String::new(), |mut to, n| {
        let _ = write!(to, " <user{n}@example.com>");
        to
    });
    let mut run = Run::after(&settings("token"), &format!("{login}\nD: send <a@b> ->{to}: x"));
    let (mut said, mut answered, mut most) = (0, 0, 0);
    loop {
        run.pump();
        said += run.output.windows(2).filter(|w| w == b"\r\n").count();
        let data = run.output.ends_with(b"DATA\r\n");
        run.output.clear();
        most = most.max(said - answered);
        if data {
            assert_eq!((said, answered), (502, 501));
            return most;
        }
        assert!(said > answered, "nothing is under way");
        assert_eq!(run.dialogue.feed(b"250 ok\r\n", run.now), None);
        answered += 1;
    }
}

#[test]
fn with_many_recipients_both_sides_keep_reading() {
    assert_eq!(most_under_way(LOGIN), 64);
    assert_eq!(most_under_way(crate::dialogue::PLAIN_LOGIN), 1);
}
