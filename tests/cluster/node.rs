//! The node: containerd, kubelet and kube-proxy.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::statfs::{OVERLAYFS_SUPER_MAGIC, statfs};

use super::cgroups;
use super::components::{Components, need_in_path};
use super::control_plane::Endpoints;
use super::dns;
use super::namespaces::NODE_ADDRESS;
use super::packages;
use super::pki::Pki;
use super::processes::{self, Processes};
use super::run::Run;
use super::running::Running;

/// The node's only name.
pub(crate) const NAME: &str = "node";

const LIMIT: Duration = Duration::from_secs(60);

/// What a node needs beside Debian's packages, or why there cannot be one.
pub(crate) fn obstacle(components: &Components) -> Option<String> {
    ["kubelet", "kube-proxy", "coredns", "kube-controller-manager", "kube-scheduler"]
        .into_iter()
        .find_map(|name| components.get(name).err())
}

/// Starts containerd, whose first images can then be imported.
pub(crate) fn start_containerd(run: &Run, processes: &mut Processes) -> Result<()> {
    fs::create_dir_all(run.path("containerd"))?;
    fs::create_dir_all(run.path("cni"))?;
    let plugins = packages::cni().context("the network plugins are gone")?;
    let snapshotter = snapshotter(&run.folder)?;
    let fill = |template: &str| {
        template
            .replace("@SNAPSHOTTER@", snapshotter)
            .replace("@CNI@", &plugins.display().to_string())
            .replace("@ADDRESS@", &NODE_ADDRESS.to_string())
            .replace("@RUN@", &run.folder.display().to_string())
    };
    let config = run.path("containerd.toml");
    fs::write(&config, fill(include_str!("node/containerd.toml")))?;
    fs::write(run.path("cni/pods.conflist"), fill(include_str!("node/pods.conflist")))?;
    let arguments = [format!("--config={}", config.display())];
    processes.start("containerd", &need_in_path("containerd")?, &arguments)
}

/// Waits until containerd takes orders.
pub(crate) fn wait_for_containerd(run: &Run, processes: &mut Processes) -> Result<()> {
    let folder = run.folder.clone();
    processes.wait("containerd", LIMIT, || processes::answer(ctr(&folder).arg("version")).map(drop))
}

/// How layers are put together: an overlay cannot lie on an overlay, as it would inside a container.
pub(crate) fn snapshotter(folder: &Path) -> Result<&'static str> {
    let on_overlay = statfs(folder)?.filesystem_type() == OVERLAYFS_SUPER_MAGIC;
    Ok(if on_overlay { "native" } else { "overlayfs" })
}

/// containerd's own client, aimed at this run's containerd.
pub(crate) fn ctr(folder: &Path) -> Command {
    let mut command = Command::new("ctr");
    command.arg("--address").arg(folder.join("containerd/containerd.sock")).arg("--namespace=k8s.io");
    command
}

/// Starts kubelet and kube-proxy.
pub(crate) fn start(
    components: &Components,
    pki: &Pki,
    endpoints: &Endpoints,
    run: &Run,
    processes: &mut Processes,
) -> Result<()> {
    let cgroup = cgroups::create(run)?;
    let client = pki.client("kubelet", &format!("system:node:{NAME}"), Some("system:nodes"))?;
    pki.kubeconfig(&run.path("kubelet.kubeconfig"), &endpoints.url(), &client)?;
    pki.server("kubelet-server", &[NAME], &[NODE_ADDRESS])?;
    fs::write(run.path("resolv.conf"), "")?;
    let config = include_str!("node/kubelet.yaml")
        .replace("@ADDRESS@", &NODE_ADDRESS.to_string())
        .replace("@DNS@", dns::SERVICE_ADDRESS)
        .replace("@CGROUP@", &cgroup)
        .replace("@RUN@", &run.folder.display().to_string());
    fs::write(run.path("kubelet.yaml"), config)?;
    let arguments = [
        format!("--config={}", run.path("kubelet.yaml").display()),
        format!("--kubeconfig={}", run.path("kubelet.kubeconfig").display()),
        format!("--root-dir={}", run.path("kubelet").display()),
        format!("--cert-dir={}", run.path("kubelet/pki").display()),
        format!("--hostname-override={NAME}"),
        format!("--node-ip={NODE_ADDRESS}"),
    ];
    processes.start("kubelet", components.need("kubelet")?, &arguments)?;

    let client = pki.client("kube-proxy", "system:kube-proxy", None)?;
    pki.kubeconfig(&run.path("kube-proxy.kubeconfig"), &endpoints.url(), &client)?;
    let mut arguments = vec![
        format!("--kubeconfig={}", run.path("kube-proxy.kubeconfig").display()),
        format!("--hostname-override={NAME}"),
        "--proxy-mode=nftables".to_owned(),
        "--cluster-cidr=10.244.0.0/24".to_owned(),
    ];
    // It would set the whole machine's limits.
    for limit in ["max-per-core", "tcp-timeout-established", "tcp-timeout-close-wait"] {
        arguments.push(format!("--conntrack-{limit}=0"));
    }
    processes.start("kube-proxy", components.need("kube-proxy")?, &arguments)
}

/// Waits until pods are scheduled to the node and reach Services.
pub(crate) fn wait(running: &Running, processes: &mut Processes) -> Result<()> {
    let condition = r#"jsonpath={.status.conditions[?(@.type=="Ready")].status} {.spec.taints}"#;
    let mut get = running.kubectl();
    get.args(["get", "node", NAME, "--request-timeout=5s", "--output", condition]);
    processes.wait("kubelet", LIMIT, || match processes::answer(&mut get)?.as_str() {
        "True" => Ok(()),
        other => Err(format!("Ready and taints of the node: {other}")),
    })?;
    processes.wait("kube-proxy", LIMIT, || running.ask("127.0.0.1:10256", "/healthz"))
}
