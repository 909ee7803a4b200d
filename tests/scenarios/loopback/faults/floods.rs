//! The relay says something that never ends.

use anyhow::Result;
use mail_egress_tests::lab::{Act, ExchangeFault, Phase};

use super::row::{Row, hold};

#[tokio::test]
async fn a_reply_without_end_is_given_up() -> Result<()> {
    let before = [
        Phase::Greeting,
        Phase::Ehlo,
        Phase::StartTls,
        Phase::EhloAfterTls,
        Phase::Auth,
        Phase::Mail,
        Phase::Rcpt,
        Phase::Data,
    ];
    let mut rows = Vec::new();
    for act in [Act::EndlessLines, Act::EndlessLine] {
        rows.extend(before.map(|phase| Row {
            enhanced: "4.5.0 ",
            reason: Some("UpstreamProtocol"),
            ..Row::deferred(ExchangeFault::At(phase, act.clone()), "did not speak SMTP")
        }));
        // whether it was taken nobody knows who has not heard the end
        rows.push(Row::uncertain(ExchangeFault::At(Phase::AfterDot, act.clone()), 0));
        rows.push(Row::uncertain(ExchangeFault::At(Phase::AfterDotAccepted, act), 1));
    }
    hold(rows).await
}
