//! The tokens for a sender: what is at hand, and what the condition says of it.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use kube::ResourceExt;
use mail_egress_config::{EntraSource, Fallback, Token, TokenSource};
use mail_egress_crds::names::condition;
use mail_egress_diagnosis::{Diagnosis, local, reason};

use super::{
    Context,
    build::{Orders, Sending},
    condition::{Finding, Status},
    validate::{Validated, Verdict},
    way::{Exit, Need},
};
use crate::tokens::{Key, Owner, Standing, relay_login, want_from, want_of_relay};

/// How long a sender waits for the first answer before it is told that there is no token yet: its
/// Secret is then written once and not twice, and a pod that starts meanwhile need not wait for the
/// kubelet's next look.
const PATIENCE: Duration = Duration::from_secs(3);

/// What the sender's file and its TokenReady condition come from.
#[derive(Debug)]
pub(super) enum Decision {
    /// Do this and say that, and look again at that time at the latest, where one is told.
    Now(Orders, Finding, Option<Timestamp>),
    /// Nothing yet: the answer will be here within this time, or its absence is then said.
    Soon(Duration),
}

/// What there is of the token that a way out needs.
#[derive(Clone, Debug)]
enum Stand {
    /// It needs none.
    NotNeeded,
    /// The sidecar gets it by itself.
    FromSidecar(EntraSource),
    /// Of the tokens that are had here, this.
    Of(Standing),
}

/// Looks for the tokens of a sender that may send, and says that it wants them.
pub(super) fn token(verdict: &Verdict, context: &Context) -> Decision {
    match &verdict.result {
        Err(denied) => Decision::Now(Orders::Refuse(denied.clone()), not_asked(), None),
        Ok(validated) => {
            let now = Timestamp::now();
            let main = stand(validated.exit(), context, now);
            let fallback = validated.fallback().map(|exit| stand(exit, context, now));
            decide(validated, main, fallback, Instant::now())
        }
    }
}

/// Where the token of a way out stands.
fn stand(exit: &Exit, context: &Context, now: Timestamp) -> Stand {
    let (key, want) = match &exit.need {
        Need::Nothing => return Stand::NotNeeded,
        Need::OfWorkload(source) => return Stand::FromSidecar(source.as_ref().clone()),
        Need::OfApp { app, scope } => {
            let key = Key { owner: Owner::App(app.name_any()), scope: scope.clone() };
            (key, want_from(&app.spec, scope, &context.stores))
        }
        Need::OfRelay(route) => match relay_login(&route.spec) {
            Some(login) => {
                let key = Key { owner: Owner::Route(route.name_any()), scope: login.scope.clone() };
                (key, want_of_relay(login, &context.stores))
            }
            None => return Stand::NotNeeded,
        },
    };
    Stand::Of(in_time(context.tokens.want(&key, &want, now), exit, now))
}

/// A token that ends too soon for the route's server is none.
fn in_time(standing: Standing, exit: &Exit, now: Timestamp) -> Standing {
    match standing {
        Standing::Held { token, trouble } if token.expires_at.duration_since(now) <= exit.margin => {
            Standing::Missing(trouble.unwrap_or_else(|| local(reason::TOKEN_ENDS_SOON)))
        }
        standing @ (Standing::Held { .. } | Standing::Awaited { .. } | Standing::Missing(_)) => standing,
    }
}

fn not_asked() -> Finding {
    Finding::unknown(
        condition::TOKEN_READY,
        "NotAskedFor",
        "no token is asked for while the sender may not send",
    )
}

fn decide(validated: &Validated, main: Stand, fallback: Option<Stand>, now: Instant) -> Decision {
    let exit = validated.exit();
    let (token, token_source, finding) = match main {
        Stand::NotNeeded => (None, None, Finding::yes(condition::TOKEN_READY, "the route needs no token")),
        Stand::FromSidecar(source) => (None, Some(TokenSource::Entra(source)), by_workload()),
        Stand::Of(Standing::Held { token, trouble }) => {
            let token = Token { value: token.value, expires_at: token.expires_at };
            let finding = held(&token, trouble.as_ref());
            (Some(token), None, finding)
        }
        Stand::Of(Standing::Missing(diagnosis)) => {
            let finding = Finding::no(condition::TOKEN_READY, &diagnosis);
            return Decision::Now(Orders::Refuse(diagnosis), finding, None);
        }
        Stand::Of(Standing::Awaited { since }) => return awaited(since, now),
    };
    let again = token.as_ref().and_then(|token| leaves_margin(token, exit));
    let (fallback, finding) = match with_fallback(validated, fallback, now) {
        Ok(fallback) => (fallback, finding),
        Err(Waiting::Soon(left)) => return Decision::Soon(left),
        Err(Waiting::Without(trouble)) => (None, without_fallback(&finding, &trouble)),
    };
    let sending =
        Sending { route: exit.route.clone(), token, token_source, fallback, limits: validated.limits() };
    Decision::Now(Orders::Send(sending.into()), finding, again.into_iter().chain(validated.until()).min())
}

/// When a token must not be carried any more, where that is before its end.
fn leaves_margin(token: &Token, exit: &Exit) -> Option<Timestamp> {
    token.expires_at.checked_sub(exit.margin).ok().filter(|leaves| *leaves < token.expires_at)
}

fn awaited(since: Instant, now: Instant) -> Decision {
    match patience(since, now) {
        Some(left) => Decision::Soon(left),
        None => {
            let awaited = local(reason::TOKEN_MISSING);
            let finding = Finding::unknown(condition::TOKEN_READY, awaited.reason, awaited.sentence());
            Decision::Now(Orders::Refuse(awaited), finding, None)
        }
    }
}

/// For how much longer a first answer is waited for.
fn patience(since: Instant, now: Instant) -> Option<Duration> {
    PATIENCE.checked_sub(now.saturating_duration_since(since)).filter(|left| !left.is_zero())
}

/// Why there is no fallback now.
enum Waiting {
    /// Its token may come within this time.
    Soon(Duration),
    /// It has no token.
    Without(Diagnosis),
}

/// The fallback with its token. Without one the sender sends by its first route alone.
fn with_fallback(
    validated: &Validated,
    stand: Option<Stand>,
    now: Instant,
) -> Result<Option<Fallback>, Waiting> {
    let Some((exit, stand)) = validated.fallback().zip(stand) else { return Ok(None) };
    let token = match stand {
        // of the last kind none is admitted as a fallback
        Stand::NotNeeded | Stand::FromSidecar(_) => None,
        Stand::Of(Standing::Held { token, .. }) => {
            Some(Token { value: token.value, expires_at: token.expires_at })
        }
        Stand::Of(Standing::Missing(trouble)) => return Err(Waiting::Without(trouble)),
        Stand::Of(Standing::Awaited { since }) => {
            return Err(patience(since, now)
                .map_or_else(|| Waiting::Without(local(reason::TOKEN_MISSING)), Waiting::Soon));
        }
    };
    Ok(Some(Fallback { route: exit.route.clone(), token }))
}

/// While a token is good the sender sends, whatever becomes of the renewal; yet it is said.
fn held(token: &Token, trouble: Option<&Diagnosis>) -> Finding {
    match trouble {
        None => Finding::yes(condition::TOKEN_READY, "a token is at hand, and is renewed before it ends"),
        Some(trouble) => Finding {
            type_: condition::TOKEN_READY,
            status: Status::True,
            reason: "RenewalFailing",
            message: format!("the token lasts until {:.0}, but {}", token.expires_at, trouble.sentence()),
        },
    }
}

fn by_workload() -> Finding {
    Finding {
        type_: condition::TOKEN_READY,
        status: Status::True,
        reason: "ByWorkload",
        message: format!(
            "each pod's sidecar exchanges the pod's own token, for which the pod needs the annotation {} with the EntraApp's audience",
            mail_egress_crds::names::ANNOTATION_FEDERATED_AUDIENCE
        ),
    }
}

fn without_fallback(finding: &Finding, trouble: &Diagnosis) -> Finding {
    let message = format!("{}; but the fallback route has no token: {}", finding.message, trouble.sentence());
    Finding { reason: "FallbackTokenMissing", message, ..finding.clone() }
}

#[cfg(test)]
mod tests;
