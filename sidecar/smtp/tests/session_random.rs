//! Whatever an app sends, and however it is cut: the same replies, the same messages, one at a time.

use std::{sync::Arc, time::Instant};

use mail_egress_smtp::{
    reply::{NegativeCode, NegativeReply, Status},
    server::{Event, Outcome, Session, Settings},
};

const WORDS: [&[u8]; 20] = [
    b"EHLO app\r\n",
    b"MAIL FROM:<a@b>\r\n",
    b"MAIL FROM:<a@b> SIZE=999\r\n",
    b"RCPT TO:<c@d>\r\n",
    b"RCPT TO:<\"c>\"@d>\r\n",
    b"DATA\r\n",
    b"DATA\r\n",
    b"\r\n.\r\n",
    b".\r\n",
    b"\n.\n",
    b"..",
    b"\r",
    b"\n",
    b"text",
    b"\xff\x00",
    b"AUTH PLAIN\r\n",
    b"AUTH LOGIN YQ==\r\n",
    b"RSET\r\n",
    b"NOOP\r\n",
    b"0123456789012345678901234567890123456789\r\n",
];

/// A generator that anybody can run again from its seed (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }
}

/// Everything that the app saw and the caller was told, in pieces as `next` says.
fn run(input: &[u8], mut next: impl FnMut(usize) -> usize) -> (String, Vec<String>) {
    let settings = Settings { max_message_bytes: 100, max_errors: 50, ..Settings::default() };
    let now = Instant::now();
    let mut session = Session::new(Arc::new(settings), now);
    let failed = Outcome::Refused(NegativeReply::new(NegativeCode::LocalError, Status::new(0, 0), "failed"));
    let (mut body, mut said, mut told, mut done) = (Vec::new(), session.take_output(), Vec::new(), 0);
    while done < input.len() && !session.is_closed() {
        let end = done + next(input.len() - done);
        let fed = session.feed(&input[done..end], &mut body, now);
        done += fed.consumed;
        assert!(fed.consumed > 0 || session.is_closed(), "no progress");
        match fed.event {
            None => {}
            Some(Event::Sender(_) | Event::Recipient(_) | Event::Login) => session.permit(now).unwrap(),
            Some(Event::Data(envelope)) => {
                assert!(!envelope.to.is_empty());
                told.push(format!("{envelope:?}"));
                session.permit(now).unwrap();
            }
            Some(Event::Unfit(_) | Event::Dropped) => body.clear(),
            Some(Event::End) => {
                assert!(body.len() <= 100 && (body.is_empty() || body.ends_with(b"\r\n")));
                told.push(body.escape_ascii().to_string());
                body.clear();
                session.finish(&failed, now).unwrap();
            }
        }
        said.extend(session.take_output());
    }
    (String::from_utf8(said).unwrap(), told)
}

#[test]
fn the_cut_of_the_input_changes_nothing() {
    let mut messages = 0;
    for seed in 1..=3_000 {
        let mut random = Random(0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(seed));
        let mut input = b"HELO app\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n".to_vec();
        for _ in 0..random.below(60) {
            input.extend_from_slice(WORDS[random.below(WORDS.len())]);
        }
        let whole = run(&input, |left| left);
        assert_eq!(run(&input, |_| 1), whole, "seed {seed}");
        assert_eq!(run(&input, |left| 1 + random.below(left)), whole, "seed {seed}");
        assert!(whole.0.split_terminator("\r\n").all(|line| line.len() <= 510 && line.is_ascii()));
        messages += whole.1.len();
    }
    assert!(messages > 4_000, "the inputs are too dull: {messages}");
}
