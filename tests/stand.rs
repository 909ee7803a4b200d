//! A sidecar as a process on loopback, with a lab to send to: the product without Kubernetes.

use std::ffi::OsStr;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use jiff::Timestamp;
use mail_egress_config::{FILE_NAME, Route, SenderFile, SenderRef, SmtpRoute, State, Token, write};
use mail_egress_entra::dial::Resolver;
use mail_egress_entra::{Credential, Endpoint, Limits, TokenClient, TokenRequest};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::client::Client;
use crate::eventually::eventually;
use crate::free_port::free_port;
use crate::lab::program::RouteKind;
use crate::lab::{self, Form, Lab, LabOptions};
use crate::programs::Programs;

/// The scope of tokens for Exchange Online.
const SCOPE: &str = "https://outlook.office365.com/.default";
const START: Duration = Duration::from_secs(20);

/// How a sidecar is started, where a scenario wants it otherwise than usual.
#[derive(Clone, Debug, Default)]
pub struct Setting {
    /// What it is to send to.
    pub lab: LabOptions,
    /// More flags of `run`.
    pub arguments: Vec<String>,
    /// More of its environment.
    pub environment: Vec<(String, String)>,
    /// A command that becomes the one appended to it, in other surroundings: `nice -n 10`.
    pub within: Vec<String>,
}

/// A lab, and a sidecar that sends to it.
pub struct Stand {
    /// The Entra and the Exchange.
    pub lab: Lab,
    folder: TempDir,
    command: Command,
    sidecar: Child,
    smtp: SocketAddr,
    admin: SocketAddr,
}

impl Stand {
    /// A lab of one's own and a sidecar with a fresh token for it.
    ///
    /// # Errors
    /// When one of them does not start; with the sidecar's log.
    pub async fn start() -> Result<Self> {
        let stand = Self::without_file().await?;
        let file = stand.file().await?;
        stand.configure(&file)?;
        stand.wait_until_configured().await?;
        Ok(stand)
    }

    /// The same before its configuration has come.
    ///
    /// # Errors
    /// When one of them does not start; with the sidecar's log.
    pub async fn without_file() -> Result<Self> {
        let programs = Programs::build_sidecar()?;
        Self::with(&programs, Lab::start(LabOptions::default()).await?, 0, false).await
    }

    /// The same with a sidecar that is started in this way.
    ///
    /// # Errors
    /// When one of them does not start; with the sidecar's log.
    pub async fn set(setting: Setting) -> Result<Self> {
        let programs = Programs::build_sidecar()?;
        let lab = Lab::start(setting.lab.clone()).await?;
        Self::begin(&programs, lab, 0, false, &setting).await
    }

    /// A sidecar that sends by this route to a lab that was furnished for it and keeps no limits.
    ///
    /// # Errors
    /// When one of them does not start; with the sidecar's log.
    pub async fn by_route(kind: RouteKind) -> Result<Self> {
        let mut lab = LabOptions::default();
        kind.furnish(&mut lab, &lab::DEFAULT_SECRET.into(), false);
        let stand = Self::set(Setting { lab, ..Setting::default() }).await?;
        stand.configure(&stand.file_for(kind).await?)?;
        stand.wait_until_configured().await?;
        Ok(stand)
    }

    /// A sidecar on a port of choice (0: any), its log on the screen or in a file.
    ///
    /// # Errors
    /// When it does not start; with its log.
    pub async fn with(programs: &Programs, lab: Lab, smtp_port: u16, show_log: bool) -> Result<Self> {
        Self::begin(programs, lab, smtp_port, show_log, &Setting::default()).await
    }

    async fn begin(
        programs: &Programs,
        lab: Lab,
        smtp_port: u16,
        show_log: bool,
        setting: &Setting,
    ) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let (smtp, admin) = (port(smtp_port)?, free_port()?);
        let sidecar = programs.sidecar();
        let mut words = setting.within.iter().map(OsStr::new).chain([sidecar.as_os_str()]);
        let mut command = Command::new(words.next().context("no program")?);
        command
            .args(words)
            .args(["run", "--sender", "shop/billing", "--smtp-port", &smtp.port().to_string()])
            .args(["--admin-address", &admin.to_string(), "--config"])
            .arg(folder.path().join(FILE_NAME))
            .args(&setting.arguments)
            // a flag among the arguments wins
            .env("MAIL_EGRESS_SPILL_DIR", folder.path())
            .envs(setting.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .kill_on_drop(true);
        if !show_log {
            let log = fs::File::create(folder.path().join("log"))?;
            command.stdout(log.try_clone()?).stderr(log);
        }
        let sidecar = command.spawn().context("the sidecar cannot be started")?;
        let stand = Self { lab, folder, command, sidecar, smtp, admin };
        stand.wait_until_ready().await?;
        Ok(stand)
    }

    async fn wait_until_ready(&self) -> Result<()> {
        eventually("the sidecar is ready", START, async || self.answers("/readyz").await)
            .await
            .with_context(|| self.log())
    }

    /// Kills the sidecar, which hears nothing of it, and starts another on the same ports, with the
    /// same file.
    ///
    /// # Errors
    /// When the other one does not start; with both logs.
    pub async fn kill_and_start_again(&mut self) -> Result<()> {
        self.sidecar.kill().await?;
        self.sidecar = self.command.spawn().context("the sidecar cannot be started")?;
        self.wait_until_ready().await
    }

    /// Where the sidecar takes mail.
    #[must_use]
    pub fn smtp(&self) -> SocketAddr {
        self.smtp
    }

    /// Where the sidecar tells how it is.
    #[must_use]
    pub fn admin(&self) -> SocketAddr {
        self.admin
    }

    /// A client that was greeted.
    ///
    /// # Errors
    /// When the sidecar does not greet.
    pub async fn client(&self) -> Result<Client> {
        Client::connect(self.smtp).await
    }

    /// What the operator would write: ready, the lab's Exchange, and a token from the lab's Entra.
    ///
    /// # Errors
    /// When Entra gives no token.
    pub async fn file(&self) -> Result<SenderFile> {
        let exchange = self.lab.exchange();
        let route = SmtpRoute {
            ca_bundle: Some(exchange.ca_pem().to_owned()),
            ..SmtpRoute::new(
                "exchange-online".to_owned(),
                Ipv4Addr::LOCALHOST.to_string(),
                exchange.address().port(),
                35 * 1024 * 1024,
            )
        };
        let sender = SenderRef { namespace: "shop".to_owned(), name: "billing".to_owned() };
        Ok(SenderFile {
            route: Some(Route::ExchangeOnline(route)),
            token: Some(self.token().await?),
            ..SenderFile::new(sender, lab::DEFAULT_MAILBOX.to_owned(), State::Ready)
        })
    }

    /// The same for this route, to a lab that was furnished for it.
    ///
    /// # Errors
    /// When Entra gives no token, or no certificate can be made.
    pub async fn file_for(&self, kind: RouteKind) -> Result<SenderFile> {
        let (route, file) = (kind.to(&self.lab)?, self.file().await?);
        let claims = self.lab.entra().claims_for(lab::DEFAULT_CLIENT_ID, kind.audience())?;
        let token = Token {
            value: self.lab.entra().mint(&claims, Form::Jwt)?,
            expires_at: Timestamp::from_second(claims.exp)?,
        };
        let token = route.uses_token().then_some(token);
        Ok(SenderFile { route: Some(route), token, ..file })
    }

    /// A token for the lab's Exchange, asked for as the operator asks.
    ///
    /// # Errors
    /// What Entra says against it.
    pub async fn token(&self) -> Result<Token> {
        let entra = self.lab.entra();
        let request = TokenRequest {
            endpoint: Endpoint::Entra {
                login_url: entra.url_by_ip(),
                tenant: lab::DEFAULT_TENANT.to_owned(),
            },
            client_id: lab::DEFAULT_CLIENT_ID.to_owned(),
            scope: SCOPE.to_owned(),
            credential: Credential::ClientSecret(lab::DEFAULT_SECRET.into()),
            ca_bundle: Some(entra.ca_pem().to_owned()),
        };
        let client = TokenClient::new(
            Resolver::system().map_err(|fault| anyhow!("no resolver: {fault:?}"))?,
            Limits::default(),
        );
        let granted = client.request(&request, Timestamp::now()).await.map_err(|error| anyhow!("{error}"))?;
        Ok(Token { value: granted.token.value, expires_at: granted.token.expires_at })
    }

    /// Puts a file in the sidecar's place for it, at once and as a whole.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn configure(&self, file: &SenderFile) -> Result<()> {
        self.put(write(file)?.as_bytes())
    }

    /// The same with any bytes.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn put(&self, bytes: &[u8]) -> Result<()> {
        let hidden = self.folder.path().join("new");
        fs::write(&hidden, bytes)?;
        Ok(fs::rename(hidden, self.place())?)
    }

    /// Removes the file, as the deletion of the MailSender does.
    ///
    /// # Errors
    /// When there was none.
    pub fn remove(&self) -> Result<()> {
        Ok(fs::remove_file(self.place())?)
    }

    /// A folder that lives as long as the stand, and is the sidecar's to write to.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn place(&self) -> PathBuf {
        self.folder.path().join(FILE_NAME)
    }

    /// Waits until the sidecar has seen a file that it can use.
    ///
    /// # Errors
    /// When it does not; with its log.
    pub async fn wait_until_configured(&self) -> Result<()> {
        let loaded = async || {
            let loads = self.metric("mail_egress_config_loads_total{result=\"usable\"}").await?;
            ensure!(loads.unwrap_or_default() > 0.0, "it has loaded none");
            Ok(())
        };
        eventually("the sidecar has its configuration", START, loaded).await.with_context(|| self.log())
    }

    /// What the sidecar has logged.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The value of one series of the sidecar; `None` where there is no such series.
    ///
    /// # Errors
    /// When the sidecar does not answer.
    pub async fn metric(&self, series: &str) -> Result<Option<f64>> {
        let metrics = self.get("/metrics").await?;
        let line = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        Ok(line.and_then(|value| value.parse().ok()))
    }

    async fn answers(&self, path: &str) -> Result<()> {
        let answer = self.get(path).await?;
        ensure!(answer.starts_with("HTTP/1.1 200") || answer.starts_with("HTTP/1.0 200"), "{answer}");
        Ok(())
    }

    /// What the admin port answers, head and body.
    ///
    /// # Errors
    /// When it does not.
    pub async fn get(&self, path: &str) -> Result<String> {
        let mut connection = TcpStream::connect(self.admin).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: sidecar\r\nConnection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    /// The sidecar's process.
    ///
    /// # Errors
    /// When it has ended, and was waited for.
    pub fn process(&self) -> Result<Pid> {
        let pid = self.sidecar.id().context("the sidecar has ended")?;
        Ok(Pid::from_raw(i32::try_from(pid)?))
    }

    /// Sends the sidecar SIGTERM, as the kubelet does.
    ///
    /// # Errors
    /// When it has ended before.
    pub fn terminate(&self) -> Result<()> {
        Ok(kill(self.process()?, Signal::SIGTERM)?)
    }

    /// Waits for the sidecar's end.
    ///
    /// # Errors
    /// When it was waited for before.
    pub async fn wait(&mut self) -> Result<ExitStatus> {
        Ok(self.sidecar.wait().await?)
    }
}

/// An address on loopback with this port, or with a free one.
fn port(wanted: u16) -> Result<SocketAddr> {
    match wanted {
        0 => Ok(free_port()?),
        wanted => Ok((Ipv4Addr::LOCALHOST, wanted).into()),
    }
}
