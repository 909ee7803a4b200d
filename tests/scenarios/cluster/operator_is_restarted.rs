//! The operator's own pods come and go.

use anyhow::{Result, ensure};
use mail_egress_tests::eventually::eventually;
use mail_egress_tests::installation::OPERATOR_NAMESPACE;
use mail_egress_tests::lab;

use crate::world::{TWO_MINUTES, World};

/// Runs alone: it takes the operator away from everybody.
pub(crate) async fn a_restarted_operator_asks_entra_for_no_new_token(world: &World) -> Result<()> {
    let (app, mailbox) = world.app("restart").await?;
    world.delivered(&app, &mailbox, TWO_MINUTES).await?;
    let asked = || {
        let requests = world.lab.entra().requests();
        requests.iter().filter(|request| request.client_id.as_deref() == Some(lab::DEFAULT_CLIENT_ID)).count()
    };
    let before = asked();
    ensure!(before > 0, "nobody has asked for a token");

    world
        .kubectl
        .run(&["delete", "pod", "-n", OPERATOR_NAMESPACE, "--all", "--wait=true", "--timeout=60s"])
        .await?;
    eventually("new operators are available", TWO_MINUTES, async || {
        let words = ["wait", "--for=condition=Available", "--timeout=5s", "deployment/mail-egress-operator"];
        world.kubectl.run(&[&words[..], &["-n", OPERATOR_NAMESPACE]].concat()).await
    })
    .await?;

    // proof that a new leader is at work: it makes a new sender ready, with the token that was there
    let second = world.sender("restart-after", "contoso", lab::DEFAULT_CLIENT_ID);
    world.namespace("restart-after").await?;
    second.await?;
    eventually("the new leader serves a new sender", TWO_MINUTES, async || {
        world.ready("restart-after").await
    })
    .await?;
    ensure!(asked() == before, "Entra was asked {} times more", asked() - before);
    Ok(())
}
