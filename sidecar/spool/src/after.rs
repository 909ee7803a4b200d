//! What becomes of a message when an attempt has ended. Decides; the caller does it.

use jiff::Timestamp;
use rand::Rng;

use crate::{Death, Next, Progress, Schedule, Ticket};

/// The reason of a message that has reached its age.
const EXPIRED: &str = "SpoolExpired";

/// A reason of the diagnosis table, and the whole sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Why {
    /// Bounded, CamelCase.
    pub reason: String,
    /// With what to do about it.
    pub sentence: String,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The relay has it.
    Accepted,
    /// This message can never be delivered.
    Refused(Why),
    /// Nothing of it was delivered; another time it may be, not before the time named.
    Deferred(Why, Option<Timestamp>),
    /// It may have been delivered; also a message that an earlier process left dotted.
    Uncertain(Why),
}

/// What is done with a message that may have been delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IfUncertain {
    /// It is never sent again.
    AtMostOnce,
    /// It is sent again.
    AtLeastOnce,
}

/// What is to be noted by the method of the same name of [`crate::Spool`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is through with.
    Done,
    /// It is tried again.
    Retry(Progress),
    /// It is given up.
    Bury(Death),
}

/// Decides. `ticket` is as it was before the attempt.
///
/// A dead letter is marked uncertain if any of its attempts was.
pub fn after(
    ticket: &Ticket,
    ended: Ended,
    if_uncertain: IfUncertain,
    schedule: &Schedule,
    now: Timestamp,
    rng: &mut impl Rng,
) -> Step {
    let before = ticket.progress.as_ref();
    let attempts = before.map_or(0, |it| it.attempts).saturating_add(1);
    let was_uncertain = before.is_some_and(|it| it.uncertain);
    let bury = |why: Why, uncertain| {
        Step::Bury(Death { at: now, reason: why.reason, sentence: why.sentence, uncertain, attempts })
    };
    let (why, named, uncertain) = match ended {
        Ended::Accepted => return Step::Done,
        Ended::Refused(why) => return bury(why, was_uncertain),
        Ended::Uncertain(why) if if_uncertain == IfUncertain::AtMostOnce => return bury(why, true),
        Ended::Uncertain(why) => (why, None, true),
        Ended::Deferred(why, named) => (why, named, was_uncertain),
    };
    match schedule.next(ticket.accepted_at, attempts, now, named, rng) {
        Next::At(due) => Step::Retry(Progress { attempts, due, reason: why.reason, uncertain }),
        Next::Expired => {
            let sentence =
                format!("given up at its age after {attempts} attempts; the last one: {}", why.sentence);
            bury(Why { reason: EXPIRED.to_owned(), sentence }, uncertain)
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn why() -> Why {
        Why { reason: "UpstreamBusy".into(), sentence: "busy".into() }
    }

    fn ticket(progress: Option<Progress>) -> Ticket {
        Ticket { id: "a".parse().unwrap(), accepted_at: at(0), octets: 1, dotted: false, progress }
    }

    fn step(ticket: &Ticket, ended: Ended, if_uncertain: IfUncertain, now: i64) -> Step {
        let schedule = Schedule::usual(SignedDuration::from_hours(1));
        after(ticket, ended, if_uncertain, &schedule, at(now), &mut StdRng::seed_from_u64(7))
    }

    #[test]
    fn each_end_has_its_step() {
        use IfUncertain::AtMostOnce;
        let fresh = ticket(None);
        assert_eq!(step(&fresh, Ended::Accepted, AtMostOnce, 1), Step::Done);
        let Step::Bury(death) = step(&fresh, Ended::Refused(why()), AtMostOnce, 1) else { panic!() };
        assert_eq!((death.reason.as_str(), death.uncertain, death.attempts), ("UpstreamBusy", false, 1));
        let deferred = Ended::Deferred(why(), Some(at(600)));
        let Step::Retry(progress) = step(&fresh, deferred, AtMostOnce, 1) else { panic!() };
        assert_eq!((progress.attempts, progress.due, progress.uncertain), (1, at(600), false));
    }

    #[test]
    fn an_uncertain_end_is_buried_as_such_or_tried_again_as_the_sender_chose() {
        let fresh = ticket(None);
        let Step::Bury(death) = step(&fresh, Ended::Uncertain(why()), IfUncertain::AtMostOnce, 1) else {
            panic!()
        };
        assert!(death.uncertain);
        let tried = step(&fresh, Ended::Uncertain(why()), IfUncertain::AtLeastOnce, 1);
        let Step::Retry(progress) = tried else { panic!() };
        assert!(progress.uncertain);
    }

    #[test]
    fn a_dead_letter_remembers_that_an_earlier_attempt_was_uncertain() {
        let before = Progress { attempts: 4, due: at(1), reason: "R".into(), uncertain: true };
        for ended in [Ended::Deferred(why(), None), Ended::Refused(why())] {
            let Step::Bury(death) =
                step(&ticket(Some(before.clone())), ended, IfUncertain::AtLeastOnce, 3600)
            else {
                panic!()
            };
            assert!(death.uncertain);
            assert_eq!(death.attempts, 5);
        }
    }

    #[test]
    fn what_reaches_its_age_is_buried_with_the_last_reason_in_the_sentence() {
        let ended = Ended::Deferred(why(), None);
        let Step::Bury(death) = step(&ticket(None), ended, IfUncertain::AtMostOnce, 3600) else { panic!() };
        assert_eq!(death.reason, "SpoolExpired");
        assert!(death.sentence.ends_with("busy"), "{}", death.sentence);
    }
}
