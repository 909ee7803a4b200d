//! The tokens that a sidecar asks Entra for by itself, and those that the relay has refused.
//!
//! [`Tokens`] answers at once, from memory; [`keep`] asks in the background, one request at a time.
//! What is decided lies in `kept` and `mail_egress_entra::schedule`.

mod credential;
mod kept;
pub(crate) mod secret_file;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use mail_egress_config::{EntraSource, Route, State, Token as FileToken, TokenSource};
use mail_egress_diagnosis::Diagnosis;
use mail_egress_entra::dial::{Proxies, Resolver};
use mail_egress_entra::fault::{Fault, Peer};
use mail_egress_entra::schedule::Next;
use mail_egress_entra::{Credential, Endpoint, Granted, Limits, TokenClient, TokenError, TokenRequest};
use secrecy::SecretString;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use crate::message::refusal::Refusal;
use crate::metrics::Metrics;
use crate::sender::follow::Current;
use crate::sender::refused::Refused;
use kept::Kept;

/// How often the secret's file and the time are looked at.
const INTERVAL: Duration = Duration::from_secs(1);

/// What is known of tokens; cheap to clone. Its `Debug` shows no token.
#[derive(Debug, Clone, Default)]
pub struct Tokens(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    kept: Mutex<Kept>,
    refused: Mutex<Refused>,
    woken: Notify,
}

impl Tokens {
    /// The token of this source for this route, or why there is none.
    pub fn own(&self, source: &EntraSource, route: &Route, now: Timestamp) -> Result<FileToken, Diagnosis> {
        let kept = lock(&self.0.kept);
        let token = kept.token(source, route, now)?;
        Ok(FileToken { value: token.value.clone(), expires_at: token.expires_at })
    }

    /// When the token that was asked for here ends, if there is one.
    #[must_use]
    pub fn end(&self) -> Option<Timestamp> {
        lock(&self.0.kept).held().map(|token| token.expires_at)
    }

    /// The relay has refused this token, and the app was told this: it is not shown again for five
    /// minutes. One that was asked for here is replaced, at once if that was not done within the
    /// last five minutes.
    pub fn refused(&self, token: &SecretString, why: &Refusal, now: Timestamp) {
        let mut refused = lock(&self.0.refused);
        refused.note(token, why, now);
        let mut kept = lock(&self.0.kept);
        if kept.held().is_some_and(|held| refused.is(held, token)) {
            kept.refused(now);
            self.0.woken.notify_one();
        }
    }

    /// What the app was told when the relay refused this token, if it is not to be shown.
    #[must_use]
    pub fn why_refused(&self, token: &SecretString, now: Timestamp) -> Option<Refusal> {
        lock(&self.0.refused).why(token, now)
    }
}

/// A poisoned lock holds whole values all the same.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The source of the configuration in force, where it has one and mail may be sent.
fn source(current: &Current) -> Option<EntraSource> {
    match current {
        Current::Usable(loaded) if loaded.file.state == State::Ready => {
            loaded.file.token_source.clone().map(|TokenSource::Entra(source)| source)
        }
        Current::Usable(_) | Current::Missing | Current::Unusable(_) => None,
    }
}

/// Asks for the tokens of whatever source is in force, until dropped. Who listens to `publish` is
/// woken when an answer has come.
pub async fn keep(
    tokens: Tokens,
    resolver: Result<Resolver, Fault>,
    publish: watch::Sender<Current>,
    metrics: Arc<Metrics>,
) {
    let mut current = publish.subscribe();
    loop {
        let source = source(&current.borrow_and_update());
        match step(&tokens, source.as_ref()) {
            Some((request, asked)) => {
                ask(&tokens, &resolver, &request, asked, &metrics).await;
                publish.send_modify(|_| {});
            }
            None => {
                let patience = if source.is_some() { INTERVAL } else { Duration::MAX };
                let woken = async {
                    tokio::select! {
                        () = tokens.0.woken.notified() => {}
                        // never closed: `publish` is ours too
                        _ = current.changed() => {}
                    }
                };
                // woken or not, the next look tells what is to be done
                let _ = timeout(patience, woken).await;
            }
        }
    }
}

/// What is to be asked now; the credential is read anew, and dropped where nothing is asked.
fn step(tokens: &Tokens, source: Option<&EntraSource>) -> Option<(TokenRequest, kept::Asked)> {
    let now = Timestamp::now();
    let mut kept = lock(&tokens.0.kept);
    let Some(source) = source else {
        kept.want(None);
        return None;
    };
    let read = credential::read(source);
    kept.want(Some((source, read.as_ref().map(credential::mark).map_err(Diagnosis::clone))));
    let mut credential = read.ok()?;
    if let (Credential::RefreshToken { token, .. }, Some(successor)) = (&mut credential, kept.successor()) {
        *token = successor.clone();
    }
    match kept.next(now) {
        Some(Next::Ask) => Some((request(source, credential), kept.asking(now)?)),
        Some(Next::Wait(_)) | None => None,
    }
}

async fn ask(
    tokens: &Tokens,
    resolver: &Result<Resolver, Fault>,
    request: &TokenRequest,
    asked: kept::Asked,
    metrics: &Metrics,
) {
    let at = Timestamp::now();
    let answer = fetch(resolver, request, at).await;
    match &answer {
        Ok(granted) => tracing::info!(expires_at = %granted.token.expires_at, "token obtained"),
        Err(error) => {
            let trace = error.trace.as_ref();
            tracing::warn!(
                reason = error.diagnosis.reason,
                trace_id = trace.map(|trace| &trace.trace_id),
                correlation_id = trace.map(|trace| &trace.correlation_id),
                "no token: {error}"
            );
        }
    }
    metrics.token_requested(answer.as_ref().err().map(|error| error.diagnosis.reason));
    lock(&tokens.0.kept).answer(asked, answer, at, Timestamp::now());
}

/// Asks for a token now, whatever was asked before, and keeps nothing.
pub(crate) async fn once(
    source: &EntraSource,
    resolver: &Result<Resolver, Fault>,
) -> Result<FileToken, Diagnosis> {
    let credential = credential::read(source)?;
    let answer = fetch(resolver, &request(source, credential), Timestamp::now()).await;
    let token = answer.map_err(|error| error.diagnosis)?.token;
    Ok(FileToken { value: token.value, expires_at: token.expires_at })
}

/// Asks once.
async fn fetch(
    resolver: &Result<Resolver, Fault>,
    request: &TokenRequest,
    now: Timestamp,
) -> Result<Granted, TokenError> {
    match resolver {
        Ok(resolver) => {
            let client = TokenClient::new(resolver.clone(), Limits::default());
            client.through(Proxies::of_environment()).request(request, now).await
        }
        Err(fault) => {
            let host = match &request.endpoint {
                Endpoint::Entra { login_url, .. } | Endpoint::Url(login_url) => login_url.clone(),
            };
            let peer = Peer { host, port: 443 };
            Err(TokenError {
                diagnosis: fault.entra(&peer),
                retry: mail_egress_entra::Retry::Backoff,
                trace: None,
            })
        }
    }
}

fn request(source: &EntraSource, credential: Credential) -> TokenRequest {
    TokenRequest {
        endpoint: Endpoint::Entra { login_url: source.login_url.clone(), tenant: source.tenant.clone() },
        client_id: source.client_id.clone(),
        scope: source.scope.clone(),
        credential,
        ca_bundle: source.ca_bundle.clone(),
    }
}
