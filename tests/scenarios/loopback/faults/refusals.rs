//! The relay refuses: for the moment, for good, or until somebody mends something.

use anyhow::Result;
use mail_egress_tests::lab::{Act, ExchangeFault, Phase, Span};

use super::row::{Row, hold};

/// Where a reply can be a refusal. Not behind the dot of a message that is kept all the same: that
/// would be a lie, which no client can see through.
const PHASES: [Phase; 10] = [
    Phase::Greeting,
    Phase::Ehlo,
    Phase::StartTls,
    Phase::EhloAfterTls,
    Phase::Auth,
    Phase::Mail,
    Phase::Rcpt,
    Phase::Data,
    Phase::MidBody,
    Phase::AfterDot,
];

const PASSING: [&str; 3] = [
    "421 4.3.2 Service not available",
    "432 4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending",
    "451 4.7.0 Temporary server error. Please try again later. PRX4",
];

const TOKEN: &str = "535 5.7.3 Authentication unsuccessful [lab]";

fn says(phase: Phase, reply: &str) -> ExchangeFault {
    ExchangeFault::At(phase, Act::Reply(reply.to_owned()))
}

#[tokio::test]
async fn what_is_refused_for_the_moment_is_tried_again_unnoticed() -> Result<()> {
    let row = |phase, reply| Row::unnoticed(says(phase, reply), Span::Times(1));
    hold(PHASES.into_iter().flat_map(|phase| PASSING.map(|reply| row(phase, reply))).collect()).await
}

#[tokio::test]
async fn what_stays_refused_is_temporary_with_the_relays_own_words_and_the_fix() -> Result<()> {
    let row =
        |phase, reply: &str| Row { costs_token: reply == TOKEN, ..Row::deferred(says(phase, reply), reply) };
    let replies = || PASSING.into_iter().chain([TOKEN]);
    hold(PHASES.into_iter().flat_map(|phase| replies().map(move |reply| row(phase, reply))).collect()).await
}

#[tokio::test]
async fn each_refusal_is_explained_by_its_own_cause_and_fix() -> Result<()> {
    const DISABLED: &str = "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled \
                            for the Tenant. Visit https://aka.ms/smtp_auth_disabled";
    const DENIED: &str = "554 5.2.252 SendAsDenied; a@contoso.com not allowed to send as b@contoso.com";
    let rows = [
        (Phase::Auth, TOKEN, "Add-MailboxPermission"),
        (Phase::Auth, DISABLED, "Set-CASMailbox"),
        (Phase::AfterDot, DENIED, "Add-RecipientPermission"),
        (Phase::AfterDot, PASSING[1], "fewer senders"),
        (Phase::Mail, PASSING[2], "try again later"),
    ]
    .map(|(phase, reply, fix)| Row {
        fix,
        costs_token: reply == TOKEN,
        ..Row::deferred(says(phase, reply), reply)
    });
    hold(rows.into()).await
}

#[tokio::test]
async fn a_reply_in_the_place_of_a_handshake_ends_the_attempt_before_the_token() -> Result<()> {
    // as bytes injected or as broken TLS, depending on whether they came with the 220
    let row = |reply| Row { enhanced: "4.7.5 ", ..Row::deferred(says(Phase::Handshake, reply), "") };
    hold(PASSING.into_iter().chain([TOKEN]).map(row).collect()).await
}
