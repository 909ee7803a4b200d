//! The cluster's certificates and keys, and the kubeconfigs made of them.

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};
use serde_json::json;

/// The same person to the kubelet, and to the API server for what kubelet does for it.
pub(crate) const ADMINISTRATORS: &str = "system:masters";

/// An RSA key that everybody can read.
const RSA_KEY: &str = include_str!("../lab/issuer/test-key.pem");

/// Longer than any run; clocks differ by less than the hour before.
const LIFE: Duration = Duration::from_secs(30 * 24 * 3600);
const LEEWAY: Duration = Duration::from_secs(3600);

/// One certificate authority for everything in a cluster.
pub(crate) struct Pki {
    folder: PathBuf,
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key, as files.
pub(crate) struct Leaf {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
    certificate_pem: String,
    key_pem: String,
}

impl Pki {
    pub(crate) fn create(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let mut params = params(&[], &[])?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        params.distinguished_name.push(DnType::CommonName, "mail-egress test cluster");
        let key = KeyPair::generate()?;
        let pem = params.self_signed(&key)?.pem();
        write(&folder.join("ca.crt"), &pem)?;
        write(&folder.join("ca.key"), &key.serialize_pem())?;
        Ok(Self { folder: folder.to_owned(), pem, issuer: Issuer::new(params, key) })
    }

    pub(crate) fn ca(&self) -> PathBuf {
        self.folder.join("ca.crt")
    }

    pub(crate) fn ca_key(&self) -> PathBuf {
        self.folder.join("ca.key")
    }

    /// For a server under these names and addresses.
    pub(crate) fn server(&self, file: &str, names: &[&str], addresses: &[IpAddr]) -> Result<Leaf> {
        let mut params = params(names, addresses)?;
        params.distinguished_name.push(DnType::CommonName, file);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(file, &params)
    }

    /// For a client that the API server knows as `user`, a member of `group`.
    pub(crate) fn client(&self, file: &str, user: &str, group: Option<&str>) -> Result<Leaf> {
        let mut params = params(&[], &[])?;
        params.distinguished_name.push(DnType::CommonName, user);
        if let Some(group) = group {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(file, &params)
    }

    /// The pair by which service account tokens are signed and verified. RSA, since Entra takes nothing
    /// else of a cluster; what signs here makes no such keys, so it is the tests' own, which is published.
    pub(crate) fn service_accounts(&self) -> Result<(PathBuf, PathBuf)> {
        let key = KeyPair::from_pem(RSA_KEY)?;
        let (private, public) = (self.folder.join("sa.key"), self.folder.join("sa.pub"));
        write(&private, &key.serialize_pem())?;
        write(&public, &key.public_key_pem())?;
        Ok((private, public))
    }

    /// A kubeconfig that holds everything itself, so that it can be copied.
    pub(crate) fn kubeconfig(&self, path: &Path, server: &str, client: &Leaf) -> Result<()> {
        let config = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "mail-egress", "cluster": {
                "server": server,
                "certificate-authority-data": STANDARD.encode(&self.pem),
            }}],
            "users": [{"name": "user", "user": {
                "client-certificate-data": STANDARD.encode(&client.certificate_pem),
                "client-key-data": STANDARD.encode(&client.key_pem),
            }}],
            "contexts": [{"name": "mail-egress", "context": {"cluster": "mail-egress", "user": "user"}}],
            "current-context": "mail-egress",
        });
        write(path, &serde_json::to_string_pretty(&config)?)
    }

    fn sign(&self, file: &str, params: &CertificateParams) -> Result<Leaf> {
        let key = KeyPair::generate()?;
        let leaf = Leaf {
            certificate: self.folder.join(format!("{file}.crt")),
            key: self.folder.join(format!("{file}.key")),
            certificate_pem: params.signed_by(&key, &self.issuer)?.pem(),
            key_pem: key.serialize_pem(),
        };
        write(&leaf.certificate, &leaf.certificate_pem)?;
        write(&leaf.key, &leaf.key_pem)?;
        Ok(leaf)
    }
}

fn params(names: &[&str], addresses: &[IpAddr]) -> Result<CertificateParams> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names)?;
    params.subject_alt_names.extend(addresses.iter().copied().map(SanType::IpAddress));
    params.distinguished_name = rcgen::DistinguishedName::new();
    let now = SystemTime::now();
    params.not_before = (now - LEEWAY).into();
    params.not_after = (now + LIFE).into();
    Ok(params)
}

/// Keys are nobody else's to read.
fn write(path: &Path, text: &str) -> Result<()> {
    let mut options = fs::File::options();
    let mut file = options
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    std::io::Write::write_all(&mut file, text.as_bytes())?;
    Ok(())
}
