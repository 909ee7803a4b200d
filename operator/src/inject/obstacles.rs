//! What about a pod rules a sidecar out, whatever its annotations say.

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};

use super::{
    AUTH_VOLUME, FEDERATED_VOLUME, NO_TOKEN_VOLUME, Refusal, SENDER_VOLUME, SIDECAR_NAME, SPILL_VOLUME,
    Settings, is_injected,
};

/// Finds the first obstacle.
pub(super) fn check(pod: &Pod, namespace: &str, settings: &Settings) -> Result<(), Refusal> {
    if namespace == settings.operator_namespace {
        return Err(Refusal::OperatorNamespace { namespace: namespace.to_owned() });
    }
    let spec = pod.spec.as_ref().ok_or(Refusal::NoSpec)?;
    if spec.host_network == Some(true) {
        return Err(Refusal::HostNetwork);
    }
    if spec.host_pid == Some(true) {
        return Err(Refusal::HostPID);
    }
    if spec.share_process_namespace == Some(true) {
        return Err(Refusal::SharedProcessNamespace);
    }
    windows(spec)?;
    names(spec, is_injected(pod))?;
    mounts(spec)
}

fn windows(spec: &PodSpec) -> Result<(), Refusal> {
    let os = spec.os.as_ref().map(|os| os.name.as_str());
    let selected = spec.node_selector.as_ref().and_then(|labels| labels.get("kubernetes.io/os"));
    let options = spec.security_context.as_ref().and_then(|context| context.windows_options.as_ref());
    let field = if os == Some("windows") {
        "spec.os.name"
    } else if selected.is_some_and(|os| os == "windows") {
        "spec.nodeSelector[kubernetes.io/os]"
    } else if options.is_some() {
        "spec.securityContext.windowsOptions"
    } else {
        return Ok(());
    };
    Err(Refusal::Windows { field })
}

/// Our names are free, or ours.
fn names(spec: &PodSpec, injected: bool) -> Result<(), Refusal> {
    let named = |containers: &[Container]| containers.iter().any(|container| container.name == SIDECAR_NAME);
    if named(&spec.containers) {
        return Err(Refusal::ContainerNameTaken { field: "spec.containers" });
    }
    if injected {
        return Ok(());
    }
    if spec.init_containers.as_deref().is_some_and(named) {
        return Err(Refusal::ContainerNameTaken { field: "spec.initContainers" });
    }
    match spec.volumes.iter().flatten().find(|volume| is_ours(&volume.name)) {
        Some(volume) => Err(Refusal::VolumeNameTaken { volume: volume.name.clone() }),
        None => Ok(()),
    }
}

fn mounts(spec: &PodSpec) -> Result<(), Refusal> {
    for container in others(spec) {
        for mount in container.volume_mounts.iter().flatten() {
            if is_ours(&mount.name) {
                let (container, volume) = (container.name.clone(), mount.name.clone());
                return Err(Refusal::VolumeMounted { container, volume });
            }
        }
    }
    Ok(())
}

/// Whether a volume of this name is injected.
pub(super) fn is_ours(volume: &str) -> bool {
    [SENDER_VOLUME, NO_TOKEN_VOLUME, SPILL_VOLUME, AUTH_VOLUME, FEDERATED_VOLUME].contains(&volume)
}

/// All containers of the pod but the sidecar.
pub(super) fn others(spec: &PodSpec) -> impl Iterator<Item = &Container> {
    let init = spec.init_containers.iter().flatten().filter(|container| container.name != SIDECAR_NAME);
    spec.containers.iter().chain(init)
}
