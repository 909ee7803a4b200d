//! Where log lines go, and in which form.

use std::io;

use tracing_subscriber::EnvFilter;

use crate::args::LogFormat;

/// What is logged unless RUST_LOG says otherwise. The resolver's own warnings repeat what our
/// line about the failed message says.
const USUAL: &str = "info,hickory_resolver=error,hickory_net=error,hickory_proto=error";

/// Installs the log for the whole process, on standard output. Later calls change nothing.
pub fn install(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(USUAL));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_writer(io::stdout);
    // a second installation fails, and the first one stays: what the doc says
    let _ = match format {
        LogFormat::Text => lines.with_ansi(io::IsTerminal::is_terminal(&io::stdout())).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).try_init(),
    };
}
