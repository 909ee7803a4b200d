//! The control endpoint: plain HTTP on loopback, to look into a running lab, to order faults, and to sign
//! in as people would.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::lab::{FaultOrder, Lab, Message, listen};

/// Longest order that is read, in octets.
const ORDER_LIMIT: usize = 64 * 1024;

const HELP: &str = "\
GET    /messages       what Exchange took, as JSON
GET    /messages/N     message N as it came
GET    /counters       what was counted, as JSON
GET    /transcripts    the last dialogues
GET    /codes          the codes with which somebody may sign in (--people)
POST   /codes/CODE     sign in as the owner of the mailbox in the body
DELETE /codes/CODE     decline
POST   /faults         misbehave: one [TIMES*]entra:FAULT, [TIMES*]exchange:FAULT or [TIMES*]graph:FAULT a line
DELETE /faults         behave
";

/// A running control endpoint; dropping it ends it.
pub(super) struct Control {
    pub(super) address: SocketAddr,
    _task: JoinSet<()>,
}

/// Starts it.
pub(super) async fn start(lab: Arc<Lab>, address: SocketAddr) -> anyhow::Result<Control> {
    let (listener, address) = listen::bind(address).await?;
    let mut task = JoinSet::new();
    task.spawn(async move {
        listen::serve(listener, |stream, _number| {
            let lab = Arc::clone(&lab);
            async move {
                let service = service_fn(|request| respond(&lab, request));
                // its errors are the client's affair
                let _ended = hyper::server::conn::http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            }
        })
        .await;
    });
    Ok(Control { address, _task: task })
}

type Answer = Response<Full<Bytes>>;

async fn respond(lab: &Lab, request: Request<Incoming>) -> Result<Answer, Infallible> {
    let path = request.uri().path().to_owned();
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    Ok(match (request.method(), segments.as_slice()) {
        (&Method::GET, [""]) => text(StatusCode::OK, HELP),
        (&Method::GET, ["messages"]) => {
            json_answer(&lab.exchange().messages().iter().map(|message| summary(message)).collect())
        }
        (&Method::GET, ["messages", number]) => message(lab, number),
        (&Method::GET, ["counters"]) => json_answer(&counters(lab)),
        (&Method::GET, ["transcripts"]) => {
            let all: String = lab.exchange().transcripts().iter().map(|one| format!("{one}\n")).collect();
            text(StatusCode::OK, &all)
        }
        (&Method::GET, ["codes"]) => {
            let codes: String = lab.entra().codes().iter().map(|code| format!("{code}\n")).collect();
            text(StatusCode::OK, &codes)
        }
        (&Method::POST, ["codes", code]) => {
            let user = body(request).await;
            done(user.and_then(|user| lab.entra().approve(code, user.trim())), "signed in\n")
        }
        (&Method::DELETE, ["codes", code]) => done(lab.entra().decline(code), "declined\n"),
        (&Method::POST, ["faults"]) => order(lab, request).await,
        (&Method::DELETE, ["faults"]) => {
            lab.behave();
            text(StatusCode::OK, "in good order\n")
        }
        _ => text(StatusCode::NOT_FOUND, HELP),
    })
}

async fn body(request: Request<Incoming>) -> anyhow::Result<String> {
    let body = Limited::new(request.into_body(), ORDER_LIMIT).collect().await;
    let body = body.map_err(|_| anyhow::anyhow!("that is too long"))?;
    Ok(String::from_utf8_lossy(&body.to_bytes()).into_owned())
}

fn done(outcome: anyhow::Result<()>, words: &str) -> Answer {
    match outcome {
        Ok(()) => text(StatusCode::OK, words),
        Err(error) => text(StatusCode::BAD_REQUEST, &format!("{error:#}\n")),
    }
}

async fn order(lab: &Lab, request: Request<Incoming>) -> Answer {
    let body = match body(request).await {
        Ok(body) => body,
        Err(error) => return text(StatusCode::PAYLOAD_TOO_LARGE, &format!("{error}\n")),
    };
    let lines = body.lines().filter(|line| !line.is_empty());
    match lines.map(str::parse).collect::<Result<Vec<FaultOrder>, _>>() {
        Ok(orders) => {
            let count = orders.len();
            orders.into_iter().for_each(|order| lab.order(order));
            text(StatusCode::OK, &format!("ordered: {count}\n"))
        }
        Err(error) => text(StatusCode::BAD_REQUEST, &format!("{error}\n")),
    }
}

fn message(lab: &Lab, number: &str) -> Answer {
    let wanted = number.parse::<usize>().ok();
    match lab.exchange().messages().into_iter().find(|message| Some(message.number) == wanted) {
        Some(message) => answer(StatusCode::OK, "message/rfc822", message.content.clone().into()),
        None => text(StatusCode::NOT_FOUND, "there is no such message\n"),
    }
}

fn summary(message: &Message) -> Value {
    json!({
        "number": message.number,
        "time": message.time.to_string(),
        "mailbox": message.mailbox,
        "clientID": message.client_id,
        "tls": message.tls,
        "connection": message.connection,
        "sender": message.envelope.sender,
        "recipients": message.recipients(),
        "subject": message.header("Subject"),
        "messageID": message.header("Message-ID"),
        "octets": message.content.len(),
    })
}

fn counters(lab: &Lab) -> Value {
    let counters = lab.exchange().counters();
    json!({
        "tokenRequests": lab.entra().requests().len(),
        "connections": counters.connections,
        "open": counters.open,
        "handshakes": counters.handshakes,
        "failedHandshakes": counters.failed_handshakes,
        "authCommands": counters.auth_commands,
        "signedIn": counters.signed_in,
        "resets": counters.resets,
        "messages": counters.messages,
        "throttled": counters.throttled,
        "overConnections": counters.over_connections,
        "misbehaved": counters.misbehaved,
        "plaintextSecretsSeen": counters.plaintext_secrets_seen,
        "violations": lab.exchange().violations(),
        "graphRequests": lab.graph().counters().requests,
        "graphMessages": lab.graph().messages().len(),
    })
}

fn json_answer(value: &Value) -> Answer {
    answer(StatusCode::OK, "application/json", format!("{value:#}\n").into())
}

fn text(status: StatusCode, text: &str) -> Answer {
    answer(status, "text/plain; charset=utf-8", text.to_owned().into())
}

fn answer(status: StatusCode, content_type: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    answer
}
