//! How long the app may take.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::session::feed;
use mail_egress_smtp::{
    reply::{NegativeCode, NegativeReply, Status},
    server::{Event, Outcome, Session, Settings},
};

const MINUTE: Duration = Duration::from_secs(60);
const UNTIL_DATA: &[u8] = b"HELO app\r\nMAIL FROM:<a@b>\r\nRCPT TO:<a@b>\r\nDATA\r\n";

fn begin(now: Instant) -> Session {
    let mut session = Session::new(Arc::new(Settings::default()), now);
    let _ = session.take_output();
    session
}

/// A session that waits for the message.
fn in_data(now: Instant) -> Session {
    let mut session = begin(now);
    assert!(matches!(feed(&mut session, UNTIL_DATA, &mut Vec::new(), now).event, Some(Event::Data(_))));
    session.permit(now).unwrap();
    let _ = session.take_output();
    session
}

#[track_caller]
fn times_out(mut session: Session, at: Instant) {
    assert_eq!(session.deadline(), Some(at));
    session.handle_timeout(at - Duration::from_millis(1));
    assert!(!session.is_closed() && session.take_output().is_empty());
    session.handle_timeout(at);
    assert!(session.is_closed());
    assert_eq!(session.take_output(), b"421 4.4.2 nothing was said for too long, closing\r\n");
    assert_eq!(session.deadline(), None);
}

#[test]
fn a_command_may_take_five_minutes_however_it_trickles_in() {
    let start = Instant::now();
    times_out(begin(start), start + 5 * MINUTE);
    let mut session = begin(start);
    for (minute, octet) in b"NOO".chunks(1).enumerate() {
        let now = start + MINUTE * (minute as u32 + 1);
        assert_eq!(session.feed(octet, &mut Vec::new(), now).consumed, 1);
    }
    times_out(session, start + 5 * MINUTE);
}

#[test]
fn each_command_begins_the_time_anew() {
    let start = Instant::now();
    for line in ["NOOP\r\n", "FOO\r\n", "AUTH PLAIN\r\n", "x\n"] {
        let mut session = begin(start);
        let now = start + 3 * MINUTE;
        assert_eq!(session.feed(line.as_bytes(), &mut Vec::new(), now).consumed, line.len());
        let _ = session.take_output();
        times_out(session, now + 5 * MINUTE);
    }
}

#[test]
fn an_endless_line_does_not_lengthen_its_time() {
    let start = Instant::now();
    let mut session = begin(start);
    let mut refused = None;
    for second in 0..200 {
        let now = start + Duration::from_secs(second);
        assert_eq!(session.feed(&[b'x'; 100], &mut Vec::new(), now).consumed, 100);
        if !session.take_output().is_empty() {
            refused = Some(now);
        }
    }
    times_out(session, refused.unwrap() + 5 * MINUTE);
}

#[test]
fn no_time_runs_while_the_caller_owes_an_answer() {
    let start = Instant::now();
    let mut session = begin(start);
    assert!(feed(&mut session, UNTIL_DATA, &mut Vec::new(), start).event.is_some());
    let _ = session.take_output();
    assert_eq!(session.deadline(), None);
    session.handle_timeout(start + 60 * MINUTE);
    assert!(!session.is_closed());
    session.permit(start + 60 * MINUTE).unwrap();
    let _ = session.take_output();
    times_out(session, start + 63 * MINUTE);

    let mut session = in_data(start);
    assert_eq!(session.feed(b"x\r\n.\r\n", &mut Vec::new(), start).event, Some(Event::End));
    assert_eq!(session.deadline(), None);
    session.handle_timeout(start + 60 * MINUTE);
    assert!(!session.is_closed());
}

#[test]
fn the_answer_to_a_message_begins_the_time_of_the_next_command() {
    let start = Instant::now();
    let late = start + 60 * MINUTE;
    let refusal = NegativeReply::new(NegativeCode::LocalError, Status::new(0, 0), "no");
    let mut session = begin(start);
    assert!(feed(&mut session, UNTIL_DATA, &mut Vec::new(), start).event.is_some());
    session.refuse(&refusal, late).unwrap();
    let _ = session.take_output();
    times_out(session, late + 5 * MINUTE);

    let mut session = in_data(start);
    assert_eq!(session.feed(b".\r\n", &mut Vec::new(), start).event, Some(Event::End));
    session.finish(&Outcome::Refused(refusal), late).unwrap();
    let _ = session.take_output();
    times_out(session, late + 5 * MINUTE);
}

#[test]
fn a_message_may_pause_for_three_minutes() {
    let start = Instant::now();
    times_out(in_data(start), start + 3 * MINUTE);
    let mut session = in_data(start);
    let now = start + 2 * MINUTE;
    assert_eq!(session.feed(b"x", &mut Vec::new(), now).event, None);
    times_out(session, now + 3 * MINUTE);
}

#[test]
fn a_message_may_take_half_an_hour_in_all() {
    let start = Instant::now();
    let mut session = in_data(start);
    for minute in 1..30 {
        assert_eq!(session.feed(b"x", &mut Vec::new(), start + MINUTE * minute).event, None);
    }
    times_out(session, start + 30 * MINUTE);
}
