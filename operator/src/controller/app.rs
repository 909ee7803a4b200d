//! EntraApp: its status.

use std::sync::Arc;

use futures::{FutureExt, StreamExt, stream};
use jiff::Timestamp;
use kube::{ResourceExt, runtime::controller::Action};
use mail_egress_crds::{EntraApp, EntraAppSpec, names::condition};
use mail_egress_diagnosis::{Class, Diagnosis, local, reason};
use mail_egress_entra::tls;

use super::{
    Context, ReconcileError,
    condition::{Finding, Status, progress},
    dependants,
    drive::drive,
    status::report,
    validate::honoured,
};
use crate::{
    tokens::{Key, Standing, want_from},
    watches::{Change, Changes},
};

/// EntraApps at one time.
const WORKERS: u16 = 4;

pub(super) async fn run(context: Arc<Context>, changes: &Changes) {
    let stores = context.stores.clone();
    let queue =
        changes.subscribe().flat_map(move |change: Change| stream::iter(dependants::apps(&change, &stores)));
    let store = context.stores.apps.clone();
    let reconcile = |app, context| reconcile(app, context).boxed();
    drive("entraapp", WORKERS, store, queue, reconcile, context).await;
}

async fn reconcile(app: Arc<EntraApp>, context: Arc<Context>) -> Result<Action, ReconcileError> {
    let name = app.name_any();
    let spec = &app.spec;
    let today = want_from(spec, spec.exchange_scope(), &context.stores);
    let key = Key { app: name.clone(), scope: spec.exchange_scope().to_owned() };
    let standing = context.tokens.standing(&key, &today, Timestamp::now());
    let findings = judge(spec, &name, today.request.err(), standing.as_ref());
    report(&context, app.as_ref(), &findings).await?;
    Ok(Action::await_change())
}

/// All findings, the summary first.
fn judge(
    spec: &EntraAppSpec,
    name: &str,
    unusable: Option<Diagnosis>,
    standing: Option<&Standing>,
) -> Vec<Finding> {
    let accepted = accept(spec, name);
    let (credential, trouble) = credential(unusable, standing);
    let trouble = accepted.as_ref().err().or(trouble.as_ref());
    let summary = match trouble {
        Some(trouble) => Finding::no(condition::READY, trouble),
        None => Finding::yes(condition::READY, credential.message.clone()),
    };
    let accepted = match &accepted {
        Ok(()) => Finding::yes(condition::ACCEPTED, "the EntraApp can be used"),
        Err(denied) => Finding::no(condition::ACCEPTED, denied),
    };
    let progress = trouble.map(progress);
    let supported = honoured(&spec.not_yet_honoured());
    [summary, accepted, credential, supported].into_iter().chain(progress).collect()
}

fn accept(spec: &EntraAppSpec, name: &str) -> Result<(), Diagnosis> {
    if spec.suspend {
        return Err(local(reason::APP_SUSPENDED).with_cause(&format!("the EntraApp {name} is suspended")));
    }
    match tls::client_config(spec.login_ca_bundle()) {
        Ok(_) => Ok(()),
        Err(error) => Err(local(reason::CA_BUNDLE_INVALID)
            .with_cause(&format!("spec.endpoint.caBundle of the EntraApp {name} cannot be used"))
            .with_words(&error.to_string())),
    }
}

/// CredentialReady, and what keeps tokens from being had. A fault on the way to Entra says nothing
/// against the credential, and does no harm while a token is held.
fn credential(unusable: Option<Diagnosis>, standing: Option<&Standing>) -> (Finding, Option<Diagnosis>) {
    let type_ = condition::CREDENTIAL_READY;
    if let Some(unusable) = unusable {
        return (Finding::no(type_, &unusable), Some(unusable));
    }
    let (held, trouble) = match standing {
        Some(Standing::Held { trouble, .. }) => (true, trouble.clone()),
        Some(Standing::Missing(trouble)) => (false, Some(trouble.clone())),
        Some(Standing::Awaited { .. }) | None => (false, None),
    };
    match trouble {
        None if held => (Finding::yes(type_, "Entra took the credential"), None),
        None => (
            Finding::yes(type_, "the credential is there; Entra sees it when the first sender needs a token"),
            None,
        ),
        Some(trouble) => match (trouble.class, held) {
            (Class::Mendable | Class::Permanent, _) => (Finding::no(type_, &trouble), Some(trouble)),
            (Class::Transient | Class::Uncertain, true) => {
                let reason = "RenewalFailing";
                (Finding { status: Status::True, reason, ..Finding::no(type_, &trouble) }, None)
            }
            (Class::Transient | Class::Uncertain, false) => {
                (Finding::unknown(type_, trouble.reason, trouble.sentence()), Some(trouble))
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use mail_egress_entra::Token;
    use secrecy::SecretString;

    use super::*;

    fn spec(patch: &serde_json::Value) -> EntraAppSpec {
        let mut spec = serde_json::json!({
            "tenant": "contoso.onmicrosoft.com",
            "clientID": "00000000-0000-0000-0000-000000000001",
            "credential": {"clientSecret": {"secretName": "contoso"}},
        });
        spec.as_object_mut().unwrap().extend(patch.as_object().unwrap().clone());
        serde_json::from_value(spec).unwrap()
    }

    fn held(trouble: Option<&'static str>) -> Standing {
        let token = Token { value: SecretString::from("t"), expires_at: Timestamp::UNIX_EPOCH };
        Standing::Held { token, trouble: trouble.map(local) }
    }

    fn lines(spec: &EntraAppSpec, unusable: Option<Diagnosis>, standing: Option<&Standing>) -> Vec<String> {
        let findings = judge(spec, "contoso", unusable, standing);
        findings.iter().map(|f| format!("{}={} {}", f.type_, f.status.as_str(), f.reason)).collect()
    }

    const ALL_WELL: [&str; 4] = [
        "Ready=True Ready",
        "Accepted=True Accepted",
        "CredentialReady=True CredentialReady",
        "Supported=True Supported",
    ];

    #[test]
    fn is_ready_with_a_credential_that_entra_has_not_refused() {
        let spec = spec(&serde_json::json!({}));
        assert_eq!(lines(&spec, None, None), ALL_WELL);
        assert_eq!(lines(&spec, None, Some(&held(None))), ALL_WELL);
    }

    #[test]
    fn a_credential_that_is_missing_or_refused_is_said_though_a_token_is_held() {
        let spec = spec(&serde_json::json!({}));
        let missing = lines(&spec, Some(local(reason::CREDENTIAL_NOT_FOUND)), Some(&held(None)));
        assert_eq!(missing[0], "Ready=False CredentialNotFound");
        assert_eq!(missing[2], "CredentialReady=False CredentialNotFound");
        assert_eq!(missing[4], "Stalled=True CredentialNotFound");
        let refused = lines(&spec, None, Some(&held(Some(reason::ENTRA_TLS_FAILED))));
        assert_eq!(refused[0], "Ready=False EntraTlsFailed");
    }

    #[test]
    fn a_fault_on_the_way_counts_only_without_a_token() {
        let spec = spec(&serde_json::json!({}));
        let covered = lines(&spec, None, Some(&held(Some(reason::ENTRA_TIMEOUT))));
        assert_eq!(covered[0], "Ready=True Ready");
        assert_eq!(covered[2], "CredentialReady=True RenewalFailing");
        let bare = lines(&spec, None, Some(&Standing::Missing(local(reason::ENTRA_TIMEOUT))));
        assert_eq!(bare[0], "Ready=False EntraTimeout");
        assert_eq!(bare[2], "CredentialReady=Unknown EntraTimeout");
        assert_eq!(bare[4], "Reconciling=True EntraTimeout");
    }

    #[test]
    fn suspension_and_a_bad_ca_are_not_accepted() {
        let suspended = spec(&serde_json::json!({"suspend": true}));
        assert_eq!(
            lines(&suspended, None, None)[..2],
            ["Ready=False AppSuspended", "Accepted=False AppSuspended"]
        );
        let bad = spec(&serde_json::json!({"endpoint": {"caBundle": "no certificate"}}));
        assert_eq!(lines(&bad, None, None)[1], "Accepted=False CaBundleInvalid");
    }

    #[test]
    fn names_what_is_set_and_has_no_effect_yet() {
        let spec = spec(&serde_json::json!({"endpoint": {"graphScope": "https://graph.test/.default"}}));
        let findings = judge(&spec, "contoso", None, None);
        assert_eq!((findings[0].status, findings[3].status), (Status::True, Status::False));
        assert!(findings[3].message.contains("spec.endpoint.graphScope"), "{}", findings[3].message);
    }
}
