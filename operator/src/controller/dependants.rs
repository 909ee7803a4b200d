//! Which objects are to be looked at when something changes.

use kube::{
    ResourceExt,
    runtime::reflector::{ObjectRef, Store},
};
use mail_egress_crds::{EntraApp, MailPolicy, MailRoute, MailSender, Way};

use super::{gather::carries_app_secret, way::secret_names};
use crate::{
    tokens::{Owner, secret_name},
    watches::{Change, Stores},
};

/// The MailSenders that depend on what has changed.
pub(super) fn senders(change: &Change, stores: &Stores) -> Vec<ObjectRef<MailSender>> {
    let all = &stores.senders;
    let of_app = |name: &str| select(all, |sender| sender.spec.entra_app.as_deref() == Some(name));
    let of_route = |name: &str| select(all, |sender| names_route(sender, name));
    match change {
        Change::Everything => select(all, |_| true),
        Change::Sender(sender) => and(vec![sender.clone()], carriers(stores)),
        Change::App(app) | Change::Token(Owner::App(app)) => of_app(app),
        Change::Token(Owner::Route(route)) => of_route(route),
        Change::Route(route) => and(of_route(route), carriers(stores)),
        Change::Namespace(name) => {
            let there = select(all, |sender| sender.namespace().as_ref() == Some(name));
            and(there, carriers(stores))
        }
        Change::Credential(_) => {
            let of_apps = apps(change, stores).into_iter().flat_map(|app| of_app(&app.name));
            let of_routes = routes(change, stores).into_iter().flat_map(|route| of_route(&route.name));
            and(of_apps.collect(), of_routes.collect())
        }
        // of all that a policy says, one kind of exception has an effect
        Change::Policy(_) => {
            let by_password = select(&stores.routes, logs_in_by_password);
            select(all, |sender| by_password.iter().any(|route| names_route(sender, &route.name)))
        }
    }
}

fn names_route(sender: &MailSender, route: &str) -> bool {
    sender.spec.route == route || sender.spec.fallback_route.as_deref() == Some(route)
}

/// The senders that carry their app's secret: to them it matters who else gets tokens by the same app, and
/// that changes with senders, their routes and what their namespaces are admitted to. There are few.
fn carriers(stores: &Stores) -> Vec<ObjectRef<MailSender>> {
    let carrying = select(&stores.routes, carries_app_secret);
    if carrying.is_empty() {
        return Vec::new();
    }
    select(&stores.senders, |sender| carrying.iter().any(|route| names_route(sender, &route.name)))
}

/// Both, each once.
fn and(
    mut some: Vec<ObjectRef<MailSender>>,
    others: Vec<ObjectRef<MailSender>>,
) -> Vec<ObjectRef<MailSender>> {
    for other in others {
        if !some.contains(&other) {
            some.push(other);
        }
    }
    some
}

fn logs_in_by_password(route: &MailRoute) -> bool {
    carries_app_secret(route)
        || matches!(route.spec.way(), Some(Way::SmtpRelay(relay)) if relay.password.is_some())
}

/// The EntraApps that depend on what has changed.
pub(super) fn apps(change: &Change, stores: &Stores) -> Vec<ObjectRef<EntraApp>> {
    match change {
        Change::Everything => select(&stores.apps, |_| true),
        Change::App(app) | Change::Token(Owner::App(app)) => vec![ObjectRef::new(app)],
        Change::Credential(secret) => select(&stores.apps, |app| secret_name(&app.spec) == Some(secret)),
        Change::Sender(_)
        | Change::Route(_)
        | Change::Policy(_)
        | Change::Namespace(_)
        | Change::Token(Owner::Route(_)) => Vec::new(),
    }
}

/// The MailRoutes that depend on what has changed.
pub(super) fn routes(change: &Change, stores: &Stores) -> Vec<ObjectRef<MailRoute>> {
    match change {
        Change::Everything => select(&stores.routes, |_| true),
        Change::Route(route) | Change::Token(Owner::Route(route)) => vec![ObjectRef::new(route)],
        Change::Credential(secret) => {
            select(&stores.routes, |route| secret_names(route).contains(&secret.as_str()))
        }
        Change::Sender(_)
        | Change::App(_)
        | Change::Policy(_)
        | Change::Namespace(_)
        | Change::Token(Owner::App(_)) => Vec::new(),
    }
}

/// The MailPolicies that depend on what has changed.
pub(super) fn policies(change: &Change, stores: &Stores) -> Vec<ObjectRef<MailPolicy>> {
    match change {
        Change::Everything => select(&stores.policies, |_| true),
        Change::Policy(policy) => vec![ObjectRef::new(policy)],
        Change::Sender(_)
        | Change::App(_)
        | Change::Route(_)
        | Change::Credential(_)
        | Change::Namespace(_)
        | Change::Token(_) => Vec::new(),
    }
}

fn select<K>(store: &Store<K>, wanted: impl Fn(&K) -> bool) -> Vec<ObjectRef<K>>
where
    K: kube::Resource<DynamicType = ()> + Clone + 'static,
{
    store.state_filter(wanted).iter().map(|object| ObjectRef::from_obj(object.as_ref())).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{super::fixtures, *};
    use crate::watches::Named;

    fn sender(namespace: &str, name: &str, app: &str, route: &str) -> MailSender {
        let mut sender = fixtures::sender(json!({"entraApp": app, "route": route}));
        sender.metadata.name = Some(name.to_owned());
        sender.metadata.namespace = Some(namespace.to_owned());
        sender
    }

    fn app(name: &str, secret: &str) -> EntraApp {
        let Named::Found(app) =
            fixtures::app(json!({"credential": {"clientSecret": {"secretName": secret}}}))
        else {
            panic!("a fixture is found")
        };
        EntraApp::new(name, app.spec.clone())
    }

    fn route(name: &str, spec: serde_json::Value) -> MailRoute {
        MailRoute::new(name, serde_json::from_value(spec).unwrap())
    }

    fn stores() -> Stores {
        let senders = vec![
            sender("shop", "a", "contoso", "exchange-online"),
            sender("shop", "b", "fabrikam", "exchange-online"),
            sender("crm", "c", "contoso", "other"),
            sender("crm", "d", "news", "services"),
            sender("crm", "e", "news", "exchange-online"),
            sender("crm", "f", "", "relay"),
        ];
        let routes = vec![
            route("services", json!({"azureCommunicationServices": {"username": "a"}})),
            route(
                "relay",
                json!({"smtpRelay": {"host": "a", "password": {"username": "a", "secretName": "four"}}}),
            ),
        ];
        let apps = vec![app("contoso", "one"), app("fabrikam", "two"), app("news", "five")];
        Stores::holding_routes(routes, &[], senders, apps, vec![], "system")
    }

    fn found(change: &Change) -> String {
        let mut names: Vec<_> = senders(change, &stores()).iter().map(|sender| sender.name.clone()).collect();
        names.sort();
        names.concat()
    }

    #[test]
    fn senders_follow_whatever_they_depend_on() {
        for (change, names) in [
            (Change::Everything, "abcdef"),
            // d carries its app's secret, so it matters to d who gets tokens by what
            (Change::Sender(ObjectRef::new("b").within("shop")), "bd"),
            (Change::App("contoso".into()), "ac"),
            (Change::Token(Owner::App("fabrikam".into())), "b"),
            (Change::Token(Owner::Route("other".into())), "c"),
            (Change::Route("other".into()), "cd"),
            (Change::Credential("one".into()), "ac"),
            (Change::Credential("three".into()), ""),
            (Change::Namespace("shop".into()), "abd"),
            (Change::Credential("four".into()), "f"),
            (Change::Policy("any".into()), "df"),
            (Change::Sender(ObjectRef::new("e").within("crm")), "de"),
        ] {
            assert_eq!(found(&change), names, "{change:?}");
        }
    }

    #[test]
    fn apps_follow_their_credential_and_their_token() {
        let found = |change: Change| -> Vec<String> {
            apps(&change, &stores()).iter().map(|app| app.name.clone()).collect()
        };
        assert_eq!(found(Change::Credential("two".into())), ["fabrikam"]);
        assert_eq!(found(Change::Token(Owner::App("contoso".into()))), ["contoso"]);
        assert!(found(Change::Route("other".into())).is_empty());
    }
}
