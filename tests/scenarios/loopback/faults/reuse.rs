//! A connection that is used again turns out to be dead.

use anyhow::{Result, ensure};
use mail_egress_tests::lab::{Act, DEFAULT_MAILBOX, ExchangeFault, Phase, Span};
use mail_egress_tests::stand::Stand;

use super::row::message;

#[tokio::test]
async fn a_connection_that_broke_between_two_messages_is_replaced_without_the_app_noticing() -> Result<()> {
    for phase in [Phase::Rset, Phase::Quit, Phase::Mail] {
        let stand = Stand::start().await?;
        let mut client = stand.client().await?;
        for number in 1..=3 {
            if number == 2 {
                stand.lab.exchange().misbehave_for(Span::Times(1), ExchangeFault::At(phase, Act::Drop));
            }
            let message = message(number, 100);
            let answer = client.send(DEFAULT_MAILBOX, &["to@example.org"], &message).await?;
            ensure!(answer.code == 250, "{phase:?}, message {number}: {answer:?}\n{}", stand.log());
        }
        ensure!(stand.lab.exchange().counters().messages == 3, "{phase:?}: not three, but another number");
    }
    Ok(())
}
