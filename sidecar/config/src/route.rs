//! The ways out, and how the server at the other end is reached and satisfied.

use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use crate::rules::Limits;
use crate::written::{expose, is_default};

/// The way out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Route {
    /// Client submission to Exchange Online.
    ExchangeOnline(SmtpRoute),
    /// Microsoft Graph, `sendMail`.
    Graph(GraphRoute),
    /// High Volume Email.
    HighVolumeEmail(SmtpRoute),
    /// Azure Communication Services.
    AzureCommunicationServices(SmtpRoute),
    /// Exchange Online's inbound connector.
    Connector(SmtpRoute),
    /// Direct Send.
    DirectSend(SmtpRoute),
    /// Any other relay.
    SmtpRelay(SmtpRoute),
}

/// A route that speaks SMTP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SmtpRoute {
    /// The MailRoute's name, for logs.
    pub name: String,
    /// Name (or address) of the relay; its certificate must be for it.
    pub host: String,
    /// Direct Send without a host: `host` is a mail domain, and the relay its MX.
    #[serde(default, skip_serializing_if = "is_default")]
    pub mx: bool,
    /// TCP port.
    pub port: u16,
    /// PEM certificates that alone are trusted; the public roots where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<String>,
    /// Largest message taken, in octets.
    pub max_message_bytes: u64,
    /// How the connection becomes TLS.
    #[serde(default, skip_serializing_if = "is_default")]
    pub security: Security,
    /// How we log in.
    #[serde(default, skip_serializing_if = "is_default")]
    pub login: Login,
    /// The certificate by which the relay knows us.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<ClientCertificate>,
    /// The only domains that the relay takes recipients of; empty: it takes others, or they are not
    /// known here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accepted_domains: Vec<String>,
    /// The proxy to go through: `http://HOST:PORT` (CONNECT) or `socks5://HOST:PORT`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
}

/// A route that speaks to Microsoft Graph.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GraphRoute {
    /// The MailRoute's name, for logs.
    pub name: String,
    /// Where Graph is, `https://graph.microsoft.com`.
    #[serde(rename = "baseURL")]
    pub base_url: String,
    /// PEM certificates that alone are trusted; the public roots where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<String>,
    /// Largest message taken, in octets.
    pub max_message_bytes: u64,
    /// What is done with a message that is too large for one request.
    #[serde(default, skip_serializing_if = "is_default")]
    pub large_messages: LargeMessages,
    /// The proxy to go through, in place of the environment's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
}

/// What is done with a message that is too large for one Graph request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LargeMessages {
    /// It is refused, or sent by the fallback.
    #[default]
    Refuse,
    /// It goes through a draft and an upload session, which rebuilds the MIME.
    Draft,
}

/// How a connection to a relay becomes TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Security {
    /// By STARTTLS, which must be offered (RFC 3207).
    #[default]
    StartTls,
    /// From the first octet (RFC 8314).
    ImplicitTls,
    /// Not at all, which must be asked for; nothing secret is ever said on it.
    Plaintext,
}

/// How we log in to a relay.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Login {
    /// By XOAUTH2 with the token.
    Token {
        /// The user; the mailbox where absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<String>,
    },
    /// By a user name and its password, which lies in the app's namespace.
    Password {
        /// The user name.
        username: String,
        /// The password. `Debug` hides it.
        #[serde(serialize_with = "expose")]
        password: SecretString,
    },
    /// Not at all: the relay knows us by certificate or address, or takes mail for its own only.
    None,
}

/// A certificate and its key, which lie in the app's namespace.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientCertificate {
    /// PEM, our own first.
    pub certificates: String,
    /// PEM. `Debug` hides it.
    #[serde(serialize_with = "expose")]
    pub key: SecretString,
}

impl Route {
    /// The name of its field in a MailRoute's spec.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::ExchangeOnline(_) => "exchangeOnline",
            Self::Graph(_) => "graph",
            Self::HighVolumeEmail(_) => "highVolumeEmail",
            Self::AzureCommunicationServices(_) => "azureCommunicationServices",
            Self::Connector(_) => "connector",
            Self::DirectSend(_) => "directSend",
            Self::SmtpRelay(_) => "smtpRelay",
        }
    }

    /// The MailRoute's name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self.by_smtp() {
            Ok(smtp) => &smtp.name,
            Err(graph) => &graph.name,
        }
    }

    /// What it says where it speaks SMTP, else what it says of Graph.
    pub fn by_smtp(&self) -> Result<&SmtpRoute, &GraphRoute> {
        match self {
            Self::ExchangeOnline(smtp)
            | Self::HighVolumeEmail(smtp)
            | Self::AzureCommunicationServices(smtp)
            | Self::Connector(smtp)
            | Self::DirectSend(smtp)
            | Self::SmtpRelay(smtp) => Ok(smtp),
            Self::Graph(graph) => Err(graph),
        }
    }

    /// What the server at the other end allows to one mailbox, as far as that is known.
    #[must_use]
    pub fn usual_limits(&self) -> Limits {
        match self {
            Self::ExchangeOnline(_) => Limits::EXCHANGE_ONLINE,
            Self::Graph(_) => Limits::GRAPH,
            Self::AzureCommunicationServices(_) => Limits::AZURE_COMMUNICATION_SERVICES,
            Self::HighVolumeEmail(_) | Self::Connector(_) | Self::DirectSend(_) | Self::SmtpRelay(_) => {
                Limits::UNKNOWN
            }
        }
    }

    /// Whether nothing leaves by it without a token.
    #[must_use]
    pub fn uses_token(&self) -> bool {
        match self.by_smtp() {
            Ok(smtp) => matches!(smtp.login, Login::Token { .. }),
            Err(_) => true,
        }
    }

    /// How much of its life a token must have left for the server to take it, in seconds: High Volume Email
    /// takes none that ends within ten minutes (fact sheet A).
    #[must_use]
    pub fn token_margin(&self) -> i64 {
        match self {
            Self::HighVolumeEmail(_) => 600,
            Self::ExchangeOnline(_)
            | Self::Graph(_)
            | Self::AzureCommunicationServices(_)
            | Self::Connector(_)
            | Self::DirectSend(_)
            | Self::SmtpRelay(_) => 0,
        }
    }

    /// Largest message taken, in octets.
    #[must_use]
    pub fn max_message_bytes(&self) -> u64 {
        match self.by_smtp() {
            Ok(smtp) => smtp.max_message_bytes,
            Err(graph) => graph.max_message_bytes,
        }
    }

    /// The proxy to go through.
    #[must_use]
    pub fn proxy(&self) -> Option<&str> {
        match self.by_smtp() {
            Ok(smtp) => smtp.proxy.as_deref(),
            Err(graph) => graph.proxy.as_deref(),
        }
    }

    /// PEM certificates that alone are trusted.
    #[must_use]
    pub fn ca_bundle(&self) -> Option<&str> {
        match self.by_smtp() {
            Ok(smtp) => smtp.ca_bundle.as_deref(),
            Err(graph) => graph.ca_bundle.as_deref(),
        }
    }
}

impl SmtpRoute {
    /// A relay with STARTTLS that takes the token, its certificate judged by the public roots.
    #[must_use]
    pub fn new(name: String, host: String, port: u16, max_message_bytes: u64) -> Self {
        Self {
            name,
            host,
            mx: false,
            port,
            ca_bundle: None,
            max_message_bytes,
            security: Security::default(),
            login: Login::default(),
            client_certificate: None,
            accepted_domains: Vec::new(),
            proxy: None,
        }
    }
}

impl Default for Login {
    fn default() -> Self {
        Self::Token { user: None }
    }
}

impl PartialEq for Login {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Token { user: one }, Self::Token { user: other }) => one == other,
            (
                Self::Password { username: one, password: secret },
                Self::Password { username: other, password: others },
            ) => one == other && secret.expose_secret() == others.expose_secret(),
            (Self::None, Self::None) => true,
            (Self::Token { .. } | Self::Password { .. } | Self::None, _) => false,
        }
    }
}

impl Eq for Login {}

impl PartialEq for ClientCertificate {
    fn eq(&self, other: &Self) -> bool {
        self.certificates == other.certificates && self.key.expose_secret() == other.key.expose_secret()
    }
}

impl Eq for ClientCertificate {}
