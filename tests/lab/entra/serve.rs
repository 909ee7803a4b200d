//! The HTTPS side of Entra: connections, paths, answers.

use std::sync::Arc;

use http_body_util::{BodyExt, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Method, Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};

use super::aadsts::{About, Refusal};
use super::answer::{Answer, HangUp, json_answer, misbehave, plain, refusal};
use super::request::TokenRequest;
use super::{EntraFault, Inner, TokenAnswer, TokenOutcome};
use crate::lab::event::Event;
use crate::lab::listen;
use crate::lab::token::{Claims, Form};

/// Longest form that is read, in octets.
const FORM_LIMIT: usize = 64 * 1024;

/// Serves until dropped.
pub(in crate::lab) async fn run(inner: Arc<Inner>, listener: TcpListener) {
    listen::serve(listener, |stream, number| connection(Arc::clone(&inner), stream, number)).await;
}

async fn connection(inner: Arc<Inner>, stream: TcpStream, number: u64) {
    if inner.faults.strike(number, |fault| (*fault == EntraFault::Down).then_some(())).is_some() {
        return;
    }
    let certificate = inner
        .faults
        .strike(number, |fault| if let EntraFault::Certificate(kind) = fault { Some(*kind) } else { None });
    let Ok(stream) = inner.certificates.acceptor(certificate).accept(stream).await else { return };
    let service = service_fn(|request| respond(&inner, number, request));
    // its errors are the client's affair
    let _ended =
        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn respond(inner: &Inner, number: u64, request: Request<Incoming>) -> Result<Answer, HangUp> {
    let path = request.uri().path().to_owned();
    let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
    match segments.as_slice() {
        [tenant, "oauth2", "v2.0", "token"] if *request.method() == Method::POST => {
            token(inner, number, tenant, request).await
        }
        [_, "oauth2", "v2.0", "token"] => Ok(refusal(&Refusal::new(900561, &About::default()))),
        [_, "v2.0", ".well-known", "openid-configuration"] => Ok(json_answer(200, &discovery(inner))),
        [_, "discovery", "v2.0", "keys"] => Ok(json_answer(200, &inner.mint.key().jwks())),
        _ => Ok(plain(StatusCode::NOT_FOUND, "text/html", "<html>not found</html>")),
    }
}

async fn token(
    inner: &Inner,
    number: u64,
    tenant: &str,
    request: Request<Incoming>,
) -> Result<Answer, HangUp> {
    let is_form = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("application/x-www-form-urlencoded"));
    // the body is read first also where it does not matter: a misbehaving server has it, too
    let body = match Limited::new(request.into_body(), FORM_LIMIT).collect().await {
        Ok(body) if is_form => body.to_bytes(),
        Ok(_) => Bytes::new(),
        Err(_) => return Err(HangUp),
    };
    let parsed = TokenRequest::parse(tenant, &body);
    let record = |outcome| {
        let (client_id, scope) =
            parsed.as_ref().ok().map(|form| (form.client_id.clone(), form.scope.clone())).unzip();
        let answer =
            TokenAnswer { time: Timestamp::now(), tenant: tenant.to_owned(), client_id, scope, outcome };
        tell(inner, answer);
    };

    if let Some(delay) = inner
        .faults
        .strike(number, |fault| if let EntraFault::Slow(delay) = fault { Some(*delay) } else { None })
    {
        tokio::time::sleep(delay).await;
    }
    let before = inner.faults.times_cleared();
    if let Some(bad) = inner
        .faults
        .strike(number, |fault| if let EntraFault::Answer(bad) = fault { Some(bad.clone()) } else { None })
    {
        record(TokenOutcome::Misbehaved(bad.clone()));
        return misbehave(inner, &bad, before).await;
    }
    let (answer, outcome) =
        match parsed.as_ref().map_err(Clone::clone).and_then(|form| issue(inner, number, form)) {
            Ok((body, seconds)) => (json_answer(200, &body), TokenOutcome::Issued { seconds }),
            Err(error) => (refusal(&error), TokenOutcome::Refused(error.code)),
        };
    record(outcome);
    Ok(answer)
}

fn tell(inner: &Inner, answer: TokenAnswer) {
    let answer = Arc::new(answer);
    inner.seen.send_modify(|seen| seen.push(Arc::clone(&answer)));
    // nobody need be watching
    let _unwatched = inner.events.send(Event::TokenAnswered(answer));
}

/// Judges a request and makes the token, as the faults would have it.
fn issue(inner: &Inner, number: u64, request: &TokenRequest) -> Result<(Value, i64), Refusal> {
    let now = Timestamp::now();
    let mut claims = {
        let directory = inner.directory.borrow();
        let granted = request.judge(&directory, now)?;
        Claims::of(&directory, granted.app, &granted.audience, now)
    };
    let mut form = Form::Jwt;
    // each of these is looked for by itself, so that several can be in force together
    if inner.faults.strike(number, |fault| (*fault == EntraFault::OpaqueTokens).then_some(())).is_some() {
        form = Form::Opaque;
    }
    if inner.faults.strike(number, |fault| (*fault == EntraFault::WithoutRoles).then_some(())).is_some() {
        claims.roles.clear();
    }
    if let Some(audience) = inner.faults.strike(number, |fault| {
        if let EntraFault::Audience(audience) = fault { Some(audience.clone()) } else { None }
    }) {
        claims.aud = audience;
    }
    if let Some(lifetime) = inner.faults.strike(number, |fault| {
        if let EntraFault::Lifetime(lifetime) = fault { Some(*lifetime) } else { None }
    }) {
        claims = claims.lasting(lifetime);
    }
    let seconds = claims.exp - claims.iat;
    let token = inner.mint.issue(&claims, form).map_err(|_| Refusal::new(90033, &About::default()))?;
    let body = json!({
        "token_type": "Bearer",
        "expires_in": seconds,
        "ext_expires_in": seconds,
        "access_token": token.expose_secret(),
    });
    Ok((body, seconds))
}

fn discovery(inner: &Inner) -> Value {
    let tenant = inner.directory.borrow().tenant.id.clone();
    json!({
        "token_endpoint": format!("/{tenant}/oauth2/v2.0/token"),
        "jwks_uri": format!("/{tenant}/discovery/v2.0/keys"),
        "issuer": format!("https://sts.windows.net/{tenant}/"),
        "id_token_signing_alg_values_supported": ["RS256"],
    })
}
