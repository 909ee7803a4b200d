//! The command line. Every flag of `run` is an environment variable as well.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Parser, Subcommand, ValueEnum};
use jiff::SignedDuration;

/// The operator of mail-egress: turns MailSenders into Secrets, and labelled pods into pods with a
/// sidecar that sends their mail.
#[derive(Debug, Parser)]
#[command(name = "mail-egress-operator", version, arg_required_else_help = true)]
pub struct Args {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the operator: controllers (on the replica that leads), webhook (on every replica)
    #[command(after_help = RUN_EXAMPLES)]
    Run(Box<RunArgs>),
    /// Sign in to a mailbox with a code on any device, and make the Secret for an EntraApp with
    /// spec.credential.refreshToken
    #[command(after_help = LOGIN_EXAMPLES)]
    Login(Box<LoginArgs>),
}

const RUN_EXAMPLES: &str = "\
Examples:
  In the cluster, as the manifests do:
    mail-egress-operator run --sidecar-image=registry.example/mail-egress-sidecar:0.1.0

  On a workstation, against the cluster of the current kubeconfig:
    KUBECONFIG=~/.kube/config mail-egress-operator run \\
      --sidecar-image=registry.example/mail-egress-sidecar:0.1.0 --log-format=text";

const LOGIN_EXAMPLES: &str = "\
The application must allow public client flows; for a work account its scopes need consent. The token
is good for the mailbox that signs in, for 90 days after its last use; the operator renews it.

Examples:
  A consumer mailbox (Outlook.com), straight into the cluster of the current kubeconfig:
    mail-egress-operator login --tenant=consumers --client-id=CLIENT_ID \\
      --secret-name=outlook-com --apply

  A work account, as a file for `kubectl apply`:
    mail-egress-operator login --tenant=contoso.com --client-id=CLIENT_ID \\
      --secret-name=contoso-billing --output=secret.yaml

  For Microsoft Graph, in the US Government cloud:
    mail-egress-operator login --tenant=contoso.us --client-id=CLIENT_ID --secret-name=contoso \\
      --login-url=https://login.microsoftonline.us --scope=https://graph.microsoft.us/Mail.Send --apply";

/// Settings of `login`.
#[derive(Clone, Debug, Parser)]
#[command(group = clap::ArgGroup::new("where").required(true).args(["output", "apply"]))]
pub struct LoginArgs {
    /// The tenant: its id or a domain of it, or `consumers` for Outlook.com
    #[arg(long)]
    pub tenant: String,

    /// The application (client) id of the app registration
    #[arg(long)]
    pub client_id: String,

    /// What the token shall allow, with spaces between; offline_access is added
    #[arg(long, default_value = "https://outlook.office.com/SMTP.Send")]
    pub scope: String,

    /// The login host, where it is not the world-wide cloud's
    #[arg(long, default_value = "https://login.microsoftonline.com")]
    pub login_url: String,

    /// Certificates (PEM) that alone are trusted for the login host
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,

    /// The Secret's name, as spec.credential.refreshToken.secretName of the EntraApp says it
    #[arg(long)]
    pub secret_name: String,

    /// The operator's namespace
    #[arg(long, default_value = "mail-egress-system")]
    pub namespace: String,

    /// The key in the Secret
    #[arg(long, default_value = "refreshToken")]
    pub key: String,

    /// Write the Secret as YAML into this new file, or to standard output (-)
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Apply the Secret to the cluster of the current kubeconfig
    #[arg(long)]
    pub apply: bool,
}

/// Settings of `run`.
#[derive(Clone, Debug, Parser)]
pub struct RunArgs {
    /// The operator's own namespace, where credentials and tokens lie
    #[arg(long, env = "POD_NAMESPACE", default_value = "mail-egress-system")]
    pub namespace: String,

    /// Who this replica is, in the lease and in events: the pod's name
    #[arg(long, env = "POD_NAME", default_value = "mail-egress-operator")]
    pub identity: String,

    /// The service account that the operator runs as, whose tokens an EntraApp with a federated
    /// credential exchanges
    #[arg(long, env = "POD_SERVICE_ACCOUNT", default_value = "mail-egress-operator")]
    pub service_account: String,

    /// The image of the sidecar that is injected
    #[arg(long, env = "MAIL_EGRESS_SIDECAR_IMAGE")]
    pub sidecar_image: String,

    /// Where the admission webhook listens (HTTPS)
    #[arg(long, env = "MAIL_EGRESS_WEBHOOK_ADDRESS", default_value = "0.0.0.0:8443")]
    pub webhook_address: SocketAddr,

    /// Where /healthz, /readyz and /metrics are served (HTTP)
    #[arg(long, env = "MAIL_EGRESS_ADMIN_ADDRESS", default_value = "0.0.0.0:8080")]
    pub admin_address: SocketAddr,

    /// The Service by which API servers reach the webhook; its certificate is made for it
    #[arg(long, env = "MAIL_EGRESS_SERVICE_NAME", default_value = "mail-egress-operator")]
    pub service_name: String,

    /// Create the usual MailRoutes (exchange-online, graph, high-volume-email) where they are absent
    #[arg(
        long,
        env = "MAIL_EGRESS_CREATE_DEFAULT_ROUTES",
        default_value_t = true,
        action = clap::ArgAction::Set,
        value_name = "BOOL"
    )]
    pub create_default_routes: bool,

    /// How often every MailSender is looked at though nothing changed: a Secret that was deleted by
    /// hand is back after this
    #[arg(long, env = "MAIL_EGRESS_RESYNC", default_value = "10m", value_parser = resync)]
    pub resync: Duration,

    /// How log lines are written
    #[arg(long, env = "MAIL_EGRESS_LOG_FORMAT", default_value = "json")]
    pub log_format: LogFormat,

    /// How much of an address the sidecars' log lines show
    #[arg(long, env = "MAIL_EGRESS_SIDECAR_LOG_ADDRESSES", default_value = "full")]
    pub sidecar_log_addresses: LogAddresses,

    /// What is logged: a level, or levels by target
    #[arg(long, env = "MAIL_EGRESS_LOG_LEVEL", default_value = "info", value_name = "FILTER")]
    pub log_level: String,
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object on each line.
    Json,
}

/// How much of an address a sidecar's log lines show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogAddresses {
    /// All of it.
    Full,
    /// What stands behind its @.
    Domain,
    /// Nothing.
    None,
}

impl LogAddresses {
    /// As it is written on the sidecar's command line; `None` where that is the usual there too.
    #[must_use]
    pub fn flag(self) -> Option<&'static str> {
        match self {
            Self::Full => None,
            Self::Domain => Some("domain"),
            Self::None => Some("none"),
        }
    }
}

impl LogFormat {
    /// As it is written on a command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Json => "json",
        }
    }
}

/// 10m, 90s, 1h: within limits that neither flood the API server nor leave a Secret away for days.
fn resync(text: &str) -> Result<Duration, String> {
    let parsed: SignedDuration = text.parse().map_err(|_| "write a duration such as 10m".to_owned())?;
    match Duration::try_from(parsed) {
        Ok(resync) if (Duration::from_secs(5)..=Duration::from_secs(86_400)).contains(&resync) => Ok(resync),
        Ok(_) | Err(_) => Err("must lie between 5s and 24h".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Args::command().debug_assert();
    }

    #[test]
    fn runs_with_the_image_alone() {
        let args = Args::try_parse_from(["operator", "run", "--sidecar-image=sidecar:1"]).unwrap();
        let Command::Run(run) = args.command else { panic!("another command") };
        assert_eq!((run.resync, run.create_default_routes), (Duration::from_secs(600), true));
    }

    #[test]
    fn a_login_says_where_the_secret_goes_to_and_only_one_place() {
        let parse = |more: &[&str]| {
            let line = ["operator", "login", "--tenant=consumers", "--client-id=a", "--secret-name=me"];
            Args::try_parse_from(line.iter().chain(more)).map(|_| ()).map_err(|error| error.kind())
        };
        use clap::error::ErrorKind;
        assert_eq!(parse(&["--apply"]), Ok(()));
        assert_eq!(parse(&["--output=-"]), Ok(()));
        assert_eq!(parse(&[]), Err(ErrorKind::MissingRequiredArgument));
        assert_eq!(parse(&["--apply", "--output=-"]), Err(ErrorKind::ArgumentConflict));
    }

    #[test]
    fn names_what_is_wrong_with_a_resync() {
        assert_eq!(resync("90s"), Ok(Duration::from_secs(90)));
        assert!(resync("1s").unwrap_err().contains("between 5s and 24h"));
        assert!(resync("-10m").unwrap_err().contains("between"));
        assert!(resync("soon").unwrap_err().contains("such as 10m"));
    }
}
