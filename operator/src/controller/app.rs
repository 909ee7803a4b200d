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
    life::{LOOK_AT_ENDS, Life},
    status::report,
    validate::honoured,
};
use crate::{
    credential::end,
    tokens::{Key, Owner, Standing, is_of_workloads, secret_name, want_from},
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
    let now = Timestamp::now();
    let scopes = [spec.exchange_scope(), spec.graph_scope()];
    let [(one, unusable), (other, _)] = scopes.map(|scope| {
        let today = want_from(spec, scope, &context.stores);
        let key = Key { owner: Owner::App(name.clone()), scope: scope.to_owned() };
        // the credential is the same for both
        (context.tokens.standing(&key, &today, now), today.request.err())
    });
    let standing = worse(one, other);
    let end = context.stores.credential(secret_name(spec).unwrap_or_default(), end);
    let findings = judge(spec, &name, unusable, standing.as_ref(), Life { end, now });
    report(&context, app.as_ref(), &findings).await?;
    Ok(end.map_or_else(Action::await_change, |_| Action::requeue(LOOK_AT_ENDS)))
}

/// Of the tokens for two scopes, the one that more is wrong with.
fn worse(one: Option<Standing>, other: Option<Standing>) -> Option<Standing> {
    let badness = |standing: &Standing| match standing {
        Standing::Missing(_) => 3,
        Standing::Held { trouble: Some(_), .. } => 2,
        Standing::Held { trouble: None, .. } => 1,
        Standing::Awaited { .. } => 0,
    };
    one.into_iter().chain(other).max_by_key(badness)
}

/// All findings, the summary first.
fn judge(
    spec: &EntraAppSpec,
    name: &str,
    unusable: Option<Diagnosis>,
    standing: Option<&Standing>,
    life: Life,
) -> Vec<Finding> {
    let accepted = accept(spec, name);
    let (credential, trouble) =
        if is_of_workloads(spec) { (of_workloads(), None) } else { credential(unusable, standing) };
    let credential = life.tell(credential);
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
    let supported = honoured(&[]);
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
pub(super) fn credential(
    unusable: Option<Diagnosis>,
    standing: Option<&Standing>,
) -> (Finding, Option<Diagnosis>) {
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
        None if held => (Finding::yes(type_, "the credential was taken"), None),
        None => (
            Finding::yes(type_, "the credential is there; it is shown when the first sender needs a token"),
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

/// The operator asks for nothing: it has not seen whether Entra takes a pod's token.
fn of_workloads() -> Finding {
    Finding {
        type_: condition::CREDENTIAL_READY,
        status: Status::True,
        reason: "ByWorkload",
        message: "each pod's sidecar exchanges the pod's own token, so that no Secret holds any".to_owned(),
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
        let findings = judge(spec, "contoso", unusable, standing, UNTOLD);
        findings.iter().map(|f| format!("{}={} {}", f.type_, f.status.as_str(), f.reason)).collect()
    }

    const UNTOLD: Life = Life { end: None, now: Timestamp::UNIX_EPOCH };

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
    fn a_workloads_own_token_needs_no_credential_here() {
        let spec = spec(&serde_json::json!({"credential": {"federated": {"subject": "Workload"}}}));
        let found = lines(&spec, Some(local(reason::TOKEN_OF_WORKLOAD)), None);
        assert_eq!((&*found[0], &*found[2]), ("Ready=True Ready", "CredentialReady=True ByWorkload"));
    }

    #[test]
    fn of_two_tokens_the_one_in_trouble_is_told_of() {
        let missing = Standing::Missing(local(reason::ENTRA_TIMEOUT));
        assert!(matches!(worse(Some(missing), Some(held(None))), Some(Standing::Missing(_))));
        let failing = held(Some(reason::ENTRA_TIMEOUT));
        assert!(matches!(
            worse(Some(held(None)), Some(failing)),
            Some(Standing::Held { trouble: Some(_), .. })
        ));
        assert!(worse(None, None).is_none());
    }
}
