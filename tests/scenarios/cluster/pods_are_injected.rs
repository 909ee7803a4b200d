//! What happens to a pod at its creation.

use anyhow::{Result, bail, ensure};
use mail_egress_tests::app;
use mail_egress_tests::eventually::eventually;

use crate::world::{SOON, TWO_MINUTES, World};

pub(crate) async fn a_shared_process_namespace_is_refused(world: &World) -> Result<()> {
    world.namespace("shared").await?;
    let pod =
        app::pod("shared", "app", "billing").replace("spec:\n", "spec:\n  shareProcessNamespace: true\n");
    match world.kubectl.apply(&pod).await {
        Ok(_) => bail!("the pod was admitted"),
        Err(refusal) => {
            let said = format!("{refusal:#}");
            ensure!(said.contains("shareProcessNamespace"), "the refusal names no field: {said}");
        }
    }
    let pods = world.kubectl.run(&["get", "pods", "-n", "shared", "-o", "name"]).await?;
    ensure!(pods.is_empty(), "there is a pod: {pods}");
    Ok(())
}

pub(crate) async fn a_pod_without_the_label_is_left_alone(world: &World) -> Result<()> {
    world.namespace("unlabelled").await?;
    let pod =
        app::pod("unlabelled", "app", "billing").replace("mail-egress.io/sender: billing", "app: plain");
    world.kubectl.apply(&pod).await?;
    let pod = world.kubectl.object(&["pod", "app", "-n", "unlabelled"]).await?;
    ensure!(pod["spec"]["initContainers"].is_null(), "it was given {}", pod["spec"]["initContainers"]);
    Ok(())
}

pub(crate) async fn a_job_completes(world: &World) -> Result<()> {
    world.namespace("job").await?;
    let mailbox = world.sender("job", "contoso", mail_egress_tests::lab::DEFAULT_CLIENT_ID).await?;
    world.ready("job").await?;
    world
        .kubectl
        .apply(&format!(
            "apiVersion: batch/v1
kind: Job
metadata: {{name: report, namespace: job}}
spec:
  backoffLimit: 0
  template:
    metadata: {{labels: {{mail-egress.io/sender: billing}}}}
    spec:
      restartPolicy: Never
      containers:
      - name: report
        image: {}
        imagePullPolicy: Never
        command:
        - sh
        - -c
        - |
          printf 'From: {mailbox}\\nSubject: report\\n\\nDone.\\n' > /tmp/report
          curl -sv --crlf --retry 40 --retry-delay 2 --retry-all-errors smtp://127.0.0.1:2525 \
            --mail-from {mailbox} --mail-rcpt to@example.org -T /tmp/report
",
            app::APP_IMAGE
        ))
        .await?;
    eventually("the Job completes", TWO_MINUTES, async || {
        let job = world.kubectl.object(&["job", "report", "-n", "job"]).await?;
        ensure!(job["status"]["succeeded"] == 1, "{}", job["status"]);
        Ok(())
    })
    .await?;
    let arrived = world.lab.exchange().messages();
    ensure!(arrived.iter().any(|message| message.mailbox == mailbox), "its mail has not arrived");
    Ok(())
}

/// The app sends a last mail when it is told to end: the sidecar must still be there for it.
pub(crate) async fn the_app_ends_before_the_sidecar(world: &World) -> Result<()> {
    world.namespace("farewell").await?;
    let mailbox = world.sender("farewell", "contoso", mail_egress_tests::lab::DEFAULT_CLIENT_ID).await?;
    world.ready("farewell").await?;
    let farewell = format!(
        "sleep 2; printf \"From: {mailbox}\\nSubject: farewell\\n\\nBye.\\n\" | curl -s --crlf smtp://127.0.0.1:2525 \
         --mail-from {mailbox} --mail-rcpt to@example.org -T -; exit 0"
    );
    let pod = app::pod("farewell", "app", "billing")
        .replace("\"exit 0\"", "\"last\"")
        .replace("[sh, -c, 'trap", &format!("[sh, -c, 'last() {{ {farewell}; }}; trap"));
    world.kubectl.apply(&pod).await?;
    world
        .kubectl
        .run(&["wait", "--for=condition=Ready", "--timeout=90s", "pod/app", "-n", "farewell"])
        .await?;
    world.kubectl.run(&["delete", "pod", "app", "-n", "farewell", "--wait=true", "--timeout=60s"]).await?;
    eventually("the farewell arrives", SOON, async || {
        let arrived = world.lab.exchange().messages();
        ensure!(arrived.iter().any(|message| message.mailbox == mailbox), "it has not");
        Ok(())
    })
    .await
}
