//! A relay that falls silent, goes away or says nonsense, in every phase.

use std::time::{Duration, Instant};

use mail_egress_smtp::client::{Action, Attempt, Failure, Lost, Phase};

use crate::dialogue::{LOGIN, Run, dialogue, settings};

/// Every phase that waits for the relay, as the step before its reply, with its time in seconds.
fn phases() -> Vec<(Phase, String, u64)> {
    let cut = |at: &str| LOGIN.split(at).next().unwrap().to_owned();
    let single = format!("{LOGIN}\nD: send <a@b> -> <c@d>: x");
    let ok = "S: 250 ok";
    vec![
        (Phase::Greeting, String::new(), 30),
        (Phase::Ehlo, "S: 220 hi".to_owned(), 30),
        (Phase::StartTls, cut("S: 220 2.0.0"), 30),
        (Phase::Handshake, cut("D: tls"), 30),
        (Phase::Ehlo, format!("{}\nD: tls", cut("D: tls")), 30),
        (Phase::Auth, cut("S: 235"), 30),
        (Phase::Auth, format!("{}\nS: 334 e30=", cut("S: 235")), 30),
        (Phase::Mail, single.clone(), 60),
        (Phase::Rcpt, format!("{single}\n{ok}"), 60),
        (Phase::Data, format!("{single}\n{ok}\n{ok}"), 120),
        (Phase::Body, format!("{single}\n{ok}\n{ok}\nS: 354 go"), 180),
        (Phase::Body, format!("{single}\n{ok}\n{ok}\nS: 354 go\nA: send body\nD: body"), 180),
    ]
}

const FINAL_DOT: &str = "
    D: send <a@b> -> <c@d>: x
    S: 250 ok
    S: 250 ok
    S: 354 go
    A: send body
    D: body
    D: end";

fn at_final_dot() -> Run {
    Run::after(&settings("token"), &format!("{LOGIN}\n{FINAL_DOT}"))
}

fn failed(lost: Lost) -> Option<Action> {
    Some(Action::Finished(Attempt::Failed(Failure::Lost(lost))))
}

fn uncertain(lost: Lost) -> Option<Action> {
    Some(Action::Finished(Attempt::Uncertain(lost)))
}

#[test]
fn a_connection_closed_before_the_final_dot_has_failed() {
    for (phase, transcript, _) in phases() {
        let mut run = Run::after(&settings("token"), &transcript);
        assert_eq!(run.dialogue.phase(), phase, "{transcript}");
        assert_eq!(run.dialogue.closed(), failed(Lost::Closed(phase)));
        assert!(run.dialogue.is_ended());
        assert_eq!(run.dialogue.closed(), None, "told once");
    }
}

#[test]
fn silence_before_the_final_dot_has_failed_when_the_phase_s_time_is_over() {
    for (phase, transcript, seconds) in phases() {
        let mut run = Run::after(&settings("token"), &transcript);
        let deadline = run.now + Duration::from_secs(seconds);
        assert_eq!(run.dialogue.deadline(), Some(deadline), "{phase:?}");
        assert_eq!(run.dialogue.handle_timeout(deadline - Duration::from_millis(1)), None);
        assert_eq!(run.dialogue.handle_timeout(deadline), failed(Lost::TimedOut(phase)));
        assert!(run.dialogue.is_ended());
        assert_eq!(run.dialogue.deadline(), None);
    }
}

#[test]
fn nonsense_before_the_final_dot_has_failed() {
    for (phase, transcript, _) in phases().into_iter().filter(|(phase, ..)| *phase != Phase::Handshake) {
        let mut run = Run::after(&settings("token"), &transcript);
        let what = "something came that is no reply";
        assert_eq!(run.dialogue.feed(b"whatever\r\n", run.now), failed(Lost::Garbled { phase, what }));
        assert!(run.dialogue.is_ended());
    }
}

#[test]
fn a_421_in_any_phase_is_a_refusal_and_the_end() {
    for (phase, transcript, _) in phases().into_iter().filter(|(phase, ..)| *phase != Phase::Handshake) {
        let mut run = Run::after(&settings("token"), &transcript);
        let action = run.dialogue.feed(b"421 4.3.2 going down\r\n", run.now);
        let Some(Action::Finished(Attempt::Refused(refusal))) = action else {
            panic!("{phase:?}: {action:?}")
        };
        assert_eq!((refusal.phase, refusal.reply.code, refusal.reply.is_transient()), (phase, 421, true));
        assert!(run.dialogue.is_ended());
    }
}

#[test]
fn whatever_goes_wrong_behind_the_final_dot_is_uncertain() {
    let phase = Phase::FinalDot;
    assert_eq!(at_final_dot().dialogue.closed(), uncertain(Lost::Closed(phase)));

    let mut run = at_final_dot();
    let deadline = run.now + Duration::from_secs(600);
    assert_eq!(run.dialogue.deadline(), Some(deadline));
    assert_eq!(run.dialogue.handle_timeout(deadline), uncertain(Lost::TimedOut(phase)));

    for (garbage, what) in [
        ("whatever\r\n", "something came that is no reply"),
        ("250 ok\n", "a reply line does not end with CRLF"),
        ("354 go on\r\n", "a 3yz reply"),
        ("250-ok\r\n554 no\r\n", "the lines of one reply have different codes"),
    ] {
        let mut run = at_final_dot();
        let action = run.dialogue.feed(garbage.as_bytes(), run.now);
        assert_eq!(action, uncertain(Lost::Garbled { phase, what }), "{garbage}");
        assert!(run.dialogue.is_ended());
    }
    // half a reply is none
    let mut run = at_final_dot();
    assert_eq!(run.dialogue.feed(b"250 2.0.0 O", run.now), None);
    assert_eq!(run.dialogue.closed(), uncertain(Lost::Closed(phase)));
}

#[test]
fn a_421_behind_the_final_dot_is_a_refusal_since_it_was_received() {
    dialogue(&format!(
        "{LOGIN}{}
        S: 421 4.3.2 going down
        A: refused final-dot 421 4.3.2 going down
        X: ended",
        FINAL_DOT.replace(
            "D: send <a@b> -> <c@d>: x",
            "D: send <a@b> -> <c@d>: x\nC: MAIL FROM:<a@b> SIZE=1\nC: RCPT TO:<c@d>\nC: DATA"
        ) + "\nC: x\nC: ."
    ));
}

#[test]
fn a_reply_before_the_end_of_the_message_is_never_a_success() {
    let until_body = format!("{LOGIN}{}", FINAL_DOT.split("D: body").next().unwrap());
    for (reply, expected) in [
        ("552 5.3.4 too much\r\n", "refused body 552 5.3.4 too much"),
        (
            "250 2.0.0 queued\r\n",
            "failed the relay broke the protocol within the message: a reply that says yes",
        ),
    ] {
        let mut run = Run::after(&settings("token"), &until_body);
        let action = run.dialogue.feed(reply.as_bytes(), run.now).unwrap();
        assert_eq!(crate::dialogue::shown(&action), expected);
        // and no dot can follow
        assert!(run.dialogue.is_ended());
        assert!(run.dialogue.end_of_body(&mut Vec::new(), run.now).is_err());
    }
    // nor behind the 354 in one stretch
    let until_data = until_body.split("S: 354").next().unwrap();
    let mut run = Run::after(&settings("token"), until_data);
    let action = run.dialogue.feed(b"354 go\r\n250 2.0.0 queued\r\n", run.now).unwrap();
    assert!(matches!(action, Action::Finished(Attempt::Failed(_))), "{action:?}");
}

#[test]
fn what_was_refused_before_the_connection_broke_is_refused() {
    let refused = "refused rcpt 550 5.1.1 no; <e@f> 550 5.1.1 no";
    let several =
        format!("{LOGIN}\nD: send <a@b> -> <c@d> <e@f> <g@h>: x\nS: 250 ok\nS: 250 ok\nS: 550 5.1.1 no");
    let reset = format!("{several}\nS: 250 ok");
    for transcript in [&several, &reset] {
        let shown = |action: Option<Action>| crate::dialogue::shown(&action.unwrap());
        let mut run = Run::after(&settings("token"), transcript);
        assert_eq!(shown(run.dialogue.closed()), refused);
        let mut run = Run::after(&settings("token"), transcript);
        let deadline = run.dialogue.deadline().unwrap();
        assert_eq!(shown(run.dialogue.handle_timeout(deadline)), refused);
        for reply in [&b"421 bye\r\n"[..], b"whatever\r\n"] {
            let mut run = Run::after(&settings("token"), transcript);
            assert_eq!(shown(run.dialogue.feed(reply, run.now)), refused);
            assert!(run.dialogue.is_ended());
        }
    }
}

#[test]
fn a_relay_that_leaves_between_messages_ends_no_attempt() {
    for leaving in [&b"421 4.4.1 idle too long\r\n"[..], b"250 what\r\n", b"whatever\r\n"] {
        let mut run = Run::after(&settings("token"), LOGIN);
        assert_eq!(run.dialogue.deadline(), None);
        assert_eq!(run.dialogue.feed(leaving, run.now), None);
        assert!(run.dialogue.is_ended() && !run.dialogue.is_ready());
    }
    let mut run = Run::after(&settings("token"), LOGIN);
    assert_eq!(run.dialogue.closed(), None);
    assert!(run.dialogue.is_ended());
}

#[test]
fn a_relay_that_leaves_in_the_breath_of_its_welcome_was_never_ready() {
    let mut run = Run::after(&settings("token"), LOGIN.split("S: 235").next().unwrap());
    let action = run.dialogue.feed(b"235 welcome\r\n421 bye\r\n", run.now);
    assert_eq!(action, failed(Lost::Closed(Phase::Idle)));
    assert!(run.dialogue.is_ended());
}

#[test]
fn quit_waits_a_little_and_ends_no_attempt() {
    for end in [None, Some(&b"221 bye\r\n"[..])] {
        let mut run = Run::after(&settings("token"), LOGIN);
        run.dialogue.quit(run.now).unwrap();
        assert_eq!(run.dialogue.take_output(), b"QUIT\r\n");
        let deadline = run.now + Duration::from_secs(5);
        assert_eq!(run.dialogue.deadline(), Some(deadline));
        match end {
            Some(reply) => assert_eq!(run.dialogue.feed(reply, run.now), None),
            None => assert_eq!(run.dialogue.handle_timeout(deadline), None),
        }
        assert!(run.dialogue.is_ended());
    }
}

#[test]
fn each_reply_begins_the_envelope_s_time_anew_and_each_piece_the_body_s() {
    let mut run = Run::after(&settings("token"), &format!("{LOGIN}\nD: send <a@b> -> <c@d>: xy"));
    let later = |now: Instant, seconds| now + Duration::from_secs(seconds);
    let now = later(run.now, 50);
    assert_eq!(run.dialogue.feed(b"250 ok\r\n", now), None);
    assert_eq!(run.dialogue.deadline(), Some(later(now, 60)));
    let now = later(now, 50);
    // half a reply does not
    assert_eq!(run.dialogue.feed(b"250-o", now), None);
    assert_eq!(run.dialogue.deadline(), Some(later(now, 10)));
    assert_eq!(run.dialogue.feed(b"k\r\n250 ok\r\n354 go\r\n", now), Some(Action::SendBody));
    let now = later(now, 170);
    run.dialogue.body(b"x", &mut Vec::new(), now).unwrap();
    assert_eq!(run.dialogue.deadline(), Some(later(now, 180)));
}
