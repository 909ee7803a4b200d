//! Applies a sender's Secret, and reads from a refusal what stands in the way.

use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
    core::Status,
};
use mail_egress_crds::names;
use mail_egress_diagnosis::{Diagnosis, local, reason};

use crate::writer::{WriteError, Writer};

/// Why a Secret was not applied; by what the caller does next.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApplyError {
    /// Say so in the status, and look again later: somebody has to act.
    #[error("{}", .0.sentence())]
    Refused(Box<Diagnosis>),
    /// The namespace is going, and the sender with it: do nothing.
    #[error("the namespace is going")]
    NamespaceGoing,
    /// The API server knows no such namespace, as one does whose cache lags behind: if the sender
    /// is still there, look again later.
    #[error("the namespace is not there")]
    NotFound,
    /// Try again: the API server was not reached, or had a fault of its own.
    #[error(transparent)]
    Unavailable(#[from] WriteError),
}

/// Applies the Secret, over whatever we or others have set in the same fields.
///
/// Needs the verbs `create` and `patch` on Secrets, and not `get`. What the API server answers is
/// not looked at: it could hold what others wrote.
pub(super) async fn apply(writer: &Writer, secret: &Secret) -> Result<(), ApplyError> {
    let namespace = secret.namespace().unwrap_or_default();
    let secrets: Api<Secret> = Api::namespaced(writer.client(), &namespace);
    let forced = PatchParams::apply(names::FIELD_MANAGER).force();
    match writer.write(secrets.patch(&secret.name_any(), &forced, &Patch::Apply(secret))).await {
        Ok(_) => Ok(()),
        Err(WriteError::Api(kube::Error::Api(status))) => Err(judge(&status, &namespace, &secret.name_any())
            .unwrap_or_else(|| WriteError::Api(kube::Error::Api(status)).into())),
        Err(error) => Err(error.into()),
    }
}

/// What a refusal means; `None` where it is not a refusal but a fault that may pass.
fn judge(status: &Status, namespace: &str, name: &str) -> Option<ApplyError> {
    let causes = status.details.as_ref().map_or(&[][..], |details| &details.causes);
    let going = status.code == 403 && causes.iter().any(|cause| cause.reason == "NamespaceTerminating");
    let of_field = |field: &str| causes.iter().any(|cause| cause.field == field);
    let conflict = |what: &str| {
        local(reason::SECRET_CONFLICT)
            .with_cause(&format!("a Secret {name} {what} is in the way"))
            .with_fix(&format!("kubectl delete secret {name} -n {namespace}; nothing else may use that name"))
    };
    let refused = match status.code {
        403 if going => return Some(ApplyError::NamespaceGoing),
        404 => return Some(ApplyError::NotFound),
        422 if of_field("type") => conflict("of another type"),
        422 if of_field("data") => conflict("that is immutable"),
        400..=499 if status.code != 409 && status.code != 429 => {
            local(reason::SECRET_NOT_WRITTEN).with_words(&status.message)
        }
        _ => return None,
    };
    Some(ApplyError::Refused(Box::new(refused)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u16, reason: &str, message: &str, causes: &serde_json::Value) -> Status {
        serde_json::from_value(serde_json::json!({
            "status": "Failure", "code": code, "reason": reason, "message": message,
            "details": {"name": "mail-egress-billing", "kind": "Secret", "causes": causes},
        }))
        .unwrap()
    }

    fn reason(status: &Status) -> Option<String> {
        match judge(status, "shop", "mail-egress-billing")? {
            ApplyError::Refused(diagnosis) => Some(diagnosis.reason.to_owned()),
            other @ (ApplyError::NamespaceGoing | ApplyError::NotFound | ApplyError::Unavailable(_)) => {
                Some(other.to_string())
            }
        }
    }

    #[test]
    fn a_foreign_secret_of_that_name_is_a_conflict() {
        let immutable = "field is immutable";
        let causes =
            serde_json::json!([{"reason": "FieldValueInvalid", "message": immutable, "field": "type"}]);
        let status = status(422, "Invalid", "Secret \"mail-egress-billing\" is invalid", &causes);
        assert_eq!(reason(&status).as_deref(), Some("SecretConflict"));
    }

    #[test]
    fn a_refusal_is_told_in_the_api_servers_words() {
        let status = status(403, "Forbidden", "exceeded quota: secrets=5", &serde_json::json!([]));
        match judge(&status, "shop", "mail-egress-billing") {
            Some(ApplyError::Refused(diagnosis)) => {
                assert_eq!(diagnosis.reason, "SecretNotWritten");
                assert!(diagnosis.sentence().contains("exceeded quota"), "{}", diagnosis.sentence());
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_namespace_that_goes_is_no_refusal() {
        let causes = serde_json::json!([{"reason": "NamespaceTerminating", "message": "", "field": "metadata.namespace"}]);
        let terminating = status(403, "Forbidden", "being terminated", &causes);
        assert_eq!(reason(&terminating).as_deref(), Some("the namespace is going"));
    }

    #[test]
    fn a_namespace_that_is_not_found_may_be_there_all_the_same() {
        let status = status(404, "NotFound", "namespaces \"shop\" not found", &serde_json::json!([]));
        assert_eq!(reason(&status).as_deref(), Some("the namespace is not there"));
    }

    #[test]
    fn a_fault_of_the_api_server_is_tried_again() {
        for code in [409, 429, 500, 503] {
            assert_eq!(reason(&status(code, "", "later", &serde_json::json!([]))), None, "{code}");
        }
    }
}
