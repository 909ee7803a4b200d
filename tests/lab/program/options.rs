//! The command line.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use clap::Parser;
use mail_egress_config::SenderRef;
use secrecy::{ExposeSecret, SecretString};

use super::objects::Objects;
use super::route::{CERTIFICATE_NAME, Parts, RouteKind, authority};
use super::sender_file::Sender;
use crate::lab::{
    App, DEFAULT_CLIENT_ID, DEFAULT_MAILBOX, DEFAULT_SECRET, DEFAULT_TENANT, FaultOrder, Lab, LabOptions,
    Mailbox,
};

const EXAMPLES: &str = "\
Examples:
  lab
      Both servers on loopback, in good order; prints the objects that point an operator here.
  lab --folder /tmp/lab --message-dir /tmp/lab/mail
      Keeps the CA certificates, sender.json and every message in files.
  lab --fault exchange:drop=after-dot-accepted --fault '2*entra:throttled=60'
      Loses the reply to every message, and answers the first two token requests with 429.
  curl -d 'exchange:reply=mail:451 4.7.0 Temporary server error' http://127.0.0.1:8025/faults
      The same while it runs; curl -X DELETE …/faults ends all misbehaviour.
  lab --route connector
      Another server in Exchange's place; objects and sender.json are for that route.
  lab --listen 0.0.0.0 --advertise 10.0.0.7
      Reachable from elsewhere: the objects and certificates then say 10.0.0.7.

Everything here is made up and published: never use its secret, key or certificates elsewhere.";

/// A stand-in for Entra's token endpoint, Exchange Online's submission server and Microsoft Graph, which
/// really checks tokens, keeps what it takes, and misbehaves when told to.
#[derive(Clone, Debug, Parser)]
#[command(name = "lab", version, after_help = EXAMPLES)]
pub struct Options {
    /// Address that both servers listen on.
    #[arg(long, env = "MAIL_EGRESS_LAB_LISTEN", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub listen: IpAddr,
    /// Name or address by which others reach it; the address that is listened on, if not given.
    #[arg(long, env = "MAIL_EGRESS_LAB_ADVERTISE")]
    pub advertise: Option<String>,
    /// Port of the token endpoint (HTTPS); 0 for any.
    #[arg(long, env = "MAIL_EGRESS_LAB_ENTRA_PORT", default_value_t = 8443)]
    pub entra_port: u16,
    /// Port of the submission server; 0 for any.
    #[arg(long, env = "MAIL_EGRESS_LAB_EXCHANGE_PORT", default_value_t = 5870)]
    pub exchange_port: u16,
    /// Port on which that server speaks TLS from the first octet; 0 for any.
    #[arg(long, env = "MAIL_EGRESS_LAB_EXCHANGE_TLS_PORT", default_value_t = 0)]
    pub exchange_tls_port: u16,
    /// Port of Microsoft Graph (HTTPS); 0 for any.
    #[arg(long, env = "MAIL_EGRESS_LAB_GRAPH_PORT", default_value_t = 8444)]
    pub graph_port: u16,
    /// Port of the control endpoint (HTTP, on 127.0.0.1 only); 0 for any.
    #[arg(long, env = "MAIL_EGRESS_LAB_CONTROL_PORT", default_value_t = 8025)]
    pub control_port: u16,
    /// Route to set up, and with it the server that the lab plays in Exchange's place.
    #[arg(long, env = "MAIL_EGRESS_LAB_ROUTE", value_enum, default_value_t)]
    pub route: RouteKind,
    /// Domain of the tenant.
    #[arg(long, env = "MAIL_EGRESS_LAB_TENANT", default_value = DEFAULT_TENANT)]
    pub tenant: String,
    /// Client id of the app.
    #[arg(long, env = "MAIL_EGRESS_LAB_CLIENT_ID", default_value = DEFAULT_CLIENT_ID)]
    pub client_id: String,
    /// Client secret of the app.
    #[arg(long, env = "MAIL_EGRESS_LAB_SECRET", hide_env_values = true, default_value = DEFAULT_SECRET)]
    pub secret: SecretString,
    /// Mailbox that the app may send as; repeat for more.
    #[arg(long = "mailbox", env = "MAIL_EGRESS_LAB_MAILBOX", default_value = DEFAULT_MAILBOX, value_delimiter = ',')]
    pub mailboxes: Vec<String>,
    /// Lift the server's limits; Exchange's are 30 messages a minute, 3 connections, 500 recipients a
    /// message.
    #[arg(long, env = "MAIL_EGRESS_LAB_NO_LIMITS")]
    pub no_limits: bool,
    /// Folder for the CA certificates, objects.yaml and sender.json; a temporary one, if not given.
    #[arg(long, env = "MAIL_EGRESS_LAB_FOLDER")]
    pub folder: Option<PathBuf>,
    /// Folder to which every message is written.
    #[arg(long, env = "MAIL_EGRESS_LAB_MESSAGE_DIR")]
    pub message_dir: Option<PathBuf>,
    /// Let people sign in to the app, with codes that the control endpoint shows and approves.
    #[arg(long, env = "MAIL_EGRESS_LAB_PEOPLE")]
    pub people: bool,
    /// Misbehaviour from the start; repeat for more.
    #[arg(
        long = "fault",
        value_name = "FAULT",
        help = "Misbehave: [TIMES*]entra:FAULT, [TIMES*]exchange:FAULT or [TIMES*]graph:FAULT; a wrong one lists them all. Repeat for more"
    )]
    pub faults: Vec<FaultOrder>,
}

impl Options {
    /// The host that others are told.
    pub(super) fn advertised(&self) -> String {
        match (&self.advertise, self.listen) {
            (Some(host), _) => host.clone(),
            (None, listen) if listen.is_unspecified() => Ipv4Addr::LOCALHOST.to_string(),
            (None, listen) => listen.to_string(),
        }
    }

    pub(super) fn control(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.control_port))
    }

    pub(super) fn lab(&self) -> LabOptions {
        let mut options = LabOptions {
            listen: self.listen,
            entra_port: self.entra_port,
            exchange_port: self.exchange_port,
            exchange_tls_port: self.exchange_tls_port,
            graph_port: self.graph_port,
            more_names: vec![self.advertised()],
            ..LabOptions::default()
        };
        let directory = &mut options.directory;
        directory.tenant.domains.push(self.tenant.clone());
        let app = App::with_secret(&self.client_id, self.secret.expose_secret()).with_role();
        directory.apps = vec![if self.people { app.for_people() } else { app }];
        directory.mailboxes =
            self.mailboxes.iter().map(|address| Mailbox::new(address).open_to(&self.client_id)).collect();
        directory.organization.accepted_domains = self.domains();
        self.route.furnish(&mut options, &self.secret, !self.no_limits);
        options
    }

    /// The mailboxes' domains, which are the tenant's.
    fn domains(&self) -> Vec<String> {
        let domains = self.mailboxes.iter().filter_map(|one| one.rsplit_once('@'));
        domains.map(|(_, domain)| domain.to_owned()).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// What the route is made of.
    ///
    /// # Errors
    /// When no certificate can be made.
    pub(super) fn parts(&self, lab: &Lab) -> anyhow::Result<Parts> {
        Ok(Parts {
            host: self.advertised(),
            port: lab.exchange().address().port(),
            ca: lab.exchange().ca_pem().to_owned(),
            graph: format!("https://{}", authority(&self.advertised(), lab.graph().address().port())),
            graph_ca: lab.graph().ca_pem().to_owned(),
            domains: self.domains(),
            mailbox: self.mailboxes.first().cloned().unwrap_or_default(),
            secret: self.secret.clone(),
            certificate: lab.client_certificate(CERTIFICATE_NAME, &[])?,
        })
    }

    pub(super) fn objects<'a>(&'a self, lab: &'a Lab, parts: &'a Parts) -> Objects<'a> {
        Objects {
            kind: self.route,
            parts,
            entra_port: lab.entra().address().port(),
            entra_ca: lab.entra().ca_pem(),
            tenant: &self.tenant,
            client_id: &self.client_id,
            mailboxes: &self.mailboxes,
        }
    }

    pub(super) fn sender(&self, parts: &Parts) -> Sender {
        Sender {
            name: SenderRef { namespace: "lab".to_owned(), name: "billing".to_owned() },
            client_id: self.client_id.clone(),
            kind: self.route,
            parts: parts.clone(),
        }
    }
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
    fn a_wrong_fault_lists_the_right_ones() {
        let error = Options::try_parse_from(["lab", "--fault", "exchange:explode"]).unwrap_err().to_string();
        assert!(error.contains("no-starttls, inject=TEXT"), "{error}");
    }

    #[test]
    fn others_are_told_an_address_that_they_can_reach() {
        let advertised = |args: &[&str]| Options::try_parse_from(args).unwrap().advertised();
        assert_eq!(advertised(&["lab"]), "127.0.0.1");
        assert_eq!(advertised(&["lab", "--listen", "0.0.0.0"]), "127.0.0.1");
        assert_eq!(advertised(&["lab", "--listen", "0.0.0.0", "--advertise", "10.0.0.7"]), "10.0.0.7");
    }
}
