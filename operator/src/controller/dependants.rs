//! Which objects are to be looked at when something changes.

use kube::{
    ResourceExt,
    runtime::reflector::{ObjectRef, Store},
};
use mail_egress_crds::{EntraApp, MailPolicy, MailRoute, MailSender};

use crate::{
    tokens::secret_name,
    watches::{Change, Stores},
};

/// The MailSenders that depend on what has changed.
pub(super) fn senders(change: &Change, stores: &Stores) -> Vec<ObjectRef<MailSender>> {
    let all = &stores.senders;
    let of_app = |name: &str| select(all, |sender| sender.spec.entra_app.as_deref() == Some(name));
    match change {
        Change::Everything => select(all, |_| true),
        Change::Sender(sender) => vec![sender.clone()],
        Change::App(app) | Change::Token(app) => of_app(app),
        Change::Route(route) => select(all, |sender| sender.spec.route == *route),
        Change::Namespace(name) => select(all, |sender| sender.namespace().as_ref() == Some(name)),
        Change::Credential(_) => apps(change, stores).iter().flat_map(|app| of_app(&app.name)).collect(),
        // policies have no effect yet
        Change::Policy(_) => Vec::new(),
    }
}

/// The EntraApps that depend on what has changed.
pub(super) fn apps(change: &Change, stores: &Stores) -> Vec<ObjectRef<EntraApp>> {
    match change {
        Change::Everything => select(&stores.apps, |_| true),
        Change::App(app) | Change::Token(app) => vec![ObjectRef::new(app)],
        Change::Credential(secret) => select(&stores.apps, |app| secret_name(&app.spec) == Some(secret)),
        Change::Sender(_) | Change::Route(_) | Change::Policy(_) | Change::Namespace(_) => Vec::new(),
    }
}

/// The MailRoutes that depend on what has changed.
pub(super) fn routes(change: &Change, stores: &Stores) -> Vec<ObjectRef<MailRoute>> {
    match change {
        Change::Everything => select(&stores.routes, |_| true),
        Change::Route(route) => vec![ObjectRef::new(route)],
        Change::Sender(_)
        | Change::App(_)
        | Change::Policy(_)
        | Change::Credential(_)
        | Change::Namespace(_)
        | Change::Token(_) => Vec::new(),
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

    fn stores() -> Stores {
        let senders = vec![
            sender("shop", "a", "contoso", "exchange-online"),
            sender("shop", "b", "fabrikam", "exchange-online"),
            sender("crm", "c", "contoso", "other"),
        ];
        Stores::holding(senders, vec![app("contoso", "one"), app("fabrikam", "two")], vec![], "system")
    }

    fn found(change: &Change) -> String {
        let mut names: Vec<_> = senders(change, &stores()).iter().map(|sender| sender.name.clone()).collect();
        names.sort();
        names.concat()
    }

    #[test]
    fn senders_follow_whatever_they_depend_on() {
        for (change, names) in [
            (Change::Everything, "abc"),
            (Change::Sender(ObjectRef::new("b").within("shop")), "b"),
            (Change::App("contoso".into()), "ac"),
            (Change::Token("fabrikam".into()), "b"),
            (Change::Route("other".into()), "c"),
            (Change::Credential("one".into()), "ac"),
            (Change::Credential("three".into()), ""),
            (Change::Namespace("shop".into()), "ab"),
            (Change::Policy("any".into()), ""),
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
        assert_eq!(found(Change::Token("contoso".into())), ["contoso"]);
        assert!(found(Change::Route("other".into())).is_empty());
    }
}
