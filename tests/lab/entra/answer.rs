//! HTTP answers of the token endpoint, good and bad.

use std::convert::Infallible;

use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Bytes, Frame};
use hyper::{Response, StatusCode, header};
use jiff::Timestamp;
use serde_json::Value;

use super::aadsts::{About, Refusal};
use super::{BadAnswer, Inner};
use crate::lab::stamp;

pub(super) type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;

/// The connection is closed without an answer.
#[derive(Debug, thiserror::Error)]
#[error("closed without an answer")]
pub(super) struct HangUp;

/// Answers badly; `cleared` is how often the faults had been cleared when this one struck.
pub(super) async fn misbehave(inner: &Inner, bad: &BadAnswer, cleared: u64) -> Result<Answer, HangUp> {
    match bad {
        BadAnswer::Error(code) => Ok(refusal(&Refusal::new(*code, &About::default()))),
        BadAnswer::Throttled(retry_after) => {
            let mut answer =
                plain(StatusCode::TOO_MANY_REQUESTS, "text/plain", "Too many requests. Please retry later.");
            if let Some(seconds) = retry_after {
                answer.headers_mut().insert(header::RETRY_AFTER, (*seconds).into());
            }
            Ok(answer)
        }
        BadAnswer::Status(status) => {
            let status = StatusCode::from_u16(*status).unwrap_or(StatusCode::BAD_GATEWAY);
            Ok(plain(status, "text/html", "<html><body>The service is unavailable.</body></html>"))
        }
        BadAnswer::NotJson => Ok(plain(StatusCode::OK, "application/json", "<html>Sign in</html>")),
        BadAnswer::EndlessBody => {
            let begin = Bytes::from_static(br#"{"token_type":"Bearer","expires_in":3599,"access_token":""#);
            let rest = Bytes::from_static(&[b'a'; 8192]);
            let pieces = std::iter::once(begin).chain(std::iter::repeat(rest));
            let stream = futures::stream::iter(pieces.map(|bytes| Ok(Frame::data(bytes))));
            Ok(with_body(StatusCode::OK, "application/json", StreamBody::new(stream).boxed_unsync()))
        }
        BadAnswer::Hang => {
            inner.faults.cleared(cleared).await;
            Err(HangUp)
        }
        BadAnswer::Drop => Err(HangUp),
    }
}

pub(super) fn refusal(refusal: &Refusal) -> Answer {
    json_answer(refusal.status, &refusal.body(Timestamp::now()))
}

pub(super) fn json_answer(status: u16, body: &Value) -> Answer {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    plain(status, "application/json; charset=utf-8", &body.to_string())
}

pub(super) fn plain(status: StatusCode, content_type: &'static str, body: &str) -> Answer {
    with_body(status, content_type, Full::from(body.to_owned()).boxed_unsync())
}

fn with_body(
    status: StatusCode,
    content_type: &'static str,
    body: UnsyncBoxBody<Bytes, Infallible>,
) -> Answer {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store, no-cache"));
    headers.insert(header::PRAGMA, header::HeaderValue::from_static("no-cache"));
    if let Ok(id) = stamp::guid().parse() {
        headers.insert("x-ms-request-id", id);
    }
    answer
}
