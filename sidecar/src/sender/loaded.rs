//! A file that can be used, with what is made of it once and not for each message.

use std::sync::Arc;

use mail_egress_config::{BareLineEndings, Limits, Route, SenderFile, SmtpRoute, write};
use mail_egress_diagnosis::Diagnosis;
use mail_egress_entra::tls;
use mail_egress_policy::Policy;
use mail_egress_smtp::{Address, server};
use rustls::ClientConfig;
use secrecy::ExposeSecret;

use crate::message::body::PIECE;
use crate::message::trace;
use crate::sender::claims;
use crate::sender::tokens::Tokens;

/// What every session and message goes by.
#[derive(Debug)]
pub struct Loaded {
    /// The file.
    pub file: SenderFile,
    /// The mailbox as an address.
    pub mailbox: Address,
    /// TLS towards the relay, or why there is none. Kept from file to file while the CA bundle
    /// stays, so that TLS sessions are resumed.
    pub tls: Result<Arc<ClientConfig>, Arc<str>>,
    /// What the sessions tell the app: SIZE, and how many recipients.
    pub session: Arc<server::Settings>,
    /// Who the app may send as, and to.
    pub policy: Policy,
    /// How much it may send.
    pub limits: Limits,
    /// The same from file to file while nothing but the token changes.
    pub generation: Generation,
    /// Why the token that it carries is not shown to the relay, if it is not.
    pub misplaced: Option<Diagnosis>,
    /// Whether it carries a token that the one before did not.
    pub brings_token: bool,
    /// The tokens that were asked for here, and those that the relay has refused.
    pub tokens: Tokens,
}

/// Names one configuration, whatever its token; equal only to its own clones.
#[derive(Debug, Clone, Default)]
pub struct Generation(Arc<()>);

impl PartialEq for Generation {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Generation {}

impl Loaded {
    /// Makes it; `budget` is the largest message that can be held, in octets. The error is one line
    /// that names the field.
    pub fn new(file: SenderFile, budget: u64, before: Option<&Self>) -> Result<Self, String> {
        let mailbox: Address = file.mailbox.parse().map_err(|error| format!("mailbox: {error}"))?;
        let tls = match before {
            Some(before) if ca_bundle(&before.file) == ca_bundle(&file) => before.tls.clone(),
            Some(_) | None => tls::client_config(ca_bundle(&file))
                .map(Arc::new)
                .map_err(|error| format!("caBundle: {error}").into()),
        };
        let usual = server::Settings::default();
        let route_takes = smtp(&file).map_or(usual.max_message_bytes, |route| route.max_message_bytes);
        let max_message_bytes = announced(route_takes, budget);
        let limits = file.limits.or(Limits::EXCHANGE_ONLINE);
        let max_recipients = limits
            .recipients_per_message
            .map_or(usual.max_recipients, |most| usize::try_from(most).unwrap_or(usize::MAX));
        let bare_line_endings = match file.delivery.bare_line_endings {
            BareLineEndings::Normalize => server::BareLineEndings::Normalize,
            BareLineEndings::Refuse => server::BareLineEndings::Refuse,
        };
        // so many of a usual length
        let max_recipient_octets = usual.max_recipient_octets.max(max_recipients.saturating_mul(64));
        let session = Arc::new(server::Settings {
            postmaster_domain: Some(mailbox.domain().to_owned()),
            max_message_bytes,
            max_recipients,
            max_recipient_octets,
            bare_line_endings,
            dsn: speaks_smtp(&file),
            ..usual
        });
        let policy = Policy::new(&file.mailbox, &file.rules);
        let generation = match before {
            Some(before) if differ_in_the_token_alone(&before.file, &file) => before.generation.clone(),
            Some(_) | None => Generation::default(),
        };
        let brings_token = token(&file).is_some() && token(&file) != before.and_then(|it| token(&it.file));
        let misplaced = token(&file).and_then(claims::misplaced);
        let tokens = before.map(|before| before.tokens.clone()).unwrap_or_default();
        Ok(Self { file, mailbox, tls, session, policy, limits, generation, misplaced, brings_token, tokens })
    }

    /// The way out, unless the sender is unready.
    #[must_use]
    pub fn route(&self) -> Option<&SmtpRoute> {
        smtp(&self.file)
    }
}

fn differ_in_the_token_alone(one: &SenderFile, other: &SenderFile) -> bool {
    let without = |file: &SenderFile| write(&SenderFile { token: None, ..file.clone() }).ok();
    without(one) == without(other)
}

fn token(file: &SenderFile) -> Option<&str> {
    file.token.as_ref().map(|token| token.value.expose_secret())
}

/// The largest message that both can take, with the trace header that we add to it; memory, where it
/// is all there is, is given out by whole pieces. Never 0, which would mean "no limit" (RFC 1870
/// section 4).
fn announced(route_takes: u64, budget: u64) -> u64 {
    let budget = budget.saturating_sub(PIECE as u64);
    route_takes.min(budget).saturating_sub(trace::ROOM).max(1)
}

fn smtp(file: &SenderFile) -> Option<&SmtpRoute> {
    file.route.as_ref().map(|Route::ExchangeOnline(route)| route)
}

/// Whether the way out can ask for delivery status notifications. While it is not known, DSN is
/// offered: the app must not be refused for good before it is.
fn speaks_smtp(file: &SenderFile) -> bool {
    match &file.route {
        Some(Route::ExchangeOnline(_)) | None => true,
    }
}

fn ca_bundle(file: &SenderFile) -> Option<&str> {
    smtp(file).and_then(|route| route.ca_bundle.as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::body::Store;

    const MOST: u64 = 1_000_000;

    fn file(mailbox: &str, ca_bundle: &str) -> SenderFile {
        let text = format!(
            r#"{{"format": 1, "sender": {{"namespace": "shop", "name": "billing"}}, "mailbox": "{mailbox}",
                 "state": "ready", "route": {{"exchangeOnline": {{"name": "r", "host": "relay.test", "port": 587,
                 {ca_bundle} "maxMessageBytes": 4000}}}}}}"#
        );
        mail_egress_config::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn tells_the_app_what_route_and_memory_take_with_room_for_the_trace() {
        let piece = PIECE as u64;
        let told =
            |budget| Loaded::new(file("a@contoso.com", ""), budget, None).unwrap().session.max_message_bytes;
        assert_eq!((told(MOST), told(piece + 3999)), (4000 - trace::ROOM, 3999 - trace::ROOM));
        assert_eq!(told(piece), 1);
    }

    #[tokio::test]
    async fn a_message_of_the_announced_size_fits_into_an_empty_budget() {
        for budget in [2 * PIECE, 3 * PIECE + 1, 4 * PIECE - 1] {
            let size = announced(u64::MAX, budget as u64) + trace::ROOM;
            let store = Store::new(budget, "/nowhere/to/spill".into(), Some(1));
            assert!(store.begin(size).await.is_ok(), "{budget}");
        }
    }

    #[test]
    fn keeps_tls_while_the_ca_bundle_stays() {
        let first = Loaded::new(file("a@contoso.com", ""), MOST, None).unwrap();
        let second = Loaded::new(file("b@contoso.com", ""), MOST, Some(&first)).unwrap();
        assert!(Arc::ptr_eq(&first.tls.unwrap(), &second.tls.unwrap()));
    }

    #[test]
    fn a_newer_token_alone_makes_no_other_configuration() {
        let first = Loaded::new(file("a@contoso.com", ""), MOST, None).unwrap();
        let mut newer = file("a@contoso.com", "");
        let expires_at = "2026-11-23T12:00:00Z".parse().unwrap();
        newer.token = Some(mail_egress_config::Token { value: "t".into(), expires_at });
        let second = Loaded::new(newer.clone(), MOST, Some(&first)).unwrap();
        assert_eq!(first.generation, second.generation);
        let third = Loaded::new(newer, MOST, Some(&second)).unwrap();
        assert_eq!([&first, &second, &third].map(|it| it.brings_token), [false, true, false]);
        let other = Loaded::new(file("b@contoso.com", ""), MOST, Some(&second)).unwrap();
        assert_ne!(other.generation, second.generation);
    }

    #[test]
    fn a_ca_bundle_without_certificates_is_explained() {
        let loaded = Loaded::new(file("a@contoso.com", r#""caBundle": "none","#), MOST, None).unwrap();
        assert!(loaded.tls.unwrap_err().contains("holds no certificate"));
    }

    #[test]
    fn a_mailbox_that_is_no_address_is_named() {
        let error = Loaded::new(file("a@con..toso.com", ""), MOST, None).unwrap_err();
        assert!(error.starts_with("mailbox: "), "{error}");
    }
}
