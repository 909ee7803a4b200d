//! 250 means that Exchange has the message; everything else says what happened.

use std::time::Duration;

use anyhow::{Result, ensure};
use mail_egress_tests::lab::{Act, DEFAULT_MAILBOX, ExchangeFault, Form, Phase};
use mail_egress_tests::stand::Stand;

const MESSAGE: &[u8] = b"From: billing@contoso.com\r\nMessage-ID: <1@shop>\r\nSubject: x\r\n\r\nHello.\r\n";

/// Sends under a fault, and expects this code and these words.
async fn under(fault: ExchangeFault, code: u16, words: &str) -> Result<Stand> {
    let stand = Stand::start().await?;
    stand.lab.exchange().misbehave(fault);
    let answer = stand.client().await?.send(DEFAULT_MAILBOX, &["to@example.org"], MESSAGE).await?;
    ensure!(answer.code == code && answer.text.contains(words), "{answer:?}\n{}", stand.log());
    Ok(stand)
}

#[tokio::test]
async fn an_answer_lost_after_the_dot_is_uncertain_and_never_resent() -> Result<()> {
    let fault = ExchangeFault::At(Phase::AfterDotAccepted, Act::Drop);
    let stand = under(fault, 451, "may have been delivered").await?;
    let arrived = stand.lab.exchange().messages();
    ensure!(arrived.len() == 1, "Exchange has it {} times", arrived.len());
    let counted =
        stand.metric("mail_egress_messages_total{reason=\"DeliveryUncertain\",result=\"uncertain\"}").await?;
    ensure!(counted == Some(1.0), "it was counted {counted:?}:\n{}", stand.get("/metrics").await?);
    ensure!(stand.log().contains("1@shop"), "the log does not name the Message-ID:\n{}", stand.log());
    Ok(())
}

#[tokio::test]
async fn a_bad_recipient_is_permanent_and_nothing_is_sent() -> Result<()> {
    let refuse =
        ExchangeFault::RefuseRecipient("no@example.org".to_owned(), "550 5.1.10 no such user".to_owned());
    let stand = Stand::start().await?;
    stand.lab.exchange().misbehave(refuse);
    let to = ["to@example.org", "no@example.org", "too@example.org"];
    let answer = stand.client().await?.send(DEFAULT_MAILBOX, &to, MESSAGE).await?;
    ensure!(answer.code == 550 && answer.text.contains("no@example.org"), "{answer:?}");
    ensure!(stand.lab.exchange().counters().messages == 0, "it was sent to the others");
    Ok(())
}

#[tokio::test]
async fn a_token_without_roles_and_one_that_is_no_jwt_work_where_the_scope_allows() -> Result<()> {
    use mail_egress_tests::lab::DEFAULT_CLIENT_ID;
    let stand = Stand::start().await?;
    stand.lab.administer(|directory| {
        if let Some(app) = directory.app_mut(DEFAULT_CLIENT_ID) {
            app.exchange_roles.clear();
            app.rbac_scope.push(DEFAULT_MAILBOX.to_owned());
        }
    });
    for form in [Form::Jwt, Form::Opaque] {
        let claims = stand.lab.entra().claims(DEFAULT_CLIENT_ID)?;
        ensure!(claims.roles.is_empty(), "it has roles");
        let mut file = stand.file().await?;
        if let Some(token) = &mut file.token {
            token.value = stand.lab.entra().mint(&claims, form)?;
        }
        stand.configure(&file)?;
        let answer = stand.client().await?.send(DEFAULT_MAILBOX, &["to@example.org"], MESSAGE).await?;
        ensure!(answer.code == 250, "{form:?}: {answer:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_forged_token_is_refused_by_exchange_and_explained() -> Result<()> {
    use mail_egress_tests::lab::DEFAULT_CLIENT_ID;
    let stand = Stand::without_file().await?;
    let mut file = stand.file().await?;
    let claims = stand.lab.entra().claims(DEFAULT_CLIENT_ID)?;
    if let Some(token) = &mut file.token {
        token.value = stand.lab.entra().mint(&claims, Form::Forged)?;
    }
    stand.configure(&file)?;
    stand.wait_until_configured().await?;
    let answer = stand.client().await?.send(DEFAULT_MAILBOX, &["to@example.org"], MESSAGE).await?;
    ensure!(answer.code == 451 && answer.text.contains("5.7.3"), "{answer:?}");
    Ok(())
}

#[tokio::test]
async fn pipelined_commands_and_auth_that_nobody_asked_for_are_taken() -> Result<()> {
    let stand = Stand::start().await?;
    let mut client = stand.client().await?;
    client.write(b"EHLO app\r\nAUTH PLAIN AHVzZXIAcGFzcw==\r\nMAIL FROM:<billing@contoso.com>\r\nRCPT TO:<to@example.org>\r\nDATA\r\n").await?;
    for code in [250, 235, 250, 250, 354] {
        let answer = client.answer().await?;
        ensure!(answer.code == code, "{answer:?}");
    }
    client.write(b"From: billing@contoso.com\r\nSubject: x\r\n\r\nHello.\r\n.\r\nQUIT\r\n").await?;
    ensure!(client.answer().await?.code == 250, "DATA");
    ensure!(client.answer().await?.code == 221, "QUIT");
    stand.lab.exchange().wait_for_messages(1, Duration::from_secs(20)).await?;
    Ok(())
}

#[tokio::test]
async fn a_message_built_and_sent_by_lettre_arrives() -> Result<()> {
    use lettre::{Message, SmtpTransport, Transport};
    let stand = Stand::start().await?;
    let message = Message::builder()
        .from(DEFAULT_MAILBOX.parse()?)
        .to("to@example.org".parse()?)
        .cc("cc@example.org".parse()?)
        .subject("Gr\u{fc}\u{df}e")
        .body("Gr\u{fc}\u{df}e\r\n".to_owned())?;
    let port = stand.smtp().port();
    let sent = tokio::task::spawn_blocking(move || {
        SmtpTransport::builder_dangerous("127.0.0.1").port(port).build().send(&message)
    });
    ensure!(sent.await??.is_positive(), "the sidecar refused it");
    let arrived = stand.lab.exchange().wait_for_messages(1, Duration::from_secs(20)).await?;
    let recipients = arrived.first().map(|message| message.recipients().join(" ")).unwrap_or_default();
    ensure!(recipients == "to@example.org cc@example.org", "it went to {recipients}");
    Ok(())
}
