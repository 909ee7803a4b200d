//! Whether a MailSender may send, and by what: pure.

use jiff::Timestamp;
use kube::ResourceExt;
use mail_egress_config::{Limits, Route};
use mail_egress_crds::{
    MailRoute, MailSender,
    names::{REASON_NOT_YET_HONOURED, condition, sender_secret},
};
use mail_egress_diagnosis::{Diagnosis, local, reason};

use super::{
    admission::{accept, resolve},
    build::terms,
    condition::{Finding, Status},
    references::References,
    way::{self, Case, Exit, LongLived, Need},
};

/// A sender that may send, and by what. Can only be had from [`validate`].
#[derive(Clone, Debug)]
pub(super) struct Validated {
    exit: Exit,
    fallback: Option<Exit>,
    limits: Limits,
}

impl Validated {
    /// By what it sends.
    #[must_use]
    pub(super) fn exit(&self) -> &Exit {
        &self.exit
    }

    /// By what it sends what the first cannot carry, if it may.
    #[must_use]
    pub(super) fn fallback(&self) -> Option<&Exit> {
        self.fallback.as_ref()
    }

    /// What one sidecar of the sender may send.
    #[must_use]
    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    /// When it must be judged again, since something dated ends.
    #[must_use]
    pub(super) fn until(&self) -> Option<Timestamp> {
        let fallback = self.fallback.as_ref().and_then(|fallback| fallback.until);
        self.exit.until.into_iter().chain(fallback).min()
    }
}

/// What was judged.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    /// The findings that do not depend on the token: Accepted, ResolvedRefs, Supported, and where they
    /// say something, FallbackReady and LongLivedCredential.
    pub(super) findings: Vec<Finding>,
    /// By what it may send, or the first reason why it may not.
    pub(super) result: Result<Validated, Diagnosis>,
}

/// Judges a MailSender by all that it refers to.
#[must_use]
pub(super) fn validate(sender: &MailSender, references: &References, now: Timestamp) -> Verdict {
    let resolved = resolve(sender, references, &sender.spec.route, &references.route);
    let accepted = accept(sender, references, &references.route);
    let exit = resolved.as_ref().ok().map(|resolved| {
        let (route, app) = (&resolved.route, resolved.app.as_ref());
        way::judge(Case { sender, route, app, references, now }).map(|exit| with_size(exit, sender, route))
    });
    let refusal = |condition: &str| match &exit {
        Some(Err(refusal)) if refusal.condition == condition => Some(&refusal.diagnosis),
        Some(Ok(_) | Err(_)) | None => None,
    };
    let mut findings = vec![
        match (&accepted, refusal(condition::ACCEPTED)) {
            (Err(denied), _) | (Ok(true), Some(denied)) => Finding::no(condition::ACCEPTED, denied),
            (Ok(true), None) => Finding::yes(condition::ACCEPTED, "the sender may send as its mailbox"),
            (Ok(false), _) => Finding::unknown(
                condition::ACCEPTED,
                "RefsNotResolved",
                "what the sender refers to must exist first",
            ),
        },
        match (&resolved, refusal(condition::RESOLVED_REFS)) {
            (Err(missing), _) | (Ok(_), Some(missing)) => Finding::no(condition::RESOLVED_REFS, missing),
            (Ok(_), None) => Finding::yes(condition::RESOLVED_REFS, "all that the sender refers to exists"),
        },
        match refusal(condition::SUPPORTED) {
            Some(unsupported) => Finding::no(condition::SUPPORTED, unsupported),
            None => honoured(&sender.spec.not_yet_honoured()),
        },
    ];
    let result = match (accepted, resolved, exit) {
        (Err(denied), _, _) | (Ok(_), Err(denied), _) => Err(denied),
        (Ok(_), Ok(_), Some(Err(refusal))) => Err(refusal.diagnosis),
        (Ok(_), Ok(resolved), Some(Ok(exit))) => {
            let fallback = fallback(sender, references, now);
            findings.extend(fallback.as_ref().map(|judged| of_fallback(sender, judged)));
            let limits = terms::limits(sender.spec.limits.as_ref(), resolved.route.spec.limits.as_ref());
            Ok(Validated { exit, fallback: fallback.and_then(Result::ok), limits })
        }
        // judged wherever it was resolved
        (Ok(_), Ok(_), None) => Err(local(reason::ROUTE_NOT_SUPPORTED)),
    };
    if let Ok(validated) = &result {
        findings.extend(of_long_lived(sender, validated));
    }
    Verdict { findings, result }
}

/// Judges the fallback route, if the sender names one. Its faults do not keep mail from the first.
fn fallback(sender: &MailSender, references: &References, now: Timestamp) -> Option<Result<Exit, Diagnosis>> {
    let (name, found) = (sender.spec.fallback_route.as_deref()?, references.fallback.as_ref()?);
    let judge = || {
        let resolved = resolve(sender, references, name, found)?;
        accept(sender, references, found)?;
        let (route, app) = (&resolved.route, resolved.app.as_ref());
        let exit = way::judge(Case { sender, route, app, references, now })
            .map(|exit| with_size(exit, sender, route))
            .map_err(|refusal| refusal.diagnosis)?;
        match exit.need {
            Need::OfWorkload(_) => Err(local(reason::TOKEN_OF_WORKLOAD).with_cause(&format!(
                "the fallback route {name} needs a token, and a sidecar that exchanges the pod's own token does so for spec.route only"
            ))),
            Need::Nothing | Need::OfApp { .. } | Need::OfRelay(_) => Ok(exit),
        }
    };
    Some(judge())
}

fn of_fallback(sender: &MailSender, judged: &Result<Exit, Diagnosis>) -> Finding {
    let name = sender.spec.fallback_route.as_deref().unwrap_or_default();
    match judged {
        Ok(_) => Finding::yes(
            condition::FALLBACK_READY,
            format!("what spec.route cannot carry is sent by the MailRoute {name}"),
        ),
        Err(trouble) => Finding::no(condition::FALLBACK_READY, trouble),
    }
}

/// Says which credential lies in the sender's namespace, where one does that does not end by itself.
fn of_long_lived(sender: &MailSender, validated: &Validated) -> Option<Finding> {
    let exits = [Some(&validated.exit), validated.fallback.as_ref()].into_iter().flatten();
    let found: Vec<&LongLived> = exits.filter_map(|exit| exit.long_lived.as_ref()).collect();
    let what: Vec<&str> = found.iter().map(|found| found.what.as_str()).collect();
    let secret = sender_secret(&sender.name_any());
    Some(Finding {
        type_: condition::LONG_LIVED_CREDENTIAL,
        status: Status::True,
        reason: found.first()?.reason,
        message: format!(
            "{} lies in the Secret {secret} of this namespace: whoever reads Secrets or creates pods here has it until it is changed",
            what.join(", and ")
        ),
    })
}

/// Supported: True, or False with the fields that are set and have no effect yet.
#[must_use]
pub(super) fn honoured(not_yet: &[&'static str]) -> Finding {
    if not_yet.is_empty() {
        return Finding::yes(condition::SUPPORTED, "this version acts upon every field that is set");
    }
    Finding {
        type_: condition::SUPPORTED,
        status: Status::False,
        reason: REASON_NOT_YET_HONOURED,
        message: format!(
            "this version does not act upon {} yet; to mend: remove what you rely on, or wait for a version that does",
            not_yet.join(", ")
        ),
    }
}

/// The size that sender and route agree on, where either says one.
fn with_size(mut exit: Exit, sender: &MailSender, route: &MailRoute) -> Exit {
    let (ours, theirs) = (sender.spec.limits.as_ref(), route.spec.limits.as_ref());
    if let Some(octets) = terms::message_bytes(ours, theirs) {
        match &mut exit.route {
            Route::Graph(graph) => graph.max_message_bytes = octets,
            Route::ExchangeOnline(smtp)
            | Route::HighVolumeEmail(smtp)
            | Route::AzureCommunicationServices(smtp)
            | Route::Connector(smtp)
            | Route::DirectSend(smtp)
            | Route::SmtpRelay(smtp) => smtp.max_message_bytes = octets,
        }
    }
    exit
}

#[cfg(test)]
mod tests;
