//! Graph's answers, good and bad.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use serde_json::{Value, json};

use crate::lab::stamp;

pub(super) type Answer = Response<Full<Bytes>>;

/// A refusal in Graph's form.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) code: String,
    pub(super) message: String,
    pub(super) retry_after: Option<u32>,
}

impl Refusal {
    pub(super) fn new(status: u16, code: &str, message: &str) -> Self {
        Self { status, code: code.to_owned(), message: message.to_owned(), retry_after: None }
    }

    pub(super) fn answer(&self) -> Answer {
        let body = json!({
            "error": {
                "code": self.code,
                "message": self.message,
                "innerError": {"request-id": stamp::guid()},
            }
        });
        let mut answer = with_json(self.status, &body);
        if let Some(seconds) = self.retry_after {
            answer.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        answer
    }
}

/// This status without a body.
pub(super) fn empty(status: u16) -> Answer {
    identified(Response::new(Full::default()), status)
}

pub(super) fn with_json(status: u16, body: &Value) -> Answer {
    let mut answer = Response::new(Full::from(body.to_string()));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    identified(answer, status)
}

fn identified(mut answer: Answer, status: u16) -> Answer {
    *answer.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let Ok(id) = stamp::guid().parse() {
        answer.headers_mut().insert("request-id", id);
    }
    answer
}
