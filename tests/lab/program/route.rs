//! The routes that the program and scenarios can set up, and how each of them is written: as a MailRoute
//! and in `sender.json`.

use std::fmt;
use std::net::Ipv4Addr;

use clap::ValueEnum;
use mail_egress_config::{ClientCertificate, GraphRoute, LargeMessages, Login, Route, Security, SmtpRoute};
use secrecy::{ExposeSecret, SecretString};

use crate::lab::{
    App, DEFAULT_MAILBOX, DEFAULT_SECRET, EXCHANGE_AUDIENCE, GRAPH_AUDIENCE, InboundConnector, Kind, Lab,
    LabOptions, Limits,
};

/// The user name for Azure Communication Services.
pub(super) const USERNAME: &str = "billing-system";
/// The name by which the connector knows the certificate.
pub(super) const CERTIFICATE_NAME: &str = "mail-egress.contoso.com";

/// A route, and with it the server that the lab plays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum RouteKind {
    /// Exchange Online by SMTP, with a token.
    #[default]
    ExchangeOnline,
    /// Microsoft Graph, with a token.
    Graph,
    /// High Volume Email, with a token: internal recipients only.
    HighVolumeEmail,
    /// Azure Communication Services: the client secret is the password.
    AzureCommunicationServices,
    /// An inbound connector, by client certificate.
    Connector,
    /// Direct Send: internal recipients only, no credential.
    DirectSend,
    /// A relay by password.
    SmtpRelay,
    /// A relay without TLS and without a credential.
    SmtpRelayPlaintext,
}

/// What a route is made of, beside its kind.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) ca: String,
    /// Graph's URL.
    pub(super) graph: String,
    pub(super) graph_ca: String,
    /// The tenant's own.
    pub(super) domains: Vec<String>,
    pub(super) mailbox: String,
    /// The app's client secret; a relay takes the same as the mailbox's password.
    pub(super) secret: SecretString,
    /// For the connector.
    pub(super) certificate: crate::lab::ClientCertificate,
}

impl RouteKind {
    /// Furnishes the lab with what the route needs; `limits` says whether the server keeps any.
    pub fn furnish(self, options: &mut LabOptions, secret: &SecretString, limits: bool) {
        options.kind = match self {
            Self::ExchangeOnline | Self::Graph | Self::SmtpRelay => Kind::Submission,
            Self::HighVolumeEmail => Kind::HighVolumeEmail,
            Self::AzureCommunicationServices => Kind::AzureCommunicationServices,
            Self::Connector | Self::DirectSend => Kind::MailProtection,
            Self::SmtpRelayPlaintext => Kind::Plaintext,
        };
        options.limits = if limits { Limits::of(options.kind) } else { Limits::lifted() };
        let directory = &mut options.directory;
        let organization = &mut directory.organization;
        match self {
            Self::HighVolumeEmail => {
                for app in &mut directory.apps {
                    app.exchange_roles = vec![App::MAIL_SEND.to_owned()];
                    organization.high_volume_apps.push(app.client_id.clone());
                }
            }
            Self::AzureCommunicationServices => {
                for app in &directory.apps {
                    let communication = &mut organization.communication;
                    communication.usernames.push((USERNAME.to_owned(), app.client_id.clone()));
                    communication.owners.push(app.client_id.clone());
                }
            }
            Self::Connector => organization.connectors.push(InboundConnector {
                certificate_name: Some(CERTIFICATE_NAME.to_owned()),
                addresses: Vec::new(),
            }),
            Self::SmtpRelay => {
                for mailbox in &mut directory.mailboxes {
                    mailbox.password = Some(secret.clone());
                }
            }
            Self::ExchangeOnline | Self::Graph | Self::DirectSend | Self::SmtpRelayPlaintext => {}
        }
    }

    /// Whether its senders name an EntraApp.
    pub(super) fn uses_entra_app(self) -> bool {
        match self {
            Self::ExchangeOnline | Self::Graph | Self::HighVolumeEmail | Self::AzureCommunicationServices => {
                true
            }
            Self::Connector | Self::DirectSend | Self::SmtpRelay | Self::SmtpRelayPlaintext => false,
        }
    }

    /// The resource that its token is for, where it uses one.
    pub(crate) fn audience(self) -> &'static str {
        match self {
            Self::Graph => GRAPH_AUDIENCE,
            _ => EXCHANGE_AUDIENCE,
        }
    }

    /// Whether it reaches the tenant's own recipients only.
    fn is_internal(self) -> bool {
        matches!(self, Self::HighVolumeEmail | Self::DirectSend)
    }

    /// The `spec` of its MailRoute.
    pub(super) fn spec(self, parts: &Parts) -> String {
        let Parts { host, port, mailbox, .. } = parts;
        if self == Self::Graph {
            let ca = parts.graph_ca.lines().map(|line| format!("      {line}\n")).collect::<String>();
            return format!("  graph:\n    baseURL: {}\n    caBundle: |\n{ca}", parts.graph);
        }
        let ca = parts.ca.lines().map(|line| format!("      {line}\n")).collect::<String>();
        let (field, credential) = match self {
            Self::ExchangeOnline | Self::Graph => ("exchangeOnline", String::new()),
            Self::HighVolumeEmail => ("highVolumeEmail", String::new()),
            Self::AzureCommunicationServices => {
                ("azureCommunicationServices", format!("    username: {USERNAME}\n"))
            }
            Self::Connector => ("connector", "    clientCertificate: {secretName: lab-route}\n".to_owned()),
            Self::DirectSend => ("directSend", String::new()),
            Self::SmtpRelay => {
                ("smtpRelay", format!("    password: {{username: {mailbox:?}, secretName: lab-route}}\n"))
            }
            Self::SmtpRelayPlaintext => ("smtpRelay", "    tls: Plaintext\n".to_owned()),
        };
        let ca = match self {
            Self::SmtpRelayPlaintext => String::new(),
            _ => format!("    caBundle: |\n{ca}"),
        };
        let mut spec = format!("  {field}:\n    host: {host:?}\n    port: {port}\n{credential}{ca}");
        if self.is_internal() {
            let domains = parts.domains.iter().map(|one| format!("{one:?}")).collect::<Vec<_>>();
            spec.push_str(&format!("  acceptedDomains: [{}]\n", domains.join(", ")));
        }
        if !self.uses_entra_app() {
            spec.push_str("  allowedNamespaces:\n  - namespaces: [default]\n");
        }
        spec
    }

    /// The `stringData` of the route's own Secret and its type, where it has one.
    pub(super) fn secret(self, parts: &Parts) -> Option<(&'static str, String)> {
        // it is to be seen: a person copies it
        match self {
            Self::Connector => {
                let pem = |text: &str| text.lines().map(|line| format!("    {line}\n")).collect::<String>();
                let (certificate, key) = (&parts.certificate.certificate, &parts.certificate.key);
                let data =
                    format!("  tls.crt: |\n{}  tls.key: |\n{}", pem(certificate), pem(key.expose_secret()));
                Some(("kubernetes.io/tls", data))
            }
            Self::SmtpRelay => Some(("Opaque", format!("  password: {:?}\n", parts.secret.expose_secret()))),
            Self::ExchangeOnline
            | Self::Graph
            | Self::HighVolumeEmail
            | Self::AzureCommunicationServices
            | Self::DirectSend
            | Self::SmtpRelayPlaintext => None,
        }
    }

    /// The route in `sender.json`, to a lab on loopback that was furnished for it with the usual secret.
    ///
    /// # Errors
    /// When no certificate can be made.
    pub fn to(self, lab: &Lab) -> anyhow::Result<Route> {
        Ok(self.route(&Parts {
            host: Ipv4Addr::LOCALHOST.to_string(),
            port: lab.exchange().address().port(),
            ca: lab.exchange().ca_pem().to_owned(),
            graph: lab.graph().url_by_ip(),
            graph_ca: lab.graph().ca_pem().to_owned(),
            domains: lab.directory().organization.accepted_domains,
            mailbox: DEFAULT_MAILBOX.to_owned(),
            secret: DEFAULT_SECRET.into(),
            certificate: lab.client_certificate(CERTIFICATE_NAME, &[])?,
        }))
    }

    /// Largest message, in octets.
    fn max_message_bytes(self) -> u64 {
        match self {
            Self::AzureCommunicationServices => 10 * 1024 * 1024,
            // Exchange Online's usual limit
            _ => 35 * 1024 * 1024,
        }
    }

    /// The same in `sender.json`.
    pub(super) fn route(self, parts: &Parts) -> Route {
        let relay = SmtpRoute {
            ca_bundle: Some(parts.ca.clone()),
            accepted_domains: if self.is_internal() { parts.domains.clone() } else { Vec::new() },
            ..SmtpRoute::new("lab".to_owned(), parts.host.clone(), parts.port, self.max_message_bytes())
        };
        let password = |username: &str| Login::Password {
            username: username.to_owned(),
            password: parts.secret.clone(),
        };
        match self {
            Self::ExchangeOnline => Route::ExchangeOnline(relay),
            Self::Graph => Route::Graph(GraphRoute {
                name: "lab".to_owned(),
                base_url: parts.graph.clone(),
                ca_bundle: Some(parts.graph_ca.clone()),
                max_message_bytes: self.max_message_bytes(),
                large_messages: LargeMessages::Refuse,
                proxy: None,
            }),
            Self::HighVolumeEmail => Route::HighVolumeEmail(relay),
            Self::AzureCommunicationServices => {
                Route::AzureCommunicationServices(SmtpRoute { login: password(USERNAME), ..relay })
            }
            Self::Connector => Route::Connector(SmtpRoute {
                login: Login::None,
                client_certificate: Some(ClientCertificate {
                    certificates: parts.certificate.certificate.clone(),
                    key: parts.certificate.key.clone(),
                }),
                ..relay
            }),
            Self::DirectSend => Route::DirectSend(SmtpRoute { login: Login::None, ..relay }),
            Self::SmtpRelay => Route::SmtpRelay(SmtpRoute { login: password(&parts.mailbox), ..relay }),
            Self::SmtpRelayPlaintext => Route::SmtpRelay(SmtpRoute {
                login: Login::None,
                security: Security::Plaintext,
                ca_bundle: None,
                ..relay
            }),
        }
    }
}

/// Host and port as a URL has them.
pub(super) fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

impl fmt::Display for RouteKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.to_possible_value();
        f.write_str(name.as_ref().map_or("", |name| name.get_name()))
    }
}
