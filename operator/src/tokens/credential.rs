//! From an EntraApp, or a relay's own token endpoint, and their Secrets to the token request, or to
//! the reason why there is none.

use mail_egress_crds::{
    EntraAppSpec, MailRouteSpec,
    entra_app::{self, CredentialSource, FederatedSubject},
    mail_route::RelayXoauth2,
};
use mail_egress_diagnosis::{Diagnosis, local, reason};
use mail_egress_entra::{Endpoint, SignatureAlgorithm};

use super::{
    Key, Owner, Want, key,
    request::{Proof, Request},
};
use crate::{
    credential::{Credentials, Lookup, pem, text},
    watches::{Named, Stores},
};

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

/// The XOAUTH2 login of a relay, where the route has one.
#[must_use]
pub fn relay_login(route: &MailRouteSpec) -> Option<&RelayXoauth2> {
    route.smtp_relay.as_ref()?.xoauth2.as_ref()
}

/// Whether whoever a token belongs to still has such tokens; of what cannot be read, nobody knows.
#[must_use]
pub(super) fn is_of_use(key: &Key, stores: &Stores) -> bool {
    match &key.owner {
        Owner::App(name) => match stores.app(name) {
            Named::Found(app) => asks_for(&app.spec, &key.scope),
            Named::Unreadable(_) => true,
            Named::Missing => false,
        },
        Owner::Route(name) => match stores.route(name) {
            Named::Found(route) => relay_login(&route.spec).is_some_and(|login| login.scope == key.scope),
            Named::Unreadable(_) => true,
            Named::Missing => false,
        },
    }
}

fn asks_for(app: &EntraAppSpec, scope: &str) -> bool {
    !is_of_workloads(app) && [app.exchange_scope(), app.graph_scope()].contains(&scope)
}

/// Whether the owner's tokens come of a refresh token; of what cannot be read, nobody knows.
#[must_use]
pub(super) fn has_refresh_token(owner: &Owner, stores: &Stores) -> bool {
    match owner {
        Owner::App(name) => match stores.app(name) {
            Named::Found(app) => app.spec.is_delegated(),
            Named::Unreadable(_) => true,
            Named::Missing => false,
        },
        Owner::Route(name) => match stores.route(name) {
            Named::Found(route) => {
                relay_login(&route.spec).is_some_and(|login| login.refresh_token.is_some())
            }
            Named::Unreadable(_) => true,
            Named::Missing => false,
        },
    }
}

/// Whether the pods' own tokens are exchanged, by their sidecars, and none is asked for here.
#[must_use]
pub fn is_of_workloads(app: &EntraAppSpec) -> bool {
    match app.credential.source() {
        Some(CredentialSource::Federated(federated)) => federated.subject == FederatedSubject::Workload,
        Some(
            CredentialSource::ClientSecret(_)
            | CredentialSource::Certificate(_)
            | CredentialSource::RefreshToken(_),
        )
        | None => false,
    }
}

/// What can be asked for this token today, by what is known of the cluster; `None` where its owner is
/// gone, cannot be read, is suspended or has another scope now.
#[must_use]
pub(super) fn today(key: &Key, stores: &Stores) -> Option<Want> {
    match &key.owner {
        Owner::App(name) => match stores.app(name) {
            Named::Found(app) if !app.spec.suspend && asks_for(&app.spec, &key.scope) => {
                Some(want_from(&app.spec, &key.scope, stores))
            }
            Named::Found(_) | Named::Unreadable(_) | Named::Missing => None,
        },
        Owner::Route(name) => match stores.route(name) {
            Named::Found(route) => relay_login(&route.spec)
                .filter(|login| login.scope == key.scope)
                .map(|login| want_of_relay(login, stores)),
            Named::Unreadable(_) | Named::Missing => None,
        },
    }
}

/// What is wanted of Entra for this app and scope, with the Secret that is there now.
#[must_use]
pub fn want_from(app: &EntraAppSpec, scope: &str, stores: &Stores) -> Want {
    let secret = secret_name(app).unwrap_or_default();
    stores.credential(secret, |lookup| want(app, scope, lookup, stores.namespace()))
}

/// What is wanted of a relay's own token endpoint, with the Secrets that are there now.
#[must_use]
pub fn want_of_relay(login: &RelayXoauth2, stores: &Stores) -> Want {
    let mut found = Credentials::new(stores.namespace());
    for secret in [&login.client_secret, &login.refresh_token].into_iter().flatten() {
        stores.credential(&secret.secret_name, |lookup| found.note(&secret.secret_name, lookup));
    }
    let endpoint = Endpoint::Url(login.token_url.clone());
    let request = relay_proof(login, &found).map(|proof| Request {
        endpoint: endpoint.clone(),
        client_id: login.client_id.clone(),
        scope: login.scope.clone(),
        proof,
        ca_bundle: login.ca_bundle.clone(),
    });
    Want { identity: key::identity(&endpoint, &login.client_id, &login.scope, None), request }
}

/// What is wanted of Entra for this app and scope. `namespace` is the operator's, for the advice.
#[must_use]
fn want(app: &EntraAppSpec, scope: &str, lookup: Lookup<'_>, namespace: &str) -> Want {
    let endpoint = Endpoint::Entra { login_url: app.login_url().to_owned(), tenant: app.tenant.clone() };
    // the same app may be signed in to for another mailbox one day, and its old token is not for that
    let mailbox = app.only_mailbox().filter(|_| app.is_delegated());
    let identity = key::identity(&endpoint, &app.client_id, scope, mailbox);
    let request = proof(app, lookup, namespace).map(|proof| Request {
        endpoint,
        client_id: app.client_id.clone(),
        scope: scope.to_owned(),
        proof,
        ca_bundle: app.login_ca_bundle().map(str::to_owned),
    });
    Want { identity, request }
}

fn proof(app: &EntraAppSpec, lookup: Lookup<'_>, namespace: &str) -> Result<Proof, Diagnosis> {
    match app.credential.source() {
        Some(CredentialSource::ClientSecret(named)) => {
            let what = "the client secret's value (not its ID), as text,";
            text(lookup, &named.secret_name, &named.key, namespace, what).map(Proof::ClientSecret)
        }
        Some(CredentialSource::Certificate(named)) => {
            let (chain, key) = pem(lookup, &named.secret_name, namespace)?;
            let algorithm = match named.signature_algorithm {
                entra_app::SignatureAlgorithm::PS256 => SignatureAlgorithm::PS256,
                entra_app::SignatureAlgorithm::RS256 => SignatureAlgorithm::RS256,
            };
            Ok(Proof::Certificate { chain, key, algorithm })
        }
        Some(CredentialSource::Federated(federated)) => match federated.subject {
            FederatedSubject::Operator => Ok(Proof::OwnToken { audience: federated.audience.clone() }),
            FederatedSubject::Workload => Err(local(reason::TOKEN_OF_WORKLOAD)),
        },
        Some(CredentialSource::RefreshToken(named)) => {
            if app.only_mailbox().is_none() {
                return Err(local(reason::REFRESH_TOKEN_FOR_SEVERAL));
            }
            let what = "the refresh token, as text,";
            let first = text(lookup, &named.secret_name, &named.key, namespace, what)?;
            Ok(Proof::RefreshToken { first, client_secret: None })
        }
        None => Err(local(reason::CREDENTIAL_NOT_SUPPORTED)),
    }
}

fn relay_proof(login: &RelayXoauth2, found: &Credentials) -> Result<Proof, Diagnosis> {
    let secret = match &login.client_secret {
        Some(named) => Some(found.text(&named.secret_name, &named.key, "the client secret, as text,")?),
        None => None,
    };
    match (&login.refresh_token, secret) {
        (Some(named), client_secret) => {
            let first = found.text(&named.secret_name, &named.key, "the refresh token, as text,")?;
            Ok(Proof::RefreshToken { first, client_secret })
        }
        (None, Some(client_secret)) => Ok(Proof::ClientSecret(client_secret)),
        // which the API server refuses
        (None, None) => Err(local(reason::CREDENTIAL_NOT_SUPPORTED)),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::{ByteString, api::core::v1::Secret};
    use secrecy::ExposeSecret;

    use super::*;

    fn app(credential: &str) -> EntraAppSpec {
        serde_yaml::from_str(&format!(
            "{{tenant: contoso.onmicrosoft.com, clientID: 00000000-0000-0000-0000-000000000001,
               credential: {credential},
               allowedNamespaces: [{{namespaces: [shop], mailboxes: [billing@contoso.com]}}]}}"
        ))
        .unwrap()
    }

    fn secret(values: &[(&str, &str)]) -> Secret {
        let data = values.iter().map(|(key, value)| ((*key).to_owned(), ByteString((*value).into())));
        Secret { data: Some(data.collect()), ..Secret::default() }
    }

    fn wanted(app: &EntraAppSpec, lookup: Lookup<'_>) -> Result<Request, Diagnosis> {
        want(app, app.exchange_scope(), lookup, "mail-egress-system").request
    }

    #[test]
    fn asks_the_cloud_of_the_app_with_the_secrets_value() {
        let app = app("{clientSecret: {secretName: contoso}}");
        let request = wanted(&app, Lookup::Found(&secret(&[("clientSecret", "s3cr3t\n")]))).unwrap();
        let Endpoint::Entra { login_url, tenant } = &request.endpoint else { panic!("not Entra") };
        assert_eq!(
            (login_url.as_str(), tenant.as_str()),
            ("https://login.microsoftonline.com", "contoso.onmicrosoft.com")
        );
        let Proof::ClientSecret(value) = &request.proof else { panic!("not a client secret") };
        assert_eq!(value.expose_secret(), "s3cr3t");
    }

    #[test]
    fn each_kind_of_credential_is_taken_from_where_it_lies() {
        let pair = secret(&[("tls.crt", "CERT"), ("tls.key", "KEY")]);
        let request =
            wanted(&app("{certificate: {secretName: a, signatureAlgorithm: RS256}}"), Lookup::Found(&pair));
        let Proof::Certificate { chain, key, algorithm } = request.unwrap().proof else { panic!() };
        assert_eq!((chain.as_str(), key.expose_secret()), ("CERT", "KEY"));
        assert_eq!(algorithm, SignatureAlgorithm::RS256);

        let request = wanted(&app("{federated: {}}"), Lookup::Missing).unwrap();
        let Proof::OwnToken { audience } = request.proof else { panic!() };
        assert_eq!(audience, "api://AzureADTokenExchange");

        let first = secret(&[("refreshToken", "r1")]);
        let request = wanted(&app("{refreshToken: {secretName: a}}"), Lookup::Found(&first)).unwrap();
        assert_eq!(request.scope, "https://outlook.office.com/SMTP.Send");
        assert!(matches!(request.proof, Proof::RefreshToken { client_secret: None, .. }));
    }

    #[test]
    fn no_token_is_asked_for_in_the_place_of_a_workload() {
        let app = app("{federated: {subject: Workload}}");
        assert!(is_of_workloads(&app) && !asks_for(&app, app.exchange_scope()));
        assert_eq!(wanted(&app, Lookup::Missing).unwrap_err().reason, "TokenOfWorkload");
    }

    #[test]
    fn a_refresh_token_is_of_one_mailbox_and_so_is_its_token() {
        let first = secret(&[("refreshToken", "r1")]);
        let mut app = app("{refreshToken: {secretName: a}}");
        let of = |app: &EntraAppSpec| want(app, app.exchange_scope(), Lookup::Found(&first), "n");
        let billing = of(&app);
        app.allowed_namespaces[0].mailboxes = vec!["hr@contoso.com".into()];
        assert_ne!(of(&app).identity, billing.identity);
        app.allowed_namespaces[0].mailboxes = vec!["*@contoso.com".into()];
        assert_eq!(of(&app).request.unwrap_err().reason, "RefreshTokenForSeveral");
    }

    #[test]
    fn a_relays_token_is_asked_for_at_its_own_endpoint() {
        let login: RelayXoauth2 = serde_yaml::from_str(
            "{tokenURL: 'https://oauth2.googleapis.com/token', clientID: a, scope: 'https://mail.google.com/',
              clientSecret: {secretName: gmail, key: secret}, refreshToken: {secretName: gmail, key: refresh}}",
        )
        .unwrap();
        let mut gmail = secret(&[("secret", "s"), ("refresh", "r")]);
        gmail.metadata.name = Some("gmail".into());
        gmail.metadata.namespace = Some("system".into());
        gmail.metadata.labels = Some([("mail-egress.io/credential".into(), "true".into())].into());
        let stores = Stores::holding(vec![], vec![], vec![gmail], "system");
        let request = want_of_relay(&login, &stores).request.unwrap();
        assert!(
            matches!(&request.endpoint, Endpoint::Url(url) if url == "https://oauth2.googleapis.com/token")
        );
        assert!(matches!(request.proof, Proof::RefreshToken { client_secret: Some(_), .. }));
    }
}
