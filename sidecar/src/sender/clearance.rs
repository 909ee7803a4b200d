//! May we send now, and by which way? Decided from the configuration in force and the time.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use mail_egress_config::{Login, Route, SenderRef, SmtpRoute, State, Token, TokenSource, Unready};
use mail_egress_diagnosis::{Class, Diagnosis, TABLE, local, reason};
use mail_egress_entra::dial::Proxy;
use mail_egress_smtp::{Address, client};
use rustls::ClientConfig;
use secrecy::ExposeSecret;

use crate::clock::now;
use crate::message::refusal::Refusal;
use crate::sender::claims;
use crate::sender::follow::Current;
use crate::sender::loaded::{Generation, Loaded, Shape, Way};

/// The proof that a message may be sent: a way out, TLS for it, and a token that has not expired where
/// the way wants one.
#[derive(Debug, Clone)]
pub struct Clearance {
    loaded: Arc<Loaded>,
    is_fallback: bool,
    token: Option<Token>,
    tls: Arc<ClientConfig>,
    generation: Generation,
    bcc: String,
}

impl Clearance {
    /// The way out.
    #[must_use]
    pub fn route(&self) -> Option<&Route> {
        self.way().map(|way| &way.route)
    }

    /// The proxy to go through, where the route names one.
    #[must_use]
    pub fn proxy(&self) -> Option<&Proxy> {
        self.way()?.proxy.as_ref().ok()?.as_ref()
    }

    /// Always there: [`decide`] has found it.
    fn way(&self) -> Option<&Way> {
        if self.is_fallback { self.loaded.fallback.as_ref() } else { self.loaded.way.as_ref() }
    }

    /// The mailbox that is sent from.
    #[must_use]
    pub fn mailbox(&self) -> &Address {
        &self.loaded.mailbox
    }

    /// The Bcc field that this message needs by Graph; empty where it needs none.
    #[must_use]
    pub fn bcc(&self) -> &str {
        &self.bcc
    }

    /// The token, where the way wants one.
    #[must_use]
    pub fn token(&self) -> Option<&Token> {
        self.token.as_ref()
    }

    /// Who logs in to a relay, and with what.
    #[must_use]
    pub fn login(&self, route: &SmtpRoute) -> client::Login {
        login(route, &self.loaded, self.token.as_ref())
    }

    /// The refusal with what the token says of itself, where it is the token that was refused.
    #[must_use]
    pub fn explained(&self, refusal: Refusal, now: Timestamp) -> Refusal {
        match (&self.token, self.route()) {
            (Some(token), Some(route)) if refusal.is_of_the_token() => {
                let value = token.value.expose_secret();
                refusal.with_token(&claims::explain(value, route, token.expires_at, None, now))
            }
            (Some(_) | None, _) => refusal,
        }
    }

    /// The relay has refused the token, and the app was told `why`: [`decide`] gives no clearance
    /// with this token for five minutes, and where the sidecar asks for its own, another one is
    /// asked for.
    pub fn token_refused(&self, why: &Refusal, now: Timestamp) {
        if let Some(token) = &self.token {
            self.loaded.tokens.refused(&token.value, why, now);
        }
    }

    /// How the server's certificate is verified.
    #[must_use]
    pub fn tls(&self) -> &Arc<ClientConfig> {
        &self.tls
    }

    /// When the token ends, on the monotonic clock; `None` where there is none.
    #[must_use]
    pub fn token_end(&self) -> Option<Instant> {
        let left = Duration::try_from(self.token.as_ref()?.expires_at.duration_since(Timestamp::now()));
        Some(now() + left.unwrap_or_default())
    }

    /// Which configuration this is; a connection made for another one is of no use.
    #[must_use]
    pub fn generation(&self) -> &Generation {
        &self.generation
    }
}

/// What is said to this relay to log in.
pub(crate) fn login(route: &SmtpRoute, loaded: &Loaded, token: Option<&Token>) -> client::Login {
    match (&route.login, token) {
        (Login::Token { user }, Some(token)) => {
            let user = user.clone().unwrap_or_else(|| loaded.mailbox.to_string());
            client::Login::XOAuth2(client::XOAuth2 { user, token: token.value.clone() })
        }
        (Login::Password { username, password }, _) => {
            client::Login::Password(client::Password { user: username.clone(), password: password.clone() })
        }
        // `satisfied` gives no clearance without the token that a way wants
        (Login::Token { .. }, None) | (Login::None, _) => client::Login::None,
    }
}

/// Whether such a message of `sender` may be sent at `now`, and by which way; if not, what the app is told.
///
/// A token is opaque: only the end that its response named refuses it, or an audience that is plainly
/// another route's (the design, "Claims explain, they never decide").
pub fn decide(
    current: &Current,
    sender: &SenderRef,
    shape: &Shape<'_>,
    now: Timestamp,
) -> Result<Clearance, Refusal> {
    let (loaded, _) = usable(current, sender)?;
    let way = loaded.way_for(shape).unwrap_or_else(|| Err(no_way()))?;
    let is_fallback = loaded.fallback.as_ref().is_some_and(|it| std::ptr::eq(it, way));
    let (token, tls) = satisfied(loaded, way, sender, now)?;
    Ok(Clearance {
        is_fallback,
        token: token.map(Cow::into_owned),
        tls,
        generation: way.generation.clone(),
        bcc: shape.bcc.and_then(|it| it.as_ref().ok()).cloned().unwrap_or_default(),
        loaded: Arc::clone(loaded),
    })
}

/// The same where only the answer is wanted, before the message is known: by the first way. No token is
/// copied.
pub fn allows(current: &Current, sender: &SenderRef, now: Timestamp) -> Result<(), Refusal> {
    let (loaded, way) = usable(current, sender)?;
    satisfied(loaded, way, sender, now).map(drop)
}

fn usable<'a>(current: &'a Current, sender: &SenderRef) -> Result<(&'a Arc<Loaded>, &'a Way), Refusal> {
    match current {
        Current::Missing => Err(missing(sender)),
        Current::Usable(_) | Current::Unusable(_) => configured(current),
    }
}

/// The token that the way wants, where it wants one, and TLS.
type Satisfied<'a> = (Option<Cow<'a, Token>>, Arc<ClientConfig>);

fn satisfied<'a>(
    loaded: &'a Loaded,
    way: &'a Way,
    sender: &SenderRef,
    now: Timestamp,
) -> Result<Satisfied<'a>, Refusal> {
    let is_first = loaded.way.as_ref().is_some_and(|first| std::ptr::eq(first, way));
    if let Err(why) = &way.proxy {
        return Err(why.clone().into());
    }
    let token = match &loaded.file.token_source {
        _ if !way.route.uses_token() => None,
        Some(TokenSource::Entra(source)) if is_first => {
            Some(Cow::Owned(loaded.tokens.own(source, &way.route, now).map_err(own_words)?))
        }
        Some(_) | None => Some(Cow::Borrowed(token_of_file(way, sender, now)?)),
    };
    if let Some(why) = token.as_ref().and_then(|token| loaded.tokens.why_refused(&token.value, now)) {
        return Err(why);
    }
    Ok((token, tls(way)?))
}

/// The file in force and its first way out, where mail may be sent at all.
pub(crate) fn configured(current: &Current) -> Result<(&Arc<Loaded>, &Way), Refusal> {
    let loaded = match current {
        Current::Usable(loaded) => loaded,
        Current::Missing => return Err(Refusal::of(reason::MAIL_SENDER_MISSING)),
        Current::Unusable(why) => return Err(unusable(why)),
    };
    if let State::Unready(why) = &loaded.file.state {
        return Err(unready(why));
    }
    Ok((loaded, loaded.way.as_ref().ok_or_else(no_way)?))
}

fn no_way() -> Refusal {
    unusable("route: missing, while the state is ready")
}

/// The token that the file carries for this way, unless it has ended or is another route's.
pub(crate) fn token_of_file<'a>(
    way: &'a Way,
    sender: &SenderRef,
    now: Timestamp,
) -> Result<&'a Token, Diagnosis> {
    match &way.token {
        Some(token) if lasts(token, way, now) => match &way.misplaced {
            Some(why) => Err(why.clone()),
            None => Ok(token),
        },
        Some(token) => Err(expired(token, sender, now)),
        None => Err(local(reason::TOKEN_MISSING).with_fix(&look_at(sender))),
    }
}

/// Whether the server would take the token at `now`, as far as its end goes.
fn lasts(token: &Token, way: &Way, now: Timestamp) -> bool {
    token.expires_at - SignedDuration::from_secs(way.route.token_margin()) > now
}

/// How the server's certificate is verified, or why it cannot be.
pub(crate) fn tls(way: &Way) -> Result<Arc<ClientConfig>, Refusal> {
    match &way.tls {
        Ok(tls) => Ok(Arc::clone(tls)),
        Err(why) => Err(why.clone().into()),
    }
}

/// When the token in force ends, whatever else is true.
#[must_use]
pub fn token_end(current: &Current) -> Option<Timestamp> {
    match current {
        Current::Usable(loaded) if loaded.file.token_source.is_some() => loaded.tokens.end(),
        Current::Usable(loaded) => loaded.file.token.as_ref().map(|token| token.expires_at),
        Current::Missing | Current::Unusable(_) => None,
    }
}

/// The table speaks of the operator's objects; here a file stands in their place.
pub(crate) fn own_words(why: Diagnosis) -> Diagnosis {
    match why.fix.contains("EntraApp") {
        true => {
            let fix = format!(
                "{} (without an operator: tokenSource.entra of sender.json, and its clientSecretFile, certificate, federatedTokenFile or refreshTokenFile)",
                why.fix
            );
            why.with_fix(&fix)
        }
        false => why,
    }
}

fn look_at(sender: &SenderRef) -> String {
    format!("kubectl describe mailsender {} -n {}", sender.name, sender.namespace)
}

fn missing(sender: &SenderRef) -> Refusal {
    local(reason::MAIL_SENDER_MISSING)
        .with_cause(&format!("no MailSender {sender} has reached this pod"))
        .with_fix(&format!(
            "create the MailSender {} in the namespace {}; if it exists, wait: it takes up to two minutes to arrive",
            sender.name, sender.namespace
        ))
        .into()
}

fn unusable(why: &str) -> Refusal {
    local(reason::CONFIGURATION_INVALID).with_words(why).into()
}

/// The operator's own sentence, so that app and condition say the same.
fn unready(why: &Unready) -> Refusal {
    Refusal::in_words(bounded(&why.reason), Class::Mendable, &why.message)
}

/// The same reason out of our own table, so that a file cannot make new metric labels.
fn bounded(reason: &str) -> &'static str {
    let rows = TABLE.iter().copied().flatten();
    rows.map(|row| row.reason).find(|known| *known == reason).unwrap_or("Unready")
}

fn expired(token: &Token, sender: &SenderRef, now: Timestamp) -> Diagnosis {
    let ends = token.expires_at;
    let cause = match ends > now {
        true => {
            format!("the token ends at {ends:.0}, which is too soon for this route, and no newer one came")
        }
        false => format!("the token expired at {ends:.0} and no newer one came"),
    };
    local(reason::TOKEN_EXPIRED)
        .with_cause(&cause)
        .with_fix(&format!("{}, and check the clock of the node", look_at(sender)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-23T12:00:00Z";

    fn file(rest: &str) -> Current {
        let text = format!(
            r#"{{"format": 1, "sender": {{"namespace": "shop", "name": "billing"}},
                 "mailbox": "billing@contoso.com", {rest}}}"#
        );
        let file = mail_egress_config::parse(text.as_bytes()).unwrap();
        Current::Usable(Arc::new(Loaded::new(file, u64::MAX, None).unwrap()))
    }

    fn ready(token: &str) -> Current {
        file(&format!(
            r#""state": "ready", {token} "route": {{"exchangeOnline":
               {{"name": "exchange-online", "host": "smtp.office365.com", "port": 587, "maxMessageBytes": 1000}}}}"#
        ))
    }

    fn at(current: &Current) -> Result<Clearance, Refusal> {
        let shape = Shape { to: &[], octets: 0, bcc: None };
        decide(current, &"shop/billing".parse().unwrap(), &shape, NOW.parse().unwrap())
    }

    fn told(current: &Current) -> (&'static str, String) {
        let refusal = at(current).unwrap_err();
        (refusal.reason, refusal.reply().as_reply().to_string())
    }

    #[test]
    fn sends_while_the_token_lasts() {
        let current = ready(r#""token": {"value": "t", "expiresAt": "2026-11-23T12:00:01Z"},"#);
        let cleared = at(&current).unwrap();
        let Some(Route::ExchangeOnline(route)) = cleared.route() else { panic!("another way") };
        let client::Login::XOAuth2(login) = cleared.login(route) else { panic!("another login") };
        assert_eq!((login.user.as_str(), route.port), ("billing@contoso.com", 587));
        assert_eq!(token_end(&current), Some("2026-11-23T12:00:01Z".parse().unwrap()));
    }

    #[test]
    fn high_volume_email_wants_ten_minutes_more_of_a_token() {
        let ending = |end: &str| {
            file(&format!(
                r#""state": "ready", "token": {{"value": "t", "expiresAt": "{end}"}}, "route": {{"highVolumeEmail":
                   {{"name": "hve", "host": "smtp.hve.mx.microsoft", "port": 587, "maxMessageBytes": 1000}}}}"#
            ))
        };
        assert!(at(&ending("2026-11-23T12:10:01Z")).is_ok());
        let (reason, reply) = told(&ending("2026-11-23T12:10:00Z"));
        assert!(reason == "TokenExpired" && reply.contains("too soon for this route"), "{reply}");
    }

    #[test]
    fn a_missing_sender_is_named_with_what_to_do() {
        let (reason, reply) = told(&Current::Missing);
        assert_eq!(reason, "MailSenderMissing");
        assert!(reply.starts_with("451 4.3.5 no MailSender shop/billing has reached this pod. "), "{reply}");
        assert!(reply.contains("To mend: create the MailSender billing in the namespace shop"), "{reply}");
    }

    #[test]
    fn an_unusable_file_names_the_field() {
        let (reason, reply) = told(&Current::Unusable("mailbox: not an address".into()));
        assert_eq!(reason, "ConfigurationInvalid");
        assert!(reply.contains("(mailbox: not an address)"), "{reply}");
    }

    #[test]
    fn an_unready_sender_is_explained_in_the_operators_words() {
        let current = file(
            r#""state": {"unready": {"reason": "SenderSuspended",
               "message": "the MailSender is suspended. To mend: set its spec.suspend to false"}}"#,
        );
        let (reason, reply) = told(&current);
        assert_eq!(reason, "SenderSuspended");
        assert_eq!(reply, "451 4.3.5 the MailSender is suspended. To mend: set its spec.suspend to false");
    }

    #[test]
    fn a_reason_that_is_not_ours_makes_no_label_of_its_own() {
        let current = file(r#""state": {"unready": {"reason": "x-17", "message": "new"}}"#);
        assert_eq!(told(&current).0, "Unready");
    }

    #[test]
    fn an_expired_token_says_when_and_what_to_look_at() {
        let current = ready(r#""token": {"value": "t", "expiresAt": "2026-11-23T12:00:00Z"},"#);
        let (reason, reply) = told(&current);
        assert_eq!(reason, "TokenExpired");
        assert!(reply.starts_with("451 4.7.0 the token expired at 2026-11-23T12:00:00Z"), "{reply}");
        assert!(reply.contains("kubectl describe mailsender billing -n shop"), "{reply}");
    }

    #[test]
    fn a_token_that_the_relay_refused_is_not_shown_again_until_another_comes() {
        let current = ready(r#""token": {"value": "t", "expiresAt": "2999-01-01T00:00:00Z"},"#);
        let cleared = at(&current).unwrap();
        cleared.token_refused(&Refusal::of("TokenRefused"), NOW.parse().unwrap());
        assert_eq!(told(&current).0, "TokenRefused");
    }

    #[test]
    fn a_token_of_ones_own_is_awaited_and_the_files_is_not_used_in_its_place() {
        let current = ready(
            r#""token": {"value": "t", "expiresAt": "2999-01-01T00:00:00Z"},
               "tokenSource": {"entra": {"tenant": "t", "clientID": "c", "clientSecretFile": "/s"}},"#,
        );
        let (reason, reply) = told(&current);
        assert_eq!(reason, "TokenMissing");
        assert!(reply.starts_with("451 ") && reply.contains("Entra is being asked"), "{reply}");
        assert_eq!(token_end(&current), None);
    }

    #[test]
    fn no_token_yet_is_451() {
        assert_eq!(told(&ready("")).0, "TokenMissing");
    }
}
