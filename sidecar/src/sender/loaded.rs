//! A file that can be used, with what is made of it once and not for each message.

mod way;

use std::sync::Arc;

use mail_egress_config::{BareLineEndings, Limits, Route, SenderFile, write};
use mail_egress_policy::Policy;
use mail_egress_smtp::{Address, server};

use crate::message::body::PIECE;
use crate::message::refusal::Refusal;
use crate::message::trace;
use crate::sender::tokens::Tokens;
pub use way::{Shape, Way};

/// What every session and message goes by.
#[derive(Debug)]
pub struct Loaded {
    /// The file.
    pub file: SenderFile,
    /// The mailbox as an address.
    pub mailbox: Address,
    /// The way out, unless the sender is unready.
    pub way: Option<Way>,
    /// The way for messages that the first one cannot carry.
    pub fallback: Option<Way>,
    /// What the sessions tell the app: SIZE, and how many recipients.
    pub session: Arc<server::Settings>,
    /// Who the app may send as, and to.
    pub policy: Policy,
    /// How much it may send.
    pub limits: Limits,
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
        let stays = before.is_some_and(|before| differ_in_the_tokens_alone(&before.file, &file));
        let way = file.route.as_ref().map(|route| {
            Way::new(route.clone(), file.token.clone(), before.and_then(|it| it.way.as_ref()), stays)
        });
        let fallback = file.fallback.as_ref().map(|fallback| {
            let before = before.and_then(|it| it.fallback.as_ref());
            Way::new(fallback.route.clone(), fallback.token.clone(), before, stays)
        });
        let usual = server::Settings::default();
        let ways = || way.iter().chain(&fallback);
        let routes_take = ways().map(|way| way.route.max_message_bytes()).max();
        let max_message_bytes = announced(routes_take.unwrap_or(usual.max_message_bytes), budget);
        let theirs = file.route.as_ref().map_or(Limits::EXCHANGE_ONLINE, Route::usual_limits);
        let limits = file.limits.or(theirs);
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
            // while it is not known, it is offered: the app must not be refused for good before it is
            dsn: ways().all(Way::speaks_smtp),
            ..usual
        });
        let policy = Policy::new(&file.mailbox, &file.rules);
        let brings_token = ways().any(|way| way.brings_token);
        let tokens = before.map(|before| before.tokens.clone()).unwrap_or_default();
        Ok(Self { file, mailbox, way, fallback, session, policy, limits, brings_token, tokens })
    }

    /// All ways out, the first one first.
    pub fn ways(&self) -> impl Iterator<Item = &Way> {
        self.way.iter().chain(&self.fallback)
    }

    /// Whether no message can leave but by SMTP.
    #[must_use]
    pub fn speaks_smtp_alone(&self) -> bool {
        self.ways().all(Way::speaks_smtp)
    }

    /// The first way that can carry such a message; where none can, why the first one cannot. `None`
    /// while there is no way at all.
    #[must_use]
    pub fn way_for(&self, shape: &Shape<'_>) -> Option<Result<&Way, Refusal>> {
        let first = self.way.as_ref()?;
        Some(match (first.carries(shape), &self.fallback) {
            (Ok(()), _) => Ok(first),
            (Err(_), Some(fallback)) if fallback.carries(shape).is_ok() => Ok(fallback),
            (Err(why), _) => Err(why),
        })
    }

    /// Whether a way out takes this recipient; as [`Self::way_for`].
    pub fn reaches(&self, to: &Address) -> Result<(), Refusal> {
        match self.way_for(&Shape { to: &[to.clone().into()], octets: 0, bcc: None }) {
            Some(Err(why)) => Err(why),
            Some(Ok(_)) | None => Ok(()),
        }
    }
}

fn differ_in_the_tokens_alone(one: &SenderFile, other: &SenderFile) -> bool {
    let without = |file: &SenderFile| {
        let mut file = SenderFile { token: None, ..file.clone() };
        if let Some(fallback) = &mut file.fallback {
            fallback.token = None;
        }
        write(&file).ok()
    };
    without(one) == without(other)
}

/// The largest message that both can take, with the trace header that we add to it; memory, where it
/// is all there is, is given out by whole pieces. Never 0, which would mean "no limit" (RFC 1870
/// section 4).
fn announced(route_takes: u64, budget: u64) -> u64 {
    let budget = budget.saturating_sub(PIECE as u64);
    route_takes.min(budget).saturating_sub(trace::ROOM).max(1)
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
        assert!(Arc::ptr_eq(&first.way.unwrap().tls.unwrap(), &second.way.unwrap().tls.unwrap()));
    }

    #[test]
    fn a_newer_token_alone_makes_no_other_configuration() {
        let first = Loaded::new(file("a@contoso.com", ""), MOST, None).unwrap();
        let mut newer = file("a@contoso.com", "");
        let expires_at = "2026-11-23T12:00:00Z".parse().unwrap();
        newer.token = Some(mail_egress_config::Token { value: "t".into(), expires_at });
        let second = Loaded::new(newer.clone(), MOST, Some(&first)).unwrap();
        let generation = |it: &Loaded| it.way.as_ref().unwrap().generation.clone();
        assert_eq!(generation(&first), generation(&second));
        let third = Loaded::new(newer, MOST, Some(&second)).unwrap();
        assert_eq!([&first, &second, &third].map(|it| it.brings_token), [false, true, false]);
        let other = Loaded::new(file("b@contoso.com", ""), MOST, Some(&second)).unwrap();
        assert_ne!(generation(&other), generation(&second));
    }

    #[test]
    fn a_ca_bundle_without_certificates_is_explained() {
        let loaded = Loaded::new(file("a@contoso.com", r#""caBundle": "none","#), MOST, None).unwrap();
        assert!(loaded.way.unwrap().tls.unwrap_err().sentence().contains("holds no certificate"));
    }

    #[test]
    fn a_mailbox_that_is_no_address_is_named() {
        let error = Loaded::new(file("a@con..toso.com", ""), MOST, None).unwrap_err();
        assert!(error.starts_with("mailbox: "), "{error}");
    }
}
