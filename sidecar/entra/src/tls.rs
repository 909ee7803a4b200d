//! The one place where TLS is chosen: provider, roots and versions.

mod identity;

use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

pub use identity::{ClientCertificate, InvalidClientCertificate};

/// Longest CA bundle that is read, in octets; the public roots of a Linux distribution are about
/// 220 KiB.
pub const MAX_BUNDLE_OCTETS: usize = 512 * 1024;

/// Why no TLS configuration could be made. All but `Provider` are for whoever wrote the bundle or the
/// client certificate.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The text holds no certificate; the public roots are not used in its place.
    #[error("the CA bundle holds no certificate (no -----BEGIN CERTIFICATE-----)")]
    NoCertificate,
    /// One certificate cannot be used; certificates are counted from 1.
    #[error("certificate {position} of the CA bundle is invalid: {cause}")]
    InvalidCertificate {
        /// Which certificate of the bundle, counted from 1.
        position: usize,
        /// What is wrong with it, without any of its content.
        cause: String,
    },
    /// The bundle is longer than [`MAX_BUNDLE_OCTETS`].
    #[error("the CA bundle is {octets} octets long, more than {MAX_BUNDLE_OCTETS}")]
    TooLong {
        /// The length found.
        octets: usize,
    },
    /// The client certificate or its key cannot be used.
    #[error(transparent)]
    ClientCertificate(#[from] InvalidClientCertificate),
    /// The provider cannot do TLS 1.2 or 1.3: a defect of the build.
    #[error("the TLS provider does not serve TLS 1.2 and 1.3")]
    Provider(#[source] rustls::Error),
}

/// The cryptography of every TLS connection, in or out. A FIPS build changes this function.
///
/// Nothing here installs a process-wide default: whoever builds a rustls configuration passes
/// this explicitly, so that no dependency can choose another one behind our back.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A configuration for connections out: TLS 1.2 or 1.3, the server's certificate verified, no
/// client certificate.
///
/// Where `ca_bundle` (PEM) is given, only its certificates are trusted, never the public roots as
/// well: a private endpoint must not be impersonated by anybody whom a public CA believes. An
/// empty bundle is therefore an error and not the public roots.
pub fn client_config(ca_bundle: Option<&str>) -> Result<ClientConfig, TlsError> {
    client_config_with(ca_bundle, None)
}

/// The same, with the certificate that is shown to a server which asks for one.
pub fn client_config_with(
    ca_bundle: Option<&str>,
    certificate: Option<ClientCertificate<'_>>,
) -> Result<ClientConfig, TlsError> {
    let roots = match ca_bundle {
        Some(pem) => bundle(pem)?,
        None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
    };
    let provider = provider();
    let identity = certificate.map(|certificate| certificate.resolver(&provider)).transpose()?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(TlsError::Provider)?
        .with_root_certificates(roots);
    Ok(match identity {
        Some(identity) => builder.with_client_cert_resolver(identity),
        None => builder.with_no_client_auth(),
    })
}

fn bundle(pem: &str) -> Result<RootCertStore, TlsError> {
    if pem.len() > MAX_BUNDLE_OCTETS {
        return Err(TlsError::TooLong { octets: pem.len() });
    }
    let mut roots = RootCertStore::empty();
    for (index, certificate) in CertificateDer::pem_slice_iter(pem.as_bytes()).enumerate() {
        let invalid = |cause: String| TlsError::InvalidCertificate { position: index + 1, cause };
        let certificate = certificate.map_err(|e| invalid(pem_fault(&e).to_owned()))?;
        roots.add(certificate).map_err(|e| invalid(e.to_string()))?;
    }
    if roots.is_empty() {
        return Err(TlsError::NoCertificate);
    }
    Ok(roots)
}

/// In our words: the library's own errors quote lines of the file as lists of numbers.
fn pem_fault(error: &rustls_pki_types::pem::Error) -> &'static str {
    use rustls_pki_types::pem::Error;
    match error {
        Error::MissingSectionEnd { .. } => "its -----END CERTIFICATE----- is missing",
        Error::IllegalSectionStart { .. } => "its -----BEGIN line is malformed",
        Error::Base64Decode(_) => "its text is not base64",
        // non_exhaustive, and I/O, which a slice has not
        _ => "it is not PEM",
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};

    use super::*;

    fn ca() -> String {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
    }

    fn refusal(pem: &str) -> String {
        client_config(Some(pem)).unwrap_err().to_string()
    }

    #[test]
    fn the_public_roots_serve_where_there_is_no_bundle_and_only_there() {
        assert!(client_config(None).is_ok());
        assert_eq!(bundle(&ca()).unwrap().len(), 1);
        assert_eq!(bundle(&format!("# old\n{}\n# new\n{}", ca(), ca())).unwrap().len(), 2);
    }

    #[test]
    fn a_bundle_without_a_certificate_is_refused() {
        let key = KeyPair::generate().unwrap().serialize_pem();
        for pem in ["", "\n", "not PEM at all", &key] {
            assert!(matches!(client_config(Some(pem)), Err(TlsError::NoCertificate)), "{pem}");
        }
    }

    #[test]
    fn the_certificate_that_is_wrong_is_named_by_its_place_and_not_by_its_content() {
        let good = ca();
        let wrapped =
            |body: &str| format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n");
        for (second, words) in [
            (wrapped("!!not*base64!!"), "its text is not base64"),
            (wrapped("aGVsbG8="), ""),
            (wrapped(""), ""),
            ("-----BEGIN CERTIFICATE-----\nMIIB".to_owned(), "its -----END CERTIFICATE----- is missing"),
            ("-----BEGIN CERTIFICATE\n".to_owned(), "its -----BEGIN line is malformed"),
        ] {
            let shown = refusal(&format!("{good}{second}"));
            let expected = format!("certificate 2 of the CA bundle is invalid: {words}");
            assert!(shown.starts_with(&expected) && shown.len() < 120, "{shown}");
            assert!(!shown.contains("MIIB") && !shown.contains("aGVsbG8"), "{shown}");
        }
    }

    #[test]
    fn a_bundle_that_is_too_long_is_refused_unread() {
        let long = ca() + &" ".repeat(MAX_BUNDLE_OCTETS);
        assert!(refusal(&long).contains("more than 524288"));
    }
}
