//! Where log lines go, and in which form.

mod redact;

use std::io;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::args::{LogAddresses, LogFormat};
use redact::Redacting;

/// What is logged unless RUST_LOG says otherwise. The resolver's own warnings repeat what our
/// line about the failed message says.
const USUAL: &str = "info,hickory_resolver=error,hickory_net=error,hickory_proto=error";

/// Installs the log for the whole process, on standard output. Later calls change nothing.
///
/// A RUST_LOG that cannot be read is not heeded. It filters by target and level alone: filters by
/// span and field bring regular expressions, whose code each sidecar would keep in memory.
pub fn install(format: LogFormat, addresses: LogAddresses) {
    let lines = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_target(false);
    let lines = lines.with_writer(Redacting::new(io::stdout, addresses));
    // a second installation fails, and the first one stays: what the doc says
    let _ = match format {
        // colours would stand between a field's name and its value, and hide which it is
        LogFormat::Text => lines
            .with_ansi(addresses == LogAddresses::Full && io::IsTerminal::is_terminal(&io::stdout()))
            .finish()
            .with(filter())
            .try_init(),
        LogFormat::Json => {
            lines.json().flatten_event(true).with_current_span(false).finish().with(filter()).try_init()
        }
    };
}

fn filter() -> Targets {
    let wanted = std::env::var("RUST_LOG").ok().filter(|wanted| !wanted.is_empty());
    let wanted = wanted.and_then(|wanted| wanted.parse().ok());
    wanted.or_else(|| USUAL.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::*;

    #[test]
    fn the_usual_filter_is_one() {
        let usual: Targets = USUAL.parse().unwrap();
        assert!(usual.would_enable("mail_egress_sidecar", &Level::INFO));
        assert!(!usual.would_enable("mail_egress_sidecar", &Level::DEBUG));
        assert!(!usual.would_enable("hickory_net::udp", &Level::WARN));
    }
}
