//! The rows of the benchmark: what stands between the load and the lab's Exchange.
//!
//! A further relay is a variant of [`Row`] with its name, a file in `relay/` that starts it as a
//! process and tells where it takes mail, and a line in [`Row::start`].

mod postfix;
mod proxy;
mod sidecar;

use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::ValueEnum;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::dialogue::{Dialogue, Direct, Target};
use super::options::Options;
use super::process::{self, Usage};
use crate::eventually::eventually;
use crate::lab::Lab;

const START: Duration = Duration::from_secs(20);

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Row {
    /// The load dials the lab's Exchange itself, with STARTTLS and XOAUTH2 on each connection.
    Direct,
    /// Through mail-egress-sidecar, its release build.
    Sidecar,
    /// Through Postfix, untuned.
    Postfix,
    /// Through Postfix that keeps its connections.
    PostfixReuse,
    /// Through email-oauth2-proxy.
    EmailOauth2Proxy,
}

/// One that was started; dropping it ends its process.
pub(super) struct Relay {
    pub(super) target: Target,
    process: Option<Process>,
}

/// A relay's process and the folder of its files.
struct Process {
    child: Child,
    /// Whether it is told to end, and not killed.
    ends_itself: bool,
    folder: TempDir,
}

impl Row {
    /// All of them.
    pub(super) const ALL: [Self; 5] =
        [Self::Direct, Self::Sidecar, Self::Postfix, Self::PostfixReuse, Self::EmailOauth2Proxy];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Sidecar => "sidecar",
            Self::Postfix => "postfix",
            Self::PostfixReuse => "postfix-reuse",
            Self::EmailOauth2Proxy => "email-oauth2-proxy",
        }
    }

    /// Installs what it needs and this machine does not have.
    pub(super) fn provide(self) -> Result<()> {
        match self {
            Self::Direct | Self::Sidecar => Ok(()),
            Self::Postfix | Self::PostfixReuse => postfix::provide(),
            Self::EmailOauth2Proxy => proxy::provide(),
        }
    }

    /// Whether there is a process whose memory and processor time can be told.
    pub(super) fn is_process(self) -> bool {
        self != Self::Direct
    }

    /// Starts it, without limits but so many connections to the lab (the sidecar; others have no such
    /// limit, or their own); it takes mail when this returns.
    pub(super) async fn start(self, lab: &Lab, connections: u32, options: &Options) -> Result<Relay> {
        match self {
            Self::Direct => Ok(Relay { target: Target::Direct(Arc::new(Direct::new(lab)?)), process: None }),
            Self::Sidecar => sidecar::start(lab, connections, options).await,
            Self::Postfix => postfix::start(lab, false, options).await,
            Self::PostfixReuse => postfix::start(lab, true, options).await,
            Self::EmailOauth2Proxy => proxy::start(lab, options).await,
        }
    }
}

impl Relay {
    /// What its process has used so far, where there is one.
    pub(super) fn usage(&self) -> Result<Option<Usage>> {
        let Some(process) = &self.process else { return Ok(None) };
        process::usage(process.child.id().context("the relay has ended")?).map(Some)
    }

    /// Ends it.
    pub(super) async fn stop(self) -> Result<()> {
        match self.process {
            Some(process) => process.stop().await,
            None => Ok(()),
        }
    }
}

impl Process {
    fn start(mut command: Command, folder: TempDir) -> Result<Self> {
        let child = command.kill_on_drop(true).spawn();
        let child = child
            .with_context(|| format!("cannot start {}", command.as_std().get_program().to_string_lossy()))?;
        Ok(Self { child, ends_itself: false, folder })
    }

    /// A file of its folder.
    fn log(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    async fn stop(mut self) -> Result<()> {
        match self.child.id().map(i32::try_from) {
            Some(Ok(pid)) if self.ends_itself => {
                kill(Pid::from_raw(pid), Signal::SIGTERM)?;
                let ended = tokio::time::timeout(START, self.child.wait()).await;
                ended.context("the relay does not end")?.map(drop)
            }
            _ => self.child.kill().await,
        }
        .context("the relay cannot be ended")
    }
}

/// Waits until it greets; else its log says why not.
async fn takes_mail(address: SocketAddr, log: PathBuf) -> Result<()> {
    eventually("the relay greets", START, async || Dialogue::greeted(address).await?.quit().await)
        .await
        .with_context(|| fs::read_to_string(log).unwrap_or_default())
}
