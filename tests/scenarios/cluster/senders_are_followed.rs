//! A running pod follows its MailSender: made, mended, suspended, deleted.

use anyhow::{Context, Result, ensure};
use mail_egress_tests::app::App;
use mail_egress_tests::eventually::eventually;
use mail_egress_tests::kubectl::condition;
use mail_egress_tests::lab::{App as Registration, DEFAULT_CLIENT_ID, EntraFault};

use crate::world::{SOON, TWO_MINUTES, World};

pub(crate) async fn a_pod_made_before_its_mail_sender_delivers_once_it_is_there(world: &World) -> Result<()> {
    world.namespace("early").await?;
    let app = App::start(&world.kubectl, "early", "app", "billing").await?;
    let reply = world.refused(&app, "early/billing", SOON).await?;
    ensure!(reply.contains("MailSender"), "the reply does not name the MailSender: {reply}");
    let mailbox = world.sender("early", "contoso", DEFAULT_CLIENT_ID).await?;
    world.delivered(&app, &mailbox, TWO_MINUTES).await?;
    no_restart(world, "early").await
}

pub(crate) async fn deleting_the_mail_sender_stops_the_running_sidecar(world: &World) -> Result<()> {
    let (app, mailbox) = world.app("deleted").await?;
    world.delivered(&app, &mailbox, TWO_MINUTES).await?;
    world.kubectl.run(&["delete", "mailsender", "billing", "-n", "deleted"]).await?;
    eventually("the Secret is gone", SOON, async || {
        let left = world.kubectl.run(&["get", "secret", "-n", "deleted", "-o", "name"]).await?;
        ensure!(!left.contains("mail-egress-billing"), "{left}");
        Ok(())
    })
    .await?;
    world.refused(&app, "deleted/billing", TWO_MINUTES).await?;
    no_restart(world, "deleted").await
}

pub(crate) async fn suspending_stops_and_resumes(world: &World) -> Result<()> {
    let (app, mailbox) = world.app("suspended").await?;
    world.delivered(&app, &mailbox, TWO_MINUTES).await?;
    let suspend = |on: bool| format!("{{\"spec\":{{\"suspend\":{on}}}}}");
    let patch = async |on| {
        let words = ["patch", "mailsender", "billing", "-n", "suspended", "--type=merge", "-p", &suspend(on)];
        world.kubectl.run(&words).await
    };
    patch(true).await?;
    world.refused(&app, "suspended", TWO_MINUTES).await?;
    patch(false).await?;
    world.delivered(&app, &mailbox, TWO_MINUTES).await
}

pub(crate) async fn a_wrong_client_secret_is_explained_to_everybody(world: &World) -> Result<()> {
    const WRONG: &str = "2f3b0c5e-6f1d-4d8e-9a34-0c9c5b1d7a11";
    world
        .lab
        .administer(|directory| directory.apps.push(Registration::with_secret(WRONG, "right").with_role()));
    world.entra_app("wrong-secret", WRONG, "not-the-value").await?;
    world.namespace("wrong").await?;
    let mailbox = world.sender("wrong", "wrong-secret", WRONG).await?;
    let app = App::start(&world.kubectl, "wrong", "app", "billing").await?;

    let (_, reason, sentence) = eventually("the condition says so", SOON, async || {
        let sender = world.kubectl.object(&["mailsender", "billing", "-n", "wrong"]).await?;
        let (status, reason, sentence) = condition(&sender, "Ready");
        ensure!(status == "False" && sentence.contains("AADSTS7000215"), "{status} {reason}: {sentence}");
        Ok((status, reason, sentence))
    })
    .await?;
    ensure!(reason == "InvalidClientSecret", "the reason is {reason}");
    ensure!(sentence.contains("To mend: "), "no mend in: {sentence}");
    ensure!(!sentence.contains("not-the-value"), "the secret is shown");
    let described = world.kubectl.run(&["describe", "mailsender", "billing", "-n", "wrong"]).await?;
    ensure!(described.contains("AADSTS7000215"), "{described}");

    let reply = world.refused(&app, "AADSTS7000215", TWO_MINUTES).await?;
    ensure!(reply.contains(&sentence), "the app heard\n  {reply}\nand the condition says\n  {sentence}");

    // mended without touching the pod
    let mend = world.access.entra_app("wrong-secret", WRONG, "right", &[]);
    let secret = mend.split("---").next().context("the Secret comes first")?;
    world.kubectl.apply(secret).await?;
    world.delivered(&app, &mailbox, TWO_MINUTES).await
}

pub(crate) async fn a_token_without_roles_is_used_as_it_is(world: &World) -> Result<()> {
    const SCOPED: &str = "7d1c1f0a-58b2-4c39-8c6b-3f5a0f2f9b10";
    scoped_app_delivers(world, "scoped", SCOPED).await
}

pub(crate) async fn a_token_that_is_no_jwt_is_used_as_it_is(world: &World) -> Result<()> {
    const OPAQUE: &str = "a94cb1de-8a5d-4f0e-b6cf-1f4a3dc2e7f5";
    // others that ask meanwhile get opaque ones too, which is as good
    world.lab.entra().misbehave(EntraFault::OpaqueTokens);
    let delivered = scoped_app_delivers(world, "opaque", OPAQUE).await;
    world.lab.entra().behave();
    delivered
}

/// An app that Exchange knows by RBAC for Applications only, so that its tokens carry no roles.
async fn scoped_app_delivers(world: &World, name: &str, client_id: &str) -> Result<()> {
    let scope = format!("{name}@contoso.com");
    world.lab.administer(|directory| {
        directory.apps.push(Registration::with_secret(client_id, "s").scoped_to(&[&scope]));
    });
    world.entra_app(name, client_id, "s").await?;
    world.namespace(name).await?;
    world.sender(name, name, client_id).await?;
    world.ready(name).await?;
    let app = App::start(&world.kubectl, name, "app", "billing").await?;
    world.delivered(&app, &scope, TWO_MINUTES).await
}

async fn no_restart(world: &World, namespace: &str) -> Result<()> {
    let pod = world.kubectl.object(&["pod", "app", "-n", namespace]).await?;
    for status in ["containerStatuses", "initContainerStatuses"] {
        for container in pod["status"][status].as_array().context("no statuses")? {
            ensure!(container["restartCount"] == 0, "{} was restarted", container["name"]);
        }
    }
    Ok(())
}
