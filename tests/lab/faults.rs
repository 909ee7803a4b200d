//! The list of misbehaviours in force, and how often each may still strike.

use std::collections::HashSet;

use tokio::sync::watch;

/// How long a misbehaviour lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Span {
    /// Until the faults are cleared.
    UntilCleared,
    /// On the next so many connections on which it would show, each time it would show there.
    Connections(u32),
    /// The next so many times that it would show, on whatever connection.
    Times(u32),
}

/// A fault of one server, in force for a span.
#[derive(Clone, Debug)]
struct InForce<F> {
    fault: F,
    left: Span,
    struck: HashSet<u64>,
}

impl<F> InForce<F> {
    /// Counts one more strike on this connection, if one is left.
    fn spend(&mut self, connection: u64) -> bool {
        match &mut self.left {
            Span::UntilCleared => true,
            Span::Connections(_) if self.struck.contains(&connection) => true,
            Span::Connections(0) | Span::Times(0) => false,
            Span::Connections(left) => {
                *left -= 1;
                self.struck.insert(connection)
            }
            Span::Times(left) => {
                *left -= 1;
                true
            }
        }
    }
}

#[derive(Debug)]
struct List<F> {
    in_force: Vec<InForce<F>>,
    cleared: u64,
}

/// What a server does wrong at the moment. Faults are looked up at the point where they would
/// show, so that one ordered now strikes connections that were opened before, too.
#[derive(Debug)]
pub(super) struct Faults<F> {
    list: watch::Sender<List<F>>,
}

impl<F> Faults<F> {
    pub(super) fn new() -> Self {
        Self { list: watch::Sender::new(List { in_force: Vec::new(), cleared: 0 }) }
    }

    pub(super) fn order(&self, fault: F, span: Span) {
        let in_force = InForce { fault, left: span, struck: HashSet::new() };
        self.list.send_modify(|list| list.in_force.push(in_force));
    }

    /// Ends all misbehaviour; connections that were made to stall are let go.
    pub(super) fn clear(&self) {
        self.list.send_modify(|list| {
            list.in_force.clear();
            list.cleared += 1;
        });
    }

    /// The first fault that `pick` knows a use for and that has a strike left, which it spends.
    pub(super) fn strike<R>(&self, connection: u64, pick: impl Fn(&F) -> Option<R>) -> Option<R> {
        if self.list.borrow().in_force.is_empty() {
            return None;
        }
        let mut picked = None;
        self.list.send_modify(|list| {
            picked = list
                .in_force
                .iter_mut()
                .find_map(|entry| pick(&entry.fault).filter(|_| entry.spend(connection)));
        });
        picked
    }

    /// How often [`clear`](Self::clear) was called; to be read before [`strike`](Self::strike) by
    /// those who then wait for [`cleared`](Self::cleared), so that no call falls between.
    pub(super) fn times_cleared(&self) -> u64 {
        self.list.borrow().cleared
    }

    /// Waits until [`clear`](Self::clear) was called more often than `before`.
    pub(super) async fn cleared(&self, before: u64) {
        let mut list = self.list.subscribe();
        // an error means that the lab is gone, which clears everything as well
        let _gone = list.wait_for(|list| list.cleared != before).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strikes(faults: &Faults<&'static str>, connections: &[u64]) -> Vec<bool> {
        connections.iter().map(|&c| faults.strike(c, |_| Some(())).is_some()).collect()
    }

    #[test]
    fn a_span_of_connections_counts_each_connection_once() {
        let faults = Faults::new();
        faults.order("x", Span::Connections(2));
        assert_eq!(strikes(&faults, &[1, 1, 2, 3, 2]), [true, true, true, false, true]);
    }

    #[test]
    fn a_span_of_times_counts_each_strike() {
        let faults = Faults::new();
        faults.order("x", Span::Times(2));
        assert_eq!(strikes(&faults, &[1, 1, 2]), [true, true, false]);
    }

    #[test]
    fn only_a_fault_that_is_of_use_is_spent() {
        let faults = Faults::new();
        faults.order("mail", Span::Times(1));
        assert!(faults.strike(1, |fault| (*fault == "rcpt").then_some(())).is_none());
        assert!(faults.strike(1, |fault| (*fault == "mail").then_some(())).is_some());
    }

    #[tokio::test]
    async fn clearing_ends_faults_and_lets_go_who_waits() {
        let faults = Faults::new();
        faults.order("x", Span::UntilCleared);
        let before = faults.times_cleared();
        let ((), ()) = tokio::join!(faults.cleared(before), async { faults.clear() });
        faults.cleared(before).await;
        assert_eq!(strikes(&faults, &[1]), [false]);
    }
}
