//! An EntraApp with `federated.subject: Workload`: each sidecar exchanges its pod's own token, and no
//! Secret holds any.

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mail_egress_tests::app::{self, App};
use mail_egress_tests::eventually::eventually;
use mail_egress_tests::kubectl::condition;
use mail_egress_tests::lab::{self, FEDERATED_AUDIENCE, FederatedCredential, IssuerKey};
use serde_json::{Value, json};

use crate::world::{SOON, TWO_MINUTES, World};

const NAMESPACE: &str = "workload";
const CLIENT_ID: &str = "c0000000-0000-4000-8000-0000000000aa";

pub(crate) async fn no_secret_holds_a_token_and_mail_is_delivered(world: &World) -> Result<()> {
    world.namespace(NAMESPACE).await?;
    let mailbox = format!("{NAMESPACE}@contoso.com");
    let trusted = trusted(world).await?;
    world.lab.administer(|directory| {
        directory.apps.push(lab::App::new(CLIENT_ID).with_role().trusting(trusted));
    });
    world.open_mailbox(&mailbox, CLIENT_ID);
    entra_app(world).await?;
    world.mail_sender(NAMESPACE, NAMESPACE, "").await?;
    says_that_the_workload_does_it(world).await?;

    // without the annotation there is no token in the pod, and the app hears what is missing
    let pod = app::pod(NAMESPACE, "bare", "billing");
    let bare = App::start_pod(&world.kubectl, &pod, NAMESPACE, "bare").await?;
    let attempt = bare.send(&mailbox, "to@example.org", "Subject: none\n\nHello.\n").await?;
    let heard = attempt.reply();
    ensure!(heard.starts_with("451 ") && heard.contains("mail-egress.io/federated-audience"), "{heard}");

    let annotation =
        format!("  annotations: {{mail-egress.io/federated-audience: \"{FEDERATED_AUDIENCE}\"}}\nspec:\n");
    let pod = app::pod(NAMESPACE, "app", "billing").replacen("spec:\n", &annotation, 1);
    let app = App::start_pod(&world.kubectl, &pod, NAMESPACE, "app").await?;
    world.delivered(&app, &mailbox, TWO_MINUTES).await?;
    let seen = app.shell("ls /var/run/mail-egress; true").await?;
    ensure!(!seen.contains("federated"), "the app's container sees it: {seen}");
    holds_no_token(world).await
}

/// What the application trusts in Entra: the default service account of the namespace.
async fn trusted(world: &World) -> Result<FederatedCredential> {
    let raw = async |path| -> Result<Value> {
        Ok(serde_json::from_str(&world.kubectl.run(&["get", "--raw", path]).await?)?)
    };
    let issuer = raw("/.well-known/openid-configuration").await?["issuer"].clone();
    Ok(FederatedCredential {
        issuer: issuer.as_str().context("the API server names no issuer")?.to_owned(),
        subject: format!("system:serviceaccount:{NAMESPACE}:default"),
        audience: FEDERATED_AUDIENCE.to_owned(),
        keys: IssuerKey::of_jwks(&raw("/openid/v1/jwks").await?)?,
    })
}

async fn entra_app(world: &World) -> Result<()> {
    let app = json!({
        "apiVersion": "mail-egress.io/v1alpha1", "kind": "EntraApp", "metadata": {"name": NAMESPACE},
        "spec": {
            "tenant": world.access.tenant, "clientID": CLIENT_ID,
            "credential": {"federated": {"subject": "Workload"}},
            "endpoint": {"loginURL": world.access.login_url, "caBundle": world.access.entra_ca},
            "allowedNamespaces": [{"namespaces": [NAMESPACE], "mailboxes": ["*@contoso.com"]}],
        },
    });
    world.kubectl.apply(&app.to_string()).await.map(drop)
}

async fn says_that_the_workload_does_it(world: &World) -> Result<()> {
    eventually("the sender says that its sidecars do it", SOON, async || {
        let sender = world.kubectl.object(&["mailsender", "billing", "-n", NAMESPACE]).await?;
        let (status, reason, message) = condition(&sender, "TokenReady");
        ensure!((status.as_str(), reason.as_str()) == ("True", "ByWorkload"), "{status} {reason}: {message}");
        Ok(())
    })
    .await
}

/// The sender's file, which holds no token.
async fn holds_no_token(world: &World) -> Result<()> {
    let secret = world.kubectl.object(&["secret", "mail-egress-billing", "-n", NAMESPACE]).await?;
    let file = secret["data"]["sender.json"].as_str().context("the Secret has no sender.json")?;
    let file: Value = serde_json::from_slice(&STANDARD.decode(file)?)?;
    ensure!(file["token"].is_null() && file["tokenSource"]["entra"].is_object(), "it holds a token");
    Ok(())
}
