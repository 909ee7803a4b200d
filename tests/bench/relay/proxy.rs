//! email-oauth2-proxy from PyPI, with a token of the lab's Entra by client credentials.

use std::fs;
use std::path::PathBuf;
use std::process::{self, Stdio};

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::process::Command;

use super::{Process, Relay, takes_mail};
use crate::bench::dialogue::Target;
use crate::bench::options::Options;
use crate::cluster::cache::{self, Cache};
use crate::cluster::progress::Progress;
use crate::debian;
use crate::free_port::free_port;
use crate::lab::{DEFAULT_CLIENT_ID, DEFAULT_MAILBOX, DEFAULT_SECRET, DEFAULT_TENANT, Lab};

/// What was measured.
const VERSION: &str = "2026.7.3";
/// By which it encrypts the token that it keeps: no secret at all, it is published here.
const PASSWORD: &str = "bench-not-a-secret";

/// Installs it into the user's cache folder, once.
pub(super) fn provide() -> Result<()> {
    let program = program()?;
    if program.exists() {
        return Ok(());
    }
    debian::provide(&[
        ("/usr/bin/python3", "python3"),
        ("/usr/share/doc/python3-venv/copyright", "python3-venv"),
    ])?;
    let _lock = Cache::of_user()?.lock(Progress::STDERR)?;
    let folder = folder()?;
    if program.exists() {
        return Ok(());
    }
    fs::create_dir_all(&folder)?;
    let place = cache::workplace(&folder)?;
    run(process::Command::new("/usr/bin/python3").args(["-m", "venv"]).arg(&place))?;
    let package = format!("emailproxy=={VERSION}");
    run(process::Command::new(place.join("bin/python")).args(["-m", "pip", "install", "--quiet", &package]))?;
    cache::publish(&place, &folder.join("venv"))
}

fn folder() -> Result<PathBuf> {
    Ok(Cache::of_user()?.folder("emailproxy", VERSION))
}

/// The interpreter, which finds its packages by its own place.
fn program() -> Result<PathBuf> {
    Ok(folder()?.join("venv/bin/python"))
}

fn run(command: &mut process::Command) -> Result<()> {
    let done = command.stdin(Stdio::null()).output();
    let done = done.with_context(|| format!("{} cannot be started", command.get_program().display()))?;
    ensure!(done.status.success(), "{command:?}: {}", String::from_utf8_lossy(&done.stderr));
    Ok(())
}

/// Starts it, and waits until it greets.
pub(super) async fn start(lab: &Lab, options: &Options) -> Result<Relay> {
    let folder = options.folder("proxy")?;
    let address = free_port()?;
    let path = |name: &str| folder.path().join(name);
    fs::write(path("config"), configuration(lab, address.port()))?;
    fs::write(path("ca.pem"), [lab.entra().ca_pem(), lab.exchange().ca_pem()].concat())?;
    let mut command = Command::new(program()?);
    command
        .args(["-m", "emailproxy", "--no-gui", "--config-file"])
        .arg(path("config"))
        .arg("--log-file")
        .arg(path("log"))
        .env("SSL_CERT_FILE", path("ca.pem"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(path("output"))?);
    let process = Process::start(command, folder)?;
    takes_mail(address, process.log("log")).await?;
    let auth = STANDARD.encode(format!("\0{DEFAULT_MAILBOX}\0{PASSWORD}"));
    let auth = Some(format!("AUTH PLAIN {auth}\r\n").into());
    Ok(Relay { target: Target::Relay { address, auth }, process: Some(process) })
}

fn configuration(lab: &Lab, port: u16) -> String {
    format!(
        "[SMTP-{port}]\nlocal_address = 127.0.0.1\nserver_address = 127.0.0.1\nserver_port = {}\n\
         server_starttls = True\n\n[{DEFAULT_MAILBOX}]\ntoken_url = {}/{DEFAULT_TENANT}/oauth2/v2.0/token\n\
         oauth2_scope = https://outlook.office365.com/.default\noauth2_flow = client_credentials\n\
         client_id = {DEFAULT_CLIENT_ID}\nclient_secret = {DEFAULT_SECRET}\n",
        lab.exchange().address().port(),
        lab.entra().url_by_ip(),
    )
}
