//! A client certificate with its key: how a connector or a relay of one's own knows us.

use std::sync::Arc;

use rustls::client::ResolvesClientCert;
use rustls::crypto::CryptoProvider;
use rustls::server::ParsedCertificate;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::{ExposeSecret, SecretString};

use super::{MAX_BUNDLE_OCTETS, pem_fault};

/// What is shown to a server that asks who we are. `Debug` shows no key.
#[derive(Clone, Copy, Debug)]
pub struct ClientCertificate<'a> {
    /// PEM; the client's own certificate first, then those up to the root, which may be left out.
    pub certificates: &'a str,
    /// PEM: PKCS#8, PKCS#1 or SEC1, not encrypted.
    pub key: &'a SecretString,
}

/// Why a client certificate cannot be used. Nothing of certificate or key is repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidClientCertificate {
    /// There is none in the text.
    #[error("the client certificate is missing (no -----BEGIN CERTIFICATE-----)")]
    NoCertificate,
    /// One certificate of the chain cannot be read; they are counted from 1.
    #[error("certificate {position} of the client certificate's chain is invalid: {cause}")]
    Certificate {
        /// Which one, counted from 1.
        position: usize,
        /// What is wrong with it.
        cause: String,
    },
    /// There is no key in the text.
    #[error("the client certificate's key is missing (no -----BEGIN PRIVATE KEY-----)")]
    NoKey,
    /// A passphrase would be needed, and there is none to give.
    #[error("the client certificate's key is encrypted: decrypt it, as openssl pkey does")]
    EncryptedKey,
    /// It is PEM of some sort, and no key that can be used.
    #[error(
        "the client certificate's key cannot be used: {0}; RSA of 2048 to 4096 bits, ECDSA P-256 and P-384 and Ed25519 can"
    )]
    Key(&'static str),
    /// Certificate and key are not of one pair.
    #[error("the client certificate's key belongs to another certificate")]
    Mismatch,
    /// Either text is longer than [`MAX_BUNDLE_OCTETS`].
    #[error("the client certificate or its key is longer than {MAX_BUNDLE_OCTETS} octets")]
    TooLong,
}

impl ClientCertificate<'_> {
    /// Always this one, whatever authorities the server names: some name none, or the wrong ones, and
    /// a server that does not like it says so.
    pub(super) fn resolver(
        &self,
        provider: &CryptoProvider,
    ) -> Result<Arc<dyn ResolvesClientCert>, InvalidClientCertificate> {
        if self.certificates.len().max(self.key.expose_secret().len()) > MAX_BUNDLE_OCTETS {
            return Err(InvalidClientCertificate::TooLong);
        }
        let chain = chain(self.certificates)?;
        let key = provider
            .key_provider
            .load_private_key(key(self.key.expose_secret())?)
            .map_err(|_| InvalidClientCertificate::Key("it is of another kind or size"))?;
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            // ring's keys all know their public half: what cannot be told is a defect, not a fit
            Ok(()) => Ok(Arc::new(SingleCertAndKey::from(certified))),
            Err(_) => Err(InvalidClientCertificate::Mismatch),
        }
    }
}

fn chain(pem: &str) -> Result<Vec<CertificateDer<'static>>, InvalidClientCertificate> {
    let mut chain = Vec::new();
    for (index, certificate) in CertificateDer::pem_slice_iter(pem.as_bytes()).enumerate() {
        let invalid = |cause: String| InvalidClientCertificate::Certificate { position: index + 1, cause };
        let certificate = certificate.map_err(|e| invalid(pem_fault(&e).to_owned()))?;
        ParsedCertificate::try_from(&certificate).map_err(|e| invalid(e.to_string()))?;
        chain.push(certificate);
    }
    if chain.is_empty() { Err(InvalidClientCertificate::NoCertificate) } else { Ok(chain) }
}

fn key(pem: &str) -> Result<PrivateKeyDer<'static>, InvalidClientCertificate> {
    use rustls_pki_types::pem::Error;
    // both "BEGIN ENCRYPTED PRIVATE KEY" and the older "Proc-Type: 4,ENCRYPTED"
    if pem.contains("ENCRYPTED") {
        return Err(InvalidClientCertificate::EncryptedKey);
    }
    PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|error| match error {
        Error::NoItemsFound => InvalidClientCertificate::NoKey,
        Error::MissingSectionEnd { .. } => InvalidClientCertificate::Key("its -----END line is missing"),
        Error::IllegalSectionStart { .. } => {
            InvalidClientCertificate::Key("its -----BEGIN line is malformed")
        }
        Error::Base64Decode(_) => InvalidClientCertificate::Key("its text is not base64"),
        // non_exhaustive, and I/O, which a slice has not
        _ => InvalidClientCertificate::Key("it is not PEM"),
    })
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
    use rustls::RootCertStore;
    use rustls::server::WebPkiClientVerifier;
    use rustls_pki_types::{PrivatePkcs8KeyDer, ServerName};
    use tokio::io::{AsyncReadExt, duplex};
    use tokio_rustls::{TlsAcceptor, TlsConnector};

    use super::*;
    use crate::fault::Fault;
    use crate::tls::{TlsError, client_config_with, provider};

    struct Pair {
        certificate: String,
        key: SecretString,
    }

    fn authority() -> CertifiedIssuer<'static, KeyPair> {
        named("an authority")
    }

    fn named(name: &str) -> CertifiedIssuer<'static, KeyPair> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    fn issued(ca: &CertifiedIssuer<'static, KeyPair>, name: &str) -> Pair {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, ca).unwrap();
        Pair { certificate: certificate.pem(), key: key.serialize_pem().into() }
    }

    fn refused(certificates: &str, key: &str) -> InvalidClientCertificate {
        let key = SecretString::from(key);
        match client_config_with(None, Some(ClientCertificate { certificates, key: &key })) {
            Err(TlsError::ClientCertificate(why)) => why,
            other => panic!("not refused for its certificate: {other:?}"),
        }
    }

    /// A server that wants a certificate of this authority, which is its own too.
    fn strict(ca: &CertifiedIssuer<'static, KeyPair>) -> TlsAcceptor {
        let server = issued(ca, "relay.test");
        let mut roots = RootCertStore::empty();
        roots.add(ca.der().clone()).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
        let config = rustls::ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(
                chain(&server.certificate).unwrap(),
                PrivatePkcs8KeyDer::from(key(server.key.expose_secret()).unwrap().secret_der().to_vec())
                    .into(),
            )
            .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }

    /// What the server has seen, and what the client has read behind its side of the handshake.
    async fn met(
        ca: &CertifiedIssuer<'static, KeyPair>,
        shown: Option<ClientCertificate<'_>>,
    ) -> (std::io::Result<Vec<CertificateDer<'static>>>, std::io::Result<usize>) {
        let (near, far) = duplex(16 * 1024);
        let acceptor = strict(ca);
        let accepting = tokio::spawn(async move {
            let accepted = acceptor.accept(far).await?;
            Ok(accepted.get_ref().1.peer_certificates().unwrap_or_default().to_vec())
        });
        let ours = client_config_with(Some(&ca.pem()), shown).unwrap();
        let connector = TlsConnector::from(Arc::new(ours));
        let mut connection =
            connector.connect(ServerName::try_from("relay.test").unwrap(), near).await.unwrap();
        let read = connection.read(&mut [0]).await;
        (accepting.await.unwrap(), read)
    }

    #[tokio::test]
    async fn a_server_that_asks_for_a_certificate_is_shown_the_whole_chain() {
        let ca = authority();
        let client = issued(&ca, "contoso.com");
        let certificates = format!("{}{}", client.certificate, ca.pem());
        let shown = ClientCertificate { certificates: &certificates, key: &client.key };
        let (seen, _) = met(&ca, Some(shown)).await;
        assert_eq!(seen.unwrap(), chain(&certificates).unwrap());
    }

    #[tokio::test]
    async fn a_server_that_does_not_take_it_says_so_behind_the_handshake() {
        let ca = authority();
        let (foreign, namesake) = (issued(&named("another"), "a.test"), issued(&authority(), "a.test"));
        let foreign = ClientCertificate { certificates: &foreign.certificate, key: &foreign.key };
        let namesake = ClientCertificate { certificates: &namesake.certificate, key: &namesake.key };
        for (shown, alert) in [
            (None, "CertificateRequired"),
            (Some(foreign), "UnknownCA"),
            // of an authority that has got a new key, say
            (Some(namesake), "DecryptError"),
        ] {
            let (seen, read) = met(&ca, shown).await;
            assert!(seen.is_err());
            let fault = Fault::of_objection(&read.unwrap_err()).unwrap();
            assert_eq!(fault, Fault::OwnCertificate(alert.to_owned()));
        }
    }

    #[test]
    fn what_is_wrong_with_it_is_named_and_nothing_of_it_is_shown() {
        use InvalidClientCertificate as Invalid;
        let ca = authority();
        let (one, other) = (issued(&ca, "a.test"), issued(&ca, "b.test"));
        let (certificate, key) = (one.certificate.as_str(), one.key.expose_secret());
        let in_key = |body: &str| format!("-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n");
        let long = format!("{certificate}{}", " ".repeat(MAX_BUNDLE_OCTETS));
        assert_eq!(refused("", key), Invalid::NoCertificate);
        assert_eq!(refused(key, key), Invalid::NoCertificate);
        assert_eq!(refused(certificate, ""), Invalid::NoKey);
        assert_eq!(refused(certificate, certificate), Invalid::NoKey);
        assert_eq!(refused(certificate, other.key.expose_secret()), Invalid::Mismatch);
        assert_eq!(refused(&ca.pem(), key), Invalid::Mismatch);
        assert_eq!(refused(&long, key), Invalid::TooLong);
        let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n";
        assert_eq!(refused(certificate, encrypted), Invalid::EncryptedKey);
        assert_eq!(refused(certificate, &in_key("!!s3cret!!")), Invalid::Key("its text is not base64"));
        assert_eq!(refused(certificate, &in_key("aGVsbG8=")), Invalid::Key("it is of another kind or size"));
        let cut = key.split_once("-----END").unwrap().0;
        assert_eq!(refused(certificate, cut), Invalid::Key("its -----END line is missing"));
        let second = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
        let shown = refused(&format!("{certificate}{second}"), key).to_string();
        assert!(shown.starts_with("certificate 2 of the client certificate's chain"), "{shown}");
        assert!(!shown.contains("aGVsbG8"), "{shown}");
    }

    #[test]
    fn its_debug_shows_no_key() {
        let pair = issued(&authority(), "a.test");
        let shown = ClientCertificate { certificates: &pair.certificate, key: &pair.key };
        let body = pair.key.expose_secret().lines().nth(1).unwrap();
        assert!(!format!("{shown:?}").contains(body));
    }
}
