//! The token for a sender: what is at hand, and what the condition says of it.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use kube::ResourceExt;
use mail_egress_config::Token;
use mail_egress_crds::names::condition;
use mail_egress_diagnosis::{Diagnosis, local, reason};

use super::{
    Context,
    build::Orders,
    condition::{Finding, Status},
    validate::{Validated, Verdict},
};
use crate::tokens::{Key, Standing, want_from};

/// How long a sender waits for the first answer before it is told that there is no token yet: its
/// Secret is then written once and not twice, and a pod that starts meanwhile need not wait for the
/// kubelet's next look.
const PATIENCE: Duration = Duration::from_secs(3);

/// What the sender's file and its TokenReady condition come from.
pub(super) enum Decision {
    /// Do this and say that.
    Now(Orders, Finding),
    /// Nothing yet: the answer will be here within this time, or its absence is then said.
    Soon(Duration),
}

/// Looks for the token of a sender that may send, and says that it wants it.
pub(super) fn token(verdict: &Verdict, context: &Context) -> Decision {
    match &verdict.result {
        Err(denied) => Decision::Now(Orders::Refuse(denied.clone()), not_asked()),
        Ok(validated) => {
            let key = Key { app: validated.app().name_any(), scope: validated.scope().to_owned() };
            let wanted = want_from(&validated.app().spec, &key.scope, &context.stores);
            let standing = context.tokens.want(&key, &wanted, Timestamp::now());
            decide(validated, standing, Instant::now())
        }
    }
}

fn not_asked() -> Finding {
    Finding::unknown(
        condition::TOKEN_READY,
        "NotAskedFor",
        "no token is asked for while the sender may not send",
    )
}

fn decide(validated: &Validated, standing: Standing, now: Instant) -> Decision {
    match standing {
        Standing::Held { token, trouble } => {
            let token = Token { value: token.value, expires_at: token.expires_at };
            let finding = held(&token, trouble.as_ref());
            Decision::Now(Orders::Send(validated.clone().into(), token), finding)
        }
        Standing::Missing(diagnosis) => {
            let finding = Finding::no(condition::TOKEN_READY, &diagnosis);
            Decision::Now(Orders::Refuse(diagnosis), finding)
        }
        Standing::Awaited { since } => match PATIENCE.checked_sub(now.saturating_duration_since(since)) {
            Some(left) if !left.is_zero() => Decision::Soon(left),
            Some(_) | None => {
                let awaited = local(reason::TOKEN_MISSING);
                let finding = Finding::unknown(condition::TOKEN_READY, awaited.reason, awaited.sentence());
                Decision::Now(Orders::Refuse(awaited), finding)
            }
        },
    }
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

#[cfg(test)]
mod tests;
