//! azureCommunicationServices: a user name in one of three forms, and a client secret as password.

use anyhow::{Result, ensure};
use jiff::Timestamp;
use mail_egress_config::{Limits, Login, Route, SmtpRoute};
use mail_egress_tests::lab::{DEFAULT_CLIENT_ID, DEFAULT_MAILBOX, DEFAULT_SECRET, Kind, Lab, Phase};

use super::{OUTSIDE, Said, Told, Way, accepted, each_is_explained, file, message, refused, stand};

fn by(username: &str, smtp: SmtpRoute) -> Result<Route> {
    let login = Login::Password { username: username.to_owned(), password: DEFAULT_SECRET.into() };
    let max_message_bytes = 10 * 1024 * 1024;
    Ok(Route::AzureCommunicationServices(SmtpRoute { login, max_message_bytes, ..smtp }))
}

const AS_ADDRESS: Way = |_, smtp| by(DEFAULT_MAILBOX, smtp);
const AS_FREE_TEXT: Way = |_, smtp| by("Billing System", smtp);
const AS_IDS: Way =
    |lab: &Lab, smtp| by(&format!("contoso-acs|{DEFAULT_CLIENT_ID}|{}", lab.directory().tenant.id), smtp);

/// With each form of user name.
#[tokio::test]
async fn azure_communication_services_by_client_secret() -> Result<()> {
    for way in [AS_ADDRESS, AS_FREE_TEXT, AS_IDS] {
        let stand = stand(Kind::AzureCommunicationServices, way).await?;
        let (message, _) = accepted(&stand, OUTSIDE).await?;
        ensure!(message.client_id == DEFAULT_CLIENT_ID, "signed in as {}", message.client_id);
        ensure!(!stand.log().contains(DEFAULT_SECRET), "the secret is in the log");
    }
    Ok(())
}

#[tokio::test]
async fn azure_communication_services_refuse_a_secret_as_soon_as_it_is_taken_back() -> Result<()> {
    let stand = stand(Kind::AzureCommunicationServices, AS_IDS).await?;
    stand.lab.administer(|directory| directory.apps[0].secrets[0].expires = Some(Timestamp::now()));
    let told = Told { code: 451, words: "535 5.7.8", reason: "AuthenticationRefused" };
    refused(&stand, OUTSIDE, told).await?;
    // an account may be locked by those who try again
    ensure!(stand.lab.exchange().counters().auth_commands == 1, "the same password was shown again");
    // and go on as soon as it is there again
    stand.lab.administer(|directory| directory.apps[0].secrets[0].expires = None);
    accepted(&stand, OUTSIDE).await.map(drop)
}

#[tokio::test]
async fn azure_communication_services_keep_their_limits_within_the_pod() -> Result<()> {
    let stand = stand(Kind::AzureCommunicationServices, AS_ADDRESS).await?;
    let mut client = stand.client().await?;
    client.say("EHLO app").await?;
    client.say(&format!("MAIL FROM:<{DEFAULT_MAILBOX}>")).await?;
    for number in 0..50 {
        let answer = client.say(&format!("RCPT TO:<to{number}@example.org>")).await?;
        ensure!(answer.code == 250, "{number}: {answer:?}");
    }
    let answer = client.say("RCPT TO:<one-more@example.org>").await?;
    ensure!(answer.code == 452, "{answer:?}");
    let large = stand.client().await?.say("EHLO app").await?;
    ensure!(large.text.contains("SIZE 10483712"), "{large:?}");
    ensure!(stand.lab.exchange().counters().connections == 0, "it has dialled");

    // the 31st is told when to come back
    let mut file = file(&stand, AS_ADDRESS).await?;
    file.delivery.hold_seconds = 1;
    file.limits = Limits { messages_per_minute: Some(2), ..Limits::default() };
    stand.configure(&file)?;
    let told = Told { code: 451, words: "", reason: "MessagesPerMinute" };
    mail_egress_tests::eventually::eventually(
        "the new limit is in force",
        std::time::Duration::from_secs(20),
        async || {
            let answer = stand.client().await?.send(DEFAULT_MAILBOX, &[OUTSIDE], &message()).await?;
            ensure!(answer.code == 451, "{answer:?}");
            Ok(())
        },
    )
    .await?;
    refused(&stand, OUTSIDE, told).await
}

#[tokio::test]
async fn azure_communication_services_explain_each_refusal() -> Result<()> {
    let rows = [
        Said(Phase::Auth, "535 5.7.8 Authentication credentials invalid", 451, "AuthenticationRefused"),
        Said(
            Phase::AfterDot,
            "450 4.5.127 Message rejected. Excessive message rate from sender",
            451,
            "UpstreamBusy",
        ),
        Said(Phase::Rcpt, "452 4.5.3 Too many recipients", 451, "TooManyRecipients"),
        Said(
            Phase::Mail,
            "552 5.3.4 Message size exceeds fixed maximum message size",
            552,
            "MessageTooLarge",
        ),
    ];
    each_is_explained(Kind::AzureCommunicationServices, AS_ADDRESS, &rows).await
}
