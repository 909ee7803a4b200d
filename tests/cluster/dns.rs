//! The cluster's DNS: Services, pods, and the names under which the lab is reached.

use std::fs;
use std::time::Duration;

use anyhow::{Result, anyhow};

use super::components::Components;
use super::control_plane::Endpoints;
use super::namespaces::NODE_ADDRESS;
use super::node;
use super::pki::Pki;
use super::processes::{self, Processes};
use super::run::Run;
use super::running::Running;

/// Where pods ask.
pub(crate) const SERVICE_ADDRESS: &str = "10.96.0.10";

const LIMIT: Duration = Duration::from_secs(30);

/// Starts the server and makes it known; `hosts` are answered with the node's address.
pub(crate) fn start(
    components: &Components,
    pki: &Pki,
    endpoints: &Endpoints,
    hosts: &[String],
    running: &Running,
    run: &Run,
    processes: &mut Processes,
) -> Result<()> {
    let fill = |template: &str| {
        template.replace("@ADDRESS@", &NODE_ADDRESS.to_string()).replace("@SERVICE@", SERVICE_ADDRESS)
    };
    let objects = run.path("dns.yaml");
    fs::write(&objects, fill(include_str!("dns/objects.yaml")))?;
    processes::answer(running.kubectl().arg("create").arg("--filename").arg(&objects))
        .map_err(|said| anyhow!("cannot create the DNS server's objects: {said}"))?;

    let kubeconfig = run.path("coredns.kubeconfig");
    pki.kubeconfig(&kubeconfig, &endpoints.url(), &pki.client("coredns", "system:coredns", None)?)?;
    let corefile = run.path("Corefile");
    let text = fill(include_str!("dns/Corefile"))
        .replace("@HOSTS@", &format!("{} {}", node::NAME, hosts.join(" ")))
        .replace("@KUBECONFIG@", &kubeconfig.display().to_string());
    fs::write(&corefile, text)?;
    processes.start(
        "coredns",
        components.need("coredns")?,
        &["-conf".to_owned(), corefile.display().to_string()],
    )
}

/// Waits until it knows the Services.
pub(crate) fn wait(running: &Running, processes: &mut Processes) -> Result<()> {
    processes.wait("coredns", LIMIT, || running.ask("127.0.0.1:8181", "/ready"))
}
