//! The Kubernetes objects that point an operator at the lab.

use secrecy::ExposeSecret;

use super::route::{Parts, RouteKind, authority};

/// What the objects are made of.
#[derive(Debug)]
pub(super) struct Objects<'a> {
    pub(super) kind: RouteKind,
    pub(super) parts: &'a Parts,
    pub(super) entra_port: u16,
    pub(super) entra_ca: &'a str,
    pub(super) tenant: &'a str,
    pub(super) client_id: &'a str,
    pub(super) mailboxes: &'a [String],
}

/// A Secret, an EntraApp where the route uses one, a MailRoute and a MailSender for the namespace
/// `default`.
pub(super) fn yaml(objects: &Objects<'_>) -> String {
    let Objects { kind, parts, .. } = objects;
    let own = kind.secret(parts).map(|(of, data)| secret("lab-route", of, &data));
    let (app, named) =
        if kind.uses_entra_app() { (Some(entra_app(objects)), "  entraApp: lab\n") } else { (None, "") };
    let route = format!(
        "apiVersion: mail-egress.io/v1alpha1\nkind: MailRoute\nmetadata: {{name: lab}}\nspec:\n{}",
        kind.spec(parts)
    );
    let sender = format!(
        "\
apiVersion: mail-egress.io/v1alpha1
kind: MailSender
metadata: {{name: lab, namespace: default}}
spec:
{named}  mailbox: {:?}
  route: lab
",
        parts.mailbox
    );
    app.into_iter().chain(own).chain([route, sender]).collect::<Vec<_>>().join("---\n")
}

fn entra_app(objects: &Objects<'_>) -> String {
    let Objects { parts, entra_port, tenant, client_id, .. } = objects;
    let authority = authority(&parts.host, *entra_port);
    let mailboxes = objects.mailboxes.iter().map(|one| format!("{one:?}")).collect::<Vec<_>>().join(", ");
    // it is to be seen: a person copies it
    let data = format!("  clientSecret: {:?}\n", parts.secret.expose_secret());
    format!(
        "\
{secret}---
apiVersion: mail-egress.io/v1alpha1
kind: EntraApp
metadata: {{name: lab}}
spec:
  tenant: {tenant:?}
  clientID: {client_id:?}
  endpoint:
    loginURL: https://{authority}
    caBundle: |
{entra_ca}
  credential:
    clientSecret: {{secretName: lab}}
  allowedNamespaces:
  - namespaces: [default]
    mailboxes: [{mailboxes}]
",
        secret = secret("lab", "Opaque", &data),
        entra_ca = block(objects.entra_ca),
    )
}

fn secret(name: &str, of: &str, data: &str) -> String {
    format!(
        "\
apiVersion: v1
kind: Secret
metadata:
  name: {name}
  namespace: mail-egress-system
  labels: {{mail-egress.io/credential: \"true\"}}
type: {of}
stringData:
{data}"
    )
}

fn block(pem: &str) -> String {
    pem.lines().map(|line| format!("      {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use mail_egress_crds::{EntraApp, MailRoute, MailSender};
    use serde::de::DeserializeOwned;
    use serde::{Deserialize, Serialize};
    use serde_json::Value;

    use super::*;
    use crate::lab::ClientCertificate;

    /// What is left of an object when it has gone through our own types.
    fn understood<K: Serialize + DeserializeOwned>(document: &Value) -> Value {
        serde_json::to_value(serde_json::from_value::<K>(document.clone()).unwrap()).unwrap()
    }

    fn documents(text: &str) -> Vec<Value> {
        serde_yaml::Deserializer::from_str(text).map(|one| Value::deserialize(one).unwrap()).collect()
    }

    fn parts(pem: &str) -> Parts {
        Parts {
            host: "::1".to_owned(),
            port: 5870,
            ca: pem.to_owned(),
            graph: "https://[::1]:8444".to_owned(),
            graph_ca: pem.to_owned(),
            domains: vec!["b.c".to_owned()],
            mailbox: "a@b.c".to_owned(),
            secret: "quoted \"~: secret".into(),
            certificate: ClientCertificate { certificate: pem.to_owned(), key: "a key\n".into() },
        }
    }

    #[test]
    fn a_route_of_its_own_credential_has_no_app_and_says_who_may_use_it() {
        let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let parts = parts(pem);
        for (kind, count) in
            [(RouteKind::Connector, 3), (RouteKind::DirectSend, 2), (RouteKind::SmtpRelay, 3)]
        {
            let text = yaml(&Objects {
                kind,
                parts: &parts,
                entra_port: 1,
                entra_ca: pem,
                tenant: "t",
                client_id: "c",
                mailboxes: &[],
            });
            let documents = documents(&text);
            assert_eq!(documents.len(), count, "{text}");
            let route = understood::<MailRoute>(&documents[count - 2]);
            assert_eq!(route["spec"]["allowedNamespaces"][0]["namespaces"][0], "default");
            if count == 3 {
                assert_eq!(documents[0]["metadata"]["name"], "lab-route");
            }
        }
    }

    #[test]
    fn is_yaml_that_our_kinds_understand_and_says_what_it_was_given() {
        let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let parts = parts(pem);
        let text = yaml(&Objects {
            kind: RouteKind::ExchangeOnline,
            parts: &parts,
            entra_port: 8443,
            entra_ca: pem,
            tenant: "contoso.example",
            client_id: "an-app",
            mailboxes: &["a@b.c".to_owned(), "*@d.e".to_owned()],
        });
        let documents = documents(&text);
        let [secret, app, route, sender] = documents.as_slice() else { panic!("{text}") };
        assert_eq!(secret["stringData"]["clientSecret"], "quoted \"~: secret");
        let app = understood::<EntraApp>(app);
        assert_eq!(app["spec"]["endpoint"]["loginURL"], "https://[::1]:8443");
        assert_eq!(app["spec"]["endpoint"]["caBundle"], pem);
        assert_eq!(app["spec"]["credential"]["clientSecret"]["secretName"], "lab");
        assert_eq!(app["spec"]["allowedNamespaces"][0]["mailboxes"][1], "*@d.e");
        let route = understood::<MailRoute>(route);
        assert_eq!(route["spec"]["exchangeOnline"]["host"], "::1");
        assert_eq!(route["spec"]["exchangeOnline"]["port"], 5870);
        assert_eq!(route["spec"]["exchangeOnline"]["caBundle"], pem);
        let sender = understood::<MailSender>(sender);
        assert_eq!((&sender["spec"]["mailbox"], &sender["spec"]["route"]), (&"a@b.c".into(), &"lab".into()));
    }
}
