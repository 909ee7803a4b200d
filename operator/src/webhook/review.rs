//! One AdmissionReview: read, decided, answered. No I/O.

use base64::Engine;
use k8s_openapi::api::core::v1::Pod;
use kube::core::admission::{AdmissionRequest, AdmissionReview, Operation};
use serde_json::{Value, json};

use crate::inject::{self, Decision, Skip};

/// The only version that we ask for in the webhook's configuration.
const API_VERSION: &str = "admission.k8s.io/v1";
/// How much of a parser's complaint is passed on.
const SHOWN: usize = 300;

/// Why there is no answer to a body: whoever sent it is no API server, or a new kind of one.
#[derive(Debug, thiserror::Error)]
pub(super) enum BadReview {
    #[error("the body is not an AdmissionReview of a pod: {0}")]
    Unreadable(String),
    #[error("the AdmissionReview is {0:?}, not {API_VERSION:?}")]
    Version(String),
    #[error("the AdmissionReview has no {0}")]
    Incomplete(&'static str),
    #[error("the answer could not be written: {0}")]
    Unwritable(String),
}

/// The answer, and what there is to count and to log.
pub(super) struct Answer {
    pub(super) body: Vec<u8>,
    /// What was decided about a pod; `None` where it was decided before, or is not to be kept.
    pub(super) noted: Option<Noted>,
}

/// A decision that counts.
pub(super) struct Noted {
    pub(super) pod: String,
    pub(super) namespace: String,
    pub(super) decision: &'static str,
    /// A bounded word; empty for an injection, which needs none.
    pub(super) reason: &'static str,
    /// The sentence for people, or the MailSender's name.
    pub(super) detail: String,
}

/// Answers one review.
pub(super) fn answer(body: &[u8], settings: &inject::Settings) -> Result<Answer, BadReview> {
    let review: AdmissionReview<Pod> =
        serde_json::from_slice(body).map_err(|error| BadReview::Unreadable(shortened(&error)))?;
    if review.types.api_version != API_VERSION {
        return Err(BadReview::Version(review.types.api_version.chars().take(SHOWN).collect()));
    }
    let request: AdmissionRequest<Pod> = review.try_into().map_err(|_| BadReview::Incomplete("request"))?;
    if request.operation != Operation::Create {
        // the configuration asks for creations only
        return Ok(Answer { body: written(&request.uid, allowed()), noted: None });
    }
    let pod = request.object.as_ref().ok_or(BadReview::Incomplete("request.object"))?;
    let namespace = request.namespace.as_deref().ok_or(BadReview::Incomplete("request.namespace"))?;
    let decision = inject::inject(pod, namespace, settings);
    let noted = noted(&decision, pod, namespace).filter(|_| !request.dry_run);
    Ok(Answer { body: written(&request.uid, respond(&decision)?), noted })
}

/// The decision in the words of the API. Not by kube's type, which writes the patch as a list of
/// numbers where the API says base64.
fn respond(decision: &Decision) -> Result<Value, BadReview> {
    Ok(match decision {
        Decision::Inject(injection) if injection.patch.0.is_empty() => allowed(),
        Decision::Inject(injection) => {
            let patch = serde_json::to_vec(&injection.patch)
                .map_err(|error| BadReview::Unwritable(error.to_string()))?;
            let patch = base64::engine::general_purpose::STANDARD.encode(patch);
            let mut answer = json!({"allowed": true, "patchType": "JSONPatch", "patch": patch});
            if !injection.warnings.is_empty() {
                answer["warnings"] = json!(injection.warnings);
            }
            answer
        }
        Decision::Skip(Skip::NoLabel) => allowed(),
        Decision::Skip(skip) => json!({"allowed": true, "warnings": [skip.to_string()]}),
        Decision::Refuse(refusal) => json!({
            "allowed": false,
            "status": {
                "status": "Failure",
                "code": 403,
                "reason": "Forbidden",
                "message": format!("mail-egress: {refusal}"),
            },
        }),
    })
}

fn allowed() -> Value {
    json!({"allowed": true})
}

fn written(uid: &str, mut response: Value) -> Vec<u8> {
    response["uid"] = json!(uid);
    json!({"apiVersion": API_VERSION, "kind": "AdmissionReview", "response": response})
        .to_string()
        .into_bytes()
}

fn noted(decision: &Decision, pod: &Pod, namespace: &str) -> Option<Noted> {
    let (decision, reason, detail) = match decision {
        Decision::Inject(injection) if !injection.is_first => return None,
        Decision::Inject(injection) => ("injected", "", injection.sender.clone()),
        Decision::Skip(skip) => ("skipped", skip.reason(), skip.to_string()),
        Decision::Refuse(refusal) => ("refused", refusal.reason(), refusal.to_string()),
    };
    // a pod of a controller has no name yet
    let name = pod.metadata.name.as_ref().or(pod.metadata.generate_name.as_ref());
    Some(Noted {
        pod: name.cloned().unwrap_or_default(),
        namespace: namespace.to_owned(),
        decision,
        reason,
        detail,
    })
}

fn shortened(error: &serde_json::Error) -> String {
    error.to_string().chars().take(SHOWN).collect()
}
