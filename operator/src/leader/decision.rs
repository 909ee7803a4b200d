//! Whose the Lease is, decided from what was seen of it and from one's own clock.

use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use tokio::time::Instant;

use super::Timing;

/// The Lease as last seen, and since when it has said the same.
#[derive(Debug, Clone)]
pub(super) struct Observation {
    spec: LeaseSpec,
    metadata: ObjectMeta,
    since: Instant,
}

impl Observation {
    /// Takes in what the API server says at `now`. The span since the last renewal counts from
    /// the moment we saw it: the `renewTime` was written by another machine's clock. Any write
    /// counts as one, also somebody's label: a renewal must not be missed because a clock that
    /// was set back wrote the same time twice, and waiting once too often does no harm.
    pub(super) fn of(lease: Lease, before: Option<&Self>, now: Instant) -> Self {
        let spec = lease.spec.unwrap_or_default();
        let since = match before {
            Some(before) if before.metadata.resource_version == lease.metadata.resource_version => {
                before.since
            }
            Some(_) | None => now,
        };
        Self {
            spec,
            metadata: ObjectMeta {
                managed_fields: None, // as large as all the rest, and not ours to write
                ..lease.metadata
            },
            since,
        }
    }

    /// The Lease to write over exactly the version that was seen: it carries its
    /// `resourceVersion`, and whatever others have put on its metadata.
    pub(super) fn with(&self, spec: LeaseSpec) -> Lease {
        Lease { metadata: self.metadata.clone(), spec: Some(spec) }
    }

    /// Who holds the Lease, expired or not.
    pub(super) fn holder(&self) -> Option<&str> {
        self.spec.holder_identity.as_deref().filter(|holder| !holder.is_empty())
    }

    /// When the holder's right ends unless it renews. The holder's own word on the duration
    /// counts, for it may run with other settings than ours.
    fn expires(&self, timing: &Timing) -> Instant {
        let duration = self
            .spec
            .lease_duration_seconds
            .and_then(|seconds| u64::try_from(seconds).ok())
            .filter(|seconds| *seconds > 0)
            .map_or(timing.lease_duration, Duration::from_secs);
        self.since + duration
    }

    fn transitions(&self) -> i32 {
        self.spec.lease_transitions.unwrap_or(0)
    }
}

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Action {
    /// Another holds the Lease.
    Wait,
    /// There is no Lease: create it with this content.
    Create(Box<LeaseSpec>),
    /// Write this content over exactly the version that was seen.
    Update(Box<LeaseSpec>),
}

/// Decides for the candidate `me`, from the Lease as seen and the local clocks: `now` counts,
/// `wall` is only written down for people.
pub(super) fn decide(
    seen: Option<&Observation>,
    me: &str,
    timing: &Timing,
    now: Instant,
    wall: Timestamp,
) -> Action {
    let Some(seen) = seen else {
        return Action::Create(Box::new(claim(me, timing, wall, wall, 0)));
    };
    let spec = match seen.holder() {
        Some(holder) if holder == me => {
            let acquired = seen.spec.acquire_time.as_ref().map_or(wall, |time| time.0);
            claim(me, timing, acquired, wall, seen.transitions())
        }
        Some(_) if now < seen.expires(timing) => return Action::Wait,
        Some(_) | None => claim(me, timing, wall, wall, seen.transitions().saturating_add(1)),
    };
    Action::Update(Box::new(spec))
}

/// What a leader that shuts down writes, so that another need not wait.
pub(super) fn release(seen: &Observation, me: &str, wall: Timestamp) -> Option<LeaseSpec> {
    if seen.holder() != Some(me) {
        return None;
    }
    Some(LeaseSpec {
        holder_identity: None,
        lease_duration_seconds: Some(1), // the API server wants a positive number
        renew_time: Some(MicroTime(wall)),
        ..seen.spec.clone()
    })
}

fn claim(me: &str, timing: &Timing, acquired: Timestamp, renewed: Timestamp, transitions: i32) -> LeaseSpec {
    let seconds = timing.lease_duration.as_secs_f64().ceil();
    LeaseSpec {
        holder_identity: Some(me.to_owned()),
        lease_duration_seconds: Some(seconds as i32),
        acquire_time: Some(MicroTime(acquired)),
        renew_time: Some(MicroTime(renewed)),
        lease_transitions: Some(transitions),
        ..LeaseSpec::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMING: Timing = Timing {
        lease_duration: Duration::from_secs(15),
        renew_deadline: Duration::from_secs(10),
        retry_period: Duration::from_secs(2),
        request_limit: Duration::from_secs(4),
    };

    fn wall(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn lease(spec: LeaseSpec, version: &str) -> Lease {
        let mut lease = Lease { spec: Some(spec), ..Lease::default() };
        lease.metadata.resource_version = Some(version.to_owned());
        lease
    }

    fn seen(holder: &str, renewed: i64, at: Instant) -> Observation {
        let spec = claim(holder, &TIMING, wall(0), wall(renewed), 3);
        Observation::of(lease(spec, "7"), None, at)
    }

    fn after(seconds: u64, start: Instant) -> Instant {
        start + Duration::from_secs(seconds)
    }

    #[test]
    fn creates_the_lease_where_there_is_none() {
        let Action::Create(spec) = decide(None, "a", &TIMING, Instant::now(), wall(0)) else {
            panic!("expected a creation");
        };
        assert_eq!(spec.holder_identity.as_deref(), Some("a"));
        assert_eq!(spec.lease_duration_seconds, Some(15));
    }

    #[test]
    fn takes_a_released_lease_at_once() {
        let start = Instant::now();
        let mut released = seen("b", 0, start);
        released.spec.holder_identity = None;
        let Action::Update(spec) = decide(Some(&released), "a", &TIMING, start, wall(9)) else {
            panic!("expected an update");
        };
        let written = released.with(*spec.clone()).metadata.resource_version;
        assert_eq!(written.as_deref(), Some("7"), "only over what was seen");
        assert_eq!(spec.lease_transitions, Some(4));
        assert_eq!(spec.acquire_time, Some(MicroTime(wall(9))));
    }

    #[test]
    fn waits_out_the_whole_lease_of_a_frozen_holder() {
        let start = Instant::now();
        let frozen = seen("b", 0, start);
        let at = |seconds| decide(Some(&frozen), "a", &TIMING, after(seconds, start), wall(0));
        assert_eq!(at(14), Action::Wait);
        assert!(matches!(at(15), Action::Update(..)));
    }

    #[test]
    fn a_wall_clock_30_seconds_off_decides_nothing() {
        let start = Instant::now();
        for theirs in [-30, 0, 30, 3600] {
            for ours in [-30, 0, 30, 3600] {
                let held = seen("b", theirs, start);
                let at = |seconds| decide(Some(&held), "a", &TIMING, after(seconds, start), wall(ours));
                assert_eq!(at(14), Action::Wait, "theirs {theirs}, ours {ours}");
                assert!(matches!(at(15), Action::Update(..)));
            }
        }
    }

    #[test]
    fn a_renewal_starts_the_wait_anew_also_with_the_same_time_in_it() {
        let start = Instant::now();
        let first = seen("b", 0, start);
        let again = Observation::of(lease(first.spec.clone(), "7"), Some(&first), after(9, start));
        assert_eq!(again.since, start, "nothing was written");

        let renewed = Observation::of(lease(first.spec, "8"), Some(&again), after(9, start));
        let at = |seconds| decide(Some(&renewed), "a", &TIMING, after(seconds, start), wall(0));
        assert_eq!(at(23), Action::Wait);
        assert!(matches!(at(24), Action::Update(_)));
    }

    #[test]
    fn honours_the_duration_that_the_holder_wrote() {
        let start = Instant::now();
        let mut long = seen("b", 0, start);
        long.spec.lease_duration_seconds = Some(60);
        let at = |seconds| decide(Some(&long), "a", &TIMING, after(seconds, start), wall(0));
        assert_eq!(at(59), Action::Wait);
        assert!(matches!(at(60), Action::Update(..)));

        for nonsense in [None, Some(0), Some(-5)] {
            long.spec.lease_duration_seconds = nonsense;
            let at = |seconds| decide(Some(&long), "a", &TIMING, after(seconds, start), wall(0));
            assert_eq!(at(14), Action::Wait);
            assert!(matches!(at(15), Action::Update(..)));
        }
    }

    #[test]
    fn the_holder_renews_and_keeps_its_acquisition() {
        let start = Instant::now();
        let held = seen("a", 0, start);
        let Action::Update(spec) = decide(Some(&held), "a", &TIMING, start, wall(2)) else {
            panic!("expected an update");
        };
        assert_eq!(spec.acquire_time, Some(MicroTime(wall(0))));
        assert_eq!(spec.renew_time, Some(MicroTime(wall(2))));
        assert_eq!(spec.lease_transitions, Some(3));
    }

    #[test]
    fn only_the_holder_releases() {
        let held = seen("a", 0, Instant::now());
        assert_eq!(release(&held, "b", wall(0)), None);
        let spec = release(&held, "a", wall(0)).unwrap();
        assert_eq!(spec.holder_identity, None);
    }
}
