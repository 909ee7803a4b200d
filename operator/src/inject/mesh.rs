//! Where in a pod's init containers the sidecar goes.

use k8s_openapi::api::core::v1::Container;

use super::SIDECAR_NAME;

/// What a mesh puts in front, so that the network works from there on: redirection first, then
/// the proxy where it is a native sidecar.
const MESH: [&str; 6] = [
    "istio-validation",
    "istio-init",
    "istio-proxy",
    "linkerd-network-validator",
    "linkerd-init",
    "linkerd-proxy",
];

/// The sidecar's index among the other init containers: behind the mesh containers that lead, and
/// before all others, for those may want to send mail.
///
/// A mesh container that comes after somebody else's init container (Linkerd appends its own where
/// its proxy is no native sidecar) has no say: up to there the pod's network is the plain one.
pub(super) fn position(init: &[Container]) -> usize {
    let others = init.iter().filter(|container| container.name != SIDECAR_NAME);
    others.take_while(|container| is_mesh(container)).count()
}

/// Whether a container belongs to a mesh, and not to the user.
pub(super) fn is_mesh(container: &Container) -> bool {
    MESH.contains(&container.name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(names: &[&str]) -> usize {
        let named = |name: &&str| Container { name: (*name).to_owned(), ..Container::default() };
        position(&names.iter().map(named).collect::<Vec<_>>())
    }

    #[test]
    fn goes_behind_the_mesh_and_before_everybody_else() {
        assert_eq!(at(&[]), 0);
        assert_eq!(at(&["migrate"]), 0);
        assert_eq!(at(&["istio-validation", "istio-proxy", "migrate"]), 2);
        assert_eq!(at(&["linkerd-init", "linkerd-proxy", "vault-agent-init"]), 2);
        assert_eq!(at(&["migrate", "linkerd-init"]), 0);
    }

    #[test]
    fn its_own_present_place_does_not_count() {
        assert_eq!(at(&["mail-egress", "istio-init", "istio-proxy", "migrate"]), 2);
        assert_eq!(at(&["istio-init", "mail-egress", "istio-proxy"]), 2);
    }
}
