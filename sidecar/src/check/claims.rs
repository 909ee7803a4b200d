//! What a token says of itself, explained. A token is opaque: what is odd is a warning, and decides
//! nothing.

use jiff::{SignedDuration, Timestamp};
use mail_egress_config::TokenSource;
use mail_egress_entra::{Claims, claims};

use super::report::Finding;

/// What tokens for Exchange Online are for, in the clouds that there are.
const AUDIENCES: [&str; 5] = [
    "https://outlook.office365.com",
    "https://outlook.office.com",
    "https://outlook.office365.us",
    "https://partner.outlook.cn",
    // Exchange Online as an application
    "00000002-0000-0ff1-ce00-000000000000",
];
const ROLE: &str = "SMTP.SendAsApp";
/// A token that ends sooner is worth a word.
const SHORT: SignedDuration = SignedDuration::from_mins(5);
/// Two clocks that differ by less are well set.
const SKEW: SignedDuration = SignedDuration::from_mins(5);

/// Tells what is in it, with each oddity as a cause and a fix.
pub(super) fn explain(
    token: &str,
    expires_at: Timestamp,
    source: Option<&TokenSource>,
    now: Timestamp,
) -> Finding {
    let left = expires_at.duration_since(now).as_mins();
    let mut seen = vec![format!("ends {expires_at:.0}, in {left} min")];
    let mut odd = Vec::new();
    if expires_at.duration_since(now) < SHORT {
        odd.push((
            "the token ends within five minutes".to_owned(),
            "wait for the next one; if it stays: kubectl describe mailsender, and check the clock of the node",
        ));
    }
    match claims(token) {
        None => seen.push("opaque: it shows no claims".to_owned()),
        Some(claims) => look(&claims, expires_at, source, &mut seen, &mut odd),
    }
    let seen = seen.join("; ");
    if odd.is_empty() {
        return Finding::ok(seen);
    }
    let (causes, fixes): (Vec<_>, Vec<_>) = odd.into_iter().unzip();
    Finding::warning(seen, causes.join("; "), fixes.join("; "))
}

fn look(
    claims: &Claims,
    expires_at: Timestamp,
    source: Option<&TokenSource>,
    seen: &mut Vec<String>,
    odd: &mut Vec<(String, &'static str)>,
) {
    let source = source.map(|TokenSource::Entra(source)| source);
    let wanted = source.map(|source| source.scope.trim_end_matches("/.default"));
    let fits = |audience: &String| {
        let audience = audience.trim_end_matches('/');
        AUDIENCES
            .iter()
            .copied()
            .chain(wanted)
            .any(|known| known.trim_end_matches('/').eq_ignore_ascii_case(audience))
    };
    match claims.audiences.as_slice() {
        [] => seen.push("for nobody in particular".to_owned()),
        audiences => {
            seen.push(format!("for {}", audiences.join(", ")));
            if !audiences.iter().any(fits) {
                odd.push((
                    "the token is not for Exchange Online".to_owned(),
                    "ask for it with the scope https://outlook.office365.com/.default (MailRoute, or tokenSource.entra.scope)",
                ));
            }
        }
    }
    match &claims.roles {
        None => seen.push("no roles, as is right under RBAC for Applications".to_owned()),
        Some(roles) => {
            seen.push(format!("roles {}", if roles.is_empty() { "none".into() } else { roles.join(", ") }));
            if !roles.iter().any(|role| role == ROLE) {
                odd.push((
                    format!("the token lacks the role {ROLE}"),
                    "grant the application SMTP.SendAsApp of Office 365 Exchange Online with admin consent, or give it the mailbox by RBAC for Applications",
                ));
            }
        }
    }
    if let Some(end) = claims.expires_at
        && end.duration_since(expires_at).abs() > SKEW
    {
        odd.push((
            format!("the token itself says that it ends at {end:.0}"),
            "check the clock of this machine, and of the one that asked for the token",
        ));
    }
    if let Some(tenant) = &claims.tid {
        seen.push(format!("tenant {tenant}"));
        // a domain of the tenant names it as well, and cannot be compared
        let other = |named: &str| !named.contains('.') && !named.eq_ignore_ascii_case(tenant);
        if source.is_some_and(|source| other(&source.tenant)) {
            odd.push(("the token is of another tenant".to_owned(), "correct tokenSource.entra.tenant"));
        }
    }
    if let Some(app) = &claims.appid {
        seen.push(format!("application {app}"));
        if source.is_some_and(|source| !source.client_id.eq_ignore_ascii_case(app)) {
            odd.push((
                "the token is of another application".to_owned(),
                "correct tokenSource.entra.clientID",
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::Outcome;
    use super::*;

    fn explained(claims: &Claims) -> (Vec<String>, Vec<String>) {
        let (mut seen, mut odd) = (Vec::new(), Vec::new());
        look(claims, at(60), None, &mut seen, &mut odd);
        (seen, odd.into_iter().map(|(cause, _)| cause).collect())
    }

    fn at(minute: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minute)
    }

    fn usual() -> Claims {
        Claims {
            audiences: vec!["https://outlook.office365.com/".to_owned()],
            roles: Some(vec![ROLE.to_owned()]),
            expires_at: Some(at(60)),
            tid: Some("t".to_owned()),
            appid: Some("a".to_owned()),
        }
    }

    #[test]
    fn a_usual_token_is_told_and_nothing_is_odd() {
        let (seen, odd) = explained(&usual());
        let expected = "for https://outlook.office365.com/; roles SMTP.SendAsApp; tenant t; application a";
        assert_eq!((seen.join("; ").as_str(), odd.len()), (expected, 0));
    }

    #[test]
    fn audience_role_and_clock_are_each_explained() {
        let graph = vec!["https://graph.microsoft.com".to_owned()];
        let odd = explained(&Claims { audiences: graph, ..usual() }).1;
        assert_eq!(odd, ["the token is not for Exchange Online"]);
        let odd = explained(&Claims { roles: Some(vec!["Mail.Send".to_owned()]), ..usual() }).1;
        assert_eq!(odd, ["the token lacks the role SMTP.SendAsApp"]);
        let odd = explained(&Claims { expires_at: Some(at(0)), ..usual() }).1;
        assert_eq!(odd, ["the token itself says that it ends at 1970-01-01T00:00:00Z"]);
    }

    #[test]
    fn no_roles_at_all_is_how_rbac_for_applications_looks() {
        assert!(explained(&Claims { roles: None, ..usual() }).1.is_empty());
    }

    #[test]
    fn an_opaque_token_is_as_good_as_any_other_and_is_not_shown() {
        let found = explain("s3cret-token", at(60), None, at(0));
        assert_eq!(found.result, Outcome::Ok);
        assert_eq!(found.seen.unwrap(), "ends 1970-01-01T01:00:00Z, in 60 min; opaque: it shows no claims");
    }

    #[test]
    fn a_token_about_to_end_is_a_warning() {
        assert_eq!(explain("s3cret-token", at(3), None, at(0)).result, Outcome::Warning);
    }
}
