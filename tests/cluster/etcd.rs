//! The store of the API server; what it holds need not survive anything.

use anyhow::Result;

use super::components::Components;
use super::processes::Processes;
use super::run::Run;

/// Starts it. The API server waits for it, so nobody else needs to.
pub(crate) fn start(components: &Components, run: &Run, port: u16, processes: &mut Processes) -> Result<()> {
    let url = format!("http://127.0.0.1:{port}");
    let arguments = [
        format!("--data-dir={}", run.path("etcd").display()),
        format!("--listen-client-urls={url}"),
        format!("--advertise-client-urls={url}"),
        "--listen-peer-urls=http://127.0.0.1:0".to_owned(),
        "--unsafe-no-fsync".to_owned(),
        "--log-level=warn".to_owned(),
    ];
    processes.start("etcd", components.need("etcd")?, &arguments)
}
