//! The command line, and the cases that it asks for.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, ValueEnum};
use serde::Serialize;
use tempfile::TempDir;

use super::relay::Row;

const EXAMPLES: &str = "\
Examples:
  make bench
      Everything: some hours.
  make bench BENCH=--quick
      One short round with 10 sessions: some minutes.
  make bench BENCH='--size 2kb --sessions 10 --delay-ms 20 --output json'
      Some of the cases, for a program to read.

Close everything else: load, relay and lab share the machine's cores.";

/// Measures the direct path to the lab's Exchange and each relay by the same load.
#[derive(Clone, Debug, Parser)]
#[command(name = "bench", after_help = EXAMPLES)]
pub struct Options {
    /// What to measure; ratios need `direct` among them
    #[arg(long = "relay", value_delimiter = ',', default_values_t = Row::ALL, value_enum)]
    pub(super) relays: Vec<Row>,
    /// Messages on each connection: one, or many (100; of 10 MB 10)
    #[arg(long, value_delimiter = ',', default_values_t = [PerConnection::One, PerConnection::Many], value_enum)]
    per_connection: Vec<PerConnection>,
    /// Sizes of the messages
    #[arg(long = "size", value_delimiter = ',', default_values_t = [Size::Small, Size::Medium, Size::Large], value_enum)]
    sizes: Vec<Size>,
    /// Sessions at the same time [default: 1,10,50; with --quick 10]
    #[arg(long, value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=10_000))]
    sessions: Vec<u32>,
    /// Milliseconds between a command's arrival at the lab and its reply
    #[arg(long, value_delimiter = ',', default_values_t = [0, 20])]
    delay_ms: Vec<u64>,
    /// Rounds, of which medians are shown [default: 3; with --quick 1]
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,
    /// Seconds after which a measurement begins no new connection [default: 2; with --quick 0.5]
    #[arg(long, value_parser = seconds)]
    seconds: Option<Duration>,
    /// One short round with 10 sessions
    #[arg(long)]
    quick: bool,
    /// Leave the measurements of memory out
    #[arg(long = "no-memory", action = clap::ArgAction::SetFalse)]
    pub(super) memory: bool,
    /// The sidecar's release build [default: ../release/mail-egress-sidecar beside this program's folder]
    #[arg(long, value_name = "PATH")]
    pub(super) sidecar: Option<PathBuf>,
    /// A folder on a disk for what relays write [default: the system's folder for temporary files]
    #[arg(long, value_name = "PATH")]
    folder: Option<PathBuf>,
    /// How the report is written
    #[arg(long, default_value = "table")]
    pub(super) output: Output,
}

/// How the report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Output {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// How long a client keeps a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "camelCase")]
pub(super) enum PerConnection {
    /// For one message.
    One,
    /// For many.
    Many,
}

/// How large a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
pub(super) enum Size {
    /// 2 KB.
    #[value(name = "2kb")]
    #[serde(rename = "2 KB")]
    Small,
    /// 100 KB.
    #[value(name = "100kb")]
    #[serde(rename = "100 KB")]
    Medium,
    /// 10 MB.
    #[value(name = "10mb")]
    #[serde(rename = "10 MB")]
    Large,
}

impl Size {
    pub(super) fn octets(self) -> usize {
        match self {
            Self::Small => 2 * 1024,
            Self::Medium => 100 * 1024,
            Self::Large => 10 * 1024 * 1024,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Small => "2 KB",
            Self::Medium => "100 KB",
            Self::Large => "10 MB",
        }
    }
}

/// One load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Case {
    pub(super) per_connection: PerConnection,
    pub(super) size: Size,
    pub(super) sessions: u32,
    pub(super) delay: Duration,
}

impl Case {
    /// Messages on each connection. A connection's cost is lost beside 10 MB long before the
    /// hundredth, and a hundred would be a gigabyte a session.
    pub(super) fn messages(&self) -> u32 {
        match (self.per_connection, self.size) {
            (PerConnection::One, _) => 1,
            (PerConnection::Many, Size::Small | Size::Medium) => 100,
            (PerConnection::Many, Size::Large) => 10,
        }
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (messages, size, delay) = (self.messages(), self.size.name(), self.delay.as_millis());
        write!(f, "{messages} per connection, {size}, {} sessions, {delay} ms", self.sessions)
    }
}

impl Options {
    pub(super) fn rounds(&self) -> u32 {
        self.rounds.unwrap_or(if self.quick { 1 } else { 3 })
    }

    pub(super) fn time(&self) -> Duration {
        self.seconds.unwrap_or(Duration::from_millis(if self.quick { 500 } else { 2000 }))
    }

    /// A new folder for what a relay writes.
    pub(super) fn folder(&self, of: &str) -> anyhow::Result<TempDir> {
        let mut name = tempfile::Builder::new();
        name.prefix("bench-");
        match &self.folder {
            Some(folder) => name.tempdir_in(folder),
            None => name.tempdir(),
        }
        .with_context(|| format!("cannot make a folder for {of}"))
    }

    /// Every combination that was asked for.
    pub(super) fn cases(&self) -> Vec<Case> {
        let sessions = match (self.sessions.as_slice(), self.quick) {
            ([], true) => &[10][..],
            ([], false) => &[1, 10, 50],
            (asked, _) => asked,
        };
        let mut cases = Vec::new();
        for &delay in &self.delay_ms {
            let delay = Duration::from_millis(delay);
            for &per_connection in &self.per_connection {
                for &size in &self.sizes {
                    let of = |&sessions| Case { per_connection, size, sessions, delay };
                    cases.extend(sessions.iter().map(of));
                }
            }
        }
        cases
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| format!("'{text}' is no number of seconds"))?;
    Duration::try_from_secs_f64(seconds).map_err(|_| format!("'{text}' is no length of time"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Options::command().debug_assert();
    }

    #[test]
    fn every_combination_is_a_case_once() {
        let cases = |args: &[&str]| {
            Options::try_parse_from([&["bench"], args].concat()).map(|options| options.cases()).unwrap()
        };
        assert_eq!(cases(&[]).len(), 2 * 3 * 3 * 2);
        assert_eq!(cases(&["--quick"]).len(), 2 * 3 * 2);
        let one = cases(&["--size=2kb", "--sessions=7", "--delay-ms=20", "--per-connection=many"]);
        assert_eq!(
            one.iter().map(Case::to_string).collect::<Vec<_>>(),
            ["100 per connection, 2 KB, 7 sessions, 20 ms"]
        );
    }
}
