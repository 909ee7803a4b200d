//! By Microsoft Graph: what arrives, to whom it goes, and what the app is told of everything else.

mod draft;

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::future::join_all;
use jiff::Timestamp;
use mail_egress_config::{Fallback, GraphRoute, LargeMessages, Route, SenderFile, Token};
use mail_egress_tests::client::Answer;
use mail_egress_tests::lab::{
    Claims, DEFAULT_CLIENT_ID, DEFAULT_MAILBOX, Form, GRAPH_AUDIENCE, GraphAct, GraphFault, GraphMessage,
    Span, Step,
};
use mail_egress_tests::stand::Stand;

const SOON: Duration = Duration::from_secs(40);
const TO: &str = "to@example.org";
const MESSAGE: &str = "From: billing@contoso.com\r\nTo: <to@example.org>\r\nMessage-ID: <1@shop>\r\nSubject: x\r\n\r\nHello.\r\n";

/// What the operator would write for a route by the lab's Graph.
pub(crate) async fn file(stand: &Stand, change: impl FnOnce(&mut Claims)) -> Result<SenderFile> {
    let (entra, graph) = (stand.lab.entra(), stand.lab.graph());
    let mut claims = entra.claims_for(DEFAULT_CLIENT_ID, GRAPH_AUDIENCE)?;
    change(&mut claims);
    let expires_at = Timestamp::from_second(claims.exp)?;
    let route = GraphRoute {
        name: "graph".to_owned(),
        base_url: graph.url_by_ip(),
        ca_bundle: Some(graph.ca_pem().to_owned()),
        max_message_bytes: 35 * 1024 * 1024,
        large_messages: LargeMessages::Refuse,
        proxy: None,
    };
    Ok(SenderFile {
        route: Some(Route::Graph(route)),
        token: Some(Token { value: entra.mint(&claims, Form::Jwt)?, expires_at }),
        ..stand.file().await?
    })
}

async fn start() -> Result<Stand> {
    let stand = Stand::without_file().await?;
    stand.configure(&file(&stand, |_| ()).await?)?;
    stand.wait_until_configured().await?;
    Ok(stand)
}

/// The same with the lab's Exchange for what Graph cannot carry.
async fn start_with_fallback() -> Result<Stand> {
    let stand = Stand::without_file().await?;
    let by_smtp = stand.file().await?;
    let mut file = file(&stand, |_| ()).await?;
    file.fallback = by_smtp.route.map(|route| Fallback { route, token: by_smtp.token });
    stand.configure(&file)?;
    stand.wait_until_configured().await?;
    Ok(stand)
}

async fn send(stand: &Stand, to: &[&str], message: &str) -> Result<Answer> {
    stand.client().await?.send(DEFAULT_MAILBOX, to, message.as_bytes()).await
}

/// Sends, and expects this code and these words.
async fn told(stand: &Stand, code: u16, words: &str) -> Result<Answer> {
    let answer = send(stand, &[TO], MESSAGE).await?;
    ensure!(answer.code == code && answer.text.contains(words), "{answer:?}\n{}", stand.log());
    Ok(answer)
}

fn only(stand: &Stand) -> Result<Arc<GraphMessage>> {
    let messages = stand.lab.graph().messages();
    ensure!(messages.len() == 1, "Graph has {} messages", messages.len());
    messages.into_iter().next().context("none")
}

fn none_arrived(stand: &Stand) -> Result<()> {
    let (by_graph, by_smtp) = (stand.lab.graph().messages(), stand.lab.exchange().messages());
    ensure!(by_graph.is_empty() && by_smtp.is_empty(), "it was sent: {by_graph:?} {by_smtp:?}");
    Ok(())
}

fn of_size(octets: usize) -> String {
    let line = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd\r\n";
    MESSAGE.chars().chain(line.chars().cycle()).take(octets - 2).chain("\r\n".chars()).collect()
}

#[tokio::test]
async fn a_message_arrives_byte_for_byte_behind_its_trace() -> Result<()> {
    let stand = start().await?;
    let large = of_size(2_900_000);
    let dots = format!("{MESSAGE}.\r\n..\r\n\u{e4}\u{f6} 8-bit\r\n");
    for (number, message) in [MESSAGE, dots.as_str(), large.as_str()].into_iter().enumerate() {
        let answer = send(&stand, &[TO], message).await?;
        ensure!(answer.code == 250, "{answer:?}\n{}", stand.log());
        ensure!(answer.text.contains("accepted by Microsoft Graph, request-id "), "{answer:?}");
        let arrived = stand.lab.graph().messages();
        let arrived = arrived.get(number).context("it did not arrive")?;
        let head = arrived.content.strip_suffix(message.as_bytes()).context("it was changed")?;
        let head = String::from_utf8_lossy(head);
        ensure!(head.starts_with("Received: ") && !head.contains("Bcc"), "{head}");
        ensure!(arrived.recipients == [TO] && arrived.mailbox == DEFAULT_MAILBOX, "{arrived:?}");
    }
    ensure!(stand.lab.graph().counters().requests == 3, "{:?}", stand.lab.graph().counters());
    Ok(())
}

#[tokio::test]
async fn who_is_in_no_header_becomes_bcc() -> Result<()> {
    let stand = start().await?;
    // the app's own Bcc goes, and comes back for whom the envelope names
    let message = MESSAGE.replace("Subject", "Bcc: <hidden@example.org>\r\nSubject");
    let answer = send(&stand, &[TO, "hidden@example.org", "list@example.org"], &message).await?;
    ensure!(answer.code == 250, "{answer:?}");
    let arrived = only(&stand)?;
    ensure!(arrived.recipients == [TO, "hidden@example.org", "list@example.org"], "{arrived:?}");
    ensure!(arrived.header("To").as_deref() == Some("<to@example.org>"), "{arrived:?}");
    ensure!(arrived.header("Bcc").as_deref() == Some("hidden@example.org, list@example.org"), "{arrived:?}");
    Ok(())
}

#[tokio::test]
async fn whom_only_the_header_names_is_never_sent_to() -> Result<()> {
    let stand = start().await?;
    for field in ["Cc: boss@example.org", "Bcc: boss@example.org\r\nContent-Type: multipart/signed"] {
        let message = MESSAGE.replace("Subject", &format!("{field}\r\nSubject"));
        let answer = send(&stand, &[TO], &message).await?;
        ensure!(answer.code == 554 && answer.text.contains("<boss@example.org>"), "{answer:?}");
        ensure!(answer.text.contains("fallbackRoute"), "{answer:?}");
    }
    let unclear = MESSAGE.replace("<to@example.org>", "to@example.org <boss@example.org>");
    let answer = send(&stand, &[TO], &unclear).await?;
    ensure!(answer.code == 554 && answer.text.contains("more than one way"), "{answer:?}");
    ensure!(stand.lab.graph().counters().requests == 0, "it asked Graph");
    ensure!(!stand.log().contains("boss@"), "the log names a recipient:\n{}", stand.log());
    let counted = stand
        .metric("mail_egress_messages_total{reason=\"HeaderRecipientNotMeant\",result=\"refused\"}")
        .await?;
    ensure!(counted == Some(2.0), "it was counted {counted:?}");
    Ok(())
}

#[tokio::test]
async fn every_refusal_of_graph_is_explained() -> Result<()> {
    let stand = start().await?;
    for (status, error, code, words) in [
        (400, "ErrorMimeContentInvalidBase64String", 451, "Graph could not read our request"),
        (400, "ErrorMimeContentInvalid", 554, "Graph cannot read the message"),
        (400, "ErrorInvalidRecipients", 554, "Graph refused a recipient's address"),
        (400, "ErrorMessageSizeExceeded", 552, "larger than the mailbox may send"),
        (413, "RequestEntityTooLarge", 552, "larger than one request to Graph may be"),
        (403, "ErrorAccessDenied", 451, "grant the application the permission Mail.Send"),
        (403, "ErrorSendAsDenied", 451, "the mailbox may not send as this sender"),
        (404, "ErrorInvalidUser", 451, "Graph does not know the mailbox"),
        (404, "MailboxNotEnabledForRESTAPI", 451, "not in Exchange Online"),
        (302, "", 451, "Graph refused the request"),
    ] {
        stand.lab.graph().misbehave_for(Span::Times(1), GraphFault::answers(status, error, None));
        let answer = told(&stand, code, words).await.with_context(|| format!("{status} {error}"))?;
        ensure!(answer.text.contains(&format!("({status} {error}")), "{answer:?}");
    }
    none_arrived(&stand)
}

#[tokio::test]
async fn a_token_that_does_not_suffice_is_explained_by_what_it_says() -> Result<()> {
    let stand = Stand::without_file().await?;
    stand.configure(&file(&stand, |claims| claims.roles = vec!["Mail.Read".to_owned()]).await?)?;
    stand.wait_until_configured().await?;
    let answer = told(&stand, 451, "does not let the application send from this mailbox").await?;
    for words in ["403 ErrorAccessDenied", "lacks the role Mail.Send (its roles: Mail.Read)", "To mend: "] {
        ensure!(answer.text.contains(words), "{words}: {answer:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_token_for_exchange_is_not_shown_to_graph() -> Result<()> {
    let stand = Stand::without_file().await?;
    let mut file = file(&stand, |_| ()).await?;
    file.token = Some(stand.token().await?);
    stand.configure(&file)?;
    stand.wait_until_configured().await?;
    told(&stand, 451, "its audience is https://outlook.office365.com").await?;
    ensure!(stand.lab.graph().counters().requests == 0, "it asked Graph");
    Ok(())
}

#[tokio::test]
async fn a_passing_refusal_is_tried_again_once_retry_after_has_passed() -> Result<()> {
    for (status, code) in [(429, "ApplicationThrottled"), (503, "")] {
        let stand = start().await?;
        stand.lab.graph().misbehave_for(Span::Times(1), GraphFault::answers(status, code, Some(1)));
        told(&stand, 250, "accepted by Microsoft Graph").await?;
        only(&stand)?;
    }
    Ok(())
}

#[tokio::test]
async fn a_long_retry_after_stops_all_and_the_app_hears_why() -> Result<()> {
    let stand = start().await?;
    stand.lab.graph().misbehave(GraphFault::answers(429, "ApplicationThrottled", Some(600)));
    told(&stand, 451, "429 ApplicationThrottled").await?;
    told(&stand, 451, "try again in").await?;
    ensure!(stand.lab.graph().counters().requests == 1, "{:?}", stand.lab.graph().counters());
    none_arrived(&stand)
}

#[tokio::test]
async fn a_lost_answer_is_uncertain_and_never_resent() -> Result<()> {
    let timeout = GraphAct::Answer { status: 504, code: "UnknownError".to_owned(), retry_after: None };
    for (act, arrived) in [(GraphAct::DropAnswer, 1), (timeout, 0)] {
        let stand = start().await?;
        stand.lab.graph().misbehave(GraphFault::At(Step::SendMail, act));
        told(&stand, 451, "it may have been sent").await?;
        let counters = stand.lab.graph().counters();
        ensure!(counters.requests == 1 && stand.lab.graph().messages().len() == arrived, "{counters:?}");
        let uncertain = "mail_egress_messages_total{reason=\"DeliveryUncertain\",result=\"uncertain\"}";
        ensure!(stand.metric(uncertain).await? == Some(1.0), "{}", stand.get("/metrics").await?);
        ensure!(stand.log().contains("1@shop"), "the log does not name the Message-ID:\n{}", stand.log());
    }
    Ok(())
}

#[tokio::test]
async fn what_fails_before_the_last_octet_is_certain() -> Result<()> {
    let stand = start().await?;
    let message = of_size(2_900_000);
    for fault in [
        GraphFault::Down,
        GraphFault::At(Step::SendMail, GraphAct::Drop),
        GraphFault::At(Step::SendMail, GraphAct::Early(503)),
    ] {
        stand.lab.graph().misbehave(fault.clone());
        let answer = send(&stand, &[TO], &message).await?;
        stand.lab.graph().behave();
        ensure!(answer.code == 451 && !answer.text.contains("may have been"), "{fault:?}: {answer:?}");
    }
    none_arrived(&stand)
}

#[tokio::test]
async fn five_messages_at_once_are_never_more_than_four_requests() -> Result<()> {
    let stand = start().await?;
    let graph = stand.lab.graph();
    graph.misbehave(GraphFault::At(Step::SendMail, GraphAct::Hold));
    let sending = join_all((0..5).map(|_| send(&stand, &[TO], MESSAGE)));
    let letting_go = async {
        graph.wait_until(SOON, |counters| counters.misbehaved == 4).await?;
        graph.behave();
        anyhow::Ok(())
    };
    let (answers, let_go) = tokio::join!(sending, letting_go);
    let_go?;
    for answer in answers {
        let answer = answer?;
        ensure!(answer.code == 250, "{answer:?}");
    }
    let counters = graph.counters();
    ensure!(counters.most_at_once == 4 && counters.over_concurrency == 0, "{counters:?}");
    ensure!(graph.messages().len() == 5, "{} arrived", graph.messages().len());
    Ok(())
}

#[tokio::test]
async fn what_is_too_large_for_one_request_is_refused_with_the_ways_out() -> Result<()> {
    let stand = start().await?;
    let answer = send(&stand, &[TO], &of_size(3_000_000)).await?;
    ensure!(answer.code == 552 && answer.text.contains("one request carries 3000000"), "{answer:?}");
    ensure!(answer.text.contains("fallbackRoute") && answer.text.contains("largeMessages"), "{answer:?}");
    ensure!(stand.lab.graph().counters().requests == 0, "it asked Graph");
    Ok(())
}

#[tokio::test]
async fn what_graph_cannot_carry_goes_by_the_fallback_route() -> Result<()> {
    let stand = start_with_fallback().await?;
    let not_meant = MESSAGE.replace("Subject", "Cc: boss@example.org\r\nSubject");
    for (number, message) in [of_size(3_600_000), not_meant].iter().enumerate() {
        let answer = send(&stand, &[TO], message).await?;
        ensure!(answer.code == 250, "{answer:?}\n{}", stand.log());
        let arrived = stand.lab.exchange().messages();
        let arrived = arrived.get(number).context("it did not come by SMTP")?;
        ensure!(arrived.recipients() == [TO], "{:?}", arrived.recipients());
        ensure!(arrived.content.ends_with(message.as_bytes()), "it was changed");
    }
    told(&stand, 250, "accepted by Microsoft Graph").await?;
    only(&stand)?;
    Ok(())
}

#[tokio::test]
async fn utf8_is_carried_and_dsn_is_not_offered() -> Result<()> {
    let stand = start().await?;
    let mut client = stand.client().await?;
    let ehlo = client.say("EHLO app.test").await?;
    ensure!(ehlo.text.contains("SMTPUTF8") && !ehlo.text.contains("DSN"), "{ehlo:?}");
    let refused = client.say(&format!("MAIL FROM:<{DEFAULT_MAILBOX}> RET=HDRS")).await?;
    ensure!(refused.code == 555, "{refused:?}");
    let to = "j\u{f6}rg@b\u{fc}cher.example";
    let message = MESSAGE.replace("to@example.org", to);
    let from = format!("MAIL FROM:<{DEFAULT_MAILBOX}> SMTPUTF8 BODY=8BITMIME");
    for line in [from.as_str(), &format!("RCPT TO:<{to}>"), "DATA"] {
        let answer = client.say(line).await?;
        ensure!(answer.code < 400, "{line}: {answer:?}");
    }
    client.write(format!("{message}.\r\n").as_bytes()).await?;
    let answer = client.answer().await?;
    ensure!(answer.code == 250, "{answer:?}\n{}", stand.log());
    let arrived = only(&stand)?;
    ensure!(arrived.recipients == [to] && arrived.content.ends_with(message.as_bytes()), "{arrived:?}");
    Ok(())
}
