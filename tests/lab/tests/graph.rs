//! Microsoft Graph over HTTPS.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::client::{Answer, ask, post};
use super::lab;
use crate::lab::{
    Claims, DEFAULT_CLIENT_ID, DEFAULT_MAILBOX, DEFAULT_TENANT, Form, GRAPH_AUDIENCE, GraphAct, GraphFault,
    Lab, Mailbox, Span, Step,
};

const MAIL: &str = "From: billing@contoso.com\r\nTo: A <a@x.test>\r\nBcc: b@x.test\r\n\r\nHello.\r\n";

fn token(lab: &Lab, change: impl FnOnce(&mut Claims)) -> String {
    let mut claims = lab.entra().claims_for(DEFAULT_CLIENT_ID, GRAPH_AUDIENCE).unwrap();
    change(&mut claims);
    lab.entra().mint(&claims, Form::Jwt).unwrap().expose_secret().to_owned()
}

async fn request(
    lab: &Lab,
    (method, path): (&str, &str),
    fields: &[(&str, &str)],
    body: &str,
) -> anyhow::Result<Answer> {
    let mut request = hyper::Request::builder().method(method).uri(path);
    request = request.header("host", lab.graph().address().to_string());
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    ask(lab.graph().address(), lab.graph().ca_pem(), request.body(body.to_owned())?).await
}

async fn send_as(lab: &Lab, token: &str, mailbox: &str, mail: &str) -> anyhow::Result<Answer> {
    let authorization = format!("Bearer {token}");
    let fields = [("authorization", authorization.as_str()), ("content-type", "text/plain")];
    let path = format!("/v1.0/users/{mailbox}/sendMail");
    request(lab, ("POST", &path), &fields, &STANDARD.encode(mail)).await
}

async fn send(lab: &Lab, mail: &str) -> anyhow::Result<Answer> {
    send_as(lab, &token(lab, |_| ()), DEFAULT_MAILBOX, mail).await
}

fn code(answer: &Answer) -> (u16, String) {
    (answer.status, answer.json()["error"]["code"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_users_token_sends_from_the_users_mailbox_and_no_other() {
    let lab = lab().await;
    lab.administer(|directory| {
        directory.mailboxes.push(Mailbox::new("other@contoso.com"));
        directory.apps[0] = directory.apps[0].clone().for_people();
    });
    let refresh = lab.entra().sign_in(DEFAULT_CLIENT_ID, DEFAULT_TENANT, DEFAULT_MAILBOX);
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "refresh_token")
        .append_pair("client_id", DEFAULT_CLIENT_ID)
        .append_pair("refresh_token", refresh.expose_secret())
        .append_pair("scope", "https://graph.microsoft.com/Mail.Send offline_access")
        .finish();
    let answer = post(&lab, &format!("/{DEFAULT_TENANT}/oauth2/v2.0/token"), &form).await.unwrap().json();
    let token = answer["access_token"].as_str().unwrap();
    assert_eq!(send_as(&lab, token, DEFAULT_MAILBOX, MAIL).await.unwrap().status, 202);
    let anothers = send_as(&lab, token, "other@contoso.com", MAIL).await.unwrap();
    assert_eq!(code(&anothers), (403, "ErrorAccessDenied".to_owned()));
}

#[tokio::test]
async fn a_message_is_taken_with_202_and_goes_to_whom_its_header_names() {
    let lab = lab().await;
    let answer = send(&lab, MAIL).await.unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (202, ""));
    let messages = lab.graph().messages();
    assert_eq!(messages[0].content, MAIL.as_bytes());
    assert_eq!(messages[0].recipients, ["a@x.test", "b@x.test"]);
}

#[tokio::test]
async fn a_token_must_hold_and_suffice() {
    let lab = lab().await;
    let refused = async |change: fn(&mut Claims), mailbox: &str| {
        let token = token(&lab, change);
        code(&send_as(&lab, &token, mailbox, MAIL).await.unwrap())
    };
    let invalid = (401, "InvalidAuthenticationToken".to_owned());
    assert_eq!(
        refused(|it| it.aud = "https://outlook.office365.com".to_owned(), DEFAULT_MAILBOX).await,
        invalid
    );
    assert_eq!(refused(|it| it.exp = it.iat - 1, DEFAULT_MAILBOX).await, invalid);
    let none = (401, "NoPermissionsInAccessToken".to_owned());
    assert_eq!(refused(|it| it.roles.clear(), DEFAULT_MAILBOX).await, none);
    let denied = (403, "ErrorAccessDenied".to_owned());
    assert_eq!(refused(|it| it.roles = vec!["Mail.Read".to_owned()], DEFAULT_MAILBOX).await, denied);
    assert_eq!(refused(|_| (), "nobody@contoso.com").await, (404, "ErrorInvalidUser".to_owned()));
    lab.administer(|it| it.apps[0].rbac_scope.push(DEFAULT_MAILBOX.to_owned()));
    let by_scope = token(&lab, |it| it.roles.clear());
    assert_eq!(send_as(&lab, &by_scope, DEFAULT_MAILBOX, MAIL).await.unwrap().status, 202);
    assert_eq!(lab.graph().counters().not_admitted, 4);
}

#[tokio::test]
async fn what_is_no_message_of_the_mailbox_is_refused() {
    let lab = lab().await;
    let foreign = send(&lab, &MAIL.replace("billing@", "boss@")).await.unwrap();
    assert_eq!(code(&foreign), (403, "ErrorSendAsDenied".to_owned()));
    let nobody = send(&lab, "Subject: x\r\n\r\nTo: a@x.test\r\n").await.unwrap();
    assert_eq!(code(&nobody), (400, "ErrorInvalidRecipients".to_owned()));
    let bearer = format!("Bearer {}", token(&lab, |_| ()));
    let fields = [("authorization", bearer.as_str()), ("content-type", "text/plain")];
    let path = format!("/v1.0/users/{DEFAULT_MAILBOX}/sendMail");
    let garbage = request(&lab, ("POST", &path), &fields, "***").await.unwrap();
    assert_eq!(code(&garbage), (400, "ErrorMimeContentInvalidBase64String".to_owned()));
    let large = request(&lab, ("POST", &path), &fields, &"A".repeat(4 * 1024 * 1024 + 1)).await.unwrap();
    assert_eq!(large.status, 413);
    assert!(lab.graph().messages().is_empty());
}

#[tokio::test]
async fn every_fault_is_what_it_says() {
    let lab = lab().await;
    let once = |act| lab.graph().misbehave_for(Span::Times(1), GraphFault::At(Step::SendMail, act));
    lab.graph().misbehave_for(Span::Times(1), GraphFault::answers(429, "ApplicationThrottled", Some(7)));
    let throttled = send(&lab, MAIL).await.unwrap();
    assert_eq!(code(&throttled), (429, "ApplicationThrottled".to_owned()));
    assert_eq!(throttled.retry_after.as_deref(), Some("7"));
    once(GraphAct::Early(401));
    assert_eq!(send(&lab, MAIL).await.unwrap().status, 401);
    once(GraphAct::Drop);
    assert!(send(&lab, MAIL).await.is_err());
    assert!(lab.graph().messages().is_empty());
    once(GraphAct::DropAnswer);
    assert!(send(&lab, MAIL).await.is_err());
    assert_eq!(lab.graph().messages().len(), 1);
    assert_eq!(lab.graph().counters().misbehaved, 4);
    lab.graph().misbehave_for(Span::Times(1), GraphFault::Down);
    assert!(send(&lab, MAIL).await.is_err());
    assert_eq!(send(&lab, MAIL).await.unwrap().status, 202);
}

#[tokio::test]
async fn no_mailbox_has_more_than_four_requests_at_once() {
    let lab = lab().await;
    lab.graph().misbehave(GraphFault::At(Step::SendMail, GraphAct::Hold));
    let all = async { tokio::join!(send(&lab, MAIL), send(&lab, MAIL), send(&lab, MAIL), send(&lab, MAIL)) };
    let fifth = async {
        lab.graph().wait_until(super::PATIENCE, |it| it.misbehaved == 4).await.unwrap();
        let fifth = send(&lab, MAIL).await.unwrap();
        lab.graph().behave();
        fifth
    };
    let ((first, ..), fifth) = tokio::join!(all, fifth);
    assert_eq!((first.unwrap().status, code(&fifth)), (202, (429, "ApplicationThrottled".to_owned())));
    let counters = lab.graph().counters();
    assert_eq!((counters.most_at_once, counters.over_concurrency), (4, 1));
}

#[tokio::test]
async fn a_draft_is_built_piece_by_piece_and_sent() {
    let lab = lab().await;
    let bearer = format!("Bearer {}", token(&lab, |it| it.roles.push("Mail.ReadWrite".to_owned())));
    let base = format!("/v1.0/users/{DEFAULT_MAILBOX}/messages");
    let post = async |path: &str, body: Value| -> Answer {
        let fields = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        request(&lab, ("POST", path), &fields, &body.to_string()).await.unwrap()
    };
    let created =
        post(&base, json!({"subject": "x", "toRecipients": [{"emailAddress": {"address": "a@x.test"}}]}));
    let draft = format!("{base}/{}", created.await.json()["id"].as_str().unwrap());
    let small = json!({"name": "a.txt", "contentBytes": STANDARD.encode("small")});
    assert_eq!(post(&format!("{draft}/attachments"), small).await.status, 201);
    let item = json!({"AttachmentItem": {"attachmentType": "file", "name": "b.bin", "size": 10}});
    let begun = post(&format!("{draft}/attachments/createUploadSession"), item).await.json();
    let url = begun["uploadUrl"].as_str().unwrap();
    let path = url.split_once("//").and_then(|(_, rest)| rest.find('/').map(|at| &rest[at..])).unwrap();
    let put = async |range: &str, body: &str| {
        request(&lab, ("PUT", path), &[("content-range", range)], body).await.unwrap()
    };
    assert_eq!(put("bytes 4-9/10", "456789").await.status, 416);
    assert_eq!(put("bytes 0-3/10", "0123").await.json()["nextExpectedRanges"][0], "4-");
    assert_eq!(put("bytes 4-9/10", "456789").await.status, 201);
    assert_eq!(post(&format!("{draft}/send"), Value::Null).await.status, 202);
    let message = lab.graph().messages()[0].clone();
    let sent = message.draft.as_ref().unwrap();
    assert_eq!(message.recipients, ["a@x.test"]);
    let contents: Vec<_> = sent.attachments.iter().map(|it| it.content.as_slice()).collect();
    assert_eq!(contents, [&b"small"[..], b"0123456789"]);
    assert_eq!((lab.graph().drafts(), lab.graph().counters().tokens_at_upload), (0, 0));
}

#[tokio::test]
async fn drafts_need_a_permission_of_their_own() {
    let lab = lab().await;
    let bearer = format!("Bearer {}", token(&lab, |_| ()));
    let path = format!("/v1.0/users/{DEFAULT_MAILBOX}/messages");
    let created = request(&lab, ("POST", &path), &[("authorization", &bearer)], "{}").await.unwrap();
    assert_eq!(code(&created), (403, "ErrorAccessDenied".to_owned()));
}
