//! The decision as JSON Patch operations: additions, and corrections of what is our own.

use std::collections::BTreeMap;

use json_patch::jsonptr::PointerBuf;
use json_patch::{AddOperation, MoveOperation, Patch, PatchOperation, ReplaceOperation};
use k8s_openapi::api::core::v1::{Pod, PodSpec};
use serde_json::{Value, json};

use super::wishes::Wishes;
use super::{INJECTED_ANNOTATION, NO_TOKEN_VOLUME, SIDECAR_NAME, SPILL_VOLUME, Settings, annotation};
use super::{mesh, overlay::overlay, sidecar};

const DEFAULT_CONTAINER: &str = "kubectl.kubernetes.io/default-container";
/// A comma-separated list of volumes that do not keep the autoscaler from emptying a node.
const EVICTABLE: &str = "cluster-autoscaler.kubernetes.io/safe-to-evict-local-volumes";

/// The operations that make the pod right; none where it is.
pub(super) fn build(pod: &Pod, namespace: &str, wishes: &Wishes, settings: &Settings) -> Patch {
    let mut operations = annotations(pod, settings);
    if let Some(spec) = &pod.spec {
        operations.extend(volumes(spec, wishes));
        operations.extend(init_containers(spec, namespace, wishes, settings));
    }
    Patch(operations)
}

fn annotations(pod: &Pod, settings: &Settings) -> Vec<PatchOperation> {
    let mut wanted = BTreeMap::new();
    wanted.insert(INJECTED_ANNOTATION, json!({"version": settings.version}).to_string());
    if let Some(main) = main_container(pod)
        && annotation(pod, DEFAULT_CONTAINER).is_none()
    {
        wanted.insert(DEFAULT_CONTAINER, main.to_owned());
    }
    // what lies there lives no longer than its message: the autoscaler may move the pod
    let listed = annotation(pod, EVICTABLE).unwrap_or_default();
    let is_listed = |volume: &&str| listed.split(',').any(|it| it.trim() == *volume);
    let missing = [NO_TOKEN_VOLUME, SPILL_VOLUME].into_iter().filter(|volume| !is_listed(volume));
    let all: Vec<_> = Some(listed).into_iter().filter(|it| !it.is_empty()).chain(missing).collect();
    wanted.insert(EVICTABLE, all.join(","));
    wanted.retain(|key, value| annotation(pod, key) != Some(value.as_str()));
    if pod.metadata.annotations.is_none() {
        return vec![add(["metadata", "annotations"], json!(wanted))];
    }
    wanted.into_iter().map(|(key, value)| add(["metadata", "annotations", key], json!(value))).collect()
}

/// Whose logs and shell a person wants.
fn main_container(pod: &Pod) -> Option<&str> {
    let containers = &pod.spec.as_ref()?.containers;
    let main = containers.iter().find(|container| !mesh::is_mesh(container))?;
    Some(&main.name)
}

fn volumes(spec: &PodSpec, wishes: &Wishes) -> Vec<PatchOperation> {
    let ours = sidecar::volumes(wishes);
    let Some(found) = &spec.volumes else {
        return vec![add(["spec", "volumes"], json!(ours))];
    };
    let mut operations = Vec::new();
    for volume in &ours {
        match found.iter().position(|found| found.name == volume.name) {
            Some(index) => operations.extend(correct("volumes", index, &json!(found[index]), &json!(volume))),
            None => operations.push(add(["spec", "volumes", "-"], json!(volume))),
        }
    }
    operations
}

fn init_containers(
    spec: &PodSpec,
    namespace: &str,
    wishes: &Wishes,
    settings: &Settings,
) -> Vec<PatchOperation> {
    let ours = json!(sidecar::container(spec, namespace, wishes, settings));
    let Some(found) = &spec.init_containers else {
        return vec![add(["spec", "initContainers"], json!([ours]))];
    };
    let right = mesh::position(found);
    let Some(present) = found.iter().position(|container| container.name == SIDECAR_NAME) else {
        return vec![add(["spec", "initContainers", &right.to_string()], ours)];
    };
    let mut operations = Vec::new();
    if present != right {
        operations.push(PatchOperation::Move(MoveOperation {
            from: pointer(["spec", "initContainers", &present.to_string()]),
            path: pointer(["spec", "initContainers", &right.to_string()]),
        }));
    }
    operations.extend(correct("initContainers", right, &json!(found[present]), &ours));
    operations
}

/// Replaces what is ours where it is not what it has to be.
fn correct(list: &str, index: usize, found: &Value, ours: &Value) -> Option<PatchOperation> {
    let right = overlay(found, ours);
    (right != *found).then(|| {
        let path = pointer(["spec", list, &index.to_string()]);
        PatchOperation::Replace(ReplaceOperation { path, value: right })
    })
}

fn add<const N: usize>(path: [&str; N], value: Value) -> PatchOperation {
    PatchOperation::Add(AddOperation { path: pointer(path), value })
}

fn pointer<const N: usize>(path: [&str; N]) -> PointerBuf {
    PointerBuf::from_tokens(path)
}
