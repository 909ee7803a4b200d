//! Whether a MailSender may send, and by what: pure.

use std::{collections::BTreeMap, sync::Arc};

use kube::ResourceExt;
use mail_egress_config::{Limits, Route, SmtpRoute};
use mail_egress_crds::{
    Admission, EntraApp, MailRoute, MailSender, Way,
    mail_route::ExchangeOnline,
    names::{REASON_NOT_YET_HONOURED, condition},
};
use mail_egress_diagnosis::{Diagnosis, local, reason};
use mail_egress_entra::tls;

use super::build::terms;
use super::condition::{Finding, Status};
use crate::watches::Named;

/// Largest message where the route does not say: Exchange Online's own default, 35 MB (fact sheet
/// B, "Limits").
const MESSAGE_BYTES: u64 = 35 * 1024 * 1024;

/// What a MailSender refers to.
#[derive(Clone, Debug)]
pub(super) struct References {
    /// What `spec.entraApp` names; `None` where it names nothing.
    pub(super) app: Option<Named<EntraApp>>,
    /// What `spec.route` names.
    pub(super) route: Named<MailRoute>,
    /// The labels of the sender's namespace.
    pub(super) namespace_labels: BTreeMap<String, String>,
}

/// A sender that may send, and by what. Can only be had from [`validate`].
#[derive(Clone, Debug)]
pub(super) struct Validated {
    app: Arc<EntraApp>,
    scope: String,
    route: Route,
    limits: Limits,
}

impl Validated {
    /// The EntraApp whose token is needed.
    #[must_use]
    pub(super) fn app(&self) -> &EntraApp {
        &self.app
    }

    /// The scope of that token.
    #[must_use]
    pub(super) fn scope(&self) -> &str {
        &self.scope
    }

    /// The way out.
    #[must_use]
    pub(super) fn route(&self) -> &Route {
        &self.route
    }

    /// What one sidecar of the sender may send.
    #[must_use]
    pub(super) fn limits(&self) -> Limits {
        self.limits
    }
}

/// What was judged.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    /// The findings that do not depend on the token: Accepted, ResolvedRefs, Supported.
    pub(super) findings: Vec<Finding>,
    /// By what it may send, or the first reason why it may not.
    pub(super) result: Result<Validated, Diagnosis>,
}

/// Judges a MailSender by all that it refers to.
#[must_use]
pub(super) fn validate(sender: &MailSender, references: &References) -> Verdict {
    let resolved = resolve(sender, references);
    let accepted = accept(sender, references);
    let way = resolved.clone().and_then(|(app, route)| way_out(sender, app, &route));
    let findings = vec![
        match &accepted {
            Ok(true) => Finding::yes(condition::ACCEPTED, "the sender may send as its mailbox"),
            Ok(false) => Finding::unknown(
                condition::ACCEPTED,
                "RefsNotResolved",
                "what the sender refers to must exist first",
            ),
            Err(denied) => Finding::no(condition::ACCEPTED, denied),
        },
        match &resolved {
            Ok(_) => Finding::yes(condition::RESOLVED_REFS, "the EntraApp and the MailRoute exist"),
            Err(missing) => Finding::no(condition::RESOLVED_REFS, missing),
        },
        match (&resolved, &way) {
            (Ok(_), Err(unsupported)) => Finding::no(condition::SUPPORTED, unsupported),
            (Ok(_), Ok(_)) | (Err(_), _) => honoured(&sender.spec.not_yet_honoured()),
        },
    ];
    let result = match accepted {
        Err(denied) => Err(denied),
        Ok(_) => way,
    };
    Verdict { findings, result }
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

type Resolved = (Arc<EntraApp>, Arc<MailRoute>);

/// Finds what the sender refers to.
fn resolve(sender: &MailSender, references: &References) -> Result<Resolved, Diagnosis> {
    let spec = &sender.spec;
    let app = match (&references.app, spec.entra_app.as_deref().unwrap_or_default()) {
        (Some(Named::Found(app)), _) => Some(app),
        (Some(Named::Missing), name) => return Err(app_not_found(name, "does not exist")),
        (Some(Named::Unreadable(error)), name) => {
            return Err(unreadable(app_not_found(name, ""), "EntraApp", name, error));
        }
        (None, _) => None,
    };
    let route = match &references.route {
        Named::Found(route) => route,
        Named::Missing => return Err(route_not_found(&spec.route, "does not exist")),
        Named::Unreadable(error) => {
            return Err(unreadable(route_not_found(&spec.route, ""), "MailRoute", &spec.route, error));
        }
    };
    match (app, route.spec.way()) {
        (Some(app), _) => Ok((app.clone(), route.clone())),
        // of the ways that need no app, none is built yet
        (None, Some(way)) if !way.uses_entra_app() => Err(route_not_supported(route)),
        (None, Some(_) | None) => Err(local(reason::ENTRA_APP_REQUIRED).with_cause(&format!(
            "the MailRoute {} needs an EntraApp and the MailSender names none",
            spec.route
        ))),
    }
}

fn app_not_found(name: &str, what: &str) -> Diagnosis {
    local(reason::ENTRA_APP_NOT_FOUND).with_cause(&format!("the EntraApp {name} {what}"))
}

fn unreadable(found: Diagnosis, kind: &str, name: &str, error: &str) -> Diagnosis {
    found
        .with_cause(&format!("the {kind} {name} cannot be read by this version of the operator"))
        .with_words(error)
        .with_fix(&format!("upgrade the operator, or correct the {kind} {name}"))
}

fn route_not_found(name: &str, what: &str) -> Diagnosis {
    local(reason::MAIL_ROUTE_NOT_FOUND).with_cause(&format!("the MailRoute {name} {what}"))
}

/// Whether the rules admit the sender; `false` where that cannot be told before all is resolved.
fn accept(sender: &MailSender, references: &References) -> Result<bool, Diagnosis> {
    let spec = &sender.spec;
    let namespace = sender.namespace().unwrap_or_default();
    let labels = &references.namespace_labels;
    if spec.suspend {
        return Err(local(reason::SENDER_SUSPENDED));
    }
    let Some(Named::Found(app)) = &references.app else { return Ok(false) };
    let name = app.name_any();
    if app.spec.suspend {
        return Err(local(reason::APP_SUSPENDED).with_cause(&format!("the EntraApp {name} is suspended")));
    }
    match app.spec.admission(&namespace, labels, &spec.mailbox) {
        Admission::Admitted => {}
        Admission::NamespaceNotAllowed => {
            return Err(local(reason::NAMESPACE_NOT_ALLOWED)
                .with_cause(&format!("the EntraApp {name} does not admit the namespace {namespace}"))
                .with_fix(&format!("ask the platform team to add {namespace} to spec.allowedNamespaces of the EntraApp {name}")));
        }
        Admission::MailboxNotAllowed => {
            let mailbox = &spec.mailbox;
            return Err(local(reason::MAILBOX_NOT_ALLOWED)
                .with_cause(&format!("the EntraApp {name} does not admit the mailbox {mailbox} for the namespace {namespace}"))
                .with_fix(&format!("use a mailbox that it admits, or ask the platform team to add {mailbox} to spec.allowedNamespaces of the EntraApp {name}")));
        }
    }
    let Named::Found(route) = &references.route else { return Ok(false) };
    if !route.spec.admits(&namespace, labels) {
        let name = route.name_any();
        return Err(local(reason::NAMESPACE_NOT_ALLOWED)
            .with_cause(&format!("the MailRoute {name} does not admit the namespace {namespace}"))
            .with_fix(&format!(
                "ask the platform team to add {namespace} to spec.allowedNamespaces of the MailRoute {name}"
            )));
    }
    Ok(true)
}

/// The way out, if this version has built it.
fn way_out(sender: &MailSender, app: Arc<EntraApp>, route: &MailRoute) -> Result<Validated, Diagnosis> {
    let (ours, theirs) = (sender.spec.limits.as_ref(), route.spec.limits.as_ref());
    match route.spec.way() {
        Some(Way::ExchangeOnline(exchange)) => {
            of_one_cloud(&app, route, exchange)?;
            let mut smtp = exchange_online(route, exchange)?;
            smtp.max_message_bytes = terms::message_bytes(ours, theirs).unwrap_or(MESSAGE_BYTES);
            let scope = app.spec.exchange_scope().to_owned();
            let limits = terms::limits(ours, theirs);
            Ok(Validated { scope, app, route: Route::ExchangeOnline(smtp), limits })
        }
        Some(
            Way::Graph(_)
            | Way::HighVolumeEmail(_)
            | Way::AzureCommunicationServices(_)
            | Way::Connector(_)
            | Way::DirectSend(_)
            | Way::SmtpRelay(_),
        )
        | None => Err(route_not_supported(route)),
    }
}

/// A token is good in its own cloud only, and must not be shown to another. Where a scope or a host
/// is set by hand, whoever set it knows better.
fn of_one_cloud(app: &EntraApp, route: &MailRoute, exchange: &ExchangeOnline) -> Result<(), Diagnosis> {
    let scope = app.spec.endpoint.as_ref().and_then(|endpoint| endpoint.exchange_scope.as_ref());
    let (ours, theirs) = (app.spec.cloud, exchange.cloud);
    if scope.is_some() || exchange.host.is_some() || ours == theirs {
        return Ok(());
    }
    let (app, route) = (app.name_any(), route.name_any());
    Err(local(reason::CLOUD_MISMATCH)
        .with_cause(&format!(
            "the EntraApp {app} is of the cloud {ours:?} and the MailRoute {route} of the cloud {theirs:?}"
        ))
        .with_fix(&format!(
            "use a MailRoute with spec.exchangeOnline.cloud: {ours:?} in the MailSender, or correct spec.cloud of the EntraApp {app}"
        )))
}

/// What the sidecar needs to know of Exchange Online, checked so far as it can be from here.
pub(super) fn exchange_online(route: &MailRoute, exchange: &ExchangeOnline) -> Result<SmtpRoute, Diagnosis> {
    if let Err(error) = tls::client_config(exchange.ca_bundle.as_deref()) {
        return Err(local(reason::CA_BUNDLE_INVALID)
            .with_cause(&format!(
                "spec.exchangeOnline.caBundle of the MailRoute {} cannot be used",
                route.name_any()
            ))
            .with_words(&error.to_string()));
    }
    let limit = route.spec.limits.as_ref().and_then(|limits| limits.message_bytes);
    let (host, limit) = (exchange.host().to_owned(), limit.unwrap_or(MESSAGE_BYTES));
    Ok(SmtpRoute {
        ca_bundle: exchange.ca_bundle.clone(),
        ..SmtpRoute::new(route.name_any(), host, exchange.port(), limit)
    })
}

pub(super) fn route_not_supported(route: &MailRoute) -> Diagnosis {
    let kind = route.spec.way().map_or("of a kind that it does not know", |way| way.field());
    local(reason::ROUTE_NOT_SUPPORTED)
        .with_cause(&format!("this version cannot send by the MailRoute {}: {kind}", route.name_any()))
}

#[cfg(test)]
mod tests;
