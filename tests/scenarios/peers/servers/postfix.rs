//! Debian's Postfix with Debian's Dovecot behind it, which checks tokens and passwords: a submission server in a
//! folder of its own, on ports of its own. The machine's own configuration is neither read nor written.
//!
//! Dovecot knows the lab's public key and checks the tokens by itself: their signature, their time,
//! their issuer, and that they are for the mailbox that signs in. Postfix itself looks at certificates, and
//! puts what it takes into a maildir.

use std::fs::{self, File};
use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use jiff::SignedDuration;
use mail_egress_config::{Security, SmtpRoute};
use mail_egress_tests::debian::Wanted;
use mail_egress_tests::ending::Ending;
use mail_egress_tests::eventually::eventually;
use mail_egress_tests::free_port::free_port;
use mail_egress_tests::lab::{Claims, ClientCertificate, DEFAULT_CLIENT_ID, DEFAULT_MAILBOX, Lab};
use mail_egress_tests::postfix;
use nix::unistd::{User, chown};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

/// Where both come from.
pub(crate) const PACKAGES: &[Wanted<'static>] = &[postfix::PACKAGE, ("/usr/sbin/dovecot", "dovecot-core")];

/// The largest message that it takes, in octets.
pub(crate) const LARGEST: usize = 3_000_000;

/// The mailbox's password.
pub(crate) const PASSWORD: &str = "a password with spaces and {braces}";

/// A start on a busy machine.
const START: Duration = Duration::from_secs(30);

const MAIN: &str = include_str!("main.cf");
const MASTER: &str = include_str!("master.cf");
const DOVECOT: &str = include_str!("dovecot.conf");
const OAUTH2: &str = include_str!("oauth2.conf");

/// A running Postfix with its Dovecot. Dropping it ends both.
pub(crate) struct Postfix {
    submission: u16,
    submissions: u16,
    certificate: String,
    /// A client's certificate that it knows by fingerprint, of an authority that it does not know.
    pub(crate) listed: ClientCertificate,
    // in the order in which they end
    _master: Ending,
    _dovecot: Ending,
    folder: TempDir,
}

/// One message in its maildir.
pub(crate) struct Delivered {
    /// For whom this copy is.
    pub(crate) recipient: String,
    /// What came, behind the fields that Postfix put before it; lines end in LF in a maildir.
    pub(crate) content: Vec<u8>,
}

impl Postfix {
    /// Starts both, with these mechanisms of Dovecot's; they listen when this returns. Needs root, as
    /// Postfix does.
    pub(crate) async fn start(lab: &Lab, mechanisms: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let (submission, submissions) = (free_port()?.port(), free_port()?.port());
        let settings = [
            ("@FOLDER@", folder.path().display().to_string()),
            ("@SUBMISSION@", submission.to_string()),
            ("@SUBMISSIONS@", submissions.to_string()),
            ("@LARGEST@", LARGEST.to_string()),
            ("@MECHANISMS@", mechanisms.to_owned()),
            ("@ISSUER@", lab.entra().claims(DEFAULT_CLIENT_ID)?.iss),
        ];
        let fill = |text: &str| {
            settings.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
        };
        postfix::furnish(folder.path(), &fill(MAIN), &fill(MASTER))?;
        let listed = lab.unknown_client_certificate("listed")?;
        let certificate = furnish(folder.path(), lab, &listed)?;
        let etc = folder.path().join("etc");
        for (name, text) in [("dovecot.conf", DOVECOT), ("oauth2.conf", OAUTH2)] {
            fs::write(etc.join(name), fill(text))?;
        }

        let output = File::create(folder.path().join("output"))?;
        let dovecot = Ending::start("dovecot", &["-F", "-c"], &etc.join("dovecot.conf"), &output)?;
        let master = Ending::start(postfix::MASTER, &postfix::FOREGROUND, &etc, &output)?;
        let this =
            Self { submission, submissions, certificate, listed, _master: master, _dovecot: dovecot, folder };
        let ready = async || {
            ensure!(this.folder.path().join("queue/private/auth").exists(), "Dovecot does not listen");
            std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, submissions))?;
            Ok(std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, submission))?)
        };
        eventually("Postfix and Dovecot listen", START, ready).await.with_context(|| this.log())?;
        Ok(this)
    }

    /// The way to it.
    pub(crate) fn route(&self, security: Security) -> SmtpRoute {
        let port = match security {
            Security::StartTls | Security::Plaintext => self.submission,
            Security::ImplicitTls => self.submissions,
        };
        SmtpRoute {
            ca_bundle: Some(self.certificate.clone()),
            security,
            ..SmtpRoute::new("postfix".to_owned(), Ipv4Addr::LOCALHOST.to_string(), port, 35 * 1024 * 1024)
        }
    }

    /// What both have logged, and what they said before they could.
    pub(crate) fn log(&self) -> String {
        let read = |name: &str| fs::read_to_string(self.folder.path().join(name)).unwrap_or_default();
        ["output", "dovecot.log", "mail.log"].map(read).concat()
    }

    /// What was delivered, in no order, once there is so much of it.
    pub(crate) async fn wait_for(&self, count: usize) -> Result<Vec<Delivered>> {
        let maildir = self.folder.path().join("mail/all/new");
        eventually("Postfix delivers", START, async || {
            let files = fs::read_dir(&maildir).map(|files| files.flatten().count()).unwrap_or_default();
            ensure!(files >= count, "{files} of {count} have come");
            Ok(())
        })
        .await
        .with_context(|| self.log())?;
        fs::read_dir(&maildir)?.map(|file| Delivered::read(&file?.path())).collect()
    }

    /// Forgets what was delivered so far.
    pub(crate) fn empty(&self) -> Result<()> {
        Ok(fs::remove_dir_all(self.folder.path().join("mail/all"))?)
    }
}

/// What Dovecot takes a token for: the mailbox. The lab's Exchange looks at the application instead.
pub(crate) fn claims(lab: &Lab) -> Result<Claims> {
    let mut claims = lab.entra().claims(DEFAULT_CLIENT_ID)?.lasting(SignedDuration::from_hours(1));
    claims.sub = DEFAULT_MAILBOX.to_owned();
    // as long as Entra's tokens are, which carry more claims: no AUTH line has room for it
    claims.uti.push_str(&"x".repeat(2_000));
    Ok(claims)
}

impl Delivered {
    /// Postfix puts three fields of the envelope and its trace before what came.
    fn read(file: &Path) -> Result<Self> {
        let whole = fs::read(file)?;
        let mut rest = whole.as_slice();
        let mut recipient = None;
        for name in ["Return-Path: ", "X-Original-To: ", "Delivered-To: ", "Received: "] {
            let (value, after) = field(rest, name)?;
            rest = after;
            if name == "Delivered-To: " {
                recipient = Some(String::from_utf8(value.trim_ascii().to_vec())?);
            }
        }
        Ok(Self { recipient: recipient.context("no recipient")?, content: rest.to_vec() })
    }
}

/// The value of the field that must come first, with its folded lines, and what follows it.
pub(crate) fn field<'a>(text: &'a [u8], name: &str) -> Result<(&'a [u8], &'a [u8])> {
    let shown = || String::from_utf8_lossy(text).chars().take(200).collect::<String>();
    let value = text.strip_prefix(name.as_bytes()).with_context(|| format!("no {name}at {}", shown()))?;
    let ends = |at: &usize| value[*at] == b'\n' && !matches!(value.get(at + 1), Some(b' ' | b'\t'));
    let end = (0..value.len()).find(ends).with_context(|| format!("{name}has no end"))?;
    Ok(value.split_at(end + 1))
}

/// Makes the folders, the certificate, and what tokens, passwords and clients' certificates are checked by;
/// gives the certificate.
fn furnish(folder: &Path, lab: &Lab, listed: &ClientCertificate) -> Result<String> {
    let keys = folder.join("keys/default/RS256");
    fs::create_dir_all(&keys)?;
    for name in ["mail", "dovecot"] {
        fs::create_dir(folder.join(name))?;
    }
    let owner = User::from_name("nobody")?.context("there is no user nobody")?;
    chown(&folder.join("mail"), Some(owner.uid), None)?;
    let (kid, key) = lab.entra().signing_key()?;
    fs::write(keys.join(kid), key)?;
    fs::write(folder.join("etc/passwords"), format!("{DEFAULT_MAILBOX}:{{PLAIN}}{PASSWORD}\n"))?;
    fs::write(folder.join("etc/clients"), format!("{} listed\n", fingerprint(&listed.certificate)?))?;
    fs::write(folder.join("etc/clients.pem"), lab.client_ca_pem())?;
    fs::write(folder.join("etc/boxes"), "/^to[0-9]*@example\\.org$/ all/\n")?;
    let issued = rcgen::generate_simple_self_signed(vec![Ipv4Addr::LOCALHOST.to_string()])?;
    fs::write(folder.join("etc/cert.pem"), issued.cert.pem())?;
    fs::write(folder.join("etc/key.pem"), issued.signing_key.serialize_pem())?;
    Ok(issued.cert.pem())
}

/// As Postfix writes it (postconf(5), `smtpd_tls_fingerprint_digest`).
fn fingerprint(pem: &str) -> Result<String> {
    let certificate = CertificateDer::from_pem_slice(pem.as_bytes())?;
    let octets = Sha256::digest(&certificate).iter().map(|octet| format!("{octet:02X}")).collect::<Vec<_>>();
    Ok(octets.join(":"))
}
