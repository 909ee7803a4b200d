//! The Kubernetes objects that point an operator at the lab.

use secrecy::{ExposeSecret, SecretString};

/// What the objects are made of.
#[derive(Debug)]
pub(super) struct Objects<'a> {
    pub(super) host: String,
    pub(super) entra_port: u16,
    pub(super) exchange_port: u16,
    pub(super) entra_ca: &'a str,
    pub(super) exchange_ca: &'a str,
    pub(super) tenant: &'a str,
    pub(super) client_id: &'a str,
    pub(super) secret: &'a SecretString,
    pub(super) mailboxes: &'a [String],
}

/// A Secret, an EntraApp, a MailRoute and a MailSender for the namespace `default`.
pub(super) fn yaml(objects: &Objects<'_>) -> String {
    let Objects { host, entra_port, exchange_port, tenant, client_id, secret, .. } = objects;
    // it is to be seen: a person copies it
    let secret = secret.expose_secret();
    let url_host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
    let mailboxes = objects.mailboxes.iter().map(|one| format!("{one:?}")).collect::<Vec<_>>().join(", ");
    let mailbox = objects.mailboxes.first().map_or("", String::as_str);
    let (entra_ca, exchange_ca) = (block(objects.entra_ca), block(objects.exchange_ca));
    format!(
        "\
apiVersion: v1
kind: Secret
metadata:
  name: lab
  namespace: mail-egress-system
  labels: {{mail-egress.io/credential: \"true\"}}
stringData:
  clientSecret: {secret:?}
---
apiVersion: mail-egress.io/v1alpha1
kind: EntraApp
metadata: {{name: lab}}
spec:
  tenant: {tenant:?}
  clientID: {client_id:?}
  endpoint:
    loginURL: https://{url_host}:{entra_port}
    caBundle: |
{entra_ca}
  credential:
    clientSecret: {{secretName: lab}}
  allowedNamespaces:
  - namespaces: [default]
    mailboxes: [{mailboxes}]
---
apiVersion: mail-egress.io/v1alpha1
kind: MailRoute
metadata: {{name: lab}}
spec:
  exchangeOnline:
    host: {host:?}
    port: {exchange_port}
    caBundle: |
{exchange_ca}
---
apiVersion: mail-egress.io/v1alpha1
kind: MailSender
metadata: {{name: lab, namespace: default}}
spec:
  entraApp: lab
  mailbox: {mailbox:?}
  route: lab
"
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

    /// What is left of an object when it has gone through our own types.
    fn understood<K: Serialize + DeserializeOwned>(document: &Value) -> Value {
        serde_json::to_value(serde_json::from_value::<K>(document.clone()).unwrap()).unwrap()
    }

    #[test]
    fn is_yaml_that_our_kinds_understand_and_says_what_it_was_given() {
        let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let text = yaml(&Objects {
            host: "::1".to_owned(),
            entra_port: 8443,
            exchange_port: 5870,
            entra_ca: pem,
            exchange_ca: pem,
            tenant: "contoso.example",
            client_id: "an-app",
            secret: &"quoted \"~: secret".into(),
            mailboxes: &["a@b.c".to_owned(), "*@d.e".to_owned()],
        });
        let documents: Vec<Value> =
            serde_yaml::Deserializer::from_str(&text).map(|one| Value::deserialize(one).unwrap()).collect();
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
