//! The log: to standard error, as text or JSON, and without what could hold a secret.

use std::io::{IsTerminal, stderr};

use tracing::{Level, Metadata};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{LevelFilter, filter_fn},
    fmt,
    layer::SubscriberExt,
    util::{SubscriberInitExt, TryInitError},
};

use crate::args::LogFormat;

/// Why the log cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// `--log-level` cannot be read.
    #[error("--log-level: {0}")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// There is one already.
    #[error("the log is set up twice")]
    Twice(#[from] TryInitError),
}

/// Sets up the log of this process; to be called once.
pub fn start(format: LogFormat, level: &str) -> Result<(), LogError> {
    // kube's span around each reconciliation repeats what our own lines name
    let level = format!("kube_runtime=warn,{level}");
    let wanted = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).parse(level)?;
    let lines = match format {
        LogFormat::Text => fmt::layer().with_writer(stderr).with_ansi(stderr().is_terminal()).boxed(),
        LogFormat::Json => fmt::layer().with_writer(stderr).json().flatten_event(true).boxed(),
    };
    let lines = lines.with_filter(filter_fn(speaks_freely)).with_filter(wanted);
    tracing_subscriber::registry().with(lines).try_init()?;
    Ok(())
}

/// kube's client writes whole answers of the API server into its warnings when they do not parse,
/// and answers hold Secrets; whatever `--log-level` says, only its errors are let through.
fn speaks_freely(metadata: &Metadata<'_>) -> bool {
    !metadata.target().starts_with("kube_client::client") || *metadata.level() == Level::ERROR
}
