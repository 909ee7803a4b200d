//! The app itself goes wrong.

use std::time::Duration;

use anyhow::{Result, ensure};
use mail_egress_tests::eventually::eventually;
use mail_egress_tests::lab::DEFAULT_MAILBOX;
use mail_egress_tests::stand::Stand;

use super::row::message;

#[tokio::test]
async fn an_app_that_leaves_in_the_middle_of_data_has_sent_nothing() -> Result<()> {
    let stand = Stand::start().await?;
    let mut client = stand.client().await?;
    for line in ["EHLO app", &format!("MAIL FROM:<{DEFAULT_MAILBOX}>"), "RCPT TO:<to@example.org>", "DATA"] {
        ensure!(client.say(line).await?.code < 400, "{line}");
    }
    // all but the final dot
    client.write(&message(1, 200_000)).await?;
    drop(client);
    eventually("it is counted", Duration::from_secs(10), async || {
        let abandoned = "mail_egress_messages_total{reason=\"AppLeft\",result=\"abandoned\"}";
        ensure!(stand.metric(abandoned).await? == Some(1.0), "not yet");
        Ok(())
    })
    .await?;
    let next = stand.client().await?.send(DEFAULT_MAILBOX, &["to@example.org"], &message(2, 100)).await?;
    ensure!(next.code == 250, "{next:?}");
    let arrived = stand.lab.exchange().messages();
    let ids: Vec<_> = arrived.iter().filter_map(|message| message.header("Message-ID")).collect();
    ensure!(ids == ["<2@shop>"], "Exchange has {ids:?}");
    Ok(())
}
