//! The log: to standard error, as text or JSON, and without what could hold a secret.

use std::io::{IsTerminal, stderr};

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{LevelFilter, ParseError, filter_fn},
    fmt::{self, writer::BoxMakeWriter},
    layer::SubscriberExt,
    util::{SubscriberInitExt, TryInitError},
};

use crate::args::LogFormat;

/// Why the log cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// `--log-level` cannot be read.
    #[error("--log-level: {0}")]
    Filter(#[from] ParseError),
    /// There is one already.
    #[error("the log is set up twice")]
    Twice(#[from] TryInitError),
}

/// Sets up the log of this process; to be called once.
pub fn start(format: LogFormat, level: &str) -> Result<(), LogError> {
    let writer = BoxMakeWriter::new(stderr);
    subscriber(format, level, writer, stderr().is_terminal())?.try_init()?;
    Ok(())
}

fn subscriber(
    format: LogFormat,
    level: &str,
    writer: BoxMakeWriter,
    coloured: bool,
) -> Result<impl Subscriber + Send + Sync + 'static, ParseError> {
    // kube's span around each reconciliation repeats what our own lines name
    let level = format!("kube_runtime=warn,{level}");
    let wanted = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).parse(level)?;
    let lines = match format {
        LogFormat::Text => fmt::layer().with_writer(writer).with_ansi(coloured).boxed(),
        LogFormat::Json => fmt::layer().with_writer(writer).json().flatten_event(true).boxed(),
    };
    Ok(tracing_subscriber::registry().with(lines.with_filter(filter_fn(speaks_freely)).with_filter(wanted)))
}

/// kube's client writes whole answers of the API server into its warnings when they do not parse,
/// and answers hold Secrets; whatever `--log-level` says, only its errors are let through.
fn speaks_freely(metadata: &Metadata<'_>) -> bool {
    !metadata.target().starts_with("kube_client::client") || *metadata.level() == Level::ERROR
}

#[cfg(test)]
mod tests {
    use std::{
        io::{self, Write},
        sync::{Arc, Mutex},
    };

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn written(format: LogFormat, level: &str, speak: impl FnOnce()) -> String {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let writer = BoxMakeWriter::new(move || writer.clone());
        tracing::subscriber::with_default(subscriber(format, level, writer, false).unwrap(), speak);
        String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn answers_of_the_api_server_are_not_logged_at_any_level() {
        for level in ["trace", "kube_client=trace", "kube_client::client=trace"] {
            let log = written(LogFormat::Text, level, || {
                tracing::warn!(target: "kube_client::client", "{{\"data\": \"s3cr3t\"}}, expected value");
                tracing::error!(target: "kube_client::client::builder", "failed with status 500");
            });
            assert!(!log.contains("s3cr3t") && log.contains("status 500"), "{level}: {log}");
        }
    }

    #[test]
    fn a_json_line_is_one_object_with_its_fields() {
        let log = written(LogFormat::Json, "info", || tracing::info!(app = "contoso", "token obtained"));
        let line: serde_json::Value = serde_json::from_str(&log).unwrap();
        assert_eq!(
            (line["message"].as_str(), line["app"].as_str()),
            (Some("token obtained"), Some("contoso"))
        );
    }

    #[test]
    fn a_level_that_cannot_be_read_is_an_error() {
        let writer = BoxMakeWriter::new(io::sink);
        assert!(subscriber(LogFormat::Text, "mail=loud", writer, false).is_err());
    }
}
