//! Every reason why a pod is refused, as a sentence that names the field and the way out.

use mail_egress_crds::names::{LABEL_SENDER, SENDER_NAME_MAX};

use super::{AUTH_VOLUME, FEDERATED_VOLUME, NO_TOKEN_VOLUME, SENDER_VOLUME, SIDECAR_NAME, SPILL_VOLUME};

/// How much of a bad value is repeated.
const SHOWN: usize = 64;

/// Why a pod that asks for a sidecar does not get one, and is not created.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A localhost of the node is not the pod's own.
    #[error(
        "spec.hostNetwork is true: every process of the node could send mail as this pod; set it to false, or remove the label {LABEL_SENDER}"
    )]
    HostNetwork,
    /// Processes see each other's memory, and what is mounted, through /proc.
    #[error(
        "spec.hostPID is true: the sidecar's token could be read through /proc; set it to false, or remove the label {LABEL_SENDER}"
    )]
    HostPID,
    /// As [`Self::HostPID`], within the pod.
    #[error(
        "spec.shareProcessNamespace is true: the sidecar's token could be read by the other containers through /proc; set it to false, or remove the label {LABEL_SENDER}"
    )]
    SharedProcessNamespace,
    /// There is no sidecar image for Windows.
    #[error(
        "{field} asks for Windows: there is no mail-egress sidecar for it; remove the label {LABEL_SENDER}"
    )]
    Windows {
        /// The field that says so.
        field: &'static str,
    },
    /// The operator cannot wait for its own webhook.
    #[error(
        "the namespace {namespace} is the operator's own: pods there get no sidecar; move the pod, or remove the label {LABEL_SENDER}"
    )]
    OperatorNamespace {
        /// The namespace.
        namespace: String,
    },
    /// The label's value names no MailSender that could exist.
    #[error(
        "the label {LABEL_SENDER} is {value:?}, which is not the name of a MailSender: use at most {SENDER_NAME_MAX} lower-case letters, digits, '-' and '.', beginning and ending with a letter or digit"
    )]
    InvalidLabel {
        /// What it is.
        value: String,
    },
    /// An annotation of ours has a value that cannot be used.
    #[error("the annotation {annotation} is {value:?}: it must be {expected}")]
    InvalidAnnotation {
        /// The annotation's key.
        annotation: String,
        /// Its value, shortened.
        value: String,
        /// What it must be.
        expected: String,
    },
    /// A container of the pod declares the port that the sidecar would listen on.
    #[error(
        "the container {container} declares the port {port}, which the sidecar needs for {purpose}; choose another for the sidecar by the annotation {annotation}"
    )]
    PortTaken {
        /// Who declares it.
        container: String,
        /// The port.
        port: u16,
        /// What the sidecar would use it for.
        purpose: &'static str,
        /// The annotation that moves the sidecar's.
        annotation: &'static str,
    },
    /// Another container has the sidecar's name.
    #[error(
        "{field} has a container named {SIDECAR_NAME}, which is the name of the injected sidecar; rename it, or remove the label {LABEL_SENDER}"
    )]
    ContainerNameTaken {
        /// Where it is.
        field: &'static str,
    },
    /// Another volume has the name of one of ours.
    #[error(
        "spec.volumes has a volume named {volume}, which is injected; rename it, or remove the label {LABEL_SENDER}"
    )]
    VolumeNameTaken {
        /// Which.
        volume: String,
    },
    /// A user's container would see the token, or the directory where none must be.
    #[error(
        "the container {container} mounts {volume}, which is for the sidecar alone ({SENDER_VOLUME} holds the token, {SPILL_VOLUME} messages, {AUTH_VOLUME} a password, {FEDERATED_VOLUME} a token too, {NO_TOKEN_VOLUME} nothing); remove that volumeMount"
    )]
    VolumeMounted {
        /// Who mounts it.
        container: String,
        /// Which.
        volume: String,
    },
    /// The pod has no spec; no API server sends that.
    #[error("spec is missing")]
    NoSpec,
}

impl Refusal {
    /// One of an annotation's value, of which no more is repeated than a person needs.
    pub(super) fn annotation(annotation: &str, value: &str, expected: &str) -> Self {
        let (annotation, value) = (annotation.to_owned(), shown(value));
        Self::InvalidAnnotation { annotation, value, expected: expected.to_owned() }
    }

    /// A bounded word for metrics and events.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::HostNetwork => "HostNetwork",
            Self::HostPID => "HostPID",
            Self::SharedProcessNamespace => "SharedProcessNamespace",
            Self::Windows { .. } => "Windows",
            Self::OperatorNamespace { .. } => "OperatorNamespace",
            Self::InvalidLabel { .. } => "InvalidLabel",
            Self::InvalidAnnotation { .. } => "InvalidAnnotation",
            Self::PortTaken { .. } => "PortTaken",
            Self::ContainerNameTaken { .. } | Self::VolumeNameTaken { .. } => "NameTaken",
            Self::VolumeMounted { .. } => "VolumeMounted",
            Self::NoSpec => "NoSpec",
        }
    }
}

/// A value of the user's, shortened.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(SHOWN).collect()
}
