//! What a token says of itself, explained: for `check`, and for the app's reply where the relay has
//! refused the token. Pure.
//!
//! A token is opaque: what is odd explains a failure and decides nothing. One thing is decided: a
//! token that is plainly for another route's server is not shown to this one ([`addressed`]).

use jiff::{SignedDuration, Timestamp};
use mail_egress_config::{Route, TokenSource};
use mail_egress_diagnosis::{Diagnosis, local, reason};
use mail_egress_entra::{Claims, claims};

/// What tokens for Exchange Online are for, in the clouds that there are.
const EXCHANGE: [&str; 5] = [
    "https://outlook.office365.com",
    "https://outlook.office.com",
    "https://outlook.office365.us",
    "https://partner.outlook.cn",
    // Exchange Online as an application
    "00000002-0000-0ff1-ce00-000000000000",
];
/// The same for Microsoft Graph, which other routes go by (fact sheet A, "Clouds").
const GRAPH: [&str; 5] = [
    "https://graph.microsoft.com",
    "https://graph.microsoft.us",
    "https://dod-graph.microsoft.us",
    "https://microsoftgraph.chinacloudapi.cn",
    // Graph as an application
    "00000003-0000-0000-c000-000000000000",
];
/// A token that ends sooner is worth a word.
const SHORT: SignedDuration = SignedDuration::from_mins(5);
/// Two clocks that differ by less are well set.
const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// What a token for a route's server is like.
struct Wanted {
    server: &'static str,
    audiences: &'static [&'static str],
    role: &'static str,
    grant: &'static str,
    scope: &'static str,
}

const SUBMISSION: Wanted = Wanted {
    server: "Exchange Online",
    audiences: &EXCHANGE,
    role: "SMTP.SendAsApp",
    grant: "grant the application SMTP.SendAsApp of Office 365 Exchange Online with admin consent, or give it the mailbox by RBAC for Applications",
    scope: "ask for it with the scope https://outlook.office365.com/.default (spec.endpoint.exchangeScope of the EntraApp, or tokenSource.entra.scope of sender.json)",
};
const HIGH_VOLUME: Wanted = Wanted {
    role: "Mail.Send",
    grant: "grant the application Mail.Send of Office 365 Exchange Online with admin consent, and admit it by Add-HVEAppAccess",
    ..SUBMISSION
};
const BY_GRAPH: Wanted = Wanted {
    server: "Microsoft Graph",
    audiences: &GRAPH,
    role: "Mail.Send",
    grant: "grant the application Mail.Send of Microsoft Graph with admin consent, or give it the mailbox by RBAC for Applications",
    scope: "ask for it with the scope https://graph.microsoft.com/.default (spec.endpoint.graphScope of the EntraApp, or tokenSource.entra.scope of sender.json)",
};

/// What is known of the tokens for this route; nothing of other providers'.
fn wanted(route: &Route) -> Option<&'static Wanted> {
    match route {
        Route::ExchangeOnline(_) => Some(&SUBMISSION),
        Route::HighVolumeEmail(_) => Some(&HIGH_VOLUME),
        Route::Graph(_) => Some(&BY_GRAPH),
        Route::AzureCommunicationServices(_)
        | Route::Connector(_)
        | Route::DirectSend(_)
        | Route::SmtpRelay(_) => None,
    }
}

const CLOCKS: &str = "check the clock of this machine, and of the one that asked for the token (NTP)";

/// What is in a token.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Explained {
    /// What it says, in clauses.
    pub seen: Vec<String>,
    /// What is not as it should be.
    pub odd: Vec<Oddity>,
    /// What is in order, and yet the likely cause once a relay has refused the token.
    pub doubtful: Option<Oddity>,
}

/// One thing that is odd, and how it is mended.
#[derive(Debug, PartialEq, Eq)]
pub struct Oddity {
    /// In one clause.
    pub cause: String,
    /// In one clause.
    pub fix: &'static str,
}

/// A token that is plainly for one server, by its audience.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addressed {
    is_graphs: bool,
    audience: String,
}

/// What the token is plainly for: Exchange Online or Microsoft Graph alone. `None` for every other one,
/// opaque ones and those for an audience that is not known here included.
#[must_use]
pub fn addressed(token: &str) -> Option<Addressed> {
    let audiences = claims(token)?.audiences;
    let audience = audiences.first()?.clone();
    let all = |known: &[&str]| audiences.iter().all(|audience| is_among(audience, known));
    let is_graphs = all(&GRAPH);
    (is_graphs || all(&EXCHANGE)).then_some(Addressed { is_graphs, audience })
}

impl Addressed {
    /// Why the token is not shown to the route's server, if it is not: it is for the other one.
    #[must_use]
    pub fn misplaced(&self, route: &Route) -> Option<Diagnosis> {
        let fits = match route {
            Route::Graph(_) => self.is_graphs,
            Route::ExchangeOnline(_)
            | Route::HighVolumeEmail(_)
            | Route::AzureCommunicationServices(_)
            | Route::Connector(_)
            | Route::DirectSend(_) => !self.is_graphs,
            // whatever another provider takes, it is not Microsoft's
            Route::SmtpRelay(_) => false,
        };
        let words = || format!("its audience is {}", self.audience);
        (!fits).then(|| local(reason::TOKEN_FOR_ANOTHER_ROUTE).with_words(&words()))
    }
}

/// Tells what is in it, with each oddity. `expires_at` is from the token's response; `source`, where
/// the sidecar asks for its own, says what was asked for.
#[must_use]
pub fn explain(
    token: &str,
    route: &Route,
    expires_at: Timestamp,
    source: Option<&TokenSource>,
    now: Timestamp,
) -> Explained {
    let mut found = Explained::default();
    found.seen.push(format!("ends {expires_at:.0}, in {} min", expires_at.duration_since(now).as_mins()));
    if expires_at.duration_since(now) < SHORT {
        found.odd(
            "the token ends within five minutes",
            "wait for the next one; if it stays: kubectl describe mailsender, and check the clock of the node",
        );
    }
    match claims(token) {
        None => found.seen.push("opaque: it shows no claims".to_owned()),
        Some(claims) => {
            found.audience(&claims, wanted(route), source);
            found.permission(&claims, wanted(route));
            found.times(&claims, expires_at, now);
            found.names(&claims, source);
        }
    }
    found
}

impl Explained {
    fn odd(&mut self, cause: impl Into<String>, fix: &'static str) {
        self.odd.push(Oddity { cause: cause.into(), fix });
    }

    fn audience(&mut self, claims: &Claims, wanted: Option<&Wanted>, source: Option<&TokenSource>) {
        let asked = source.map(|TokenSource::Entra(source)| source.scope.trim_end_matches("/.default"));
        let audiences = claims.audiences.join(", ");
        if audiences.is_empty() {
            self.seen.push("for nobody in particular".to_owned());
            return;
        }
        if let Some(wanted) = wanted {
            let fits = |audience: &String| {
                is_among(audience, wanted.audiences)
                    || asked.is_some_and(|asked| is_among(audience, &[asked]))
            };
            if !claims.audiences.iter().any(fits) {
                self.odd(format!("the token is for {audiences}, not for {}", wanted.server), wanted.scope);
            }
        }
        self.seen.push(format!("for {audiences}"));
    }

    fn permission(&mut self, claims: &Claims, wanted: Option<&Wanted>) {
        match (&claims.roles, &claims.scopes) {
            (Some(roles), _) => {
                let shown = if roles.is_empty() { "none".to_owned() } else { roles.join(", ") };
                if let Some(Wanted { role, grant, .. }) = wanted
                    && !roles.iter().any(|it| it == role)
                {
                    self.odd(format!("the token lacks the role {role} (its roles: {shown})"), grant);
                }
                self.seen.push(format!("roles {shown}"));
            }
            (None, Some(scopes)) => self.seen.push(format!("on behalf of a user, with {scopes}")),
            (None, None) => {
                let Some(wanted) = wanted else { return };
                self.seen.push("no roles, which is right under RBAC for Applications alone".to_owned());
                self.doubtful = Some(Oddity {
                    cause: "the token carries no roles: either the mailbox is to be given by RBAC for Applications, or the permission or its consent is missing".to_owned(),
                    fix: wanted.grant,
                });
            }
        }
    }

    fn times(&mut self, claims: &Claims, expires_at: Timestamp, now: Timestamp) {
        if let Some(end) = claims.expires_at
            && end.duration_since(expires_at).abs() > SKEW
        {
            self.odd(format!("the token itself says that it ends at {end:.0}"), CLOCKS);
        }
        match (claims.not_before, claims.expires_at) {
            (Some(begin), _) if begin.duration_since(now) > SKEW => {
                self.odd(
                    format!(
                        "the token is valid from {begin:.0}, and here it is {now:.0}: this clock is slow"
                    ),
                    CLOCKS,
                );
            }
            (_, Some(end)) if now.duration_since(end) > SKEW => {
                self.odd(
                    format!(
                        "the token ended at {end:.0}, and here it is {now:.0}: it is old, or this clock fast"
                    ),
                    CLOCKS,
                );
            }
            (None | Some(_), None | Some(_)) => {}
        }
    }

    fn names(&mut self, claims: &Claims, source: Option<&TokenSource>) {
        let source = source.map(|TokenSource::Entra(source)| source);
        if let Some(tenant) = &claims.tid {
            self.seen.push(format!("tenant {tenant}"));
            // a domain of the tenant names it as well, and cannot be compared
            let other = |named: &str| !named.contains('.') && !named.eq_ignore_ascii_case(tenant);
            if source.is_some_and(|source| other(&source.tenant)) {
                self.odd("the token is of another tenant", "correct tokenSource.entra.tenant");
            }
        }
        if let Some(app) = &claims.appid {
            self.seen.push(format!("application {app}"));
            if source.is_some_and(|source| !source.client_id.eq_ignore_ascii_case(app)) {
                self.odd("the token is of another application", "correct tokenSource.entra.clientID");
            }
        }
    }
}

/// Whether the audience is one of these; a slash at its end says nothing, nor does letter case.
fn is_among(audience: &str, known: &[&str]) -> bool {
    let plain = |it: &str| it.trim_end_matches('/').to_ascii_lowercase();
    known.iter().any(|known| plain(known) == plain(audience))
}

#[cfg(test)]
#[path = "claims/tests.rs"]
mod tests;
