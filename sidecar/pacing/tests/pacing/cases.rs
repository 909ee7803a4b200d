//! One case each of what the crate guarantees.

use std::time::{Duration, Instant};

use mail_egress_config::Limits;
use mail_egress_pacing::{
    Answer, Ask, GRACE, Later, PROBE_EVERY, Pacing, RESERVATIONS, SENT_WITHIN, Signal, Slot, Turn, Why,
};

fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn limits(messages: u32, connections: u32) -> Limits {
    Limits { messages_per_minute: Some(messages), connections: Some(connections), ..Limits::EXCHANGE_ONLINE }
}

fn to(whom: u64, recipients: u32) -> Ask {
    Ask { whom, recipients, hold: s(8) }
}

fn goes(answer: Answer) -> Slot {
    match answer {
        Answer::Go(slot) => slot,
        other => panic!("{other:?}"),
    }
}

fn waits(answer: Answer) -> Turn {
    match answer {
        Answer::Wait(turn) => turn,
        other => panic!("{other:?}"),
    }
}

fn later(answer: Answer) -> Later {
    match answer {
        Answer::Later(later) => later,
        other => panic!("{other:?}"),
    }
}

/// Goes, is sent, and is over.
fn passes(pacing: &mut Pacing, ask: Ask, now: Instant) {
    let slot = goes(pacing.ask(ask, now));
    pacing.sent(&slot, now);
    pacing.release(slot, now);
}

#[test]
fn who_comes_back_early_gets_the_same_promise_and_no_second_one() {
    let now = Instant::now();
    let mut pacing = Pacing::new(limits(1, 3));
    passes(&mut pacing, to(1, 1), now);
    let promise = later(pacing.ask(to(2, 1), now));
    assert!(promise.promised);
    assert_eq!(promise.why, Why::MessagesPerMinute);
    assert_eq!(later(pacing.ask(to(2, 1), now + s(20))), promise);
    assert_eq!(pacing.reserved(), 1);
    let _slot = goes(pacing.ask(to(2, 1), promise.at));
    assert_eq!(pacing.reserved(), 0);
}

#[test]
fn who_comes_a_little_early_waits_for_the_promise() {
    let now = Instant::now();
    let mut pacing = Pacing::new(limits(1, 3));
    passes(&mut pacing, to(1, 1), now);
    let promise = later(pacing.ask(to(2, 1), now));
    let turn = waits(pacing.ask(to(2, 1), promise.at - s(3)));
    assert_eq!(turn.until, promise.at);
    let _slot = goes(pacing.look(turn, promise.at));
}

#[test]
fn equal_messages_get_a_promise_each() {
    let now = Instant::now();
    let mut pacing = Pacing::new(limits(1, 3));
    passes(&mut pacing, to(1, 1), now);
    let first = later(pacing.ask(to(2, 1), now));
    let second = later(pacing.ask(to(2, 1), now));
    assert!(second.at > first.at + s(60));
}

#[test]
fn a_promise_is_kept_for_its_grace_and_then_goes_to_others() {
    let now = Instant::now();
    let mut pacing = Pacing::new(limits(1, 3));
    passes(&mut pacing, to(1, 1), now);
    let promise = later(pacing.ask(to(2, 1), now));
    let just_before = promise.at + GRACE - Duration::from_millis(1);
    let turn = waits(pacing.ask(Ask { hold: s(200), ..to(3, 1) }, just_before));
    assert_eq!(turn.until, promise.at + GRACE);
    let _slot = goes(pacing.look(turn, promise.at + GRACE));
}

#[test]
fn a_slot_that_was_not_used_goes_to_the_first_who_waits() {
    let now = Instant::now();
    let mut pacing = Pacing::new(limits(30, 1));
    let slot = goes(pacing.ask(to(1, 1), now));
    let second = waits(pacing.ask(to(2, 1), now));
    let third = waits(pacing.ask(to(3, 1), now));
    pacing.release(slot, now + s(1));
    assert!(pacing.is_someone_called());
    let third = waits(pacing.look(third, now + s(1)));
    let slot = goes(pacing.look(second, now + s(1)));
    pacing.release(slot, now + s(2));
    let _slot = goes(pacing.look(third, now + s(2)));
}

#[test]
fn who_may_go_sooner_than_it_thought_is_called() {
    let now = Instant::now();
    let mut pacing = Pacing::new(limits(1, 3));
    let slot = goes(pacing.ask(to(1, 1), now));
    let turn = waits(pacing.ask(Ask { hold: s(90), ..to(2, 1) }, now));
    assert_eq!(turn.until, now + SENT_WITHIN + Duration::from_millis(60_250));
    pacing.sent(&slot, now);
    assert!(pacing.is_someone_called());
    let turn = waits(pacing.look(turn, now));
    assert!(!pacing.is_someone_called());
    assert_eq!(turn.until, now + Duration::from_millis(60_250));
    let _slot = goes(pacing.look(turn, now + Duration::from_millis(60_250)));
}

#[test]
fn who_leaves_the_queue_gives_up_its_turn_even_if_it_was_called() {
    let now = Instant::now();
    let mut pacing = Pacing::new(limits(30, 1));
    let slot = goes(pacing.ask(to(1, 1), now));
    let second = waits(pacing.ask(to(2, 1), now));
    let third = waits(pacing.ask(to(3, 1), now));
    pacing.release(slot, now);
    pacing.leave(second, now);
    let _slot = goes(pacing.look(third, now));
}

#[test]
fn who_waited_in_vain_for_a_connection_is_told_a_time() {
    let now = Instant::now();
    let mut pacing = Pacing::new(limits(30, 1));
    let _slot = goes(pacing.ask(to(1, 1), now));
    let turn = waits(pacing.ask(to(2, 1), now));
    let refused = later(pacing.look(turn, now + s(8)));
    assert_eq!((refused.why, refused.promised), (Why::Connections, true));
    assert_eq!(pacing.waiting(), 0);
}

#[test]
fn many_recipients_neither_starve_nor_hold_up_others() {
    let now = Instant::now();
    let mut pacing = Pacing::new(Limits { messages_per_minute: None, ..Limits::EXCHANGE_ONLINE });
    passes(&mut pacing, to(1, 6000), now);
    let promise = later(pacing.ask(to(2, 5000), now));
    assert_eq!(promise.why, Why::RecipientsPerDay);
    for minute in 0..1000 {
        passes(&mut pacing, to(3, 1), now + s(60 * minute));
    }
    passes(&mut pacing, to(2, 5000), promise.at);
    assert!(promise.at <= now + s(86_400 + 600));
}

#[test]
fn more_recipients_than_a_day_has_never_go() {
    let mut pacing = Pacing::new(Limits::EXCHANGE_ONLINE);
    let answer = pacing.ask(to(1, 10_001), Instant::now());
    assert!(matches!(answer, Answer::TooManyRecipients { limit: 10_000 }));
}

#[test]
fn raised_limits_call_those_who_wait() {
    let now = Instant::now();
    let mut pacing = Pacing::new(limits(30, 1));
    let _slot = goes(pacing.ask(to(1, 1), now));
    let turn = waits(pacing.ask(to(2, 1), now));
    pacing.limits(limits(30, 2), now);
    let _slot = goes(pacing.look(turn, now));
}

#[test]
fn a_message_that_gave_back_its_connection_goes_before_who_came_after_it() {
    let now = Instant::now();
    let mut pacing = Pacing::new(limits(30, 1));
    let slow = goes(pacing.ask(to(1, 1), now));
    pacing.give_back_connection(&slow, now + s(5));
    let other = goes(pacing.ask(to(2, 1), now + s(5)));
    let third = waits(pacing.ask(to(3, 1), now + s(6)));
    let slow = waits(pacing.resume(slow, to(1, 1), now + s(7)));
    pacing.release(other, now + s(8));
    waits(pacing.look(third, now + s(8)));
    let _slot = goes(pacing.look(slow, now + s(8)));
}

#[test]
fn a_share_without_a_connection_lapses() {
    let now = Instant::now();
    let mut pacing = Pacing::new(limits(1, 1));
    let slow = goes(pacing.ask(to(1, 1), now));
    pacing.give_back_connection(&slow, now + s(5));
    let turn = waits(pacing.ask(Ask { hold: s(200), ..to(2, 1) }, now + s(5)));
    let _slot = goes(pacing.look(turn, now + SENT_WITHIN));
    let refused = later(pacing.resume(slow, to(1, 1), now + s(60)));
    assert!(refused.promised);
}

#[test]
fn a_second_try_counts_again() {
    let now = Instant::now();
    let mut pacing = Pacing::new(limits(1, 1));
    let slot = goes(pacing.ask(to(1, 1), now));
    pacing.sent(&slot, now);
    later(pacing.resume(slot, to(1, 1), now + s(1)));
}

#[test]
fn retry_after_holds_everybody_and_ends() {
    let now = Instant::now();
    let mut pacing = Pacing::new(limits(30, 3));
    pacing.throttled(Signal::RetryAfter(s(60)), now);
    let refused = later(pacing.ask(to(1, 1), now));
    assert_eq!((refused.why, refused.promised), (Why::Paused, true));
    assert!(refused.at >= now + s(60));
    let turn = waits(pacing.ask(to(2, 1), now + s(55)));
    assert_eq!(turn.until, now + s(60));
    let _slot = goes(pacing.look(turn, now + s(60)));
    let _slot = goes(pacing.ask(to(1, 1), refused.at));
}

#[test]
fn fewer_connections_after_a_complaint_about_them() {
    let now = Instant::now();
    let mut pacing = Pacing::new(limits(30, 3));
    let slots: Vec<Slot> = (0..3).map(|whom| goes(pacing.ask(to(whom, 1), now))).collect();
    pacing.throttled(Signal::Connections, now);
    let turn = waits(pacing.ask(to(4, 1), now));
    let mut slots = slots.into_iter();
    for slot in slots.by_ref().take(2) {
        pacing.release(slot, now);
        assert!(!pacing.is_someone_called());
    }
    slots.for_each(|slot| pacing.release(slot, now));
    let _slot = goes(pacing.look(turn, now));
}

#[test]
fn a_used_up_quota_lets_one_probe_through_now_and_then_until_it_succeeds() {
    let now = Instant::now();
    let mut pacing = Pacing::new(limits(30, 3));
    pacing.throttled(Signal::Quota, now);
    let refused = later(pacing.ask(to(1, 1), now));
    assert_eq!(refused, Later { at: now + PROBE_EVERY, promised: false, why: Why::Paused });
    let probe = goes(pacing.ask(to(1, 1), refused.at));
    later(pacing.ask(to(2, 1), refused.at));
    pacing.release(probe, refused.at);
    later(pacing.ask(to(2, 1), refused.at + s(1)));
    let probe = goes(pacing.ask(to(2, 1), refused.at + PROBE_EVERY));
    pacing.sent(&probe, refused.at + PROBE_EVERY);
    pacing.succeeded(refused.at + PROBE_EVERY);
    let _slot = goes(pacing.ask(to(3, 1), refused.at + PROBE_EVERY));
}

#[test]
fn promises_are_bounded_and_beyond_them_there_are_estimates() {
    let now = Instant::now();
    let mut pacing = Pacing::new(limits(30, 3));
    let asked = (0..1000).map(|whom| pacing.ask(to(whom, 1), now));
    let refused: Vec<Answer> = asked.filter(|answer| matches!(answer, Answer::Later(_))).collect();
    assert_eq!(pacing.reserved(), RESERVATIONS);
    assert!(!later(refused.into_iter().last().unwrap()).promised);
}

#[test]
fn an_hour_is_a_limit_of_its_own_and_its_promise_holds() {
    let now = Instant::now();
    let hourly = Limits { messages_per_hour: Some(2), ..limits(30, 3) };
    let mut pacing = Pacing::new(hourly);
    passes(&mut pacing, to(1, 1), now);
    passes(&mut pacing, to(2, 1), now + s(60));
    let promise = later(pacing.ask(to(3, 1), now + s(120)));
    assert_eq!((promise.why, promise.promised), (Why::MessagesPerHour, true));
    assert!((s(3600)..s(3700)).contains(&promise.at.duration_since(now)), "{promise:?}");
    let _slot = goes(pacing.ask(to(3, 1), promise.at));
}
