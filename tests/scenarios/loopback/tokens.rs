//! What a token says of itself explains why the relay refuses it, and decides nothing; but one that
//! is plainly another route's is not shown.

use anyhow::{Context, Result, ensure};
use mail_egress_tests::lab::{Claims, DEFAULT_CLIENT_ID, DEFAULT_MAILBOX, Form, GRAPH_AUDIENCE};
use mail_egress_tests::stand::Stand;

const MESSAGE: &[u8] = b"From: billing@contoso.com\r\nSubject: x\r\n\r\nHello.\r\n";

/// A sidecar whose token says this, and what the app hears with it.
async fn told(form: Form, change: impl FnOnce(&mut Claims)) -> Result<(Stand, String)> {
    let stand = Stand::without_file().await?;
    let mut file = stand.file().await?;
    let mut claims = stand.lab.entra().claims(DEFAULT_CLIENT_ID)?;
    change(&mut claims);
    file.token.as_mut().context("no token")?.value = stand.lab.entra().mint(&claims, form)?;
    stand.configure(&file)?;
    stand.wait_until_configured().await?;
    let answer = stand.client().await?.send(DEFAULT_MAILBOX, &["to@example.org"], MESSAGE).await?;
    ensure!(answer.code == 451, "{answer:?}");
    Ok((stand, answer.text))
}

#[tokio::test]
async fn a_token_for_graph_is_not_shown_to_exchange() -> Result<()> {
    let (stand, reply) = told(Form::Jwt, |claims| claims.aud = GRAPH_AUDIENCE.to_owned()).await?;
    ensure!(reply.contains("the token is for another server") && reply.contains(GRAPH_AUDIENCE), "{reply}");
    ensure!(reply.contains("https://outlook.office365.com/.default"), "no fix: {reply}");
    ensure!(stand.lab.exchange().counters().connections == 0, "Exchange was dialled all the same");
    let series = "mail_egress_auth_failures_total{reason=\"TokenForAnotherRoute\",stage=\"token\"}";
    ensure!(stand.metric(series).await? == Some(1.0), "{series}");
    Ok(())
}

#[tokio::test]
async fn a_refused_token_is_explained_by_its_role_its_application_and_the_relays_words() -> Result<()> {
    let (stand, reply) = told(Form::Jwt, |claims| claims.roles = vec!["Mail.Send".to_owned()]).await?;
    let spaced = reply.replace("4.7.3 ", "");
    for words in [
        "535 5.7.3 Authentication unsuccessful",
        "the token lacks the role SMTP.SendAsApp (its roles: Mail.Send)",
        DEFAULT_CLIENT_ID,
        "To mend: grant the application SMTP.SendAsApp",
        "if it stays: check that the mailbox exists",
    ] {
        ensure!(spaced.contains(words), "{words}: {spaced}");
    }
    ensure!(stand.log().contains("the token lacks the role"), "{}", stand.log());
    Ok(())
}

#[tokio::test]
async fn of_a_token_without_roles_only_what_is_certain_is_said() -> Result<()> {
    let (_stand, reply) = told(Form::Jwt, |claims| claims.roles.clear()).await?;
    let spaced = reply.replace("4.7.3 ", "");
    ensure!(
        spaced.contains("the token carries no roles: either the mailbox is to be given by RBAC"),
        "{spaced}"
    );
    Ok(())
}

#[tokio::test]
async fn a_clock_that_is_off_is_told_by_the_tokens_times() -> Result<()> {
    let (_stand, reply) = told(Form::Jwt, |claims| {
        (claims.nbf, claims.iat, claims.exp) = (claims.nbf - 7200, claims.iat - 7200, claims.exp - 7200);
    })
    .await?;
    let spaced = reply.replace("4.7.3 ", "");
    ensure!(spaced.contains("it is old, or this clock fast") && spaced.contains("(NTP)"), "{spaced}");
    Ok(())
}

#[tokio::test]
async fn an_opaque_token_is_shown_and_nothing_is_guessed_of_it() -> Result<()> {
    let (stand, reply) = told(Form::Opaque, |claims| claims.aud = GRAPH_AUDIENCE.to_owned()).await?;
    let spaced = reply.replace("4.7.3 ", "");
    ensure!(spaced.contains("opaque: it shows no claims"), "{spaced}");
    ensure!(stand.lab.exchange().counters().connections > 0, "it was not tried");
    Ok(())
}
