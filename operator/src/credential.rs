//! Credential Secrets of the operator's own namespace: what is found under a name, and the value
//! under a key, or the sentence that says what is wrong with it. No value is ever repeated.

use std::{collections::BTreeMap, fmt};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::ResourceExt;
use mail_egress_crds::names;
use mail_egress_diagnosis::{Diagnosis, local, reason};
use mail_egress_entra::certificate::Certificate;
use rustls_pki_types::{CertificateDer, pem::PemObject};
use secrecy::SecretString;

/// What was found under the name of a credential Secret, in the operator's namespace.
#[derive(Clone, Copy, Debug)]
pub enum Lookup<'a> {
    /// A Secret that the operator may read.
    Found(&'a Secret),
    /// A Secret without the label: its content was not looked at.
    NotLabelled,
    /// Nothing.
    Missing,
}

/// What was found under several names. `Debug` shows the names alone.
#[derive(Clone, Default)]
pub struct Credentials {
    namespace: String,
    /// `None` stands for a Secret without the label.
    found: BTreeMap<String, Option<Secret>>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.found.keys()).finish()
    }
}

impl Credentials {
    /// Nothing found yet. `namespace` is the operator's, for the advice.
    #[must_use]
    pub fn new(namespace: &str) -> Self {
        Self { namespace: namespace.to_owned(), found: BTreeMap::new() }
    }

    /// Notes what was found under a name.
    pub fn note(&mut self, name: &str, lookup: Lookup<'_>) {
        match lookup {
            Lookup::Found(secret) => self.found.insert(name.to_owned(), Some(secret.clone())),
            Lookup::NotLabelled => self.found.insert(name.to_owned(), None),
            Lookup::Missing => self.found.remove(name),
        };
    }

    /// What was found under this name.
    #[must_use]
    pub fn lookup(&self, name: &str) -> Lookup<'_> {
        match self.found.get(name) {
            Some(Some(secret)) => Lookup::Found(secret),
            Some(None) => Lookup::NotLabelled,
            None => Lookup::Missing,
        }
    }

    /// The text under a key; see [`text`].
    pub fn text(&self, name: &str, key: &str, what: &str) -> Result<SecretString, Diagnosis> {
        text(self.lookup(name), name, key, &self.namespace, what)
    }

    /// A certificate and its key; see [`pem`].
    pub fn pem(&self, name: &str) -> Result<(String, SecretString), Diagnosis> {
        pem(self.lookup(name), name, &self.namespace)
    }

    /// The operator's namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }
}

/// The one line of text under a key, without the line end that `echo` and editors leave behind.
/// `what` says what belongs there, for the advice.
pub fn text(
    lookup: Lookup<'_>,
    name: &str,
    key: &str,
    namespace: &str,
    what: &str,
) -> Result<SecretString, Diagnosis> {
    let secret = find(lookup, name, &format!("generic {name} --from-file={key}=FILE"), namespace)?;
    let invalid = |problem: &str| invalid(name, key, namespace, problem, what);
    match value(secret, key).map_err(invalid)?.trim_end_matches(['\r', '\n']) {
        "" => Err(invalid("has an empty value")),
        text if text.chars().any(char::is_control) => Err(invalid("has more than one line")),
        text => Ok(SecretString::from(text)),
    }
}

/// A certificate chain and its private key in PEM, as a Secret of the type `kubernetes.io/tls` has
/// them. What they hold is judged by whoever uses them.
pub fn pem(lookup: Lookup<'_>, name: &str, namespace: &str) -> Result<(String, SecretString), Diagnosis> {
    let secret = find(lookup, name, &format!("tls {name} --cert=FILE --key=FILE"), namespace)?;
    let of = |key: &str, what: &str| {
        value(secret, key).map_err(|problem| invalid(name, key, namespace, problem, what))
    };
    let chain = of(CERTIFICATE_KEY, "the certificate, in PEM,")?.to_owned();
    let key = SecretString::from(of(PRIVATE_KEY_KEY, "its private key, in PEM,")?);
    Ok((chain, key))
}

/// When what a Secret holds ends: as its certificate says, or as whoever made the Secret does by an
/// annotation, whichever is sooner.
#[must_use]
pub fn end(lookup: Lookup<'_>) -> Option<Timestamp> {
    let Lookup::Found(secret) = lookup else { return None };
    let told = secret.annotations().get(names::ANNOTATION_EXPIRES_AT).and_then(|end| end.parse().ok());
    let read = value(secret, CERTIFICATE_KEY)
        .ok()
        .and_then(|pem| CertificateDer::from_pem_slice(pem.as_bytes()).ok())
        .and_then(|der| Certificate::read(&der))
        .map(|certificate| certificate.expires_at);
    told.into_iter().chain(read).min()
}

/// Under which keys a Secret of the type `kubernetes.io/tls` has its two parts.
const CERTIFICATE_KEY: &str = "tls.crt";
const PRIVATE_KEY_KEY: &str = "tls.key";

/// What is wrong with what lies under a key, and what belongs there.
#[must_use]
pub fn invalid(name: &str, key: &str, namespace: &str, problem: &str, what: &str) -> Diagnosis {
    local(reason::CREDENTIAL_INVALID)
        .with_cause(&format!("the Secret {name} in {namespace} {problem} under the key {key}"))
        .with_fix(&format!("write {what} under the key {key} of the Secret {name} in {namespace}"))
}

fn value<'a>(secret: &'a Secret, key: &str) -> Result<&'a str, &'static str> {
    let value = secret.data.as_ref().and_then(|data| data.get(key)).ok_or("has nothing")?;
    std::str::from_utf8(&value.0).map_err(|_| "has something that is no text")
}

/// `create` is how kubectl makes such a Secret.
fn find<'a>(lookup: Lookup<'a>, name: &str, create: &str, namespace: &str) -> Result<&'a Secret, Diagnosis> {
    let label = names::LABEL_CREDENTIAL;
    match lookup {
        Lookup::Found(secret) => Ok(secret),
        Lookup::NotLabelled => Err(local(reason::CREDENTIAL_NOT_LABELLED)
            .with_cause(&format!("the Secret {name} in {namespace} is not labelled {label}: \"true\", so it is not read"))
            .with_fix(&format!("kubectl label secret {name} -n {namespace} {label}=true"))),
        Lookup::Missing => Err(local(reason::CREDENTIAL_NOT_FOUND)
            .with_cause(&format!("the Secret {name} with the credential does not exist in {namespace}"))
            .with_fix(&format!(
                "kubectl create secret -n {namespace} {create}, then kubectl label secret {name} -n {namespace} {label}=true"
            ))),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;
    use secrecy::ExposeSecret;

    use super::*;

    fn secret(values: &[(&str, &[u8])]) -> Secret {
        let data = values.iter().map(|(key, value)| ((*key).to_owned(), ByteString(value.to_vec())));
        Secret { data: Some(data.collect()), ..Secret::default() }
    }

    fn holding(values: &[(&str, &[u8])]) -> Credentials {
        let mut credentials = Credentials::new("mail-egress-system");
        credentials.note("contoso", Lookup::Found(&secret(values)));
        credentials
    }

    #[test]
    fn a_line_end_behind_the_value_is_not_part_of_it() {
        let credentials = holding(&[("password", b"s3cr3t\r\n")]);
        assert_eq!(credentials.text("contoso", "password", "it").unwrap().expose_secret(), "s3cr3t");
    }

    #[test]
    fn names_what_is_wrong_with_the_secret_and_never_its_value() {
        let missing = Credentials::new("mail-egress-system");
        let mut bare = missing.clone();
        bare.note("contoso", Lookup::NotLabelled);
        let cases = [
            (missing, "CredentialNotFound"),
            (bare, "CredentialNotLabelled"),
            (holding(&[("other", b"s3cr3t")]), "CredentialInvalid"),
            (holding(&[("password", b"\n")]), "CredentialInvalid"),
            (holding(&[("password", b"s3cr3t\xff")]), "CredentialInvalid"),
            (holding(&[("password", b"s3cr3t\ns3cr3t")]), "CredentialInvalid"),
        ];
        for (credentials, reason) in cases {
            let diagnosis = credentials.text("contoso", "password", "the password").unwrap_err();
            assert_eq!(diagnosis.reason, reason);
            let sentence = diagnosis.sentence();
            assert!(sentence.contains("contoso") && sentence.contains("mail-egress-system"), "{sentence}");
            assert!(!sentence.contains("s3cr3t"), "{sentence}");
            assert!(!format!("{credentials:?}").contains("s3cr3t"));
        }
    }

    #[test]
    fn the_sooner_end_counts() {
        let mut params = rcgen::CertificateParams::default();
        params.not_after = rcgen::date_time_ymd(2027, 1, 1);
        let pem = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().pem();
        let mut whole = secret(&[("tls.crt", pem.as_bytes())]);
        let ends = |secret: &Secret| end(Lookup::Found(secret)).map(|end| end.to_string());
        assert_eq!(ends(&whole).as_deref(), Some("2027-01-01T00:00:00Z"));
        let annotation = |end: &str| [(names::ANNOTATION_EXPIRES_AT.to_owned(), end.to_owned())].into();
        whole.metadata.annotations = Some(annotation("2026-12-01T00:00:00Z"));
        assert_eq!(ends(&whole).as_deref(), Some("2026-12-01T00:00:00Z"));
        whole.metadata.annotations = Some(annotation("soon"));
        assert_eq!(ends(&whole).as_deref(), Some("2027-01-01T00:00:00Z"));
        assert_eq!(ends(&secret(&[("clientSecret", b"a")])), None);
    }

    #[test]
    fn a_certificate_needs_its_key() {
        let whole = holding(&[("tls.crt", b"CERT\n"), ("tls.key", b"KEY\n")]);
        let (chain, key) = whole.pem("contoso").unwrap();
        assert_eq!((chain.as_str(), key.expose_secret()), ("CERT\n", "KEY\n"));
        let sentence = holding(&[("tls.crt", b"CERT")]).pem("contoso").unwrap_err().sentence();
        assert!(sentence.contains("has nothing under the key tls.key"), "{sentence}");
    }
}
