//! MailRoute: its status.

use std::sync::Arc;

use futures::{FutureExt, StreamExt, stream};
use jiff::Timestamp;
use kube::{ResourceExt, runtime::controller::Action};
use mail_egress_crds::{MailRoute, names::condition};
use mail_egress_diagnosis::Diagnosis;

use super::{
    Context, ReconcileError,
    app::credential,
    condition::{Finding, progress},
    dependants,
    drive::drive,
    gather::credentials_of,
    life::{LOOK_AT_ENDS, Life},
    status::report,
    validate::honoured,
    way::judge_route,
};
use crate::{
    credential::{Credentials, end},
    tokens::{Key, Owner, relay_login, want_of_relay},
    watches::{Change, Changes},
};

/// MailRoutes at one time.
const WORKERS: u16 = 4;

pub(super) async fn run(context: Arc<Context>, changes: &Changes) {
    let stores = context.stores.clone();
    let queue = changes
        .subscribe()
        .flat_map(move |change: Change| stream::iter(dependants::routes(&change, &stores)));
    let store = context.stores.routes.clone();
    let reconcile = |route, context| reconcile(route, context).boxed();
    drive("mailroute", WORKERS, store, queue, reconcile, context).await;
}

async fn reconcile(route: Arc<MailRoute>, context: Arc<Context>) -> Result<Action, ReconcileError> {
    let credentials = credentials_of(&[&route], &context.stores);
    let now = Timestamp::now();
    let login = relay_login(&route.spec).map(|login| {
        let key = Key { owner: Owner::Route(route.name_any()), scope: login.scope.clone() };
        let today = want_of_relay(login, &context.stores);
        let standing = context.tokens.standing(&key, &today, now);
        credential(today.request.err(), standing.as_ref())
    });
    let end = route.spec.client_certificate().and_then(|it| end(credentials.lookup(&it.secret_name)));
    report(&context, route.as_ref(), &judge(&route, &credentials, login, Life { end, now })).await?;
    Ok(end.map_or_else(Action::await_change, |_| Action::requeue(LOOK_AT_ENDS)))
}

/// All findings, the summary first. `login` is what is found about the login by a token of the
/// relay's own, where it has one.
fn judge(
    route: &MailRoute,
    credentials: &Credentials,
    login: Option<(Finding, Option<Diagnosis>)>,
    life: Life,
) -> Vec<Finding> {
    let judged = judge_route(route, credentials);
    let shown = route.spec.client_certificate().filter(|_| judged.is_ok());
    let shown =
        shown.map(|_| Finding::yes(condition::CREDENTIAL_READY, "the client certificate can be shown"));
    let (login, login_trouble) = login.or(shown.map(|shown| (shown, None))).unzip();
    let login = login.map(|login| life.tell(login));
    let trouble = judged
        .as_ref()
        .err()
        .map(|refusal| &refusal.diagnosis)
        .or(login_trouble.as_ref().and_then(Option::as_ref));
    let summary = match (trouble, &judged) {
        (Some(trouble), _) => Finding::no(condition::READY, trouble),
        (None, Ok(place)) => Finding::yes(condition::READY, format!("senders can use it; {place}")),
        (None, Err(refusal)) => Finding::no(condition::READY, &refusal.diagnosis),
    };
    let refused = |condition: &str| judged.as_ref().err().filter(|refusal| refusal.condition == condition);
    let accepted = match refused(condition::ACCEPTED) {
        Some(refusal) => Finding::no(condition::ACCEPTED, &refusal.diagnosis),
        None => Finding::yes(condition::ACCEPTED, "the MailRoute is well-formed"),
    };
    let resolved = match refused(condition::RESOLVED_REFS) {
        Some(refusal) => Finding::no(condition::RESOLVED_REFS, &refusal.diagnosis),
        None => Finding::yes(condition::RESOLVED_REFS, "every Secret that it names can be read"),
    };
    let supported = match refused(condition::SUPPORTED) {
        Some(refusal) => Finding::no(condition::SUPPORTED, &refusal.diagnosis),
        None => honoured(&route.spec.not_yet_honoured()),
    };
    let progress = trouble.map(progress);
    [summary, accepted, resolved, supported].into_iter().chain(login).chain(progress).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::fixtures, *};

    fn lines(spec: serde_json::Value) -> Vec<String> {
        let route = MailRoute::new("way-out", serde_json::from_value(spec).unwrap());
        let found = judge(&route, &Credentials::new("mail-egress-system"), None, UNTOLD);
        found.iter().map(|f| format!("{}={} {}", f.type_, f.status.as_str(), f.reason)).collect()
    }

    const UNTOLD: Life = Life { end: None, now: Timestamp::UNIX_EPOCH };

    const ALL_WELL: [&str; 4] = [
        "Ready=True Ready",
        "Accepted=True Accepted",
        "ResolvedRefs=True ResolvedRefs",
        "Supported=True Supported",
    ];

    #[test]
    fn every_way_that_needs_no_secret_is_ready() {
        for way in [
            serde_json::json!({"exchangeOnline": {}}),
            serde_json::json!({"graph": {}}),
            serde_json::json!({"highVolumeEmail": {}}),
            serde_json::json!({"azureCommunicationServices": {"username": "a"}}),
            serde_json::json!({"connector": {"host": "contoso-com.mail.protection.outlook.com"}}),
            serde_json::json!({"directSend": {}}),
            serde_json::json!({"smtpRelay": {"host": "mta.test", "tls": "Plaintext"}}),
        ] {
            assert_eq!(lines(way.clone()), ALL_WELL, "{way}");
        }
    }

    #[test]
    fn a_ca_bundle_without_certificates_is_not_supported() {
        let found = lines(serde_json::json!({"graph": {"caBundle": "nothing"}}));
        assert_eq!(
            (&*found[0], &*found[3]),
            ("Ready=False CaBundleInvalid", "Supported=False CaBundleInvalid")
        );
    }

    #[test]
    fn a_secret_that_is_not_there_is_said_of_the_route() {
        let found = lines(serde_json::json!({"smtpRelay": {
            "preset": "Brevo", "password": {"username": "a", "secretName": "brevo"},
        }}));
        assert_eq!(
            (&*found[0], &*found[2], &*found[4]),
            (
                "Ready=False CredentialNotFound",
                "ResolvedRefs=False CredentialNotFound",
                "Stalled=True CredentialNotFound"
            )
        );
    }

    #[test]
    fn a_relays_login_that_fails_is_said_of_the_route() {
        let route = serde_json::json!({"smtpRelay": {"preset": "Gmail", "xoauth2": {
            "tokenURL": "https://oauth2.googleapis.com/token", "clientID": "a",
            "scope": "https://mail.google.com/",
        }}});
        let route = MailRoute::new("gmail", serde_json::from_value(route).unwrap());
        let missing = mail_egress_diagnosis::local(mail_egress_diagnosis::reason::CREDENTIAL_NOT_FOUND);
        let found = judge(&route, &Credentials::default(), Some(credential(Some(missing), None)), UNTOLD);
        let summary = (found[0].status.as_str(), found[0].reason);
        assert_eq!(summary, ("False", "CredentialNotFound"));
        assert_eq!((found[4].type_, found[4].status.as_str()), ("CredentialReady", "False"));
    }

    #[test]
    fn a_client_certificates_end_is_told_of_the_route() {
        let route = serde_json::json!({"connector": {
            "host": "contoso-com.mail.protection.outlook.com", "clientCertificate": {"secretName": "pair"},
        }});
        let route = MailRoute::new("connector", serde_json::from_value(route).unwrap());
        let mut credentials = Credentials::new("mail-egress-system");
        let pair = rcgen::generate_simple_self_signed(vec!["contoso.com".to_owned()]).unwrap();
        let (chain, key) = (pair.cert.pem(), pair.signing_key.serialize_pem());
        fixtures::secret(&mut credentials, "pair", &[("tls.crt", &chain), ("tls.key", &key)]);
        let life = Life { end: Some("2026-12-01T00:00:00Z".parse().unwrap()), now: fixtures::now() };
        let found = judge(&route, &credentials, None, life);
        assert_eq!((found[0].status.as_str(), found[4].type_), ("True", "CredentialReady"));
        assert_eq!((found[4].status.as_str(), found[4].reason), ("True", "CredentialEndsSoon"));
    }
}
