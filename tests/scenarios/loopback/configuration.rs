//! The sidecar follows its file, and says what is wrong with it.

use std::time::Duration;

use anyhow::{Result, ensure};
use jiff::{SignedDuration, Timestamp};
use mail_egress_config::{State, Unready};
use mail_egress_tests::eventually::eventually;
use mail_egress_tests::lab::DEFAULT_MAILBOX;
use mail_egress_tests::stand::Stand;

const SOON: Duration = Duration::from_secs(20);
const MESSAGE: &[u8] = b"From: billing@contoso.com\r\nSubject: x\r\n\r\nHello.\r\n";

async fn hears(stand: &Stand, code: u16, words: &str) -> Result<String> {
    eventually(&format!("the app hears {code} {words}"), SOON, async || {
        let answer = stand.client().await?.send(DEFAULT_MAILBOX, &["to@example.org"], MESSAGE).await?;
        ensure!(answer.code == code && answer.text.contains(words), "{answer:?}");
        Ok(answer.text)
    })
    .await
}

#[tokio::test]
async fn without_a_file_the_reply_names_the_mail_sender() -> Result<()> {
    let stand = Stand::without_file().await?;
    let reply = hears(&stand, 451, "shop/billing").await?;
    ensure!(reply.contains("MailSender") && reply.contains("To mend: "), "{reply}");
    stand.configure(&stand.file().await?)?;
    hears(&stand, 250, "").await?;
    stand.remove()?;
    hears(&stand, 451, "shop/billing").await.map(drop)
}

#[tokio::test]
async fn an_unreadable_file_leaves_the_last_good_one_in_force() -> Result<()> {
    let stand = Stand::start().await?;
    stand.put(b"{\"format\": 1, \"sender\": 3}")?;
    eventually("the log names the field", SOON, async || {
        let log = stand.log();
        ensure!(log.lines().any(|line| line.contains("why=\"sender: expected")), "{log}");
        Ok(())
    })
    .await?;
    hears(&stand, 250, "").await.map(drop)
}

#[tokio::test]
async fn a_first_file_that_is_unreadable_is_explained() -> Result<()> {
    let stand = Stand::without_file().await?;
    stand.put(b"not json")?;
    hears(&stand, 451, "configuration").await.map(drop)
}

#[tokio::test]
async fn an_unready_sender_says_its_own_sentence() -> Result<()> {
    let stand = Stand::start().await?;
    let mut file = stand.file().await?;
    let sentence = "the MailSender is suspended. To mend: set its spec.suspend to false";
    let unready = Unready { reason: "SenderSuspended".to_owned(), message: sentence.to_owned() };
    (file.state, file.token) = (State::Unready(unready), None);
    stand.configure(&file)?;
    hears(&stand, 451, sentence).await.map(drop)
}

#[tokio::test]
async fn an_expired_token_is_not_even_dialled_with() -> Result<()> {
    let stand = Stand::without_file().await?;
    let mut file = stand.file().await?;
    if let Some(token) = &mut file.token {
        token.expires_at = Timestamp::now() - SignedDuration::from_mins(5);
    }
    stand.configure(&file)?;
    hears(&stand, 451, "expired").await?;
    let series = "mail_egress_messages_total{reason=\"TokenExpired\",result=\"deferred\"}";
    ensure!(stand.metric(series).await? >= Some(1.0), "{}", stand.get("/metrics").await?);
    ensure!(stand.lab.exchange().counters().connections == 0, "Exchange was dialled all the same");
    Ok(())
}

#[tokio::test]
async fn a_running_session_survives_a_new_file() -> Result<()> {
    let stand = Stand::start().await?;
    let mut client = stand.client().await?;
    ensure!(client.say("EHLO app").await?.code == 250, "EHLO");
    let before = stand.metric("mail_egress_config_loads_total{result=\"usable\"}").await?;
    stand.configure(&stand.file().await?)?;
    eventually("the new file is loaded", SOON, async || {
        let now = stand.metric("mail_egress_config_loads_total{result=\"usable\"}").await?;
        ensure!(now > before, "not yet");
        Ok(())
    })
    .await?;
    let answer = client.send(DEFAULT_MAILBOX, &["to@example.org"], MESSAGE).await?;
    ensure!(answer.code == 250, "{answer:?}");
    Ok(())
}
