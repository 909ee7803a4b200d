//! mail-egress-sidecar as a process, with a token for the lab.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::Stdio;
use std::{env, fs};

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use mail_egress_config::{FILE_NAME, Limits, Route, SenderFile, SenderRef, SmtpRoute, State, Token, write};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::Command;

use super::{Process, Relay, START};
use crate::bench::dialogue::Target;
use crate::bench::options::Options;
use crate::eventually::eventually;
use crate::free_port::free_port;
use crate::lab::{DEFAULT_CLIENT_ID, DEFAULT_MAILBOX, Form, Lab};

const USABLE: &str = "mail_egress_config_loads_total{result=\"usable\"} 1";

/// Starts it as a pod does, its log in a file, and waits until it has its configuration.
pub(super) async fn start(lab: &Lab, connections: u32, options: &Options) -> Result<Relay> {
    let folder = options.folder("sidecar")?;
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("spill"))?;
    fs::write(path(FILE_NAME), write(&file(lab, connections)?)?)?;
    let log = fs::File::create(path("log"))?;
    let (smtp, admin) = (free_port()?, free_port()?);
    let program = program(options)?;
    let mut command = Command::new(program);
    command
        .args(["run", "--sender", "bench/billing", "--smtp-port", &smtp.port().to_string()])
        .args(["--admin-address", &admin.to_string(), "--config"])
        .arg(path(FILE_NAME))
        .env("MAIL_EGRESS_SPILL_DIR", path("spill"))
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    let process = Process::start(command, folder)?;
    eventually("the sidecar has its configuration", START, async || configured(admin).await)
        .await
        .with_context(|| fs::read_to_string(process.log("log")).unwrap_or_default())?;
    Ok(Relay { target: Target::Relay { address: smtp, auth: None }, process: Some(process) })
}

fn program(options: &Options) -> Result<PathBuf> {
    if let Some(program) = &options.sidecar {
        return Ok(program.clone());
    }
    let me = env::current_exe().context("this program's own path")?;
    let target = me.parent().and_then(std::path::Path::parent).context("this program has no folder")?;
    Ok(target.join("release/mail-egress-sidecar"))
}

fn file(lab: &Lab, connections: u32) -> Result<SenderFile> {
    let claims = lab.entra().claims(DEFAULT_CLIENT_ID)?;
    let sender = SenderRef { namespace: "bench".to_owned(), name: "billing".to_owned() };
    Ok(SenderFile {
        route: Some(Route::ExchangeOnline(SmtpRoute {
            ca_bundle: Some(lab.exchange().ca_pem().to_owned()),
            ..SmtpRoute::new(
                "exchange-online".to_owned(),
                Ipv4Addr::LOCALHOST.to_string(),
                lab.exchange().address().port(),
                35 * 1024 * 1024,
            )
        })),
        token: Some(Token {
            value: lab.entra().mint(&claims, Form::Jwt)?,
            expires_at: Timestamp::from_second(claims.exp).context("the token's end is no time")?,
        }),
        limits: Limits {
            messages_per_minute: Some(1_000_000),
            recipients_per_day: Some(1_000_000_000),
            connections: Some(connections),
            ..Limits::default()
        },
        ..SenderFile::new(sender, DEFAULT_MAILBOX.to_owned(), State::Ready)
    })
}

async fn configured(admin: SocketAddr) -> Result<()> {
    let mut connection = TcpStream::connect(admin).await?;
    connection.write_all(b"GET /metrics HTTP/1.1\r\nHost: sidecar\r\nConnection: close\r\n\r\n").await?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await?;
    ensure!(answer.lines().any(|line| line == USABLE), "it has loaded none");
    Ok(())
}
