//! The sidecar's container and volumes.

use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, EmptyDirVolumeSource, EnvVar, EnvVarSource, ExecAction,
    KeyToPath, ObjectFieldSelector, PodSpec, Probe, ProjectedVolumeSource, ResourceRequirements,
    SeccompProfile, SecretVolumeSource, SecurityContext, ServiceAccountTokenProjection, Volume, VolumeMount,
    VolumeProjection,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use mail_egress_crds::names::sender_secret;

use super::resources::Resources;
use super::spool::SpoolVolume;
use super::wishes::Wishes;
use super::{
    AUTH_VOLUME, FEDERATED_TOKEN_FILE, FEDERATED_VOLUME, NO_TOKEN_VOLUME, SENDER_VOLUME, SIDECAR_NAME,
    SIDECAR_PROGRAM, SPILL_VOLUME, Settings,
};

/// Where the sender's Secret is mounted, as a whole directory: a file of its own (subPath) would
/// never change.
const SENDER_DIRECTORY: &str = "/var/run/mail-egress/sender";
/// Where the ServiceAccount admission mounts the API token, unless something lies there already.
const TOKEN_DIRECTORY: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// Where large messages lie while they are in hand.
const SPILL_DIRECTORY: &str = "/var/lib/mail-egress/spill";
/// Where lies what the app must log in with; a whole directory too.
const AUTH_DIRECTORY: &str = "/var/run/mail-egress/auth";
/// How long the pod's own token for Entra lasts, in seconds; the kubelet renews it before. The shortest
/// that Azure's own workload identity uses (fact sheet A).
const FEDERATED_SECONDS: i64 = 3600;
/// The keys of a Secret of type `kubernetes.io/basic-auth`, under which the sidecar looks.
const AUTH_KEYS: [&str; 2] = ["username", "password"];
/// How much of them the sidecar takes in before it answers 452.
const SPILL_LIMIT: &str = "512Mi";
/// The kubelet evicts a pod whose volume grows beyond this, and looks only now and then.
const SPILL_VOLUME_LIMIT: &str = "640Mi";
/// For pods that say of themselves that they run as root: the image's own user.
const UNPRIVILEGED_USER: i64 = 65_532;
/// How long the sidecar takes to finish what it holds, where the pod leaves it that long.
const DRAIN_SECONDS: i64 = 25;
/// What the kubelet gives a pod that says nothing.
const GRACE_SECONDS: i64 = 30;

/// The container, complete for Pod Security `restricted`.
pub(super) fn container(spec: &PodSpec, namespace: &str, wishes: &Wishes, settings: &Settings) -> Container {
    let admin = format!("0.0.0.0:{}", wishes.ports.admin);
    let arguments = [
        ("--sender", format!("{namespace}/{}", wishes.sender)),
        ("--config", format!("{SENDER_DIRECTORY}/{}", mail_egress_config::FILE_NAME)),
        ("--smtp-port", wishes.ports.smtp.to_string()),
        ("--admin-address", admin.clone()),
        ("--log-format", settings.log_format.clone()),
        ("--drain-timeout", format!("{}s", drain_seconds(spec))),
        // half of what it may use is for messages in hand
        ("--spill-dir", SPILL_DIRECTORY.to_owned()),
        ("--spill-limit", SPILL_LIMIT.to_owned()),
        ("--memory-budget", (wishes.resources.memory_limit.units() / 2).to_string()),
    ];
    // not said where it is the usual: an older image does not know the flag
    let addresses = settings.log_addresses.clone().map(|shown| ("--log-addresses", shown));
    // said where it is asked for: an older image that let everybody in would be worse than none
    let auth = wishes.auth_secret.as_ref().map(|_| ("--auth-dir", AUTH_DIRECTORY.to_owned()));
    let arguments = arguments.into_iter().chain(addresses).chain(auth);
    let arguments = arguments.flat_map(|(flag, value)| [flag.to_owned(), value]);
    let spool = wishes.spool.as_ref();
    let mut environment: Vec<_> =
        settings.proxies.iter().map(|(name, value)| variable(name, value)).collect();
    // each pod has a folder of its own there
    environment.extend(spool.map(|_| pods_name("MAIL_EGRESS_SPOOL_NAME")));
    let mut mounts = vec![
        mount(SENDER_VOLUME, SENDER_DIRECTORY),
        mount(NO_TOKEN_VOLUME, TOKEN_DIRECTORY),
        VolumeMount { read_only: None, ..mount(SPILL_VOLUME, SPILL_DIRECTORY) },
    ];
    mounts.extend(wishes.auth_secret.as_ref().map(|_| mount(AUTH_VOLUME, AUTH_DIRECTORY)));
    mounts.extend(wishes.federated_audience.as_ref().map(|_| mount(FEDERATED_VOLUME, federated_directory())));
    mounts.extend(spool.map(SpoolVolume::mount));
    Container {
        name: SIDECAR_NAME.to_owned(),
        image: Some(settings.sidecar_image.clone()),
        restart_policy: Some("Always".to_owned()),
        command: Some(vec![SIDECAR_PROGRAM.to_owned()]),
        args: Some(
            std::iter::once("run".to_owned())
                .chain(arguments)
                .chain(spool.map(SpoolVolume::arguments).unwrap_or_default())
                .collect(),
        ),
        env: (!environment.is_empty()).then_some(environment),
        ports: Some(vec![ContainerPort {
            name: Some("mail-metrics".to_owned()),
            container_port: i32::from(wishes.ports.admin),
            protocol: Some("TCP".to_owned()),
            ..ContainerPort::default()
        }]),
        // The program passes by itself ten seconds after its start, configured or not; the rest is
        // for slow nodes. Each transition makes the kubelet look at the Secret again.
        startup_probe: Some(probe("startup", &admin, 1, 60)),
        liveness_probe: Some(probe("live", &admin, 20, 3)),
        readiness_probe: Some(probe("ready", &admin, 10, 3)),
        resources: Some(resources(&wishes.resources)),
        security_context: Some(security_context(spec)),
        termination_message_policy: Some("FallbackToLogsOnError".to_owned()),
        volume_mounts: Some(mounts),
        ..Container::default()
    }
}

fn variable(name: &str, value: &str) -> EnvVar {
    // $(NAME) would be another variable's value
    let value = value.replace('$', "$$");
    EnvVar { name: name.to_owned(), value: Some(value), ..EnvVar::default() }
}

/// A variable with the pod's name, which is not known while it is injected.
fn pods_name(variable: &str) -> EnvVar {
    let field =
        ObjectFieldSelector { api_version: Some("v1".to_owned()), field_path: "metadata.name".to_owned() };
    let source = EnvVarSource { field_ref: Some(field), ..EnvVarSource::default() };
    EnvVar { name: variable.to_owned(), value_from: Some(source), ..EnvVar::default() }
}

/// The volumes: the Secret, which need not exist yet, nothing, room for large messages, and the
/// Secret with what the app logs in with, which need not exist either.
pub(super) fn volumes(wishes: &Wishes) -> Vec<Volume> {
    let secret = |secret_name: String, items: Option<Vec<KeyToPath>>| SecretVolumeSource {
        secret_name: Some(secret_name),
        items,
        optional: Some(true),
        ..SecretVolumeSource::default()
    };
    let mut volumes = vec![
        Volume {
            name: SENDER_VOLUME.to_owned(),
            secret: Some(secret(sender_secret(&wishes.sender), None)),
            ..Volume::default()
        },
        Volume {
            name: NO_TOKEN_VOLUME.to_owned(),
            empty_dir: Some(EmptyDirVolumeSource::default()),
            ..Volume::default()
        },
        Volume {
            name: SPILL_VOLUME.to_owned(),
            empty_dir: Some(EmptyDirVolumeSource {
                size_limit: Some(Quantity(SPILL_VOLUME_LIMIT.to_owned())),
                ..EmptyDirVolumeSource::default()
            }),
            ..Volume::default()
        },
    ];
    let keys =
        AUTH_KEYS.map(|key| KeyToPath { key: key.to_owned(), path: key.to_owned(), ..KeyToPath::default() });
    volumes.extend(wishes.auth_secret.as_ref().map(|name| Volume {
        name: AUTH_VOLUME.to_owned(),
        secret: Some(secret(name.clone(), Some(keys.to_vec()))),
        ..Volume::default()
    }));
    volumes.extend(wishes.federated_audience.as_deref().map(federated));
    volumes
}

/// The pod's own token for Entra, which Kubernetes makes for the pod's service account.
fn federated(audience: &str) -> Volume {
    let token = ServiceAccountTokenProjection {
        audience: Some(audience.to_owned()),
        expiration_seconds: Some(FEDERATED_SECONDS),
        path: federated_file().to_owned(),
    };
    let source = VolumeProjection { service_account_token: Some(token), ..VolumeProjection::default() };
    Volume {
        name: FEDERATED_VOLUME.to_owned(),
        projected: Some(ProjectedVolumeSource {
            sources: Some(vec![source]),
            ..ProjectedVolumeSource::default()
        }),
        ..Volume::default()
    }
}

fn federated_directory() -> &'static str {
    FEDERATED_TOKEN_FILE.rsplit_once('/').map_or(FEDERATED_TOKEN_FILE, |(directory, _)| directory)
}

fn federated_file() -> &'static str {
    FEDERATED_TOKEN_FILE.rsplit_once('/').map_or(FEDERATED_TOKEN_FILE, |(_, file)| file)
}

/// Some seconds less than the pod's own, so that what is left over is told 451 and not cut off.
fn drain_seconds(spec: &PodSpec) -> i64 {
    let grace = spec.termination_grace_period_seconds.unwrap_or(GRACE_SECONDS);
    grace.saturating_sub(5).clamp(1, DRAIN_SECONDS)
}

fn probe(question: &str, admin: &str, period: i32, failures: i32) -> Probe {
    let command = [SIDECAR_PROGRAM, "probe", question, "--admin-address", admin];
    Probe {
        exec: Some(ExecAction { command: Some(command.map(str::to_owned).to_vec()) }),
        period_seconds: Some(period),
        timeout_seconds: Some(5),
        failure_threshold: Some(failures),
        ..Probe::default()
    }
}

fn resources(resources: &Resources) -> ResourceRequirements {
    let quantity = |name: &str, quantity: &super::quantity::Quantity| {
        (name.to_owned(), Quantity(quantity.as_str().to_owned()))
    };
    let cpu_limit = resources.cpu_limit.as_ref().map(|limit| quantity("cpu", limit));
    let limits = cpu_limit.into_iter().chain([quantity("memory", &resources.memory_limit)]);
    let requests = [quantity("cpu", &resources.cpu_request), quantity("memory", &resources.memory_request)];
    ResourceRequirements {
        limits: Some(limits.collect()),
        requests: Some(requests.into()),
        ..ResourceRequirements::default()
    }
}

/// No user is set, so that OpenShift may choose one, and the image's own is taken elsewhere; but a
/// pod that runs as root by its own context would contradict `runAsNonRoot`.
fn security_context(spec: &PodSpec) -> SecurityContext {
    let user = spec.security_context.as_ref().and_then(|context| context.run_as_user);
    SecurityContext {
        run_as_user: (user == Some(0)).then_some(UNPRIVILEGED_USER),
        run_as_non_root: Some(true),
        allow_privilege_escalation: Some(false),
        read_only_root_filesystem: Some(true),
        capabilities: Some(Capabilities { drop: Some(vec!["ALL".to_owned()]), add: None }),
        seccomp_profile: Some(SeccompProfile { type_: "RuntimeDefault".to_owned(), localhost_profile: None }),
        ..SecurityContext::default()
    }
}

fn mount(volume: &str, path: &str) -> VolumeMount {
    VolumeMount {
        name: volume.to_owned(),
        mount_path: path.to_owned(),
        read_only: Some(true),
        ..VolumeMount::default()
    }
}
