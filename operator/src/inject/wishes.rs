//! What a pod asks for by its label and annotations, read once and valid from then on.

use k8s_openapi::api::core::v1::Pod;
use mail_egress_crds::names::{
    ANNOTATION_ADMIN_PORT, ANNOTATION_AUTH_SECRET, ANNOTATION_FEDERATED_AUDIENCE, ANNOTATION_SMTP_PORT,
    ANNOTATION_SPOOL_LIMIT, ANNOTATION_SPOOL_VOLUME, SENDER_NAME_MAX, SENDER_SECRET_PREFIX,
};

use super::ports::Ports;
use super::refusal::shown;
use super::resources::{Resources, Texts};
use super::spool::SpoolVolume;
use super::{INJECTED_ANNOTATION, Refusal, annotation};

/// Everything of ours begins with this.
const PREFIX: &str = "mail-egress.io/";
const CPU_REQUEST: &str = "mail-egress.io/cpu-request";
const MEMORY_REQUEST: &str = "mail-egress.io/memory-request";
const CPU_LIMIT: &str = "mail-egress.io/cpu-limit";
const MEMORY_LIMIT: &str = "mail-egress.io/memory-limit";
/// The annotations that a user may set.
const KNOWN: [&str; 10] = [
    ANNOTATION_SMTP_PORT,
    ANNOTATION_ADMIN_PORT,
    ANNOTATION_AUTH_SECRET,
    ANNOTATION_FEDERATED_AUDIENCE,
    ANNOTATION_SPOOL_VOLUME,
    ANNOTATION_SPOOL_LIMIT,
    CPU_REQUEST,
    MEMORY_REQUEST,
    CPU_LIMIT,
    MEMORY_LIMIT,
];
/// The longest audience, as in an EntraApp.
const AUDIENCE_MAX: usize = 600;
/// The longest name of a Secret.
const SECRET_NAME_MAX: usize = 253;
/// How many annotations are warned of.
const WARNINGS: usize = 3;

/// A valid request for a sidecar.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Wishes {
    pub(super) sender: String,
    pub(super) ports: Ports,
    pub(super) resources: Resources,
    /// The Secret with what the app must log in with; without one, any login is accepted.
    pub(super) auth_secret: Option<String>,
    /// The audience of the pod's own token that the sidecar exchanges, where it does.
    pub(super) federated_audience: Option<String>,
    /// Where messages are kept, if the pod has a place for them.
    pub(super) spool: Option<SpoolVolume>,
    /// What to tell whoever creates the pod; the pod gets its sidecar all the same.
    pub(super) warnings: Vec<String>,
}

impl Wishes {
    /// Reads them; `label` is the value of the sender's label.
    pub(super) fn read(pod: &Pod, label: &str, defaults: &Resources) -> Result<Self, Refusal> {
        if !is_name(label, SENDER_NAME_MAX) {
            return Err(Refusal::InvalidLabel { value: shown(label) });
        }
        let spec = pod.spec.as_ref().ok_or(Refusal::NoSpec)?;
        let ports = Ports::choose(spec, port(pod, ANNOTATION_SMTP_PORT)?, port(pod, ANNOTATION_ADMIN_PORT)?)?;
        let texts = Texts {
            cpu_request: annotation(pod, CPU_REQUEST),
            memory_request: annotation(pod, MEMORY_REQUEST),
            cpu_limit: annotation(pod, CPU_LIMIT),
            memory_limit: annotation(pod, MEMORY_LIMIT),
        };
        let resources = defaults.with(texts).map_err(|invalid| Refusal::InvalidAnnotation {
            annotation: format!("{PREFIX}{}", invalid.field),
            value: invalid.value,
            expected: invalid.expected,
        })?;
        let auth_secret = auth_secret(pod)?;
        let federated_audience = federated_audience(pod)?;
        let spool = SpoolVolume::read(pod)?;
        let mut warnings = unknown(pod);
        warnings.extend(spool.as_ref().and_then(SpoolVolume::warning));
        Ok(Self {
            sender: label.to_owned(),
            ports,
            resources,
            auth_secret,
            federated_audience,
            spool,
            warnings,
        })
    }
}

/// Whether an object can have this name, of at most `longest` octets: what the MailSender's own schema
/// admits, and the API server for a Secret.
fn is_name(text: &str, longest: usize) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let part = |part: &str| {
        !part.is_empty() && part.chars().all(inner) && !part.starts_with('-') && !part.ends_with('-')
    };
    text.len() <= longest && text.split('.').all(part)
}

/// A misspelt annotation is not ignored in silence. Nor is it refused: while two versions run side
/// by side, the older one does not know all that the newer one does. An API server may cut a warning
/// off after 256 octets, so the prefix is said once.
fn unknown(pod: &Pod) -> Vec<String> {
    let keys = pod.metadata.annotations.iter().flatten().map(|(key, _)| key.as_str());
    let known = |key: &str| key == INJECTED_ANNOTATION || KNOWN.contains(&key);
    let unknown = keys.filter(|key| key.starts_with(PREFIX) && !known(key));
    let all = KNOWN.map(|known| known.trim_start_matches(PREFIX)).join(", ");
    let warning = |key| format!("mail-egress: {} is not known and has no effect; known: {all}", shown(key));
    unknown.take(WARNINGS).map(warning).collect()
}

/// A sender's own Secret holds a token and no password: whoever names it has misunderstood something.
fn auth_secret(pod: &Pod) -> Result<Option<String>, Refusal> {
    let Some(name) = annotation(pod, ANNOTATION_AUTH_SECRET) else { return Ok(None) };
    if is_name(name, SECRET_NAME_MAX) && !name.starts_with(SENDER_SECRET_PREFIX) {
        return Ok(Some(name.to_owned()));
    }
    let expected = format!(
        "the name of a Secret of the pod's namespace with the keys username and password, not beginning with {SENDER_SECRET_PREFIX}"
    );
    Err(Refusal::annotation(ANNOTATION_AUTH_SECRET, name, &expected))
}

/// The API server's own audience would make it a token for the cluster, and none is put into a sidecar:
/// but which that is nobody can tell here, so only its usual forms are refused.
fn federated_audience(pod: &Pod) -> Result<Option<String>, Refusal> {
    let Some(audience) = annotation(pod, ANNOTATION_FEDERATED_AUDIENCE) else { return Ok(None) };
    let visible = audience.bytes().all(|byte| byte.is_ascii_graphic());
    let of_cluster = audience.contains("kubernetes.default");
    if !audience.is_empty() && audience.len() <= AUDIENCE_MAX && visible && !of_cluster {
        return Ok(Some(audience.to_owned()));
    }
    let expected = "the audience of the EntraApp (spec.credential.federated.audience), such as api://AzureADTokenExchange, and not the cluster's own";
    Err(Refusal::annotation(ANNOTATION_FEDERATED_AUDIENCE, audience, expected))
}

fn port(pod: &Pod, key: &'static str) -> Result<Option<u16>, Refusal> {
    let Some(text) = annotation(pod, key) else { return Ok(None) };
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse().ok().filter(|port| digits && *port >= 1024) {
        Some(port) => Ok(Some(port)),
        None => Err(Refusal::annotation(key, text, "a port from 1024 to 65535")),
    }
}
