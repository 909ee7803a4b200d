//! The certificate that a replica serves at this moment.

use std::sync::Arc;

use jiff::Timestamp;
use mail_egress_entra::tls;
use rustls::ServerConfig;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use tokio::sync::watch;

use super::certificate::Leaf;

/// Hands the present certificate to each new connection; another takes its place without a
/// restart, and without touching the connections that there are.
#[derive(Debug, Clone)]
pub struct Serving {
    leaf: watch::Receiver<Option<Arc<Leaf>>>,
}

impl Serving {
    pub(super) fn new() -> (watch::Sender<Option<Arc<Leaf>>>, Self) {
        let (sender, leaf) = watch::channel(None);
        (sender, Self { leaf })
    }

    /// Whether there is a certificate to serve that is good at `now`: part of readiness.
    pub fn is_ready(&self, now: Timestamp) -> bool {
        self.leaf.borrow().as_ref().is_some_and(|leaf| !leaf.validity.is_over(now))
    }

    /// When the present certificate ends, for the metrics.
    pub fn expires(&self) -> Option<Timestamp> {
        self.leaf.borrow().as_ref().map(|leaf| leaf.validity.end)
    }

    /// The TLS side of the webhook: TLS 1.2 or 1.3, HTTP/1.1, no client certificates.
    pub fn server_config(&self) -> Result<Arc<ServerConfig>, rustls::Error> {
        let mut config = ServerConfig::builder_with_provider(tls::provider())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(self.clone()));
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

impl ResolvesServerCert for Serving {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.leaf.borrow().as_ref().map(|leaf| leaf.certified.clone())
    }
}
