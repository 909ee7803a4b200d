//! Which idle connections there are, which one a message takes, and which ones are to be closed:
//! decided here, without sockets or clock.

use std::time::{Duration, Instant};

/// Shorter than the patience of relays with a silent client (Postfix in need: 10 s to 300 s), long
/// enough for the next message of a busy app.
const MOST_IDLE: Duration = Duration::from_secs(45);
/// Exchange cuts sessions near 20 minutes (fact sheet B, "Session"); half of that is never cut.
pub(super) const MOST_AGE: Duration = Duration::from_secs(10 * 60);
/// So that load spreads over the relay's servers again; a login for each 500 messages costs nothing.
const MOST_MESSAGES: u32 = 500;

/// How long one connection may be used, and for what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Term<K> {
    /// What it was made for.
    pub(super) key: K,
    /// No message is begun on it from then on: its age, or the end of the token it signed in with.
    pub(super) ends: Instant,
    /// Messages that were begun on it.
    pub(super) messages: u32,
}

/// One connection that waits.
#[derive(Debug)]
struct Idle<C, K> {
    connection: C,
    term: Term<K>,
    /// It is closed then.
    until: Instant,
}

/// The idle connections; the one used last is taken first, so that those not needed grow old.
#[derive(Debug)]
pub(super) struct Shelf<C, K> {
    idle: Vec<Idle<C, K>>,
    /// What new messages go by; nothing else is kept.
    in_force: Vec<K>,
    /// When whoever closes the old ones wakes up.
    alarm: Option<Instant>,
}

/// What [`Shelf::put`] made of a connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Put<C> {
    /// It waits. `wake`: nobody would wake up in time to close it.
    Kept { wake: bool },
    /// It is to be closed.
    Unwanted(C),
}

impl<C, K: PartialEq> Shelf<C, K> {
    pub(super) fn new() -> Self {
        Self { idle: Vec::new(), in_force: Vec::new(), alarm: None }
    }

    /// Idle connections.
    pub(super) fn len(&self) -> usize {
        self.idle.len()
    }

    /// A connection for `key`, if one is fit; and those that are to be closed before another is
    /// dialled: without one for `key` those for another key too, since each fills a place.
    pub(super) fn take(&mut self, key: &K, now: Instant) -> (Option<(C, Term<K>)>, Vec<C>) {
        let mut unfit = self.remove(|idle| idle.until <= now);
        match self.idle.iter().rposition(|idle| idle.term.key == *key) {
            Some(at) => {
                let Idle { connection, term, .. } = self.idle.remove(at);
                (Some((connection, term)), unfit)
            }
            None => {
                unfit.extend(self.remove(|_| true));
                (None, unfit)
            }
        }
    }

    /// Keeps a connection that is sound and on which nothing is under way.
    pub(super) fn put(&mut self, connection: C, term: Term<K>, now: Instant) -> Put<C> {
        let fit = self.in_force.contains(&term.key);
        if !fit || term.ends <= now || term.messages >= MOST_MESSAGES {
            return Put::Unwanted(connection);
        }
        let until = term.ends.min(now + MOST_IDLE);
        let wake = self.alarm.is_none_or(|alarm| until < alarm);
        self.idle.push(Idle { connection, term, until });
        Put::Kept { wake }
    }

    /// Something else is in force, or nothing: gives back what no longer fits.
    pub(super) fn flush(&mut self, in_force: Vec<K>) -> Vec<C> {
        let unfit = self.remove(|idle| !in_force.contains(&idle.term.key));
        self.in_force = in_force;
        unfit
    }

    /// Gives back what has waited long enough, and says when to ask again.
    pub(super) fn sweep(&mut self, now: Instant) -> (Vec<C>, Option<Instant>) {
        let old = self.remove(|idle| idle.until <= now);
        self.alarm = self.idle.iter().map(|idle| idle.until).min();
        (old, self.alarm)
    }

    fn remove(&mut self, unfit: impl Fn(&Idle<C, K>) -> bool) -> Vec<C> {
        self.idle.extract_if(.., |idle| unfit(idle)).map(|idle| idle.connection).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    fn shelf(key: u8) -> (Shelf<&'static str, u8>, Instant) {
        let mut shelf = Shelf::new();
        assert!(shelf.flush(vec![key]).is_empty());
        (shelf, Instant::now())
    }

    fn term(key: u8, ends: Instant) -> Term<u8> {
        Term { key, ends, messages: 1 }
    }

    #[test]
    fn the_one_used_last_is_taken_first() {
        let (mut shelf, now) = shelf(1);
        assert_eq!(shelf.put("a", term(1, now + HOUR), now), Put::Kept { wake: true });
        let _ = shelf.put("b", term(1, now + HOUR), now);
        assert_eq!(shelf.take(&1, now), (Some(("b", term(1, now + HOUR))), vec![]));
        assert_eq!(shelf.len(), 1);
    }

    #[test]
    fn another_key_closes_what_was_kept() {
        let (mut shelf, now) = shelf(1);
        let _ = shelf.put("a", term(1, now + HOUR), now);
        assert_eq!(shelf.take(&2, now), (None, vec!["a"]));
        let _ = shelf.put("b", term(1, now + HOUR), now);
        assert_eq!(shelf.flush(vec![2]), ["b"]);
        assert_eq!(shelf.put("c", term(1, now + HOUR), now), Put::Unwanted("c"));
        let _ = shelf.put("d", term(2, now + HOUR), now);
        assert_eq!(shelf.flush(Vec::new()), ["d"]);
    }

    #[test]
    fn nothing_waits_longer_than_it_may() {
        let (mut shelf, now) = shelf(1);
        let _ = shelf.put("a", term(1, now + HOUR), now);
        let just_before = now + MOST_IDLE - Duration::from_millis(1);
        assert_eq!(shelf.sweep(just_before), (vec![], Some(now + MOST_IDLE)));
        assert_eq!(shelf.sweep(now + MOST_IDLE), (vec!["a"], None));
        let _ = shelf.put("b", term(1, now + HOUR), now);
        assert_eq!(shelf.take(&1, now + MOST_IDLE), (None, vec!["b"]), "also where nobody swept");
    }

    #[test]
    fn nothing_is_used_beyond_its_term() {
        let (mut shelf, now) = shelf(1);
        let soon = now + Duration::from_secs(5);
        let _ = shelf.put("a", term(1, soon), now);
        assert_eq!(shelf.take(&1, soon), (None, vec!["a"]));
        assert_eq!(shelf.put("b", term(1, now), now), Put::Unwanted("b"));
        let worn = Term { messages: MOST_MESSAGES, ..term(1, soon) };
        assert_eq!(shelf.put("c", worn, now), Put::Unwanted("c"));
    }

    #[test]
    fn nobody_is_woken_who_wakes_in_time_by_himself() {
        let (mut shelf, now) = shelf(1);
        let _ = shelf.put("a", term(1, now + HOUR), now);
        let _ = shelf.sweep(now);
        let _ = shelf.take(&1, now);
        let later = now + Duration::from_secs(1);
        assert_eq!(shelf.put("a", term(1, now + HOUR), later), Put::Kept { wake: false });
        let soon = now + Duration::from_secs(2);
        assert_eq!(shelf.put("b", term(1, soon), later), Put::Kept { wake: true });
    }
}
