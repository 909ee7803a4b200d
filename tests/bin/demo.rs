//! A pod with one label sends a mail through an Exchange that checks its token, on a real cluster.
//!
//! `make demo` runs it. It exits with 0 only if the message arrived unchanged.

#![expect(clippy::print_stdout, reason = "showing is what this program is for")]

use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use mail_egress_tests::app::{self, App};
use mail_egress_tests::cluster::{Cluster, Node, Options, Running};
use mail_egress_tests::eventually::eventually;
use mail_egress_tests::installation::{self, OPERATOR_NAMESPACE};
use mail_egress_tests::kubectl::{Kubectl, condition};
use mail_egress_tests::lab::{self, Message};
use mail_egress_tests::programs::Programs;

const NAMESPACE: &str = "shop";
const RECIPIENT: &str = "customer@fabrikam.example";
const SENDER: &str = "apiVersion: mail-egress.io/v1alpha1
kind: MailSender
metadata: {name: billing, namespace: shop}
spec:
  entraApp: contoso
  mailbox: billing@contoso.com
  route: exchange-online
";
const MESSAGE: &str = "From: Billing <billing@contoso.com>
To: Customer <customer@fabrikam.example>
Subject: Your invoice
Date: Mon, 23 Nov 2026 12:00:00 +0000
Message-ID: <invoice-1@shop.example>
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: 8bit

Gr\u{fc}\u{df}e from an app that knows nothing but SMTP on localhost.
..and from a line that begins with dots.
";

fn main() -> ExitCode {
    match demo() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\ndemo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn demo() -> Result<()> {
    let programs = Programs::build()?;
    step("A real Kubernetes, in a network namespace of its own");
    let cluster = Cluster::start(&Options::default())?;
    if let Node::Absent { reason } = cluster.node() {
        let reason = reason.clone();
        cluster.stop()?;
        bail!("the demo needs a node to run a pod on: {reason}");
    }
    cluster.enter()?;
    let shown = tokio::runtime::Runtime::new()?.block_on(show(cluster.running(), &programs));
    step("Taking it all down");
    cluster.stop()?;
    shown?;
    println!("\nThe message arrived unchanged. Nothing is left running.");
    Ok(())
}

async fn show(running: &Running, programs: &Programs) -> Result<()> {
    let kubectl = Kubectl::new(running);
    let (lab, access) = installation::lab(running.node_address()).await?;

    step("The platform team's part: definitions, an Entra app, a route, the operator");
    installation::load_images(running, programs)?;
    app::load_image(running)?;
    installation::apply_definitions(&kubectl).await?;
    kubectl.run(&["create", "namespace", OPERATOR_NAMESPACE]).await?;
    kubectl
        .apply(&access.entra_app(
            "contoso",
            lab::DEFAULT_CLIENT_ID,
            lab::DEFAULT_SECRET,
            &[(NAMESPACE, "billing@contoso.com")],
        ))
        .await?;
    kubectl.apply(&access.mail_route("exchange-online")).await?;
    installation::apply_operator(&kubectl).await?;

    let operator_before = operator_metrics(&kubectl).await?;

    step("The app team's part: this MailSender, and one label on the pod");
    println!("{SENDER}---");
    kubectl.run(&["create", "namespace", NAMESPACE]).await?;
    kubectl.apply(SENDER).await?;
    let token = eventually("the MailSender is ready", Duration::from_secs(60), async || {
        let sender = kubectl.object(&["mailsender", "billing", "-n", NAMESPACE]).await?;
        let (status, _, message) = condition(&sender, "Ready");
        ensure!(status == "True", "{message}");
        Ok(())
    });
    token.await?;
    let pod = app::pod(NAMESPACE, "app", "billing");
    print!("{}", pod.split_once("    command:").map_or(pod.as_str(), |(pod, _)| pod));
    let app = App::start(&kubectl, NAMESPACE, "app", "billing").await?;
    let sidecar_before = sidecar_metrics(&kubectl).await?;

    step("The app sends a mail");
    let attempt = app.send("billing@contoso.com", RECIPIENT, MESSAGE).await?;
    ensure!(attempt.sent, "the sidecar did not take it: {}\n{}", attempt.reply(), attempt.dialogue);
    let arrived = lab.exchange().wait_for_messages(1, Duration::from_secs(30)).await?;
    let message = arrived.first().context("Exchange has no message")?;

    step("kubectl get mailsenders -A");
    print!("{}", kubectl.run(&["get", "mailsenders", "-A"]).await?);
    step("kubectl describe mailsender billing -n shop");
    print!("{}", kubectl.run(&["describe", "mailsender", "billing", "-n", NAMESPACE]).await?);
    step("The pod's containers: the sidecar is there, and only it mounts the Secret");
    print!("{}", containers(&kubectl).await?);
    step("The SMTP dialogue as the app saw it");
    let dialogue = attempt.dialogue.lines().filter(|line| line.starts_with("> ") || line.starts_with("< "));
    println!("{}", dialogue.map(str::trim_end).collect::<Vec<_>>().join("\n"));
    step("The message as Exchange received it");
    println!("signed in to mailbox {} by app {} over {}", message.mailbox, message.client_id, message.tls);
    println!(
        "from <{}> to {}\n",
        message.envelope.sender.as_deref().unwrap_or_default(),
        message.recipients().join(", ")
    );
    print!("{}", String::from_utf8_lossy(&message.content).replace("\r\n", "\n"));
    step("The metrics that moved: the sidecar's");
    print!("{}", moved(&sidecar_before, &sidecar_metrics(&kubectl).await?));
    step("and the operators'");
    print!("{}", moved(&operator_before, &operator_metrics(&kubectl).await?));
    unchanged(message)
}

/// The message must be what the app wrote, behind the one line of trace that we add.
fn unchanged(message: &Arc<Message>) -> Result<()> {
    let expected = MESSAGE.replace('\n', "\r\n").into_bytes();
    let trace =
        message.content.strip_suffix(expected.as_slice()).context("the message is not as it was sent")?;
    let trace = String::from_utf8_lossy(trace);
    let one_header = trace.ends_with("\r\n")
        && trace
            .trim_end()
            .split("\r\n")
            .enumerate()
            .all(|(n, line)| (n == 0) != line.starts_with([' ', '\t']));
    ensure!(trace.starts_with("Received: ") && one_header, "more than a trace header was added: {trace}");
    Ok(())
}

fn step(what: &str) {
    println!("\n\x1b[1m==> {what}\x1b[0m");
}

/// Each container with the volumes that it mounts.
async fn containers(kubectl: &Kubectl) -> Result<String> {
    let pod = kubectl.object(&["pod", "app", "-n", NAMESPACE]).await?;
    let mut table = String::new();
    for (kind, key) in [("sidecar", "initContainers"), ("container", "containers")] {
        for container in pod["spec"][key].as_array().into_iter().flatten() {
            let mounts = container["volumeMounts"].as_array().into_iter().flatten();
            let mounts = mounts.filter_map(|mount| mount["name"].as_str()).collect::<Vec<_>>().join(", ");
            let name = container["name"].as_str().unwrap_or_default();
            writeln!(table, "{kind:<10} {name:<12} mounts {mounts}")?;
        }
    }
    Ok(table)
}

async fn sidecar_metrics(kubectl: &Kubectl) -> Result<Vec<String>> {
    metrics(kubectl, &format!("/api/v1/namespaces/{NAMESPACE}/pods/app:9587/proxy/metrics")).await
}

/// Of all replicas: one of them leads, any of them injects.
async fn operator_metrics(kubectl: &Kubectl) -> Result<Vec<String>> {
    let pods = kubectl.run(&["get", "pods", "-n", OPERATOR_NAMESPACE, "-o", "name"]).await?;
    let mut series = Vec::new();
    for pod in pods.lines().filter_map(|pod| pod.strip_prefix("pod/")) {
        let path = format!("/api/v1/namespaces/{OPERATOR_NAMESPACE}/pods/{pod}:8080/proxy/metrics");
        series.extend(metrics(kubectl, &path).await?);
    }
    Ok(series)
}

async fn metrics(kubectl: &Kubectl, path: &str) -> Result<Vec<String>> {
    let text = kubectl.run(&["get", "--raw", path]).await?;
    let ours = |line: &&str| {
        line.starts_with("mail_egress_") && !line.contains("_bucket{") && !line.contains("_status_condition{")
    };
    Ok(text.lines().filter(ours).map(str::to_owned).collect())
}

fn moved(before: &[String], after: &[String]) -> String {
    let new = after.iter().filter(|line| !before.contains(line) && !line.ends_with(" 0"));
    new.fold(String::new(), |text, line| text + line + "\n")
}
