//! The disk for large messages is full: by the sidecar's own count, before the kubelet would evict
//! the pod.

use anyhow::{Result, ensure};
use mail_egress_tests::lab::DEFAULT_MAILBOX;
use mail_egress_tests::stand::{Setting, Stand};

use super::row::message;

#[tokio::test]
async fn a_message_beyond_the_limit_is_temporary_and_smaller_ones_go_on() -> Result<()> {
    let arguments = vec!["--spill-limit".to_owned(), "1Mi".to_owned()];
    let stand = Stand::set(Setting { arguments, ..Setting::default() }).await?;
    stand.configure(&stand.file().await?)?;
    stand.wait_until_configured().await?;
    let (to, large) = (["to@example.org"], message(1, 3_000_000));
    for _ in 0..2 {
        let answer = stand.client().await?.send(DEFAULT_MAILBOX, &to, &large).await?;
        let told = answer.code == 452 && answer.text.starts_with("4.3.1 ");
        ensure!(told && answer.text.contains("on disk") && answer.text.contains("To mend: "), "{answer:?}");
    }
    let counted =
        stand.metric("mail_egress_messages_total{reason=\"SpillLimit\",result=\"deferred\"}").await?;
    ensure!(counted == Some(2.0), "it was counted {counted:?}:\n{}", stand.get("/metrics").await?);
    for number in 2..4 {
        let answer = stand.client().await?.send(DEFAULT_MAILBOX, &to, &message(number, 900_000)).await?;
        ensure!(answer.code == 250, "what was refused still takes room: {answer:?}");
    }
    ensure!(stand.lab.exchange().counters().messages == 2, "Exchange has another number");
    Ok(())
}
