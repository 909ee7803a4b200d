//! What a MailSender refers to, and whether the rules admit it there: pure.

use std::sync::Arc;

use kube::ResourceExt;
use mail_egress_crds::{Admission, EntraApp, MailRoute, MailSender};
use mail_egress_diagnosis::{Diagnosis, local, reason};

use super::references::References;
use crate::watches::Named;

/// What a sender refers to for one of its routes.
#[derive(Clone, Debug)]
pub(super) struct Resolved {
    /// Its EntraApp; there where the route uses one.
    pub(super) app: Option<Arc<EntraApp>>,
    /// The route.
    pub(super) route: Arc<MailRoute>,
}

/// Finds what the sender refers to, for the route of this name.
pub(super) fn resolve(
    sender: &MailSender,
    references: &References,
    name: &str,
    found: &Named<MailRoute>,
) -> Result<Resolved, Diagnosis> {
    let app = match (&references.app, sender.spec.entra_app.as_deref().unwrap_or_default()) {
        (Some(Named::Found(app)), _) => Some(app.clone()),
        (Some(Named::Missing), name) => return Err(app_not_found(name, "does not exist")),
        (Some(Named::Unreadable(error)), name) => {
            return Err(unreadable(app_not_found(name, ""), "EntraApp", name, error));
        }
        (None, _) => None,
    };
    let route = match found {
        Named::Found(route) => route.clone(),
        Named::Missing => return Err(route_not_found(name, "does not exist")),
        Named::Unreadable(error) => {
            return Err(unreadable(route_not_found(name, ""), "MailRoute", name, error));
        }
    };
    if app.is_none() && uses_entra_app(&route) {
        return Err(local(reason::ENTRA_APP_REQUIRED)
            .with_cause(&format!("the MailRoute {name} needs an EntraApp and the MailSender names none")));
    }
    Ok(Resolved { app, route })
}

/// One that cannot be told is taken to: it cannot be used anyway.
fn uses_entra_app(route: &MailRoute) -> bool {
    route.spec.way().is_none_or(|way| way.uses_entra_app())
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

/// Whether the rules admit the sender to a route; `false` where that cannot be told before all is
/// resolved.
pub(super) fn accept(
    sender: &MailSender,
    references: &References,
    found: &Named<MailRoute>,
) -> Result<bool, Diagnosis> {
    if sender.spec.suspend {
        return Err(local(reason::SENDER_SUSPENDED));
    }
    let by_app = match found {
        Named::Found(route) => uses_entra_app(route),
        Named::Missing | Named::Unreadable(_) => true,
    };
    if by_app {
        let Some(Named::Found(app)) = &references.app else { return Ok(false) };
        of_app(sender, references, app)?;
        return Ok(matches!(found, Named::Found(_)));
    }
    match found {
        Named::Found(route) => of_route(sender, references, route).map(|()| true),
        Named::Missing | Named::Unreadable(_) => Ok(false),
    }
}

fn of_app(sender: &MailSender, references: &References, app: &EntraApp) -> Result<(), Diagnosis> {
    let (name, mailbox) = (app.name_any(), &sender.spec.mailbox);
    let namespace = sender.namespace().unwrap_or_default();
    if app.spec.suspend {
        return Err(local(reason::APP_SUSPENDED).with_cause(&format!("the EntraApp {name} is suspended")));
    }
    match app.spec.admission(&namespace, &references.namespace_labels, mailbox) {
        Admission::Admitted => Ok(()),
        denied @ (Admission::NamespaceNotAllowed | Admission::MailboxNotAllowed) => {
            Err(not_allowed(denied, "EntraApp", &name, &namespace, mailbox))
        }
    }
}

fn of_route(sender: &MailSender, references: &References, route: &MailRoute) -> Result<(), Diagnosis> {
    let (name, mailbox) = (route.name_any(), &sender.spec.mailbox);
    let namespace = sender.namespace().unwrap_or_default();
    match route.spec.admission(&namespace, &references.namespace_labels, mailbox) {
        Admission::Admitted => Ok(()),
        denied @ (Admission::NamespaceNotAllowed | Admission::MailboxNotAllowed) => {
            Err(not_allowed(denied, "MailRoute", &name, &namespace, mailbox))
        }
    }
}

fn not_allowed(denied: Admission, kind: &str, name: &str, namespace: &str, mailbox: &str) -> Diagnosis {
    match denied {
        Admission::Admitted | Admission::NamespaceNotAllowed => local(reason::NAMESPACE_NOT_ALLOWED)
            .with_cause(&format!("the {kind} {name} does not admit the namespace {namespace}"))
            .with_fix(&format!(
                "ask the platform team to add {namespace} to spec.allowedNamespaces of the {kind} {name}"
            )),
        Admission::MailboxNotAllowed => local(reason::MAILBOX_NOT_ALLOWED)
            .with_cause(&format!(
                "the {kind} {name} does not admit the mailbox {mailbox} for the namespace {namespace}"
            ))
            .with_fix(&format!(
                "use a mailbox that it admits, or ask the platform team to add {mailbox} to spec.allowedNamespaces of the {kind} {name}"
            )),
    }
}
