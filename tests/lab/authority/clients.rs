//! Certificates of clients: two authorities, of which a server knows one. A server asks for a
//! certificate and takes whatever comes, as Exchange does on port 25; whether it is of use is seen
//! when somebody wants to relay.

use std::sync::Arc;

use anyhow::Context;
use rcgen::{CertificateParams, DnType, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose, date_time_ymd};
use rustls::client::danger::HandshakeSignatureValid;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};
use secrecy::SecretString;
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::{Issuer, issuer};

/// A certificate and its key, both in PEM.
#[derive(Clone, Debug)]
pub struct ClientCertificate {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: SecretString,
}

/// The authorities.
pub(in crate::lab) struct Clients {
    known: Issuer,
    unknown: Issuer,
    trusted: Arc<dyn ClientCertVerifier>,
}

impl Clients {
    pub(in crate::lab) fn generate() -> anyhow::Result<Self> {
        let name = "mail-egress lab: clients";
        let (known, unknown) = (issuer(name)?, issuer(name)?);
        let mut roots = RootCertStore::empty();
        roots.add(known.der().clone()).context("the authority's certificate is no root")?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let trusted = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .allow_unauthenticated()
            .build()
            .context("cannot set up the check of certificates")?;
        Ok(Self { known, unknown, trusted })
    }

    /// The certificate of the authority that the server knows.
    pub(in crate::lab) fn ca_pem(&self) -> String {
        self.known.pem()
    }

    /// A certificate for this common name and these further names, of the authority that the server
    /// knows or of the other one.
    pub(in crate::lab) fn issue(
        &self,
        common_name: &str,
        names: &[&str],
        known: bool,
    ) -> anyhow::Result<ClientCertificate> {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).context("a name is none for a certificate")?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, common_name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        (params.not_before, params.not_after) = (date_time_ymd(2025, 1, 1), date_time_ymd(2045, 1, 1));
        let key = KeyPair::generate().context("cannot make the client's key")?;
        let issuer = if known { &self.known } else { &self.unknown };
        let certificate = params.signed_by(&key, issuer).context("cannot make the client's certificate")?;
        Ok(ClientCertificate { certificate: certificate.pem(), key: key.serialize_pem().into() })
    }

    /// For a server that asks for a certificate.
    pub(in crate::lab) fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        Arc::new(TakesAny(Arc::clone(&self.trusted)))
    }

    /// The names in a certificate that was shown, common and further; none where it is not of the
    /// authority that the server knows.
    pub(in crate::lab) fn names(&self, shown: &[CertificateDer<'_>]) -> Vec<String> {
        let Some((own, between)) = shown.split_first() else { return Vec::new() };
        if self.trusted.verify_client_cert(own, between, UnixTime::now()).is_err() {
            return Vec::new();
        }
        let Ok((_, parsed)) = X509Certificate::from_der(own) else { return Vec::new() };
        let common = parsed.subject().iter_common_name().filter_map(|name| name.as_str().ok());
        let further = parsed.subject_alternative_name().ok().flatten();
        let further = further.into_iter().flat_map(|names| &names.value.general_names);
        let further = further.filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(*name),
            _ => None,
        });
        common.chain(further).map(str::to_owned).collect()
    }
}

/// Proof of the key is asked for, and nothing else.
#[derive(Debug)]
struct TakesAny(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for TakesAny {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn verify_client_cert(
        &self,
        _own: &CertificateDer<'_>,
        _between: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::pem::PemObject;

    use super::*;

    #[test]
    fn only_the_known_authoritys_names_count() {
        let clients = Clients::generate().unwrap();
        let names = |known| {
            let issued = clients.issue("contoso.com", &["mail.contoso.com"], known).unwrap();
            clients.names(&[CertificateDer::from_pem_slice(issued.certificate.as_bytes()).unwrap()])
        };
        assert_eq!(names(true), ["contoso.com", "mail.contoso.com"]);
        assert_eq!(names(false), Vec::<String>::new());
        assert_eq!(clients.names(&[]), Vec::<String>::new());
    }
}
