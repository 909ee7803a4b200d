//! Conditions: from what was found to what the status says.

use jiff::{Timestamp, Unit};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use mail_egress_crds::names::condition;
use mail_egress_diagnosis::{Class, Diagnosis};

/// The types of condition that the operator sets; others in a status are somebody else's.
const OURS: &[&str] = &[
    condition::READY,
    condition::ACCEPTED,
    condition::RESOLVED_REFS,
    condition::TOKEN_READY,
    condition::CREDENTIAL_READY,
    condition::SUPPORTED,
    condition::FALLBACK_READY,
    condition::LONG_LIVED_CREDENTIAL,
    condition::STALLED,
    condition::RECONCILING,
];

/// What a condition says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Status {
    /// It is so.
    True,
    /// It is not so.
    False,
    /// Nobody can tell yet.
    Unknown,
}

/// One finding, to become one condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    /// The condition's type, of [`condition`].
    pub(super) type_: &'static str,
    /// Whether it is so.
    pub(super) status: Status,
    /// Why, in a word.
    pub(super) reason: &'static str,
    /// Why, in a sentence, with what to do about it.
    pub(super) message: String,
}

impl Status {
    /// As Kubernetes writes it.
    #[must_use]
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

impl Finding {
    /// It is so; the reason is the type itself, as Gateway API does it.
    #[must_use]
    pub(super) fn yes(type_: &'static str, message: impl Into<String>) -> Self {
        Self { type_, status: Status::True, reason: type_, message: message.into() }
    }

    /// It is not so, and here is why and how to mend it.
    #[must_use]
    pub(super) fn no(type_: &'static str, diagnosis: &Diagnosis) -> Self {
        let message = diagnosis.sentence();
        Self { type_, status: Status::False, reason: diagnosis.reason, message }
    }

    /// Nobody can tell, for this reason.
    #[must_use]
    pub(super) fn unknown(type_: &'static str, reason: &'static str, message: impl Into<String>) -> Self {
        Self { type_, status: Status::Unknown, reason, message: message.into() }
    }
}

/// For tools that read kstatus, to which Ready=False alone means "in progress": whether the object
/// waits for a person or for time.
#[must_use]
pub(super) fn progress(trouble: &Diagnosis) -> Finding {
    let type_ = match trouble.class {
        Class::Transient | Class::Uncertain => condition::RECONCILING,
        Class::Mendable | Class::Permanent => condition::STALLED,
    };
    Finding { status: Status::True, ..Finding::no(type_, trouble) }
}

/// The conditions of the next status: the findings in their order, then what others have set.
///
/// A condition whose status stays keeps its `lastTransitionTime`; one of ours that is not found
/// any more goes.
#[must_use]
pub(super) fn merge(
    current: &[Condition],
    found: &[Finding],
    generation: Option<i64>,
    now: Timestamp,
) -> Vec<Condition> {
    // whole seconds, as metav1.Time has them
    let now = Time(now.round(Unit::Second).unwrap_or(now));
    let ours = found.iter().map(|finding| {
        let status = finding.status.as_str();
        let before = current.iter().find(|condition| condition.type_ == finding.type_);
        let since =
            before.filter(|before| before.status == status).map(|before| &before.last_transition_time);
        Condition {
            type_: finding.type_.to_owned(),
            status: status.to_owned(),
            reason: finding.reason.to_owned(),
            message: finding.message.clone(),
            observed_generation: generation,
            last_transition_time: since.unwrap_or(&now).clone(),
        }
    });
    let foreign = current.iter().filter(|condition| !OURS.contains(&condition.type_.as_str())).cloned();
    ours.chain(foreign).collect()
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use mail_egress_diagnosis::{local, reason};

    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
    }

    fn denied() -> Diagnosis {
        local(reason::NAMESPACE_NOT_ALLOWED)
    }

    #[test]
    fn a_status_that_stays_keeps_its_time() {
        let first = merge(&[], &[Finding::no(condition::READY, &denied())], Some(1), at(10));
        let other = Finding::no(condition::READY, &local(reason::SENDER_SUSPENDED));
        let second = merge(&first, &[other], Some(2), at(20));
        assert_eq!(second[0].last_transition_time, Time(at(10)));
        assert_eq!((second[0].reason.as_str(), second[0].observed_generation), ("SenderSuspended", Some(2)));
        let third = merge(&second, &[Finding::yes(condition::READY, "it can send")], Some(2), at(30));
        assert_eq!((third[0].last_transition_time.clone(), third[0].status.as_str()), (Time(at(30)), "True"));
    }

    #[test]
    fn the_same_findings_make_the_same_status() {
        let found =
            [Finding::yes(condition::READY, "it can send"), Finding::yes(condition::ACCEPTED, "it may")];
        let first = merge(&[], &found, Some(1), at(10));
        assert_eq!(merge(&first, &found, Some(1), at(99)), first);
    }

    #[test]
    fn conditions_of_others_stay_and_our_old_ones_go() {
        let mut current = merge(&[], &[progress(&denied())], Some(1), at(10));
        assert_eq!(current[0].type_, "Stalled");
        current.push(Condition { type_: "Audited".into(), ..current[0].clone() });
        let next = merge(&current, &[Finding::yes(condition::READY, "it can send")], Some(1), at(20));
        let types: Vec<_> = next.iter().map(|condition| condition.type_.as_str()).collect();
        assert_eq!(types, ["Ready", "Audited"]);
    }

    #[test]
    fn what_passes_by_itself_is_reconciling_and_what_a_person_mends_is_stalled() {
        assert_eq!(progress(&local(reason::ENTRA_TIMEOUT)).type_, "Reconciling");
        assert_eq!(progress(&denied()).type_, "Stalled");
    }
}
