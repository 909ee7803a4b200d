//! The rows of the benchmark: what stands between the load and the lab's Exchange.
//!
//! A further relay is a variant of [`Row`] with its name, a file in `relay/` that starts it as a
//! process and tells where it takes mail, and a line in [`Row::start`].

mod sidecar;

use std::sync::Arc;

use anyhow::{Context, Result};
use clap::ValueEnum;
use tempfile::TempDir;
use tokio::process::Child;

use super::dialogue::{Direct, Target};
use super::options::Options;
use super::process::{self, Usage};
use crate::lab::Lab;

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Row {
    /// The load dials the lab's Exchange itself, with STARTTLS and XOAUTH2 on each connection.
    Direct,
    /// Through mail-egress-sidecar, its release build.
    Sidecar,
}

/// One that was started; dropping it ends its process.
pub(super) struct Relay {
    pub(super) target: Target,
    process: Option<Process>,
}

/// A relay's process and the folder of its files.
struct Process {
    child: Child,
    _folder: TempDir,
}

impl Row {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Sidecar => "sidecar",
        }
    }

    /// Whether there is a process whose memory and processor time can be told.
    pub(super) fn is_process(self) -> bool {
        self != Self::Direct
    }

    /// Starts it, without limits but so many connections to the lab; it takes mail when this
    /// returns.
    pub(super) async fn start(self, lab: &Lab, connections: u32, options: &Options) -> Result<Relay> {
        match self {
            Self::Direct => Ok(Relay { target: Target::Direct(Arc::new(Direct::new(lab)?)), process: None }),
            Self::Sidecar => sidecar::start(lab, connections, options).await,
        }
    }
}

impl Relay {
    /// What its process has used so far, where there is one.
    pub(super) fn usage(&self) -> Result<Option<Usage>> {
        let Some(process) = &self.process else { return Ok(None) };
        process::usage(process.child.id().context("the relay has ended")?).map(Some)
    }

    /// Ends it at once.
    pub(super) async fn stop(self) -> Result<()> {
        match self.process {
            Some(mut process) => process.child.kill().await.context("the relay cannot be ended"),
            None => Ok(()),
        }
    }
}
