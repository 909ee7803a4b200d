//! Who can see a token: the sidecar's container and nobody else in the pod.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::world::World;

pub(crate) async fn token_is_in_the_sidecar_and_not_in_the_app(world: &World) -> Result<()> {
    let (app, mailbox) = world.app("secrecy").await?;
    world.delivered(&app, &mailbox, crate::world::TWO_MINUTES).await?;

    let secret = world.kubectl.object(&["secret", "mail-egress-billing", "-n", "secrecy"]).await?;
    ensure!(secret["type"] == "mail-egress.io/sender", "its type is {}", secret["type"]);
    let file = secret["data"]["sender.json"].as_str().context("the Secret has no sender.json")?;
    let file: Value = serde_json::from_slice(&STANDARD.decode(file)?)?;
    let token = file["token"]["value"].as_str().context("sender.json has no token")?;

    let pod = world.kubectl.object(&["pod", "app", "-n", "secrecy"]).await?;
    let of_app = process(&container(&pod["status"]["containerStatuses"], "app")?)?;
    let of_sidecar = process(&container(&pod["status"]["initContainerStatuses"], "mail-egress")?)?;

    let found = holds(&of_sidecar, token)?;
    ensure!(!found.is_empty(), "the sidecar does not have the token");
    let found = holds(&of_app, token)?;
    ensure!(found.is_empty(), "the app's container has the token: {found:?}");
    let mounts = fs::read_to_string(of_app.join("mountinfo"))?;
    let ours = |line: &str| line.contains("mail-egress-sender") || line.contains(" /run/mail-egress");
    ensure!(!mounts.lines().any(ours), "the app's container mounts a volume of ours:\n{mounts}");

    let account = "var/run/secrets/kubernetes.io/serviceaccount/token";
    ensure!(of_app.join("root").join(account).exists(), "the app should have kept its own API token");
    ensure!(!of_sidecar.join("root").join(account).exists(), "the sidecar has an API token");
    for log in ["app", "mail-egress"] {
        let log = world.kubectl.run(&["logs", "app", "-n", "secrecy", "-c", log]).await?;
        ensure!(!log.contains(token), "a log has the token");
    }
    Ok(())
}

fn container(statuses: &Value, name: &str) -> Result<String> {
    let all = statuses.as_array().context("the pod has no statuses")?;
    let one =
        all.iter().find(|status| status["name"] == name).with_context(|| format!("no container {name}"))?;
    let id = one["containerID"].as_str().context("no container id")?;
    Ok(id.trim_start_matches("containerd://").to_owned())
}

/// The folder under /proc of a process that runs in this container.
fn process(container: &str) -> Result<PathBuf> {
    for entry in fs::read_dir("/proc")? {
        let folder = entry?.path();
        let cgroup = fs::read_to_string(folder.join("cgroup")).unwrap_or_default();
        if cgroup.contains(container) {
            return Ok(folder);
        }
    }
    bail!("no process runs in container {container}")
}

/// Where in a container's environment and files a text is to be found.
fn holds(process: &Path, text: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let has = |path: &Path| fs::read(path).is_ok_and(|bytes| contains(&bytes, text.as_bytes()));
    for own in ["environ", "cmdline"].map(|name| process.join(name)) {
        if has(&own) {
            found.push(own);
        }
    }
    let root = process.join("root");
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry?.path();
            let Ok(kind) = fs::symlink_metadata(&path).map(|meta| meta.file_type()) else { continue };
            let foreign = ["proc", "sys", "dev"].iter().any(|name| path == root.join(name));
            if kind.is_dir() && !foreign {
                folders.push(path);
            } else if kind.is_file() && has(&path) {
                found.push(path);
            }
        }
    }
    Ok(found)
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    bytes.windows(text.len()).any(|window| window == text)
}
