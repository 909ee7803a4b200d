//! `largeMessages: draft`: what does not fit into one request is built anew, or refused.

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mail_egress_config::{LargeMessages, Route};
use mail_egress_tests::eventually::eventually;
use mail_egress_tests::lab::{GraphAct, GraphFault, Span, Step};
use mail_egress_tests::stand::{Setting, Stand};

use super::{SOON, TO, file, none_arrived, only, send};

async fn start(roles: &[&str]) -> Result<Stand> {
    // twice what is sent must fit
    start_with("80Mi", roles).await
}

async fn start_with(memory: &str, roles: &[&str]) -> Result<Stand> {
    let arguments = vec!["--memory-budget".to_owned(), memory.to_owned()];
    let stand = Stand::set(Setting { arguments, ..Setting::default() }).await?;
    let roles = roles.iter().map(|&role| role.to_owned()).collect();
    let mut file = file(&stand, |claims| claims.roles = roles).await?;
    if let Some(Route::Graph(route)) = &mut file.route {
        route.large_messages = LargeMessages::Draft;
    }
    stand.configure(&file)?;
    stand.wait_until_configured().await?;
    Ok(stand)
}

fn octets(count: usize) -> Vec<u8> {
    (0..count).map(|n| (n * 7 % 251) as u8).collect()
}

/// A message with attachments of these sizes.
fn with_attachments(kind: &str, sizes: &[usize]) -> String {
    let mut message = format!(
        "From: Billing <billing@contoso.com>\r\nTo: <{TO}>\r\nSubject: Large\r\nMessage-ID: <1@shop>\r\nMIME-Version: 1.0\r\nContent-Type: {kind}; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nHello.\r\n"
    );
    for (number, size) in sizes.iter().enumerate() {
        message.push_str(&format!(
            "--b\r\nContent-Type: application/octet-stream\r\nContent-Disposition: attachment; filename={number}.bin\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        ));
        let encoded = STANDARD.encode(octets(*size));
        for line in encoded.as_bytes().chunks(76) {
            message.push_str(&String::from_utf8_lossy(line));
            message.push_str("\r\n");
        }
    }
    message + "--b--\r\n"
}

const ROLES: [&str; 2] = ["Mail.Send", "Mail.ReadWrite"];

#[tokio::test]
async fn a_large_message_is_built_anew_from_its_parts() -> Result<()> {
    let stand = start(&ROLES).await?;
    let sizes = [10_000, 3_500_000, 20_000_000];
    let message = with_attachments("multipart/mixed", &sizes);
    let answer = send(&stand, &[TO, "hidden@example.org"], &message).await?;
    ensure!(answer.code == 250, "{answer:?}\n{}", stand.log());
    let arrived = only(&stand)?;
    ensure!(arrived.recipients == [TO, "hidden@example.org"], "{:?}", arrived.recipients);
    let draft = arrived.draft.as_ref().context("it was no draft")?;
    ensure!(draft.message["subject"] == "Large" && draft.message["internetMessageId"] == "<1@shop>");
    ensure!(draft.message["body"]["content"] == "Hello.", "{}", draft.message["body"]);
    for (number, size) in sizes.iter().enumerate() {
        let attachment = draft.attachments.get(number).context("an attachment is missing")?;
        ensure!(attachment.content == octets(*size), "attachment {number} was changed");
        ensure!(attachment.item["name"] == format!("{number}.bin") && attachment.uploaded == (number > 0));
    }
    let counters = stand.lab.graph().counters();
    ensure!(counters.tokens_at_upload == 0 && counters.most_at_once == 1, "{counters:?}");
    ensure!(stand.lab.graph().drafts() == 0 && !stand.log().contains("authtoken"), "{}", stand.log());
    Ok(())
}

#[tokio::test]
async fn a_draft_that_never_fits_into_memory_is_told_what_to_raise() -> Result<()> {
    let stand = start_with("16Mi", &ROLES).await?;
    let answer = send(&stand, &[TO], &with_attachments("multipart/mixed", &[8_000_000])).await?;
    ensure!(answer.code == 452 && answer.text.contains("--memory-budget is to be twice"), "{answer:?}");
    ensure!(stand.lab.graph().drafts() == 0, "it was begun all the same");
    none_arrived(&stand)
}

#[tokio::test]
async fn what_fits_goes_as_it_is() -> Result<()> {
    let stand = start(&ROLES).await?;
    let message = with_attachments("multipart/signed", &[10_000]);
    ensure!(send(&stand, &[TO], &message).await?.code == 250);
    ensure!(only(&stand)?.content.ends_with(message.as_bytes()), "it was changed");
    Ok(())
}

#[tokio::test]
async fn what_a_draft_would_break_is_refused_with_what_it_is() -> Result<()> {
    let stand = start(&ROLES).await?;
    let signed = with_attachments("multipart/signed", &[3_500_000]);
    let answered = with_attachments("multipart/mixed", &[3_500_000])
        .replace("Subject:", "In-Reply-To: <0@shop>\r\nSubject:");
    for (message, what) in [(signed, "multipart/signed"), (answered, "field In-Reply-To would be lost")] {
        let answer = send(&stand, &[TO], &message).await?;
        ensure!(answer.code == 554 && answer.text.contains(what), "{answer:?}");
    }
    ensure!(stand.lab.graph().counters().requests == 0, "it asked Graph");
    none_arrived(&stand)
}

#[tokio::test]
async fn a_step_that_fails_leaves_no_draft_behind() -> Result<()> {
    let message = with_attachments("multipart/mixed", &[10_000, 3_500_000]);
    let stand = start(&ROLES).await?;
    for (number, step) in [Step::Attach, Step::Session, Step::Upload, Step::Send].into_iter().enumerate() {
        let refused = GraphAct::Answer { status: 400, code: "ErrorOther".to_owned(), retry_after: None };
        stand.lab.graph().misbehave_for(Span::Times(1), GraphFault::At(step, refused));
        let answer = send(&stand, &[TO], &message).await?;
        ensure!(answer.code == 451 && answer.text.contains("400 ErrorOther"), "{step:?}: {answer:?}");
        stand.lab.graph().wait_until(SOON, |counters| counters.drafts_deleted == number + 1).await?;
    }
    ensure!(stand.lab.graph().drafts() == 0, "a draft stays");
    none_arrived(&stand)
}

#[tokio::test]
async fn an_answer_lost_to_send_is_uncertain_and_nothing_else_is() -> Result<()> {
    let message = with_attachments("multipart/mixed", &[3_500_000]);
    let stand = start(&ROLES).await?;
    stand.lab.graph().misbehave_for(Span::Times(1), GraphFault::At(Step::Upload, GraphAct::DropAnswer));
    let answer = send(&stand, &[TO], &message).await?;
    ensure!(answer.code == 451 && !answer.text.contains("may have been"), "{answer:?}");
    stand.lab.graph().misbehave_for(Span::Times(1), GraphFault::At(Step::Send, GraphAct::DropAnswer));
    let answer = send(&stand, &[TO], &message).await?;
    ensure!(answer.code == 451 && answer.text.contains("it may have been sent"), "{answer:?}");
    only(&stand)?;
    eventually("the first draft is deleted", SOON, async || {
        ensure!(stand.lab.graph().drafts() == 0, "a draft stays");
        Ok(())
    })
    .await
}

#[tokio::test]
async fn the_permission_that_a_draft_needs_is_named() -> Result<()> {
    let stand = start(&["Mail.Send"]).await?;
    let answer = send(&stand, &[TO], &with_attachments("multipart/mixed", &[3_500_000])).await?;
    ensure!(answer.code == 451 && answer.text.contains("Mail.ReadWrite"), "{answer:?}");
    none_arrived(&stand)
}
