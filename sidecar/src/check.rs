//! `check`: walks the configured way once, step by step, and says of each step what was seen.
//!
//! It decides as the sidecar does, with the same functions, and keeps nothing: no pool, no retry,
//! no log. Nothing is sent unless a test message is asked for.

mod certificate;
mod conversation;
mod graph;
mod message;
mod reach;
mod relay;
mod report;

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use mail_egress_config::{Login, Route, Security, SenderRef, Token, TokenSource};
use mail_egress_diagnosis::{Diagnosis, local, reason};
use mail_egress_entra::dial::Resolver;
use mail_egress_entra::fault::Fault;
use mail_egress_smtp::{Address, Recipient, RecipientDsn};
use rustls::ClientConfig;
use secrecy::ExposeSecret;
use tokio::time::Instant;

use crate::args::CheckArgs;
use crate::message::refusal::Refusal;
use crate::sender::claims::{self, Explained};
use crate::sender::clearance;
use crate::sender::follow::{Current, Follower};
use crate::sender::loaded::{Loaded, Shape, Way};
use crate::sender::tokens;
use reach::Reach;
use report::{Finding, Kind, Report};

/// Walks, and tells `out`: a line as each step ends, or one JSON object at the end. `true` where no
/// step failed.
///
/// Every step has a limit of its own; all together end within five minutes. Who stops reading `out`
/// has seen enough: errors of writing are ignored.
pub async fn check(args: &CheckArgs, out: &mut dyn Write) -> bool {
    let mut report = Report::new(args.form(), out);
    walk(args, &mut report).await;
    report.close(args.send_test_message_to.is_some())
}

async fn walk(args: &CheckArgs, report: &mut Report<'_>) {
    let began = Instant::now();
    let mut follower = Follower::new(args.config.clone(), u64::MAX);
    follower.look();
    let current = follower.current();
    report.of(sender(current).or(args.sender.as_ref()));
    let configured = match configured(current, args) {
        Ok(configured) => configured,
        Err(why) => return report.add(Kind::Configuration, began, why),
    };
    let Configured { loaded, way, tls } = configured;
    report.add(Kind::Configuration, began, described(loaded, &way.route, args));

    let resolver = args.names.resolver();
    let (token, explained) = shown(loaded, way, &resolver, report).await;
    let (mailbox, test) = (&loaded.mailbox, args.send_test_message_to.as_ref());
    // as the app would be told before anything is dialled
    let uncarried = test.and_then(|to| uncarried(way, to));
    let test = test.filter(|_| uncarried.is_none());
    let proxy = way.proxy.as_ref().ok().and_then(Option::as_ref);
    let reach = Reach { resolver: &resolver, proxy, tls };
    // `None`: it ended early, and the step that failed has said so
    let walked = match way.route.by_smtp() {
        Ok(route) => {
            let nothing_is_missing = token.is_some() || !way.route.uses_token();
            let login = nothing_is_missing.then(|| clearance::login(route, loaded, token.as_ref()));
            relay::walk(&relay::Way { route, reach, mailbox, login, token: explained, test }, report).await
        }
        Err(route) => match graph::endpoint(route) {
            Ok(endpoint) => {
                let token = token.map(|token| token.value);
                graph::walk(graph::Way { endpoint, reach, mailbox, token, explained, test }, report).await
            }
            Err(why) => {
                report.add(Kind::Dns, Instant::now(), why);
                None
            }
        },
    };
    if let (Some(()), Some(why)) = (walked, uncarried) {
        report.add(Kind::TestMessage, Instant::now(), Finding::refused(&why, None));
    }
}

/// Why the route takes nothing for this recipient, if it does not.
fn uncarried(way: &Way, to: &Address) -> Option<Refusal> {
    let to = [Recipient { address: to.clone(), dsn: RecipientDsn::default() }];
    way.carries(&Shape { to: &to, octets: 0, bcc: None }).err()
}

/// The token that is shown, where one is wanted and there is one, and what it says of itself.
async fn shown(
    loaded: &Loaded,
    way: &Way,
    resolver: &Result<Resolver, Fault>,
    report: &mut Report<'_>,
) -> (Option<Token>, Option<Explained>) {
    let began = Instant::now();
    if !way.route.uses_token() {
        let by_password =
            way.route.by_smtp().is_ok_and(|relay| matches!(relay.login, Login::Password { .. }));
        let why = match by_password {
            true => "the route logs in by a password",
            false => "the route has no login",
        };
        report.add(Kind::Token, began, Finding::skipped(why));
        return (None, None);
    }
    match token(loaded, way, resolver).await {
        Ok(token) => {
            let source = loaded.file.token_source.as_ref();
            let (value, end) = (token.value.expose_secret(), token.expires_at);
            let explained = claims::explain(value, &way.route, end, source, Timestamp::now());
            report.hide(token.value.clone());
            report.add(Kind::Token, began, told(&explained));
            // what was seen has been told
            (Some(token), Some(Explained { seen: Vec::new(), ..explained }))
        }
        Err(why) => {
            report.add(Kind::Token, began, Finding::failed(&why));
            (None, None)
        }
    }
}

fn sender(current: &Current) -> Option<&SenderRef> {
    match current {
        Current::Usable(loaded) => Some(&loaded.file.sender),
        Current::Missing | Current::Unusable(_) => None,
    }
}

struct Configured<'a> {
    loaded: &'a Loaded,
    way: &'a Way,
    tls: Arc<ClientConfig>,
}

/// What can be walked, or why nothing can.
fn configured<'a>(current: &'a Current, args: &CheckArgs) -> Result<Configured<'a>, Finding> {
    if let Current::Missing = current {
        return Err(Finding::failed(&missing(&args.config, args.sender.as_ref())));
    }
    let (loaded, way) = clearance::configured(current).map_err(|why| Finding::refused(&why, None))?;
    let tls = clearance::tls(way).map_err(|why| Finding::refused(&why, None))?;
    if let Err(why) = &way.proxy {
        return Err(Finding::failed(why));
    }
    Ok(Configured { loaded, way, tls })
}

fn missing(path: &Path, sender: Option<&SenderRef>) -> Diagnosis {
    let path = path.display();
    let fix = match sender {
        Some(sender) => format!(
            "create the MailSender {} in the namespace {}; if it exists, wait: it takes up to two minutes to arrive; without Kubernetes, name the file by --config",
            sender.name, sender.namespace
        ),
        None => {
            "name the file by --config; in a pod, create the MailSender that the pod's label names".to_owned()
        }
    };
    local(reason::MAIL_SENDER_MISSING).with_cause(&format!("there is no file {path}")).with_fix(&fix)
}

fn described(loaded: &Loaded, route: &Route, args: &CheckArgs) -> Finding {
    let trusted =
        if route.ca_bundle().is_some() { ", trusting its caBundle" } else { ", trusting the public roots" };
    let token = match &loaded.file.token_source {
        Some(TokenSource::Entra(source)) => format!("asked of {}", source.login_url),
        None => "in the file".to_owned(),
    };
    let (place, login) = match route.by_smtp() {
        Ok(relay) => {
            let security = match relay.security {
                Security::StartTls => "STARTTLS",
                Security::ImplicitTls => "implicit TLS",
                Security::Plaintext => "plaintext",
            };
            let login = match &relay.login {
                Login::Token { .. } => format!("; token {token}"),
                Login::Password { username, .. } => format!("; login {username} by password"),
                Login::None => String::new(),
            };
            let trusted = if relay.security == Security::Plaintext { "" } else { trusted };
            (format!("{}:{} by {security}{trusted}", relay.host, relay.port), login)
        }
        Err(graph) => (format!("Microsoft Graph at {}{trusted}", graph.base_url), format!("; token {token}")),
    };
    let seen = format!("mailbox {}; route {} to {place}{login}", loaded.mailbox, route.name());
    let file = &loaded.file.sender;
    match &args.sender {
        Some(asked) if asked != file => Finding::warning(
            seen,
            format!("the file is for the MailSender {file}, not for {asked}"),
            format!("name the right file by --config, or give --sender {file}"),
        ),
        Some(_) | None => Finding::ok(seen),
    }
}

/// What is odd about a token is a warning, since it decides nothing.
fn told(token: &Explained) -> Finding {
    let seen = token.seen.join("; ");
    if token.odd.is_empty() {
        return Finding::ok(seen);
    }
    let (causes, fixes): (Vec<_>, Vec<_>) = token.odd.iter().map(|it| (it.cause.as_str(), it.fix)).unzip();
    Finding::warning(seen, causes.join("; "), fixes.join("; "))
}

/// The token as the sidecar would have it, asked for where the file says so.
async fn token(loaded: &Loaded, way: &Way, resolver: &Result<Resolver, Fault>) -> Result<Token, Diagnosis> {
    match &loaded.file.token_source {
        Some(TokenSource::Entra(source)) => {
            let token = tokens::once(source, resolver).await.map_err(clearance::own_words)?;
            let addressed = claims::addressed(token.value.expose_secret());
            addressed.and_then(|it| it.misplaced(&way.route)).map_or(Ok(token), Err)
        }
        None => clearance::token_of_file(way, &loaded.file.sender, Timestamp::now()).cloned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_named_with_what_to_do() {
        let path = Path::new("/no/sender.json");
        let found = missing(path, None);
        assert_eq!(found.cause, "there is no file /no/sender.json");
        assert!(found.fix.starts_with("name the file by --config"), "{}", found.fix);
        let found = missing(path, Some(&"shop/billing".parse().unwrap()));
        assert!(
            found.fix.starts_with("create the MailSender billing in the namespace shop"),
            "{}",
            found.fix
        );
    }
}
