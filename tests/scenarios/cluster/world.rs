//! One cluster with the operator installed and a lab beside it, for all scenarios.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mail_egress_tests::app::{self, App};
use mail_egress_tests::cluster::Running;
use mail_egress_tests::eventually::eventually;
use mail_egress_tests::installation::{self, LabAccess};
use mail_egress_tests::kubectl::{Kubectl, condition};
use mail_egress_tests::lab::{self, Lab};
use mail_egress_tests::programs::Programs;
use tokio::sync::RwLock;

/// What the issue allows between a change and what the app hears of it.
pub(crate) const TWO_MINUTES: Duration = Duration::from_secs(120);
/// For what should happen at once, on a busy machine.
pub(crate) const SOON: Duration = Duration::from_secs(30);

/// Everything that a scenario may use.
pub(crate) struct World {
    pub(crate) running: Running,
    pub(crate) kubectl: Kubectl,
    pub(crate) lab: Lab,
    pub(crate) access: LabAccess,
    pub(crate) programs: Programs,
    /// Held for reading by all, for writing by a scenario that disturbs the operator.
    pub(crate) calm: RwLock<()>,
}

impl World {
    /// Definitions, EntraApps, the MailRoute, and where there is a node also images and operator.
    pub(crate) async fn new(running: Running, programs: Programs) -> Result<Arc<Self>> {
        let (lab, access) = installation::lab(running.node_address()).await?;
        let kubectl = Kubectl::new(&running);
        installation::apply_definitions(&kubectl).await?;
        kubectl.run(&["create", "namespace", installation::OPERATOR_NAMESPACE]).await?;
        kubectl.apply(&access.mail_route("exchange-online")).await?;
        let world = Self { running, kubectl, lab, access, programs, calm: RwLock::new(()) };
        world.entra_app("contoso", lab::DEFAULT_CLIENT_ID, lab::DEFAULT_SECRET).await?;
        installation::load_images(&world.running, &world.programs)?;
        app::load_image(&world.running)?;
        installation::apply_operator(&world.kubectl).await?;
        Ok(Arc::new(world))
    }

    /// What a person would look at after a failure: the operator's logs and all events.
    pub(crate) async fn tell_what_happened(&self) {
        for words in [
            &["get", "events", "-A", "--sort-by=.lastTimestamp"][..],
            &["get", "pods,mailsenders,entraapps,mailroutes", "-A", "-o", "wide"],
            &[
                "logs",
                "-n",
                installation::OPERATOR_NAMESPACE,
                "-l",
                "app.kubernetes.io/name=mail-egress-operator",
                "--tail=200",
            ],
        ] {
            let said = self.kubectl.run(words).await.unwrap_or_else(|error| format!("{error:#}"));
            eprintln!("--- kubectl {}\n{said}", words.join(" "));
        }
    }

    /// An EntraApp for all namespaces of the scenarios and all mailboxes of the lab.
    pub(crate) async fn entra_app(&self, name: &str, client_id: &str, secret: &str) -> Result<()> {
        let yaml = self.access.entra_app(name, client_id, secret, &[]);
        let allowed = "  - {selector: {matchLabels: {scenario: \"true\"}}, mailboxes: [\"*@contoso.com\"]}\n";
        self.kubectl.apply(&format!("{yaml}{allowed}")).await.map(drop)
    }

    /// A namespace that the EntraApps admit.
    pub(crate) async fn namespace(&self, name: &str) -> Result<()> {
        self.kubectl.run(&["create", "namespace", name]).await?;
        self.kubectl.run(&["label", "namespace", name, "scenario=true"]).await?;
        eventually("the default service account", SOON, async || {
            self.kubectl.run(&["get", "serviceaccount", "default", "-n", name]).await
        })
        .await
        .map(drop)
    }

    /// A MailSender `billing` that uses the EntraApp and a mailbox of the scenario's own, which it
    /// returns: the lab's limits count by mailbox.
    pub(crate) async fn sender(&self, namespace: &str, app: &str, client_id: &str) -> Result<String> {
        let mailbox = format!("{namespace}@contoso.com");
        self.open_mailbox(&mailbox, client_id);
        self.mail_sender(namespace, app, "").await?;
        Ok(mailbox)
    }

    /// The administrator of Exchange lets the client send as this mailbox.
    pub(crate) fn open_mailbox(&self, mailbox: &str, client_id: &str) {
        self.lab.administer(|directory| {
            directory.mailboxes.push(lab::Mailbox::new(mailbox).open_to(client_id));
        });
    }

    /// The MailSender `billing` alone, with more fields of its spec.
    pub(crate) async fn mail_sender(&self, namespace: &str, app: &str, more: &str) -> Result<()> {
        let mailbox = format!("{namespace}@contoso.com");
        let yaml = format!(
            "apiVersion: mail-egress.io/v1alpha1
kind: MailSender
metadata: {{name: billing, namespace: {namespace}}}
spec: {{entraApp: {app}, mailbox: {mailbox}, route: exchange-online{more}}}
"
        );
        self.kubectl.apply(&yaml).await.map(drop)
    }

    /// The usual beginning: a namespace, a ready sender, and an app in a pod; with its mailbox.
    pub(crate) async fn app(&self, namespace: &str) -> Result<(App, String)> {
        self.namespace(namespace).await?;
        let mailbox = self.sender(namespace, "contoso", lab::DEFAULT_CLIENT_ID).await?;
        self.ready(namespace).await?;
        Ok((App::start(&self.kubectl, namespace, "app", "billing").await?, mailbox))
    }

    /// Waits until the MailSender `billing` is ready.
    pub(crate) async fn ready(&self, namespace: &str) -> Result<()> {
        eventually("the MailSender is ready", SOON, async || {
            let sender = self.kubectl.object(&["mailsender", "billing", "-n", namespace]).await?;
            let (status, reason, message) = condition(&sender, "Ready");
            ensure!(status == "True", "Ready={status} {reason}: {message}");
            Ok(())
        })
        .await
    }

    /// Waits until the app's mail goes through, and returns how often it was told to come back.
    pub(crate) async fn delivered(&self, app: &App, mailbox: &str, limit: Duration) -> Result<()> {
        let text =
            format!("From: {mailbox}\nTo: to@example.org\nSubject: from {}\n\nHello.\n", app.namespace);
        eventually("the app's mail is delivered", limit, async || {
            let attempt = app.send(mailbox, "to@example.org", &text).await?;
            ensure!(attempt.sent, "{}", attempt.reply());
            Ok(())
        })
        .await?;
        let arrived = self.lab.exchange().messages();
        arrived.iter().find(|message| message.mailbox == mailbox).context("Exchange has not received it")?;
        Ok(())
    }

    /// Waits until the app is answered 451 with this in the reply, and returns the reply.
    pub(crate) async fn refused(&self, app: &App, words: &str, limit: Duration) -> Result<String> {
        let text = "Subject: refused\n\nHello.\n";
        eventually(&format!("the app hears {words:?}"), limit, async || {
            let attempt = app.send("app@contoso.com", "to@example.org", text).await?;
            let reply = attempt.reply();
            ensure!(!attempt.sent && reply.starts_with("451 ") && reply.contains(words), "{reply}");
            Ok(reply)
        })
        .await
    }
}
