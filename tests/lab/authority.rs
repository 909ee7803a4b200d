//! A certificate authority of the lab, and the certificates, good and bad, that a server of it
//! can show. Entra and Exchange have one each, so that trusting one never means trusting both.

mod clients;

use std::net::IpAddr;
use std::sync::Arc;

use anyhow::Context;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

pub use clients::ClientCertificate;
pub(super) use clients::Clients;

/// What is wrong with the certificate that a server shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateFault {
    /// Signed by an authority that nobody was told of, of the same name.
    Untrusted,
    /// For another host.
    WrongName,
    /// Ended in 2021.
    Expired,
}

/// The certificates of one server.
pub(super) struct Certificates {
    ca_pem: String,
    good: TlsAcceptor,
    untrusted: TlsAcceptor,
    wrong_name: TlsAcceptor,
    expired: TlsAcceptor,
}

impl Certificates {
    /// Makes an authority called `authority` and certificates for these names and addresses.
    pub(super) fn generate(authority: &str, names: &[String], addresses: &[IpAddr]) -> anyhow::Result<Self> {
        Self::asking(&WebPkiClientVerifier::no_client_auth(), authority, names, addresses)
    }

    /// The same for a server that asks its clients for certificates.
    pub(super) fn asking(
        clients: &Arc<dyn ClientCertVerifier>,
        authority: &str,
        names: &[String],
        addresses: &[IpAddr],
    ) -> anyhow::Result<Self> {
        let known = issuer(authority)?;
        let unknown = issuer(authority)?;
        let names: Vec<String> =
            names.iter().cloned().chain(addresses.iter().map(IpAddr::to_string)).collect();
        let elsewhere = vec!["somewhere-else.lab.test".to_owned()];
        let valid = (2025, 2045);
        let acceptor = |issuer, names, years| acceptor(Arc::clone(clients), issuer, names, years);
        Ok(Self {
            good: acceptor(&known, names.clone(), valid)?,
            untrusted: acceptor(&unknown, names.clone(), valid)?,
            wrong_name: acceptor(&known, elsewhere, valid)?,
            expired: acceptor(&known, names, (2020, 2021))?,
            ca_pem: known.pem(),
        })
    }

    /// The authority's certificate, which a client must be told to trust.
    pub(super) fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// Where a handshake begins, with the certificate that is right or wrong in this way.
    pub(super) fn acceptor(&self, fault: Option<CertificateFault>) -> TlsAcceptor {
        match fault {
            None => self.good.clone(),
            Some(CertificateFault::Untrusted) => self.untrusted.clone(),
            Some(CertificateFault::WrongName) => self.wrong_name.clone(),
            Some(CertificateFault::Expired) => self.expired.clone(),
        }
    }
}

type Issuer = CertifiedIssuer<'static, KeyPair>;

fn issuer(name: &str) -> anyhow::Result<Issuer> {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2046, 1, 1));
    let key = KeyPair::generate().context("cannot make the authority's key")?;
    CertifiedIssuer::self_signed(params, key).context("cannot make the authority's certificate")
}

fn acceptor(
    clients: Arc<dyn ClientCertVerifier>,
    issuer: &Issuer,
    names: Vec<String>,
    years: (i32, i32),
) -> anyhow::Result<TlsAcceptor> {
    let mut params = CertificateParams::new(names).context("a name is none that a certificate can have")?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "mail-egress lab");
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    (params.not_before, params.not_after) = (date_time_ymd(years.0, 1, 1), date_time_ymd(years.1, 1, 1));
    let key = KeyPair::generate().context("cannot make the server's key")?;
    let certificate = params.signed_by(&key, issuer).context("cannot make the server's certificate")?;

    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .and_then(|builder| {
            builder.with_client_cert_verifier(clients).with_single_cert(vec![certificate.der().clone()], key)
        })
        .context("cannot set up TLS")?;
    // a resumed session would skip the certificate that a test's second connection is about
    config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
