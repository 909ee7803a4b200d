//! Decides what a labelled pod gets: a native sidecar, its volumes, and a few annotations.
//!
//! [`inject`] is pure, and the same whether or not the MailSender exists: a pod may come before
//! it. What it decides is a JSON Patch that adds, and that never touches what the user wrote; on
//! a pod that has the sidecar already (admission calls twice as a rule: once the patched pod has
//! passed the ServiceAccount admission) it only puts right what others have changed since.

mod mesh;
mod obstacles;
mod overlay;
mod patch;
mod ports;
mod quantity;
mod refusal;
mod resources;
mod sidecar;
mod spool;
mod wishes;

use k8s_openapi::api::core::v1::{Container, Pod};
use mail_egress_crds::names::LABEL_SENDER;

pub use refusal::Refusal;
pub use resources::Resources;

use wishes::Wishes;

/// The annotation that says that, and by which version, the sidecar was injected.
pub const INJECTED_ANNOTATION: &str = "mail-egress.io/injected";
/// The sidecar's name among the pod's init containers.
pub const SIDECAR_NAME: &str = "mail-egress";
/// The volume with the sender's Secret.
pub const SENDER_VOLUME: &str = "mail-egress-sender";
/// The empty volume that lies where the API token would be.
pub const NO_TOKEN_VOLUME: &str = "mail-egress-no-api-token";
/// The volume for what of a message does not stay in memory.
pub const SPILL_VOLUME: &str = "mail-egress-spill";
/// The volume with what the app must log in with, where an annotation asks for it.
pub const AUTH_VOLUME: &str = "mail-egress-auth";
/// The volume with the pod's own token for Entra, where an annotation asks for it.
pub const FEDERATED_VOLUME: &str = "mail-egress-federated";
/// The file with that token in the sidecar.
pub const FEDERATED_TOKEN_FILE: &str = "/var/run/mail-egress/federated/token";
/// Where the sidecar's image has its one program.
pub const SIDECAR_PROGRAM: &str = "/mail-egress-sidecar";

/// What the installation decides for all pods.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The image of the sidecar, with tag or digest.
    pub sidecar_image: String,
    /// Pods of this namespace are refused: the operator must not depend on itself.
    pub operator_namespace: String,
    /// The operator's version, for the annotation.
    pub version: String,
    /// How the sidecars log: `text` or `json`.
    pub log_format: String,
    /// How much of an address their lines show: `domain` or `none`; all of it where absent.
    pub log_addresses: Option<String>,
    /// What a sidecar gets where the pod's annotations say nothing.
    pub resources: Resources,
    /// The variables that name the proxy for HTTPS, and for whom it is not used; none where there is none.
    pub proxies: Vec<(String, String)>,
}

/// What becomes of a pod.
#[derive(Debug, Clone, PartialEq)]
pub enum Decision {
    /// It is to be changed by this patch.
    Inject(Injection),
    /// It is none of ours, and is left as it is.
    Skip(Skip),
    /// It would not work, or would give away what must not be seen.
    Refuse(Refusal),
}

/// A patch, and whether it is the first.
#[derive(Debug, Clone, PartialEq)]
pub struct Injection {
    /// The MailSender's name.
    pub sender: String,
    /// JSON Patch operations on the pod; empty where all is right already.
    pub patch: json_patch::Patch,
    /// Whether the pod had no sidecar before: true once per pod, however often admission asks.
    pub is_first: bool,
    /// What to tell whoever creates the pod; said the first time only, since what others have added
    /// by the second is not the user's.
    pub warnings: Vec<String>,
}

/// Why a pod is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Skip {
    /// It does not ask for a sidecar.
    #[error("the pod has no label {LABEL_SENDER}")]
    NoLabel,
    /// It stands for a pod that a kubelet runs from a file, and that nobody can change.
    #[error("a static pod cannot get a mail-egress sidecar: its label {LABEL_SENDER} has no effect")]
    StaticPod,
}

impl Skip {
    /// A bounded word for metrics.
    pub fn reason(self) -> &'static str {
        match self {
            Self::NoLabel => "NoLabel",
            Self::StaticPod => "StaticPod",
        }
    }
}

/// Decides for one pod of `namespace`, which is the request's: on creation the pod's own is empty.
pub fn inject(pod: &Pod, namespace: &str, settings: &Settings) -> Decision {
    let labels = pod.metadata.labels.as_ref();
    let Some(label) = labels.and_then(|labels| labels.get(LABEL_SENDER)) else {
        return Decision::Skip(Skip::NoLabel);
    };
    if annotation(pod, "kubernetes.io/config.mirror").is_some() {
        return Decision::Skip(Skip::StaticPod);
    }
    match decide(pod, label, namespace, settings) {
        Ok(injection) => Decision::Inject(injection),
        Err(refusal) => Decision::Refuse(refusal),
    }
}

fn decide(pod: &Pod, label: &str, namespace: &str, settings: &Settings) -> Result<Injection, Refusal> {
    obstacles::check(pod, namespace, settings)?;
    let wishes = Wishes::read(pod, label, &settings.resources)?;
    let is_first = !is_injected(pod);
    Ok(Injection {
        sender: wishes.sender.clone(),
        patch: patch::build(pod, namespace, &wishes, settings),
        is_first,
        warnings: if is_first { wishes.warnings } else { Vec::new() },
    })
}

/// Whether we have been here before: the annotation says so, and the sidecar is there. Whoever
/// forges both gets no more than what every pod of the namespace may have anyway.
fn is_injected(pod: &Pod) -> bool {
    let ours = |container: &Container| container.name == SIDECAR_NAME;
    annotation(pod, INJECTED_ANNOTATION).is_some()
        && pod.spec.iter().flat_map(|spec| spec.init_containers.iter().flatten()).any(ours)
}

fn annotation<'a>(pod: &'a Pod, key: &str) -> Option<&'a str> {
    pod.metadata.annotations.as_ref()?.get(key).map(String::as_str)
}

#[cfg(test)]
mod golden;
