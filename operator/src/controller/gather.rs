//! Collects what a MailSender refers to, from the stores; no request is made.

use kube::ResourceExt;
use mail_egress_crds::{Admission, EntraApp, MailRoute, MailSender, Way};

use super::{validate::References, way::secret_names};
use crate::{
    credential::Credentials,
    tokens::secret_name,
    watches::{Named, Stores},
};

/// What the sender refers to; `None` where its namespace has not been heard of yet, so that
/// nothing can be concluded from the namespace's labels.
#[must_use]
pub(super) fn gather(sender: &MailSender, stores: &Stores) -> Option<References> {
    let namespace_labels = stores.namespace_labels(&sender.namespace()?)?;
    let app = sender.spec.entra_app.as_deref().map(|name| stores.app(name));
    let route = stores.route(&sender.spec.route);
    let fallback = sender.spec.fallback_route.as_deref().map(|name| stores.route(name));
    let routes: Vec<&MailRoute> =
        [Some(&route), fallback.as_ref()].into_iter().flatten().filter_map(found).collect();
    let mut credentials = credentials_of(&routes, stores);
    let mut token_user = None;
    if let Some(Named::Found(app)) = &app
        && routes.iter().any(|route| carries_app_secret(route))
    {
        note(&mut credentials, secret_name(&app.spec), stores);
        token_user = other_user(sender, app, stores);
    }
    Some(References {
        app,
        route,
        fallback,
        namespace_labels,
        credentials,
        policies: stores.policies.state(),
        token_user,
    })
}

/// The Secrets that these routes have credentials of their own in.
#[must_use]
pub(super) fn credentials_of(routes: &[&MailRoute], stores: &Stores) -> Credentials {
    let mut credentials = Credentials::new(stores.namespace());
    note(&mut credentials, routes.iter().flat_map(|route| secret_names(route)), stores);
    credentials
}

/// Whether the client secret of the sender's app is the password of this route.
#[must_use]
pub(super) fn carries_app_secret(route: &MailRoute) -> bool {
    matches!(route.spec.way(), Some(Way::AzureCommunicationServices(_)))
}

fn note<'a>(credentials: &mut Credentials, names: impl IntoIterator<Item = &'a str>, stores: &Stores) {
    for name in names {
        stores.credential(name, |lookup| credentials.note(name, lookup));
    }
}

fn found<K>(named: &Named<K>) -> Option<&K> {
    match named {
        Named::Found(object) => Some(object),
        Named::Unreadable(_) | Named::Missing => None,
    }
}

/// A sender that the app admits and that gets tokens by it. One that is not admitted gets none, and so
/// cannot stand in the way of another.
fn other_user(sender: &MailSender, app: &EntraApp, stores: &Stores) -> Option<String> {
    let name = app.name_any();
    let uses = |other: &MailSender| {
        let spec = &other.spec;
        let namespace = other.namespace().unwrap_or_default();
        let mut routes = [Some(&spec.route), spec.fallback_route.as_ref()].into_iter().flatten();
        let by_token = routes.any(|route| match stores.route(route) {
            Named::Found(route) => {
                !carries_app_secret(&route) && route.spec.way().is_some_and(|way| way.uses_entra_app())
            }
            Named::Unreadable(_) | Named::Missing => false,
        });
        spec.entra_app.as_deref() == Some(name.as_str())
            && by_token
            && stores.namespace_labels(&namespace).is_some_and(|labels| {
                app.spec.admission(&namespace, &labels, &spec.mailbox) == Admission::Admitted
            })
    };
    let mut users: Vec<_> = stores.senders.state_filter(uses);
    users.sort_by_key(|user| (user.namespace(), user.name_any()));
    let user = users.first()?;
    let named = format!("{}/{}", user.namespace().unwrap_or_default(), user.name_any());
    Some(if user.name_any() == sender.name_any() && user.namespace() == sender.namespace() {
        format!("{named} itself")
    } else {
        named
    })
}
