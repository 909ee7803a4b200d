//! Where Graph is, and as whom it is spoken to.

use http::header::{AUTHORIZATION, HeaderValue};
use mail_egress_entra::fault::Peer;
use mail_egress_entra::https::{self, Url};
use secrecy::{ExposeSecret, SecretString};

/// Where Graph is: `https://graph.microsoft.com`, or that of another cloud. A path is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    base: Url,
    peer: Peer,
}

/// The mailbox that is sent from, and what opens it. `Debug` hides the token.
#[derive(Clone, Debug)]
pub struct Sender {
    /// The mailbox's address: the user in Graph's URLs.
    pub mailbox: String,
    /// The bearer token; opaque.
    pub token: SecretString,
}

impl Endpoint {
    /// Reads a base URL.
    ///
    /// # Errors
    /// What is wrong with it; the URL is not repeated.
    pub fn parse(base_url: &str) -> Result<Self, &'static str> {
        let (base, peer) = https::base(base_url)?;
        Ok(Self { base, peer })
    }

    /// Who must be dialled, and prove its name.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// What is asked for: `users/MAILBOX` of version 1.0, and what follows that.
    pub(crate) fn of(&self, mailbox: &str, rest: &[&str]) -> Url {
        let mut url = self.base.clone();
        // cannot fail: https has paths
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["v1.0", "users", mailbox]).extend(rest);
        }
        url
    }
}

impl Sender {
    /// The token as it is shown; marked, so that hyper's own `Debug` hides it too.
    pub(crate) fn authorization(&self) -> Option<(http::HeaderName, HeaderValue)> {
        let mut value = HeaderValue::try_from(format!("Bearer {}", self.token.expose_secret())).ok()?;
        value.set_sensitive(true);
        Some((AUTHORIZATION, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mailbox_is_one_segment_of_the_path_whatever_it_holds() {
        let endpoint = Endpoint::parse("https://graph.test:8443/lab/").unwrap();
        let url = |mailbox| endpoint.of(mailbox, &["sendMail"]).to_string();
        assert_eq!(url("a@x.test"), "https://graph.test:8443/lab/v1.0/users/a@x.test/sendMail");
        assert_eq!(url("a/b?c#d@x"), "https://graph.test:8443/lab/v1.0/users/a%2Fb%3Fc%23d@x/sendMail");
        assert_eq!((endpoint.peer().host.as_str(), endpoint.peer().port), ("graph.test", 8443));
        assert!(Endpoint::parse("http://graph.test").is_err());
    }

    #[test]
    fn debug_hides_the_token() {
        let sender = Sender { mailbox: "a@x.test".to_owned(), token: "s3cret".into() };
        let shown = format!("{sender:?} {:?}", sender.authorization());
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}
