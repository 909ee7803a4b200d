//! mail-egress as a person installs it, on a cluster of the test bed, with a lab to send to.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::cluster::{Image, Running};
use crate::eventually::eventually;
use crate::kubectl::{Kubectl, condition};
use crate::lab::{self, Lab, LabOptions};
use crate::programs::Programs;

/// Where the operator lives.
pub const OPERATOR_NAMESPACE: &str = "mail-egress-system";
/// The image of the operator on the test node.
pub const OPERATOR_IMAGE: &str = "localhost/mail-egress-operator:test";
/// The image of the sidecar on the test node.
pub const SIDECAR_IMAGE: &str = "localhost/mail-egress-sidecar:test";

/// Builds both images from the programs and gives them to the node.
///
/// # Errors
/// When there is no node, or an image cannot be made.
pub fn load_images(running: &Running, programs: &Programs) -> Result<()> {
    for (name, program) in [(OPERATOR_IMAGE, programs.operator()), (SIDECAR_IMAGE, programs.sidecar())] {
        let inside = format!("/{}", program.file_name().context("a program has a name")?.to_string_lossy());
        let image =
            Image::new(name).program(program, inside.clone()).entrypoint([inside]).user("65532:65532");
        running.load_image(&image)?;
    }
    Ok(())
}

/// The custom resource definitions, as `kubectl apply` takes them.
///
/// # Errors
/// When the files cannot be read.
pub fn definitions() -> Result<String> {
    manifests(&root().join("crds"))
}

/// The operator's own manifests with the test node's images in them.
///
/// # Errors
/// When the files cannot be read.
pub fn operator() -> Result<String> {
    Ok(manifests(&root().join("operator/deploy"))?
        .replace("mail-egress-operator:dev", OPERATOR_IMAGE)
        .replace("mail-egress-sidecar:dev", SIDECAR_IMAGE))
}

/// Applies the definitions and waits until the API server serves them.
///
/// # Errors
/// What the API server says.
pub async fn apply_definitions(kubectl: &Kubectl) -> Result<()> {
    kubectl.apply(&definitions()?).await?;
    let wait = ["wait", "--for=condition=Established", "--timeout=30s", "crd"];
    let names = ["entraapps", "mailroutes", "mailsenders", "mailpolicies"]
        .map(|kind| format!("{kind}.mail-egress.io"));
    let words = wait.into_iter().chain(names.iter().map(String::as_str)).collect::<Vec<_>>();
    kubectl.run(&words).await.map(drop)
}

/// Applies the operator's manifests and waits until it is available and its webhook trusted.
///
/// # Errors
/// What the API server says, or what the Deployment still lacks.
pub async fn apply_operator(kubectl: &Kubectl) -> Result<()> {
    kubectl.apply(&operator()?).await?;
    eventually("the operator is available", Duration::from_secs(120), async || {
        let deployment =
            kubectl.object(&["deployment", "mail-egress-operator", "-n", OPERATOR_NAMESPACE]).await?;
        let (status, _, message) = condition(&deployment, "Available");
        anyhow::ensure!(status == "True", "{message}");
        let ready = deployment["status"]["readyReplicas"].as_u64().unwrap_or_default();
        anyhow::ensure!(Some(ready) == deployment["spec"]["replicas"].as_u64(), "{ready} replicas are ready");
        Ok(())
    })
    .await
}

/// A lab on the cluster's own network, at the ports of the real services, and how to reach it.
///
/// # Errors
/// When a port is taken.
pub async fn lab(listen: IpAddr) -> Result<(Lab, LabAccess)> {
    let lab = Lab::start(LabOptions { listen, entra_port: 443, exchange_port: 587, ..LabOptions::default() })
        .await?;
    let access = LabAccess {
        login_url: lab.entra().url(),
        entra_ca: lab.entra().ca_pem().to_owned(),
        tenant: lab::DEFAULT_TENANT.to_owned(),
        exchange: lab.exchange().address(),
        exchange_host: lab.exchange().name().to_owned(),
        exchange_ca: lab.exchange().ca_pem().to_owned(),
    };
    Ok((lab, access))
}

/// What an EntraApp, its Secret and its MailRoute say about a lab.
#[derive(Clone, Debug)]
pub struct LabAccess {
    /// The lab's login host, `https://login.lab.test`.
    pub login_url: String,
    /// The CA of the login host.
    pub entra_ca: String,
    /// The lab's tenant.
    pub tenant: String,
    /// The lab's submission server.
    pub exchange: SocketAddr,
    /// The name in its certificate.
    pub exchange_host: String,
    /// The CA of the submission server.
    pub exchange_ca: String,
}

impl LabAccess {
    /// The Secret with a client secret, and the EntraApp that uses it.
    #[must_use]
    pub fn entra_app(&self, name: &str, client_id: &str, secret: &str, allowed: &[(&str, &str)]) -> String {
        let mut yaml = format!(
            "apiVersion: v1
kind: Secret
metadata:
  name: {name}
  namespace: {OPERATOR_NAMESPACE}
  labels: {{mail-egress.io/credential: \"true\"}}
stringData: {{clientSecret: \"{secret}\"}}
---
apiVersion: mail-egress.io/v1alpha1
kind: EntraApp
metadata: {{name: {name}}}
spec:
  tenant: {}
  clientID: {client_id}
  credential: {{clientSecret: {{secretName: {name}}}}}
  endpoint:
    loginURL: {}
    caBundle: |
{}
  allowedNamespaces:
",
            self.tenant,
            self.login_url,
            indented(&self.entra_ca, 6)
        );
        for (namespace, mailbox) in allowed {
            // writing to a String does not fail
            let _ = writeln!(yaml, "  - {{namespaces: [{namespace}], mailboxes: [\"{mailbox}\"]}}");
        }
        yaml
    }

    /// A MailRoute to the lab's Exchange.
    #[must_use]
    pub fn mail_route(&self, name: &str) -> String {
        format!(
            "apiVersion: mail-egress.io/v1alpha1
kind: MailRoute
metadata: {{name: {name}}}
spec:
  exchangeOnline:
    host: {}
    port: {}
    caBundle: |
{}
",
            self.exchange_host,
            self.exchange.port(),
            indented(&self.exchange_ca, 6)
        )
    }
}

fn indented(text: &str, by: usize) -> String {
    text.trim_end().lines().map(|line| format!("{:by$}{line}", "")).collect::<Vec<_>>().join("\n")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// All YAML files of a folder, in the order of their names.
fn manifests(folder: &Path) -> Result<String> {
    let read = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut files = read.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    files.retain(|file| file.extension().is_some_and(|ending| ending == "yaml"));
    files.sort();
    let texts = files.iter().map(std::fs::read_to_string).collect::<Result<Vec<_>, _>>()?;
    Ok(texts.join("\n---\n"))
}
