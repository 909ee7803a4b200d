//! The lab: an Entra token endpoint, an Exchange submission server and a Microsoft Graph on loopback, written for
//! the tests from the fact sheet, independently of the code under test, so that mistakes do not
//! cancel out. All can be told to misbehave, and all keep what they saw.
//!
//! ```no_run
//! # async fn example() -> anyhow::Result<()> {
//! use mail_egress_tests::lab::{Act, ExchangeFault, Lab, LabOptions, Phase, Span};
//!
//! let lab = Lab::start(LabOptions::default()).await?;
//! lab.exchange().misbehave_for(Span::Times(1), ExchangeFault::At(Phase::Mail, Act::Drop));
//! // … point something at lab.entra().url_by_ip() and lab.exchange().address() …
//! let messages = lab.exchange().wait_for_messages(1, std::time::Duration::from_secs(10)).await?;
//! assert_eq!(lab.exchange().counters().plaintext_secrets_seen, 0);
//! # Ok(()) }
//! ```

mod authority;
mod directory;
mod entra;
mod event;
mod exchange;
mod fault_text;
mod faults;
mod graph;
mod header;
mod issuer;
mod listen;
mod name_server;
pub mod program;
mod proxy;
mod stamp;
mod token;

#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;

pub use authority::{CertificateFault, ClientCertificate};
pub use directory::{
    App, AppSecret, Communication, Directory, FederatedCredential, InboundConnector, IssuerKey, Mailbox,
    Organization, Tenant,
};
pub use entra::{BadAnswer, Entra, EntraFault, Shown, TokenAnswer, TokenOutcome};
pub use event::Event;
pub use exchange::{
    Act, Body, Counters, Envelope, Exchange, ExchangeFault, Kind, Limits, Line, Message, Phase, Recipient,
    Refused, SignIn, Transcript, Transfer,
};
pub use fault_text::{BadFault, EitherFault, FaultOrder};
pub use faults::Span;
pub use graph::{Attachment, Draft, Graph, GraphAct, GraphCounters, GraphFault, GraphMessage, Step};
pub use issuer::{FEDERATED_AUDIENCE, TokenIssuer, application_certificate};
pub use name_server::{Entry, NameFault, NameServer};
pub use proxy::{Asked, Proxy, ProxyFault, ProxyKind};
pub use token::{
    CONSUMERS_TENANT, Claims, EXCHANGE_AUDIENCE, Form, GRAPH_AUDIENCE, Invalid, OUTLOOK_AUDIENCE,
};

/// The tenant of a lab that was told nothing else.
pub const DEFAULT_TENANT: &str = "contoso.example";
/// The app of a lab that was told nothing else.
pub const DEFAULT_CLIENT_ID: &str = "5f1c9a52-7d0e-4c43-9b0a-6f0d8e2b7a11";
/// The app's client secret: no secret at all, it is published here.
pub const DEFAULT_SECRET: &str = "lab~not-a-secret.0123456789abcdef";
/// The mailbox, to which the app has FullAccess.
pub const DEFAULT_MAILBOX: &str = "billing@contoso.com";

/// Events that a slow watcher may fall behind.
const EVENTS: usize = 4096;

/// What a lab is made of.
#[derive(Clone, Debug)]
pub struct LabOptions {
    /// Which of Microsoft's servers Exchange is.
    pub kind: Kind,
    /// The address that its servers listen on.
    pub listen: IpAddr,
    /// Entra's port; 0 for any.
    pub entra_port: u16,
    /// Exchange's port; 0 for any.
    pub exchange_port: u16,
    /// The port on which it speaks TLS from the first octet; 0 for any.
    pub exchange_tls_port: u16,
    /// Graph's port; 0 for any.
    pub graph_port: u16,
    /// Entra's name: in its URL and its certificate.
    pub entra_name: String,
    /// Exchange's name: in its greeting and its certificate.
    pub exchange_name: String,
    /// More names and addresses for both certificates, beside the names above, the address that is
    /// listened on, and loopback.
    pub more_names: Vec<String>,
    /// The tenant.
    pub directory: Directory,
    /// Exchange's limits.
    pub limits: Limits,
}

impl Default for LabOptions {
    fn default() -> Self {
        Self::of(Kind::Submission)
    }
}

impl LabOptions {
    /// A lab of such a server, in which everything is set up for the app and its mailbox, but no
    /// connector.
    #[must_use]
    pub fn of(kind: Kind) -> Self {
        let tenant = Tenant {
            id: "0b7c2a4e-93d1-4f6a-8c55-2e9d71f3a640".to_owned(),
            name: "Contoso".to_owned(),
            domains: vec![DEFAULT_TENANT.to_owned(), "contoso.onmicrosoft.com".to_owned()],
            smtp_client_authentication: true,
        };
        let mut app = App::with_secret(DEFAULT_CLIENT_ID, DEFAULT_SECRET).with_role();
        app.graph_roles = vec![App::MAIL_SEND.to_owned()];
        if kind == Kind::HighVolumeEmail {
            app.exchange_roles = vec![App::MAIL_SEND.to_owned()];
        }
        let names = [DEFAULT_MAILBOX, "Billing System"];
        let organization = Organization {
            accepted_domains: vec!["contoso.com".to_owned(), "contoso.onmicrosoft.com".to_owned()],
            high_volume_apps: vec![DEFAULT_CLIENT_ID.to_owned()],
            communication: Communication {
                resource: "contoso-acs".to_owned(),
                usernames: names.map(|name| (name.to_owned(), DEFAULT_CLIENT_ID.to_owned())).into(),
                owners: vec![DEFAULT_CLIENT_ID.to_owned()],
            },
            ..Organization::default()
        };
        Self {
            kind,
            listen: IpAddr::V4(Ipv4Addr::LOCALHOST),
            entra_port: 0,
            exchange_port: 0,
            exchange_tls_port: 0,
            graph_port: 0,
            entra_name: "login.lab.test".to_owned(),
            exchange_name: "smtp.lab.test".to_owned(),
            more_names: Vec::new(),
            directory: Directory {
                tenant,
                apps: vec![app],
                mailboxes: vec![Mailbox::new(DEFAULT_MAILBOX).open_to(DEFAULT_CLIENT_ID)],
                organization,
            },
            limits: Limits::of(kind),
        }
    }
}

/// A running lab. Dropping it closes everything that it opened.
pub struct Lab {
    entra: Entra,
    exchange: Exchange,
    graph: Graph,
    clients: Arc<authority::Clients>,
    directory: Arc<watch::Sender<Directory>>,
    events: broadcast::Sender<Event>,
    _servers: JoinSet<()>,
}

impl Lab {
    /// Starts its servers; they listen when this returns. All state is this lab's own, so any
    /// number of labs can run beside each other.
    ///
    /// # Errors
    /// When a port cannot be bound, or a name cannot stand in a certificate.
    pub async fn start(options: LabOptions) -> anyhow::Result<Self> {
        let mut addresses = vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
        if !options.listen.is_unspecified() && !addresses.contains(&options.listen) {
            addresses.push(options.listen);
        }
        let names = |name: &str| -> Vec<String> {
            std::iter::once(name.to_owned()).chain(options.more_names.iter().cloned()).collect()
        };
        let clients = Arc::new(authority::Clients::generate()?);
        let asking = match options.kind {
            Kind::MailProtection => clients.verifier(),
            _ => rustls::server::WebPkiClientVerifier::no_client_auth(),
        };
        let mint = Arc::new(token::Mint::new()?);
        let directory = Arc::new(watch::Sender::new(options.directory.clone()));
        let events = broadcast::Sender::new(EVENTS);

        let entra = Arc::new(entra::Inner {
            certificates: authority::Certificates::generate(
                "mail-egress lab: Entra",
                &names(&options.entra_name),
                &addresses,
            )?,
            name: options.entra_name.clone(),
            directory: Arc::clone(&directory),
            mint: Arc::clone(&mint),
            events: events.clone(),
            faults: faults::Faults::new(),
            seen: watch::Sender::new(Vec::new()),
            grants: entra::Grants::new(),
        });
        let certificates = authority::Certificates::asking(
            &asking,
            "mail-egress lab: Exchange",
            &names(&options.exchange_name),
            &addresses,
        )?;
        let exchange = Arc::new(exchange::Inner::new(
            options.kind,
            options.exchange_name.clone(),
            (Arc::clone(&clients), certificates),
            Arc::clone(&directory),
            Arc::clone(&mint),
            events.clone(),
            options.limits,
        ));
        let graph = Arc::new(graph::Inner::new(
            authority::Certificates::generate(
                "mail-egress lab: Graph",
                &names("graph.lab.test"),
                &addresses,
            )?,
            Arc::clone(&directory),
            mint,
            events.clone(),
        ));

        let at = |port| SocketAddr::new(options.listen, port);
        let (entra_listener, entra_address) = listen::bind(at(options.entra_port)).await?;
        let (exchange_listener, exchange_address) = listen::bind(at(options.exchange_port)).await?;
        let (tls_listener, tls_address) = listen::bind(at(options.exchange_tls_port)).await?;
        let (graph_listener, graph_address) = listen::bind(at(options.graph_port)).await?;
        let mut servers = JoinSet::new();
        servers.spawn(entra::run(Arc::clone(&entra), entra_listener));
        servers.spawn(exchange::run(Arc::clone(&exchange), exchange_listener, false));
        servers.spawn(exchange::run(Arc::clone(&exchange), tls_listener, true));
        servers.spawn(graph::run(Arc::clone(&graph), graph_listener));
        Ok(Self {
            entra: Entra::new(entra, entra_address),
            exchange: Exchange::new(exchange, exchange_address, tls_address),
            graph: Graph::new(graph, graph_address),
            clients,
            directory,
            events,
            _servers: servers,
        })
    }

    /// The token endpoint.
    pub fn entra(&self) -> &Entra {
        &self.entra
    }

    /// The submission server.
    pub fn exchange(&self) -> &Exchange {
        &self.exchange
    }

    /// Microsoft Graph.
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    /// A certificate by which a connector may know a client, for this common name and these further
    /// names.
    ///
    /// # Errors
    /// When a name cannot stand in a certificate.
    pub fn client_certificate(&self, common_name: &str, names: &[&str]) -> anyhow::Result<ClientCertificate> {
        self.clients.issue(common_name, names, true)
    }

    /// The authority that made them, in PEM.
    pub fn client_ca_pem(&self) -> String {
        self.clients.ca_pem()
    }

    /// The same from an authority that Exchange does not know.
    ///
    /// # Errors
    /// When a name cannot stand in a certificate.
    pub fn unknown_client_certificate(&self, common_name: &str) -> anyhow::Result<ClientCertificate> {
        self.clients.issue(common_name, &[], false)
    }

    /// The tenant as it is now.
    pub fn directory(&self) -> Directory {
        self.directory.borrow().clone()
    }

    /// Changes the tenant, as an administrator would; it takes effect at once.
    pub fn administer(&self, change: impl FnOnce(&mut Directory)) {
        self.directory.send_modify(change);
    }

    /// What happens from now on.
    pub fn events(&self) -> broadcast::Receiver<Event> {
        self.events.subscribe()
    }

    /// Orders a fault as it is written on a command line.
    pub fn order(&self, order: FaultOrder) {
        match order.fault {
            EitherFault::Entra(fault) => self.entra.misbehave_for(order.span, fault),
            EitherFault::Exchange(fault) => self.exchange.misbehave_for(order.span, fault),
            EitherFault::Graph(fault) => self.graph.misbehave_for(order.span, fault),
        }
    }

    /// Ends all misbehaviour of all.
    pub fn behave(&self) {
        self.entra.behave();
        self.exchange.behave();
        self.graph.behave();
    }
}
