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
use super::grants::Asked;
use super::judge::{self, Bench, Granted};
use super::request::{Form, TokenRequest};
use super::{EntraFault, Inner, Shown, TokenAnswer, TokenOutcome};
use crate::lab::event::Event;
use crate::lab::listen;
use crate::lab::token::{CONSUMERS_TENANT, Claims, Form as TokenForm};

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
        [tenant, "oauth2", "v2.0", "devicecode"] if *request.method() == Method::POST => {
            device_code(inner, tenant, request).await
        }
        [_, "oauth2", "v2.0", "token" | "devicecode"] => {
            Ok(refusal(&Refusal::new(900561, &About::default())))
        }
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
    let endpoints = endpoints(inner, tenant, &request);
    // the body is read first also where it does not matter: a misbehaving server has it, too
    let body = form(request).await?;
    let parsed = TokenRequest::parse(tenant, &body);
    let record = |shown, outcome| {
        let form = parsed.as_ref().ok();
        let (client_id, scope) =
            (form.map(|form| form.client_id.clone()), form.and_then(|form| form.scope.clone()));
        let (time, tenant) = (Timestamp::now(), tenant.to_owned());
        tell(inner, TokenAnswer { time, tenant, client_id, scope, shown, outcome });
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
        record(None, TokenOutcome::Misbehaved(bad.clone()));
        return misbehave(inner, &bad, before).await;
    }
    let judged = parsed.as_ref().map_err(Clone::clone);
    let (answer, shown, outcome) = match judged.and_then(|form| issue(inner, number, form, &endpoints)) {
        Ok(Issued { body, shown, seconds }) => {
            (json_answer(200, &body), Some(shown), TokenOutcome::Issued { seconds })
        }
        Err(error) => (refusal(&error), None, TokenOutcome::Refused(error.code)),
    };
    record(shown, outcome);
    Ok(answer)
}

/// The form that was posted; empty where it is none.
async fn form(request: Request<Incoming>) -> Result<Bytes, HangUp> {
    let is_form = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("application/x-www-form-urlencoded"));
    match Limited::new(request.into_body(), FORM_LIMIT).collect().await {
        Ok(body) if is_form => Ok(body.to_bytes()),
        Ok(_) => Ok(Bytes::new()),
        Err(_) => Err(HangUp),
    }
}

/// What an assertion for this request may be made out to: the URL as it was asked for, and that of the
/// tenant by its id.
fn endpoints(inner: &Inner, tenant: &str, request: &Request<Incoming>) -> Vec<String> {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let id = inner.directory.borrow().tenant.id.clone();
    [tenant, &id].map(|tenant| format!("https://{host}/{tenant}/oauth2/v2.0/token")).into()
}

/// The code for signing in on another device, and the one that is shown.
async fn device_code(inner: &Inner, tenant: &str, request: Request<Incoming>) -> Result<Answer, HangUp> {
    let form = Form::parse(&form(request).await?);
    let begun = form.required("client_id").and_then(|client_id| {
        let scope = form.required("scope")?;
        let asked =
            Asked { client_id: client_id.to_owned(), tenant: tenant.to_owned(), scope: scope.to_owned() };
        judge::begin(&inner.directory.borrow(), &inner.grants, asked)
    });
    let (device_code, user_code) = match begun {
        Ok(codes) => codes,
        Err(error) => return Ok(refusal(&error)),
    };
    let place = "https://microsoft.com/devicelogin";
    let message = format!(
        "To sign in, use a web browser to open the page {place} and enter the code {user_code} to authenticate."
    );
    Ok(json_answer(
        200,
        &json!({
            "user_code": user_code,
            "device_code": device_code,
            "verification_uri": place,
            "expires_in": 900,
            "interval": inner.grants.interval(),
            "message": message,
        }),
    ))
}

fn tell(inner: &Inner, answer: TokenAnswer) {
    let answer = Arc::new(answer);
    inner.seen.send_modify(|seen| seen.push(Arc::clone(&answer)));
    // nobody need be watching
    let _unwatched = inner.events.send(Event::TokenAnswered(answer));
}

/// A token and what came with it.
struct Issued {
    body: Value,
    shown: Shown,
    seconds: i64,
}

/// Judges a request and makes the token, as the faults would have it.
fn issue(
    inner: &Inner,
    number: u64,
    request: &TokenRequest,
    endpoints: &[String],
) -> Result<Issued, Refusal> {
    let now = Timestamp::now();
    let (mut claims, shown, person) = {
        let directory = inner.directory.borrow();
        let bench = Bench { directory: &directory, grants: &inner.grants, endpoints, now };
        let Granted { app, audience, shown, person } = request.judge(&bench)?;
        let mut claims = Claims::of(&directory, app, &audience, now);
        claims.appidacr = match shown {
            Shown::Secret => "1",
            Shown::Certificate | Shown::Federated => "2",
            Shown::RefreshToken | Shown::DeviceCode => "0",
        }
        .to_owned();
        if let Some(person) = &person {
            claims = claims.on_behalf_of(&person.signed_in.user, &person.scp);
        }
        (claims, shown, person)
    };
    let personal = person.as_ref().is_some_and(|person| person.personal);
    if personal {
        claims.tid = CONSUMERS_TENANT.to_owned();
    }
    // those of personal accounts are no JWTs
    let mut form = if personal { TokenForm::Opaque } else { TokenForm::Jwt };
    // each of these is looked for by itself, so that several can be in force together
    if inner.faults.strike(number, |fault| (*fault == EntraFault::OpaqueTokens).then_some(())).is_some() {
        form = TokenForm::Opaque;
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
    let mut body = json!({
        "token_type": "Bearer",
        "expires_in": seconds,
        "ext_expires_in": seconds,
        "access_token": token.expose_secret(),
    });
    if let Some(person) = person.filter(|person| person.offline) {
        body["scope"] = person.signed_in.asked.scope.as_str().into();
        body["refresh_token"] = inner.grants.issue(person.signed_in).expose_secret().into();
    }
    Ok(Issued { body, shown, seconds })
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
