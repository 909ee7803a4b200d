//! Proxies that were not written here: tinyproxy for HTTP CONNECT, microsocks for SOCKS5.

use std::fs;
use std::net::SocketAddr;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mail_egress_config::{Route, SenderFile};
use mail_egress_tests::debian::Wanted;
use mail_egress_tests::eventually::eventually;
use mail_egress_tests::free_port::free_port;
use mail_egress_tests::lab::{DEFAULT_MAILBOX, LabOptions};
use mail_egress_tests::stand::{Setting, Stand};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

pub(crate) const PACKAGES: &[Wanted<'_>] = &[(TINYPROXY, "tinyproxy-bin"), (MICROSOCKS, "microsocks")];

const TINYPROXY: &str = "/usr/bin/tinyproxy";
const MICROSOCKS: &str = "/usr/bin/microsocks";
const SOON: Duration = Duration::from_secs(20);
const MESSAGE: &[u8] = b"From: billing@contoso.com\r\nSubject: x\r\n\r\nHello.\r\n";

/// A program that was started as a proxy, on a port of its own.
struct Proxy {
    url: String,
    _folder: TempDir,
    _process: Child,
}

impl Proxy {
    /// `rules` are more lines of its configuration.
    async fn tinyproxy(rules: &str) -> Result<Self> {
        let (folder, address) = (tempfile::tempdir()?, free_port()?);
        let file = folder.path().join("tinyproxy.conf");
        fs::write(&file, format!("Listen {}\nPort {}\n{rules}\n", address.ip(), address.port()))?;
        let mut command = Command::new(TINYPROXY);
        command.arg("-d").arg("-c").arg(file);
        Self::start(command, format!("http://{address}"), address, folder).await
    }

    async fn microsocks(flags: &[&str]) -> Result<Self> {
        let address = free_port()?;
        let mut command = Command::new(MICROSOCKS);
        command.args(["-i", &address.ip().to_string(), "-p", &address.port().to_string()]).args(flags);
        Self::start(command, format!("socks5://{address}"), address, tempfile::tempdir()?).await
    }

    async fn start(mut command: Command, url: String, at: SocketAddr, folder: TempDir) -> Result<Self> {
        let log = fs::File::create(folder.path().join("log"))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
        let process = command.spawn().context("the proxy cannot be started")?;
        eventually("the proxy listens", SOON, async || Ok(TcpStream::connect(at).await.map(drop)?)).await?;
        Ok(Self { url, _folder: folder, _process: process })
    }
}

/// A sidecar whose relay has a name that each proxy can resolve.
async fn stand() -> Result<Stand> {
    let lab = LabOptions { more_names: vec!["localhost".to_owned()], ..LabOptions::default() };
    Stand::set(Setting { lab, ..Setting::default() }).await
}

/// From now on by this proxy, to this port of the relay's host.
async fn go_by(stand: &Stand, proxy: &Proxy, port: u16) -> Result<()> {
    let mut file: SenderFile = stand.file().await?;
    if let Some(Route::ExchangeOnline(route)) = &mut file.route {
        (route.host, route.port, route.proxy) = ("localhost".to_owned(), port, Some(proxy.url.clone()));
    }
    stand.configure(&file)
}

async fn hears(stand: &Stand, code: u16, words: &str) -> Result<()> {
    eventually(&format!("the app hears {code} {words}"), SOON, async || {
        let answer = stand.client().await?.send(DEFAULT_MAILBOX, &["to@example.org"], MESSAGE).await?;
        ensure!(answer.code == code && answer.text.contains(words), "{answer:?}\n{}", stand.log());
        Ok(())
    })
    .await
}

pub(crate) async fn tinyproxy_leads_where_it_may_and_its_refusals_are_explained() -> Result<()> {
    let stand = stand().await?;
    let port = stand.lab.exchange().address().port();
    let strict = Proxy::tinyproxy("ConnectPort 443").await?;
    go_by(&stand, &strict, port).await?;
    hears(&stand, 451, "refuses: 403").await?;
    let locked = Proxy::tinyproxy(&format!("ConnectPort {port}\nBasicAuth me secret")).await?;
    go_by(&stand, &locked, port).await?;
    hears(&stand, 451, "wants a login: 407").await?;
    let nowhere = free_port()?.port();
    let open = Proxy::tinyproxy(&format!("ConnectPort {port}\nConnectPort {nowhere}")).await?;
    go_by(&stand, &open, nowhere).await?;
    hears(&stand, 451, &format!("the proxy {} found no way there: 500 Unable to connect", open.url)).await?;
    go_by(&stand, &open, port).await?;
    hears(&stand, 250, "").await
}

pub(crate) async fn microsocks_leads_and_its_refusals_are_explained() -> Result<()> {
    let stand = stand().await?;
    let port = stand.lab.exchange().address().port();
    let locked = Proxy::microsocks(&["-u", "me", "-P", "secret"]).await?;
    go_by(&stand, &locked, port).await?;
    hears(&stand, 451, "SOCKS5 without authentication is not accepted").await?;
    let open = Proxy::microsocks(&[]).await?;
    go_by(&stand, &open, free_port()?.port()).await?;
    hears(&stand, 451, "SOCKS5 5, connection refused").await?;
    go_by(&stand, &open, port).await?;
    hears(&stand, 250, "").await
}
