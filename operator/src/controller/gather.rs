//! Collects what a MailSender refers to, from the stores; no request is made.

use kube::ResourceExt;
use mail_egress_crds::{Admission, EntraApp, MailRoute, MailSender, Way};

use super::{references::References, way::secret_names};
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

#[cfg(test)]
mod tests {
    use k8s_openapi::{ByteString, api::core::v1::Secret};
    use mail_egress_crds::names::LABEL_CREDENTIAL;
    use serde_json::json;

    use super::{super::fixtures, *};
    use crate::credential::Lookup;

    fn named(mut sender: MailSender, namespace: &str, name: &str) -> MailSender {
        sender.metadata.namespace = Some(namespace.to_owned());
        sender.metadata.name = Some(name.to_owned());
        sender
    }

    fn route(name: &str, spec: serde_json::Value) -> MailRoute {
        MailRoute::new(name, serde_json::from_value(spec).unwrap())
    }

    fn secret(name: &str) -> Secret {
        let mut secret = Secret::default();
        secret.metadata.name = Some(name.into());
        secret.metadata.namespace = Some("system".into());
        secret.metadata.labels = Some([(LABEL_CREDENTIAL.to_owned(), "true".to_owned())].into());
        secret.data = Some([("password".to_owned(), ByteString(b"s3cr3t".to_vec()))].into());
        secret
    }

    /// What is gathered for a sender by Azure Communication Services, beside another of the same app.
    fn beside(other: MailSender) -> References {
        let Named::Found(app) = fixtures::app(json!({})) else { panic!("a fixture is found") };
        let own = fixtures::sender(json!({"route": "services"}));
        let routes = vec![
            route("services", json!({"azureCommunicationServices": {"username": "a"}})),
            route("exchange-online", json!({"exchangeOnline": {}})),
        ];
        let senders = vec![own.clone(), other];
        let apps = vec![app.as_ref().clone()];
        let stores = Stores::holding_routes(
            routes,
            &["shop", "crm"],
            senders,
            apps,
            vec![secret("contoso")],
            "system",
        );
        gather(&own, &stores).unwrap()
    }

    #[test]
    fn an_apps_secret_is_looked_up_where_it_is_the_password_and_who_else_uses_it() {
        let others = beside(named(fixtures::sender(json!({})), "shop", "other"));
        assert!(matches!(others.credentials.lookup("contoso"), Lookup::Found(_)));
        assert_eq!(others.token_user.as_deref(), Some("shop/other"));
        let too = beside(named(fixtures::sender(json!({"route": "services"})), "shop", "other"));
        assert_eq!(too.token_user, None, "by the same route");
        let denied = beside(named(fixtures::sender(json!({})), "crm", "other"));
        assert_eq!(denied.token_user, None, "the app does not admit it");
    }

    #[test]
    fn a_sender_that_falls_back_to_a_token_uses_it_itself() {
        let own = fixtures::sender(json!({"route": "services", "fallbackRoute": "exchange-online"}));
        assert_eq!(beside(own).token_user.as_deref(), Some("shop/billing itself"));
    }

    #[test]
    fn the_secrets_of_both_routes_are_looked_up_and_no_others() {
        let relay = |name: &str| {
            route(
                name,
                json!({"smtpRelay": {"host": "a", "password": {"username": "a", "secretName": name}}}),
            )
        };
        let sender = fixtures::sender(json!({"route": "one", "fallbackRoute": "two", "entraApp": null}));
        let secrets = vec![secret("one"), secret("two"), secret("three")];
        let stores = Stores::holding_routes(
            vec![relay("one"), relay("two")],
            &["shop"],
            vec![],
            vec![],
            secrets,
            "system",
        );
        let gathered = gather(&sender, &stores).unwrap();
        assert_eq!(format!("{:?}", gathered.credentials), r#"["one", "two"]"#);
        assert!(gather(&named(sender, "unheard-of", "billing"), &stores).is_none());
    }
}
