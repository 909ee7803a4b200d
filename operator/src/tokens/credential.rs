//! From an EntraApp and its Secret to the token request, or to the reason why there is none.

use k8s_openapi::api::core::v1::Secret;
use mail_egress_crds::{
    EntraAppSpec,
    entra_app::{ClientSecret, CredentialSource},
    names,
};
use mail_egress_diagnosis::{Diagnosis, local, reason};
use mail_egress_entra::{Credential, Endpoint, TokenRequest};
use secrecy::SecretString;

use super::{Key, Want, key};
use crate::watches::{Named, Stores};

/// What was found under the name of a credential Secret, in the operator's namespace.
#[derive(Clone, Copy, Debug)]
pub enum Lookup<'a> {
    /// A Secret that the operator may read.
    Found(&'a Secret),
    /// A Secret without the label: its content was not looked at.
    NotLabelled,
    /// Nothing.
    Missing,
}

/// The name of the Secret that an app's credential lies in, where it lies in one.
#[must_use]
pub fn secret_name(app: &EntraAppSpec) -> Option<&str> {
    match app.credential.source()? {
        CredentialSource::ClientSecret(secret) => Some(&secret.secret_name),
        CredentialSource::Certificate(certificate) => Some(&certificate.secret_name),
        CredentialSource::RefreshToken(token) => Some(&token.secret_name),
        CredentialSource::Federated(_) => None,
    }
}

/// What can be asked for this token today, by what is known of the cluster; `None` where the app is
/// gone, cannot be read, is suspended or has another scope now.
#[must_use]
pub(super) fn today(key: &Key, stores: &Stores) -> Option<Want> {
    match stores.app(&key.app) {
        Named::Found(app) if !app.spec.suspend && app.spec.exchange_scope() == key.scope => {
            Some(want_from(&app.spec, &key.scope, stores))
        }
        Named::Found(_) | Named::Unreadable(_) | Named::Missing => None,
    }
}

/// What is wanted of Entra for this app and scope, with the Secret that is there now.
#[must_use]
pub fn want_from(app: &EntraAppSpec, scope: &str, stores: &Stores) -> Want {
    let secret = secret_name(app).unwrap_or_default();
    stores.credential(secret, |lookup| want(app, scope, lookup, stores.namespace()))
}

/// What is wanted of Entra for this app and scope. `namespace` is the operator's, for the advice.
#[must_use]
fn want(app: &EntraAppSpec, scope: &str, lookup: Lookup<'_>, namespace: &str) -> Want {
    let request = credential(app, lookup, namespace).map(|credential| TokenRequest {
        endpoint: Endpoint::Entra { login_url: app.login_url().to_owned(), tenant: app.tenant.clone() },
        client_id: app.client_id.clone(),
        scope: scope.to_owned(),
        credential,
        ca_bundle: app.login_ca_bundle().map(str::to_owned),
    });
    Want { identity: key::identity(app.login_url(), &app.tenant, &app.client_id, scope), request }
}

fn credential(app: &EntraAppSpec, lookup: Lookup<'_>, namespace: &str) -> Result<Credential, Diagnosis> {
    match app.credential.source() {
        Some(CredentialSource::ClientSecret(named)) => {
            let secret = find(&named.secret_name, &named.key, lookup, namespace)?;
            client_secret(named, secret, namespace).map(Credential::ClientSecret)
        }
        Some(
            CredentialSource::Certificate(_)
            | CredentialSource::Federated(_)
            | CredentialSource::RefreshToken(_),
        )
        | None => Err(local(reason::CREDENTIAL_NOT_SUPPORTED)),
    }
}

fn find<'a>(name: &str, key: &str, lookup: Lookup<'a>, namespace: &str) -> Result<&'a Secret, Diagnosis> {
    let label = names::LABEL_CREDENTIAL;
    match lookup {
        Lookup::Found(secret) => Ok(secret),
        Lookup::NotLabelled => Err(local(reason::CREDENTIAL_NOT_LABELLED)
            .with_cause(&format!("the Secret {name} in {namespace} is not labelled {label}: \"true\", so it is not read"))
            .with_fix(&format!("kubectl label secret {name} -n {namespace} {label}=true"))),
        Lookup::Missing => Err(local(reason::CREDENTIAL_NOT_FOUND)
            .with_cause(&format!("the Secret {name} with the credential does not exist in {namespace}"))
            .with_fix(&format!(
                "kubectl create secret generic {name} -n {namespace} --from-file={key}=FILE, then kubectl label secret {name} -n {namespace} {label}=true"
            ))),
    }
}

/// The secret's value, without the line end that `echo` and editors leave behind.
fn client_secret(named: &ClientSecret, secret: &Secret, namespace: &str) -> Result<SecretString, Diagnosis> {
    let ClientSecret { secret_name, key } = named;
    let invalid = |what: &str| {
        local(reason::CREDENTIAL_INVALID)
            .with_cause(&format!("the Secret {secret_name} in {namespace} {what} under the key {key}"))
            .with_fix(&format!(
                "write the client secret's value (not its ID), as text, under the key {key} of the Secret {secret_name} in {namespace}"
            ))
    };
    let value = secret.data.as_ref().and_then(|data| data.get(key)).ok_or_else(|| invalid("has nothing"))?;
    let text = std::str::from_utf8(&value.0).map_err(|_| invalid("has something that is no text"))?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err(invalid("has an empty value")),
        text if text.chars().any(char::is_control) => Err(invalid("has more than one line")),
        text => Ok(SecretString::from(text)),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use k8s_openapi::ByteString;
    use mail_egress_crds::entra_app::Federated;
    use secrecy::ExposeSecret;

    use super::*;

    fn app() -> EntraAppSpec {
        serde_json::from_value(serde_json::json!({
            "tenant": "contoso.onmicrosoft.com",
            "clientID": "00000000-0000-0000-0000-000000000001",
            "credential": {"clientSecret": {"secretName": "contoso"}},
        }))
        .unwrap()
    }

    fn secret(key: &str, value: &[u8]) -> Secret {
        let data = BTreeMap::from([(key.to_owned(), ByteString(value.to_vec()))]);
        Secret { data: Some(data), ..Secret::default() }
    }

    fn wanted(lookup: Lookup<'_>) -> Result<TokenRequest, Diagnosis> {
        want(&app(), "https://outlook.office365.com/.default", lookup, "mail-egress-system").request
    }

    #[test]
    fn asks_the_cloud_of_the_app_with_the_secrets_value() {
        let request = wanted(Lookup::Found(&secret("clientSecret", b"s3cr3t\n"))).unwrap();
        let login_url = "https://login.microsoftonline.com".to_owned();
        let tenant = "contoso.onmicrosoft.com".to_owned();
        assert_eq!(request.endpoint, Endpoint::Entra { login_url, tenant });
        let Credential::ClientSecret(value) = &request.credential else { panic!("another credential") };
        assert_eq!(value.expose_secret(), "s3cr3t");
    }

    #[test]
    fn names_what_is_wrong_with_the_secret_and_never_its_value() {
        let cases: [(Lookup<'_>, &str); 6] = [
            (Lookup::Missing, "CredentialNotFound"),
            (Lookup::NotLabelled, "CredentialNotLabelled"),
            (Lookup::Found(&secret("client-secret", b"s3cr3t")), "CredentialInvalid"),
            (Lookup::Found(&secret("clientSecret", b"\n")), "CredentialInvalid"),
            (Lookup::Found(&secret("clientSecret", b"s3cr3t\xff")), "CredentialInvalid"),
            (Lookup::Found(&secret("clientSecret", b"s3cr3t\ns3cr3t")), "CredentialInvalid"),
        ];
        for (lookup, reason) in cases {
            let diagnosis = wanted(lookup).unwrap_err();
            assert_eq!(diagnosis.reason, reason);
            let sentence = diagnosis.sentence();
            assert!(sentence.contains("contoso") && sentence.contains("mail-egress-system"), "{sentence}");
            assert!(!sentence.contains("s3cr3t"), "{sentence}");
        }
    }

    #[test]
    fn says_that_a_kind_of_credential_is_not_built_yet() {
        let mut app = app();
        app.credential.client_secret = None;
        let want = |app: &EntraAppSpec| want(app, "s", Lookup::Missing, "n").request.unwrap_err().reason;
        assert_eq!(want(&app), "CredentialNotSupported");
        let federated: Federated = serde_json::from_value(serde_json::json!({})).unwrap();
        app.credential.federated = Some(federated);
        assert_eq!(want(&app), "CredentialNotSupported");
    }
}
