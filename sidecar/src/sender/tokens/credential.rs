//! The credential of a token source, read anew from its files, and by what a change of it is known.

use std::path::Path;

use mail_egress_config::{CredentialFile, EntraSource, SignatureAlgorithm};
use mail_egress_diagnosis::{Diagnosis, local, reason};
use mail_egress_entra::{self as entra, Credential};
use secrecy::{ExposeSecret, SecretString};

use super::secret_file::{self, LINE, PEM};

/// What tells one credential from another; equal ones are not tried twice.
#[derive(Hash)]
pub(super) struct Mark<'a>(pub(super) Vec<&'a str>);

/// The mark of a credential. A federated token has none: it is another one every hour, and that makes
/// no other credential of it.
pub(super) fn mark(credential: &Credential) -> Mark<'_> {
    Mark(match credential {
        Credential::ClientSecret(secret) => vec![secret.expose_secret()],
        Credential::Certificate { chain, key, algorithm } => {
            let name = match algorithm {
                entra::SignatureAlgorithm::PS256 => "PS256",
                entra::SignatureAlgorithm::RS256 => "RS256",
            };
            vec![chain, key.expose_secret(), name]
        }
        Credential::Federated { .. } => Vec::new(),
        Credential::RefreshToken { token, .. } => vec![token.expose_secret()],
    })
}

/// Reads it. The error names field and path, and nothing of the content.
pub(super) fn read(source: &EntraSource) -> Result<Credential, Diagnosis> {
    match source.credential() {
        Some(CredentialFile::ClientSecret(path)) => {
            let fix = "write the client secret's value (not its ID), as text, into the file, and let the sidecar read it";
            line("clientSecretFile", path, fix).map(Credential::ClientSecret)
        }
        Some(CredentialFile::Certificate(files)) => {
            let fix =
                "write the certificate and its key, both PEM, into the files, and let the sidecar read them";
            let chain = pem("certificate.certificateFile", &files.certificate_file, fix)?;
            let key = pem("certificate.keyFile", &files.key_file, fix)?;
            let algorithm = match files.signature_algorithm {
                SignatureAlgorithm::PS256 => entra::SignatureAlgorithm::PS256,
                SignatureAlgorithm::RS256 => entra::SignatureAlgorithm::RS256,
            };
            Ok(Credential::Certificate { chain: chain.expose_secret().to_owned(), key, algorithm })
        }
        Some(CredentialFile::FederatedToken(path)) => {
            let fix = "in a pod, set the annotation mail-egress.io/federated-audience: api://AzureADTokenExchange in its template, which mounts the token; elsewhere let the issuer's token be written into the file";
            line("federatedTokenFile", path, fix).map(|assertion| Credential::Federated { assertion })
        }
        Some(CredentialFile::RefreshToken(path)) => {
            let fix = "sign in again (mail-egress-operator login) and write the refresh token into the file";
            let token = line("refreshTokenFile", path, fix)?;
            Ok(Credential::RefreshToken { token, client_secret: None })
        }
        None => Err(local(reason::CREDENTIAL_INVALID)),
    }
}

fn line(field: &str, path: &Path, fix: &str) -> Result<SecretString, Diagnosis> {
    secret_file::line(path, LINE).map_err(|what| invalid(field, path, &what, fix))
}

fn pem(field: &str, path: &Path, fix: &str) -> Result<SecretString, Diagnosis> {
    secret_file::text(path, PEM).map_err(|what| invalid(field, path, &what, fix))
}

fn invalid(field: &str, path: &Path, what: &str, fix: &str) -> Diagnosis {
    local(reason::CREDENTIAL_INVALID)
        .with_cause(&format!("tokenSource.entra.{field}: {} {what}", path.display()))
        .with_fix(fix)
}

#[cfg(test)]
mod tests {
    use mail_egress_config::CertificateFiles;

    use super::*;

    fn source() -> EntraSource {
        EntraSource::new("t".to_owned(), "c".to_owned())
    }

    #[test]
    fn each_kind_is_read_from_its_files() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, content).unwrap();
            path
        };
        let secret = EntraSource { client_secret_file: Some(file("a", "s3cr3t\n")), ..source() };
        assert!(matches!(read(&secret), Ok(Credential::ClientSecret(it)) if it.expose_secret() == "s3cr3t"));
        let files = CertificateFiles {
            certificate_file: file("crt", "-----A\nB\n"),
            key_file: file("key", "-----C\nD\n"),
            signature_algorithm: SignatureAlgorithm::RS256,
        };
        let certificate = EntraSource { certificate: Some(files), ..source() };
        let Ok(Credential::Certificate { chain, algorithm, .. }) = read(&certificate) else { panic!() };
        assert_eq!((chain.as_str(), algorithm), ("-----A\nB\n", entra::SignatureAlgorithm::RS256));
        let federated = EntraSource { federated_token_file: Some(file("j", "a.b.c")), ..source() };
        let found = read(&federated).unwrap();
        assert!(mark(&found).0.is_empty(), "one that is rotated is no other credential");
        let refresh = EntraSource { refresh_token_file: Some(file("r", "0.AX")), ..source() };
        assert_eq!(mark(&read(&refresh).unwrap()).0, ["0.AX"]);
    }

    #[test]
    fn a_federated_token_that_is_missing_names_the_annotation() {
        let path = Some("/no/such/token".into());
        let why = read(&EntraSource { federated_token_file: path, ..source() }).unwrap_err();
        assert!(why.cause.starts_with("tokenSource.entra.federatedTokenFile: /no/such/token cannot be read"));
        assert!(why.fix.contains("mail-egress.io/federated-audience"), "{}", why.fix);
    }
}
