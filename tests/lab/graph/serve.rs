//! The HTTPS side of Graph: connections, paths, faults, and how many requests at once.

use std::sync::Arc;

use http_body_util::{BodyExt, Limited};
use hyper::Request;
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_RANGE, CONTENT_TYPE, HOST, HeaderMap, HeaderName};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};

use super::access::{Admitted, Permission, admit};
use super::answer::{Answer, Refusal, empty};
use super::fault::{GraphAct, GraphFault, Step};
use super::{AT_ONCE, Inner, draft, locked, message};
use crate::lab::listen;

/// The largest body, in octets. "About 4 MB" (fact sheet D, "Graph").
const MOST: usize = 4 * 1024 * 1024;

/// The connection is closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("closed without an answer")]
struct HangUp;

/// A request, once its path is known.
struct Asked<'a> {
    step: Step,
    /// The user in the path; empty at an upload URL.
    user: &'a str,
    /// The draft, or the upload session.
    id: &'a str,
}

/// Serves until dropped.
pub(in crate::lab) async fn run(inner: Arc<Inner>, listener: TcpListener) {
    listen::serve(listener, |stream, number| connection(Arc::clone(&inner), stream, number)).await;
}

async fn connection(inner: Arc<Inner>, stream: TcpStream, number: u64) {
    if inner.faults.strike(number, |fault| (*fault == GraphFault::Down).then_some(())).is_some() {
        return;
    }
    let certificate = inner
        .faults
        .strike(number, |fault| if let GraphFault::Certificate(kind) = fault { Some(*kind) } else { None });
    let Ok(stream) = inner.certificates.acceptor(certificate).accept(stream).await else { return };
    let service = service_fn(|request| respond(&inner, number, request));
    // its errors are the client's affair
    let _ended =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn respond(inner: &Inner, number: u64, request: Request<Incoming>) -> Result<Answer, HangUp> {
    let path = request.uri().path().to_owned();
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    let asked = |step, user, id| Asked { step, user, id };
    let asked = match (request.method().as_str(), segments.as_slice()) {
        ("POST", ["v1.0", "users", user, "sendMail"]) => asked(Step::SendMail, *user, ""),
        ("POST", ["v1.0", "users", user, "messages"]) => asked(Step::Create, *user, ""),
        ("POST", ["v1.0", "users", user, "messages", id, "attachments"]) => asked(Step::Attach, *user, *id),
        ("POST", ["v1.0", "users", user, "messages", id, "attachments", "createUploadSession"]) => {
            asked(Step::Session, *user, *id)
        }
        ("POST", ["v1.0", "users", user, "messages", id, "send"]) => asked(Step::Send, *user, *id),
        ("DELETE", ["v1.0", "users", user, "messages", id]) => asked(Step::Delete, *user, *id),
        ("PUT", ["upload", id]) => asked(Step::Upload, "", *id),
        _ => return Ok(Refusal::new(404, "UnknownError", "There is no such resource.").answer()),
    };
    inner.count(|counters| counters.requests += 1);
    let Some(_open) = Open::begin(inner, asked.user) else {
        inner.count(|counters| counters.over_concurrency += 1);
        let why = "Application is over its MailboxConcurrency limit.";
        let refusal = Refusal::new(429, "ApplicationThrottled", why);
        return Ok(Refusal { retry_after: Some(1), ..refusal }.answer());
    };
    let before = inner.faults.times_cleared();
    let act = inner.faults.strike(number, |fault| match fault {
        GraphFault::At(step, act) if *step == asked.step => Some(act.clone()),
        _ => None,
    });
    if act.is_some() {
        inner.count(|counters| counters.misbehaved += 1);
    }
    match &act {
        Some(GraphAct::Drop) => return Err(HangUp),
        Some(GraphAct::Early(status)) => return Ok(Refusal::new(*status, "", "").answer()),
        _ => {}
    }
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, MOST).collect().await else {
        return Ok(Refusal::new(413, "RequestEntityTooLarge", "The request is too large.").answer());
    };
    let body = body.to_bytes();
    match &act {
        Some(GraphAct::Answer { status, code, retry_after }) => {
            let refusal = Refusal::new(*status, code, "As it was ordered.");
            return Ok(Refusal { retry_after: *retry_after, ..refusal }.answer());
        }
        Some(GraphAct::Slow(time)) => tokio::time::sleep(*time).await,
        Some(GraphAct::Hold) => inner.faults.cleared(before).await,
        _ => {}
    }
    let answer = obey(inner, &asked, &head.headers, &body).unwrap_or_else(|refusal| {
        if matches!(refusal.status, 401 | 403) {
            inner.count(|counters| counters.not_admitted += 1);
        }
        refusal.answer()
    });
    if act == Some(GraphAct::DropAnswer) { Err(HangUp) } else { Ok(answer) }
}

fn obey(inner: &Inner, asked: &Asked<'_>, head: &HeaderMap, body: &Bytes) -> Result<Answer, Refusal> {
    let text = |name: HeaderName| head.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let user = percent_decoded(asked.user);
    let may = |permission| admit(inner, head, &user, permission);
    match asked.step {
        Step::SendMail => {
            let by = may(Permission::Send)?;
            let read = message::read(&inner.directory.borrow(), &by, text(CONTENT_TYPE), body);
            inner.take(read?);
            Ok(empty(202))
        }
        Step::Create => draft::create(inner, &may(Permission::Write)?, body),
        Step::Attach => may(Permission::Write).and_then(|_| draft::attach(inner, asked.id, body)),
        Step::Session => {
            may(Permission::Write).and_then(|_| draft::session(inner, asked.id, text(HOST), body))
        }
        Step::Upload => {
            if head.contains_key(AUTHORIZATION) {
                inner.count(|counters| counters.tokens_at_upload += 1);
            }
            draft::upload(inner, asked.id, text(CONTENT_RANGE), body)
        }
        Step::Send => {
            let by: Admitted = may(Permission::Send)?;
            draft::send(inner, &by, asked.id)
        }
        Step::Delete => may(Permission::Write).and_then(|_| draft::delete(inner, asked.id)),
    }
}

/// What stands in a segment of a path (RFC 3986 section 2.1).
fn percent_decoded(segment: &str) -> String {
    let mut octets = Vec::new();
    let mut rest = segment.as_bytes();
    while let [first, after @ ..] = rest {
        let decoded = match (first, after) {
            (b'%', [_, _, ..]) => segment
                .get(segment.len() - after.len()..segment.len() - after.len() + 2)
                .and_then(|hex| u8::from_str_radix(hex, 16).ok()),
            _ => None,
        };
        match decoded {
            Some(octet) => {
                octets.push(octet);
                rest = &after[2..];
            }
            None => {
                octets.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&octets).into_owned()
}

/// A request that is being served, counted for its mailbox.
struct Open<'a> {
    inner: &'a Inner,
    user: String,
}

impl<'a> Open<'a> {
    /// `None`: there are too many. Upload URLs are another server's, and are not counted.
    fn begin(inner: &'a Inner, user: &str) -> Option<Self> {
        let user = user.to_ascii_lowercase();
        let now = {
            let mut open = locked(&inner.open);
            let now = open.entry(user.clone()).or_default();
            if *now >= AT_ONCE && !user.is_empty() {
                return None;
            }
            *now += 1;
            *now
        };
        if !user.is_empty() {
            inner.count(|counters| counters.most_at_once = counters.most_at_once.max(now));
        }
        Some(Self { inner, user })
    }
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if let Some(now) = locked(&self.inner.open).get_mut(&self.user) {
            *now -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_decoded() {
        assert_eq!(percent_decoded("a%2Fb@x.test"), "a/b@x.test");
        assert_eq!(percent_decoded("a%4"), "a%4");
        assert_eq!(percent_decoded("%C3%B6%zz"), "\u{f6}%zz");
    }
}
