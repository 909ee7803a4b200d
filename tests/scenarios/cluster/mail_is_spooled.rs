//! Spool mode on a volume of the pod's: what was answered 250 outlives the pod.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use anyhow::{Result, ensure};
use mail_egress_tests::app::{self, App};
use mail_egress_tests::eventually::eventually;
use mail_egress_tests::lab;

use crate::world::{TWO_MINUTES, World};

/// The mailbox is not open to the application yet, so Exchange refuses the login; the message is kept.
pub(crate) async fn what_a_deleted_pod_has_kept_the_next_one_sends(world: &World) -> Result<()> {
    let namespace = "spooled";
    world.namespace(namespace).await?;
    world.mail_sender(namespace, "contoso", ", delivery: {mode: Spool}").await?;
    world.ready(namespace).await?;
    claim(world, namespace).await?;
    let volume = "persistentVolumeClaim: {claimName: mail}";
    let first = start(world, namespace, "first", volume).await?;
    kept(&first).await?;
    let words = ["delete", "pod", "first", "-n", namespace, "--wait=true", "--timeout=60s"];
    world.kubectl.run(&words).await?;

    let mailbox = format!("{namespace}@contoso.com");
    world.open_mailbox(&mailbox, lab::DEFAULT_CLIENT_ID);
    start(world, namespace, "second", volume).await?;
    eventually("the next pod sends what the first one kept", TWO_MINUTES, async || {
        let arrived = world.lab.exchange().messages();
        ensure!(arrived.iter().any(|message| message.mailbox == mailbox), "it has not arrived");
        Ok(())
    })
    .await
}

pub(crate) async fn a_spool_that_goes_with_the_pod_needs_a_word(world: &World) -> Result<()> {
    let namespace = "brief";
    world.namespace(namespace).await?;
    world.mail_sender(namespace, "contoso", ", delivery: {mode: Spool}").await?;
    world.open_mailbox(&format!("{namespace}@contoso.com"), lab::DEFAULT_CLIENT_ID);
    world.ready(namespace).await?;
    let app = start(world, namespace, "app", "emptyDir: {}").await?;
    world.refused(&app, "spec.delivery.acceptLoss", TWO_MINUTES).await?;
    world.mail_sender(namespace, "contoso", ", delivery: {mode: Spool, acceptLoss: true}").await?;
    kept(&app).await
}

/// A claim on a folder of the node's, which the sidecar's user may write.
async fn claim(world: &World, namespace: &str) -> Result<()> {
    let folder = world.running.run_dir().join(format!("volume-{namespace}"));
    fs::create_dir(&folder)?;
    fs::set_permissions(&folder, Permissions::from_mode(0o777))?;
    let folder = folder.display();
    world
        .kubectl
        .apply(&format!(
            "apiVersion: v1
kind: PersistentVolume
metadata: {{name: {namespace}}}
spec:
  capacity: {{storage: 1Gi}}
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: Retain
  storageClassName: ''
  hostPath: {{path: {folder}}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {{name: mail, namespace: {namespace}}}
spec:
  accessModes: [ReadWriteOnce]
  storageClassName: ''
  volumeName: {namespace}
  resources: {{requests: {{storage: 1Gi}}}}
"
        ))
        .await
        .map(drop)
}

async fn start(world: &World, namespace: &str, name: &str, volume: &str) -> Result<App> {
    let pod = app::pod(namespace, name, "billing")
        .replace("  labels:", "  annotations: {mail-egress.io/spool-volume: mail}\n  labels:")
        .replace("spec:\n", &format!("spec:\n  volumes: [{{name: mail, {volume}}}]\n"));
    App::start_pod(&world.kubectl, &pod, namespace, name).await
}

/// Waits until the app is told that its message is kept.
async fn kept(app: &App) -> Result<()> {
    let from = format!("{}@contoso.com", app.namespace);
    let text = format!("From: {from}\nSubject: kept\n\nHello.\n");
    eventually("the app's mail is kept", TWO_MINUTES, async || {
        let attempt = app.send(&from, "to@example.org", &text).await?;
        ensure!(attempt.sent && attempt.reply().contains("kept on disk as"), "{}", attempt.reply());
        Ok(())
    })
    .await
}
