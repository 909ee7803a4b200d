//! The relay drops the connection.

use anyhow::Result;
use mail_egress_tests::lab::{Act, ExchangeFault, Phase};

use super::row::{LARGE, Row, hold};

#[tokio::test]
async fn a_drop_before_the_dot_is_temporary_and_behind_it_uncertain() -> Result<()> {
    let drop = |phase| ExchangeFault::At(phase, Act::Drop);
    let before = [
        (Phase::Greeting, "before its greeting"),
        (Phase::Ehlo, "after EHLO"),
        (Phase::StartTls, "after STARTTLS"),
        (Phase::EhloAfterTls, "after EHLO"),
        (Phase::Auth, "after AUTH"),
        (Phase::Mail, "after MAIL"),
        (Phase::Rcpt, "after RCPT"),
        (Phase::Data, "after DATA"),
    ];
    let mut rows: Vec<Row> = before
        .into_iter()
        .map(|(phase, words)| Row {
            enhanced: "4.4.2 ",
            reason: Some("UpstreamClosed"),
            ..Row::deferred(drop(phase), words)
        })
        .collect();
    rows.push(Row::deferred(drop(Phase::Handshake), ""));
    // the relay has not seen the dot, so it cannot have taken the message
    rows.push(Row {
        octets: LARGE,
        reason: Some("UpstreamClosed"),
        ..Row::deferred(drop(Phase::MidBody), "within the message")
    });
    rows.push(Row::uncertain(drop(Phase::AfterDot), 0));
    rows.push(Row::uncertain(drop(Phase::AfterDotAccepted), 1));
    hold(rows).await
}
