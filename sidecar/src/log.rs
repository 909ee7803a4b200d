//! Where log lines go, and in which form.

mod redact;

use std::io;

use tracing_subscriber::EnvFilter;

use crate::args::{LogAddresses, LogFormat};
use redact::Redacting;

/// What is logged unless RUST_LOG says otherwise. The resolver's own warnings repeat what our
/// line about the failed message says.
const USUAL: &str = "info,hickory_resolver=error,hickory_net=error,hickory_proto=error";

/// Installs the log for the whole process, on standard output. Later calls change nothing.
pub fn install(format: LogFormat, addresses: LogAddresses) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(USUAL));
    let out = Redacting::new(io::stdout, addresses);
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_target(false).with_writer(out);
    // a second installation fails, and the first one stays: what the doc says
    let _ = match format {
        // colours would stand between a field's name and its value, and hide which it is
        LogFormat::Text => lines
            .with_ansi(addresses == LogAddresses::Full && io::IsTerminal::is_terminal(&io::stdout()))
            .try_init(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).try_init(),
    };
}
