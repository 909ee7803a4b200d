//! One HTTP request: routed, read within its limits, answered, counted.

use std::time::Duration;

use http::{Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Bytes};
use tokio::time::{Instant, timeout};
use tracing::{info, warn};

use super::review::{self, Answer, BadReview, Noted};
use super::server::Limits;
use super::{MUTATE_PATH, Webhook};

/// What went wrong before there was a review.
#[derive(Debug, thiserror::Error)]
enum BadRequest {
    #[error("the body is larger than {0} octets")]
    TooLarge(usize),
    #[error("the body did not arrive within {} s", .0.as_secs())]
    Slow(Duration),
    #[error("the body broke off")]
    Broken,
    #[error(transparent)]
    Review(#[from] BadReview),
}

impl BadRequest {
    fn status(&self) -> StatusCode {
        match self {
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Slow(_) => StatusCode::REQUEST_TIMEOUT,
            Self::Broken | Self::Review(_) => StatusCode::BAD_REQUEST,
        }
    }
}

/// Answers one request; every failure is an HTTP status with one line of text.
pub(super) async fn answer<B>(
    webhook: &Webhook,
    limits: &Limits,
    request: Request<B>,
) -> Response<Full<Bytes>>
where
    B: Body + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if request.uri().path() != MUTATE_PATH {
        return text(StatusCode::NOT_FOUND, format!("there is nothing here; reviews go to {MUTATE_PATH}"));
    }
    if request.method() != Method::POST {
        return text(StatusCode::METHOD_NOT_ALLOWED, "reviews are POSTed".to_owned());
    }
    let begun = Instant::now();
    webhook.metrics.begun();
    let response = match reviewed(webhook, limits, request.into_body()).await {
        Ok(body) => json(body),
        Err(bad) => {
            warn!(error = %bad, "a request was no review");
            text(bad.status(), bad.to_string())
        }
    };
    webhook.metrics.ended(response.status().as_u16(), begun.elapsed());
    response
}

async fn reviewed<B>(webhook: &Webhook, limits: &Limits, body: B) -> Result<Vec<u8>, BadRequest>
where
    B: Body + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    if body.size_hint().lower() > u64::try_from(limits.body_octets).unwrap_or(u64::MAX) {
        return Err(BadRequest::TooLarge(limits.body_octets)); // it says so itself
    }
    let body = Limited::new(body, limits.body_octets).collect();
    let body = match timeout(limits.body_time, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            return Err(BadRequest::TooLarge(limits.body_octets));
        }
        Ok(Err(_)) => return Err(BadRequest::Broken),
        Err(_) => return Err(BadRequest::Slow(limits.body_time)),
    };
    let Answer { body, noted } = review::answer(&body, &webhook.settings)?;
    if let Some(noted) = noted {
        note(webhook, &noted);
    }
    Ok(body)
}

fn note(webhook: &Webhook, noted: &Noted) {
    let Noted { pod, namespace, decision, reason, detail } = noted;
    webhook.metrics.decided(decision, reason);
    info!(namespace, pod, decision, reason, detail, "decided about a pod");
}

fn json(body: Vec<u8>) -> Response<Full<Bytes>> {
    with_type(StatusCode::OK, "application/json", body)
}

fn text(status: StatusCode, line: String) -> Response<Full<Bytes>> {
    with_type(status, "text/plain; charset=utf-8", (line + "\n").into_bytes())
}

fn with_type(status: StatusCode, kind: &'static str, body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    response
}
