//! The command line: what a person or a pod template can say to the program.

mod names;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use mail_egress_config::SenderRef;
use mail_egress_smtp::Address;

pub use names::{NameServer, Names};

/// Sends an app's mail from localhost on through Microsoft 365.
///
/// An app speaks plain SMTP to 127.0.0.1 and nothing else; this program speaks
/// TLS and OAuth to the relay, answers 250 only when the relay has accepted
/// the message, and says in its replies what is wrong and how to mend it.
#[derive(Debug, Parser)]
#[command(name = "mail-egress-sidecar", version, after_help = EXIT_CODES)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  done: drained after SIGTERM, the probe passed, or the check found the way open
  1  failed: a port is taken, a second signal cut the drain short, the probe did not pass, or a
     step of the check failed
  2  the command line is wrong";

const RUN_EXAMPLES: &str = "\
Examples:
  As the operator's webhook starts it in a pod:
    mail-egress-sidecar run --sender shop/billing

  Without Kubernetes, from a file of the same format:
    mail-egress-sidecar run --sender shop/billing \\
      --config ./sender.json --admin-address 127.0.0.1:9587

Every flag can be given as the environment variable named beside it; the flag wins.
Log levels: RUST_LOG, for example RUST_LOG=debug.";

const PROBE_EXAMPLES: &str = "\
Examples:
  mail-egress-sidecar probe ready
  mail-egress-sidecar probe live --admin-address 127.0.0.1:9587";

const CHECK_EXAMPLES: &str = "\
Examples:
  In a pod, by the file that the operator wrote:
    kubectl exec POD -c mail-egress -- /mail-egress-sidecar check

  With a file of one's own, and a message that arrives:
    mail-egress-sidecar check --config ./sender.json \\
      --send-test-message-to me@example.org

  For a script:
    mail-egress-sidecar check --json | jq -r '.steps[] | select(.result == \"failed\") | .fix'

Steps: configuration, token, DNS, TCP, greeting, TLS, AUTH, MAIL FROM (taken back by RSET), and a
test message where one is asked for. Each is ok, warning, failed or skipped; a warning is no
failure. The token is never shown.

Exit codes:
  0  no step failed
  1  a step failed
  2  the command line is wrong";

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Listen for SMTP on localhost and send what comes
    #[command(after_help = RUN_EXAMPLES)]
    Run(RunArgs),
    /// Ask a running sidecar of the same pod how it is: for exec probes
    #[command(after_help = PROBE_EXAMPLES)]
    Probe(ProbeArgs),
    /// Walk the configured way once, step by step, and say where it fails and how to mend it
    #[command(after_help = CHECK_EXAMPLES)]
    Check(CheckArgs),
}

/// The flags of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The MailSender that this sidecar serves; named in the replies while it does not exist
    #[arg(long, env = "MAIL_EGRESS_SENDER", value_name = "NAMESPACE/NAME")]
    pub sender: SenderRef,

    /// The file that the operator writes; followed while running, never written
    #[arg(
        long,
        env = "MAIL_EGRESS_CONFIG",
        value_name = "PATH",
        default_value = DEFAULT_CONFIG
    )]
    pub config: PathBuf,

    /// A folder with the files username and password (a mounted Secret of type
    /// kubernetes.io/basic-auth), with which the app must log in; read at each login. Without it, any
    /// login is accepted, and none is needed
    #[arg(long, env = "MAIL_EGRESS_AUTH_DIR", value_name = "PATH")]
    pub auth_dir: Option<PathBuf>,

    /// Who is asked for names.
    #[command(flatten)]
    pub names: Names,

    /// The port for SMTP on 127.0.0.1 and, where there is IPv6, on ::1; 0 takes a free one
    #[arg(long, env = "MAIL_EGRESS_SMTP_PORT", value_name = "PORT", default_value_t = 2525)]
    pub smtp_port: u16,

    /// Where metrics and health are served; [::] means every IPv4 address too
    #[arg(long, env = "MAIL_EGRESS_ADMIN_ADDRESS", value_name = "ADDRESS:PORT", default_value = DEFAULT_ADMIN)]
    pub admin_address: SocketAddr,

    /// How the log is written
    #[arg(long, env = "MAIL_EGRESS_LOG_FORMAT", value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,

    /// How much of an address a log line shows, also within the relay's words; replies to the app
    /// are not changed
    #[arg(long, env = "MAIL_EGRESS_LOG_ADDRESSES", value_name = "HOW", default_value = "full")]
    pub log_addresses: LogAddresses,

    /// How long messages in hand may still take after SIGTERM, for example 25s or 1m
    #[arg(long, env = "MAIL_EGRESS_DRAIN_TIMEOUT", value_name = "TIME", default_value = "25s")]
    pub drain_timeout: Period,

    /// How much memory message bodies may take, all sessions together; 256Ki of each at most
    /// while the rest can go to --spill-dir
    #[arg(long, env = "MAIL_EGRESS_MEMORY_BUDGET", value_name = "BYTES", default_value = "16Mi")]
    pub memory_budget: Bytes,

    /// A folder on a disk for what large messages do not keep in memory, in files without a name;
    /// without one that can be written, a message must fit into the memory budget
    #[arg(
        long,
        env = "MAIL_EGRESS_SPILL_DIR",
        value_name = "PATH",
        default_value = "/var/lib/mail-egress/spill"
    )]
    pub spill_dir: PathBuf,

    /// How much may lie in that folder, all sessions together; beyond it the answer is 452; 0: as
    /// much as the disk takes
    #[arg(long, env = "MAIL_EGRESS_SPILL_LIMIT", value_name = "BYTES", default_value = "1Gi")]
    pub spill_limit: Limit,

    /// A folder that must exist, on a volume, for what is answered 250 before the relay has it: for
    /// MailSenders of the delivery mode Spool
    #[arg(long, env = "MAIL_EGRESS_SPOOL_DIR", value_name = "PATH")]
    pub spool_dir: Option<PathBuf>,

    /// This sidecar's own name there, as the pod's name is: no two that run share one
    #[arg(long, env = "MAIL_EGRESS_SPOOL_NAME", value_name = "NAME", default_value = "sidecar")]
    pub spool_name: String,

    /// The spool outlives the pod; without this, it is used only where the MailSender accepts loss
    #[arg(long, env = "MAIL_EGRESS_SPOOL_LASTING")]
    pub spool_lasting: bool,

    /// How much may lie in the spool, dead letters included; beyond it the answer is 452
    #[arg(long, env = "MAIL_EGRESS_SPOOL_LIMIT", value_name = "BYTES", default_value = "1Gi")]
    pub spool_limit: Bytes,

    /// When a spooled message is tried again after its first failure; each further interval is twice
    /// as long, up to half an hour
    #[arg(long, env = "MAIL_EGRESS_SPOOL_RETRY", value_name = "TIME", default_value = "30s")]
    pub spool_retry: Period,

    /// How many SMTP sessions may be open at once; a further one is told 421
    #[arg(long, env = "MAIL_EGRESS_MAX_SESSIONS", value_name = "COUNT", default_value_t = 1000,
          value_parser = clap::value_parser!(u32).range(1..=65_535))]
    pub max_sessions: u32,
}

/// The flags of `probe`.
#[derive(Debug, Args)]
pub struct ProbeArgs {
    /// Which question to ask
    pub question: Question,

    /// Where the sidecar serves health; an unspecified address means this host
    #[arg(long, env = "MAIL_EGRESS_ADMIN_ADDRESS", value_name = "ADDRESS:PORT", default_value = DEFAULT_ADMIN)]
    pub admin_address: SocketAddr,
}

/// The flags of `check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The file to go by, as of `run`
    #[arg(long, env = "MAIL_EGRESS_CONFIG", value_name = "PATH", default_value = DEFAULT_CONFIG)]
    pub config: PathBuf,

    /// The MailSender that the file is to be for; what the file says where it is not given
    #[arg(long, env = "MAIL_EGRESS_SENDER", value_name = "NAMESPACE/NAME")]
    pub sender: Option<SenderRef>,

    /// Who is asked for names, as of `run`.
    #[command(flatten)]
    pub names: Names,

    /// Send a test message to this address; without it, nothing is sent
    #[arg(long, value_name = "ADDRESS")]
    pub send_test_message_to: Option<Address>,

    /// How the steps are told
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub output: CheckForm,

    /// The same as --output json
    #[arg(long, conflicts_with = "output")]
    pub json: bool,
}

impl CheckArgs {
    /// The form that is asked for by either flag.
    #[must_use]
    pub fn form(&self) -> CheckForm {
        if self.json { CheckForm::Json } else { self.output }
    }
}

/// How `check` tells what it found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum CheckForm {
    /// A line for each step, as it ends
    Text,
    /// One JSON object at the end
    Json,
}

const DEFAULT_CONFIG: &str = "/var/run/mail-egress/sender/sender.json";
const DEFAULT_ADMIN: &str = "[::]:9587";

/// What a probe asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Question {
    /// Has it seen a configuration, or waited long enough for one?
    Startup,
    /// Does its event loop turn?
    Live,
    /// Does it take mail: listening, and not about to stop?
    Ready,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// A line for people
    Text,
    /// A JSON object on each line
    Json,
}

/// How much of an address is shown in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogAddresses {
    /// All of it
    Full,
    /// What stands behind its @; of a Message-ID all
    Domain,
    /// Nothing; of a Message-ID what stands before its @
    None,
}

/// A length of time as a person writes it: `25s`, `1m30s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period(pub Duration);

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let refused = || format!("'{text}' is not a length of time; write it like 25s or 1m30s");
        let parsed: jiff::SignedDuration = text.parse().map_err(|_| refused())?;
        Duration::try_from(parsed).map(Self).map_err(|_| refused())
    }
}

/// A number of bytes as a person writes it: `67108864`, `64Mi`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes(pub usize);

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let units = [("Ki", 1 << 10), ("Mi", 1 << 20), ("Gi", 1 << 30), ("", 1)];
        units
            .into_iter()
            .find_map(|(unit, factor)| text.strip_suffix(unit).map(|number| (number, factor)))
            .and_then(|(number, factor)| number.parse::<usize>().ok()?.checked_mul(factor))
            .filter(|bytes| *bytes > 0)
            .map(Self)
            .ok_or_else(|| format!("'{text}' is not a size; write it like 64Mi or 67108864"))
    }
}

/// The same, or `0` for no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit(pub Option<usize>);

impl FromStr for Limit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "0" => Ok(Self(None)),
            _ => text.parse().map(|Bytes(bytes)| Self(Some(bytes))),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn reads_times_and_sizes_as_people_write_them() {
        assert_eq!("25s".parse(), Ok(Period(Duration::from_secs(25))));
        assert_eq!("1m30s".parse(), Ok(Period(Duration::from_secs(90))));
        assert_eq!("64Mi".parse(), Ok(Bytes(64 * 1024 * 1024)));
        assert_eq!("1000".parse(), Ok(Bytes(1000)));
    }

    #[test]
    fn refuses_a_time_without_a_unit_and_a_negative_one() {
        for text in ["25", "-3s", "", "soon"] {
            let refusal = text.parse::<Period>().unwrap_err();
            assert!(refusal.contains("write it like 25s"), "{refusal}");
        }
    }

    #[test]
    fn refuses_a_size_of_nothing_and_one_beyond_counting() {
        for text in ["0", "Mi", "-1", "99999999999999999999Gi", "64MB"] {
            assert!(text.parse::<Bytes>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_limit_of_nothing_is_none() {
        assert_eq!("0".parse(), Ok(Limit(None)));
        assert_eq!("1Ki".parse(), Ok(Limit(Some(1024))));
        assert!("0Ki".parse::<Limit>().is_err());
    }

    #[test]
    fn a_sender_is_needed_to_run() {
        let refusal = Cli::try_parse_from(["mail-egress-sidecar", "run", "--sender", "billing"]);
        let text = refusal.unwrap_err().to_string();
        assert!(text.contains("NAMESPACE/NAME"), "{text}");
    }
}
