//! A file that can be used, with what is made of it once and not for each message.

use std::sync::Arc;

use mail_egress_config::{Route, SenderFile, SmtpRoute};
use mail_egress_entra::tls;
use mail_egress_smtp::{Address, server};
use rustls::ClientConfig;

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
    /// What the sessions tell the app: SIZE.
    pub session: Arc<server::Settings>,
}

impl Loaded {
    /// Makes it; no message may be larger than `most` octets, whatever the route takes. The error
    /// is one line that names the field.
    pub fn new(file: SenderFile, most: u64, before: Option<&Self>) -> Result<Self, String> {
        let mailbox = file.mailbox.parse().map_err(|error| format!("mailbox: {error}"))?;
        let tls = match before {
            Some(before) if ca_bundle(&before.file) == ca_bundle(&file) => before.tls.clone(),
            Some(_) | None => tls::client_config(ca_bundle(&file))
                .map(Arc::new)
                .map_err(|error| format!("caBundle: {error}").into()),
        };
        let usual = server::Settings::default();
        let route_takes = smtp(&file).map_or(usual.max_message_bytes, |route| route.max_message_bytes);
        let max_message_bytes = route_takes.min(most);
        let session = Arc::new(server::Settings { max_message_bytes, ..usual });
        Ok(Self { file, mailbox, tls, session })
    }

    /// The way out, unless the sender is unready.
    #[must_use]
    pub fn route(&self) -> Option<&SmtpRoute> {
        smtp(&self.file)
    }
}

fn smtp(file: &SenderFile) -> Option<&SmtpRoute> {
    file.route.as_ref().map(|Route::ExchangeOnline(route)| route)
}

fn ca_bundle(file: &SenderFile) -> Option<&str> {
    smtp(file).and_then(|route| route.ca_bundle.as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: u64 = 10_000;

    fn file(mailbox: &str, ca_bundle: &str) -> SenderFile {
        let text = format!(
            r#"{{"format": 1, "sender": {{"namespace": "shop", "name": "billing"}}, "mailbox": "{mailbox}",
                 "state": "ready", "route": {{"exchangeOnline": {{"name": "r", "host": "relay.test", "port": 587,
                 {ca_bundle} "maxMessageBytes": 1000}}}}}}"#
        );
        mail_egress_config::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn tells_the_app_what_route_and_memory_take() {
        let told =
            |most| Loaded::new(file("a@contoso.com", ""), most, None).unwrap().session.max_message_bytes;
        assert_eq!((told(MOST), told(999)), (1000, 999));
    }

    #[test]
    fn keeps_tls_while_the_ca_bundle_stays() {
        let first = Loaded::new(file("a@contoso.com", ""), MOST, None).unwrap();
        let second = Loaded::new(file("b@contoso.com", ""), MOST, Some(&first)).unwrap();
        assert!(Arc::ptr_eq(&first.tls.unwrap(), &second.tls.unwrap()));
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
