//! An application registration with its enterprise application.

use jiff::Timestamp;
use secrecy::SecretString;

use crate::lab::stamp;

/// An application registration with its enterprise application.
#[derive(Clone, Debug)]
pub struct App {
    /// The application (client) id.
    pub client_id: String,
    /// The object id of the *enterprise application*: the `oid` of its tokens.
    pub object_id: String,
    /// The name that error texts show.
    pub name: String,
    /// Its client secrets; any of them serves.
    pub secrets: Vec<AppSecret>,
    /// Application permissions with admin consent, for the resource Exchange Online.
    pub exchange_roles: Vec<String>,
    /// The same for Microsoft Graph.
    pub graph_roles: Vec<String>,
    /// Mailboxes that RBAC for Applications lets it send as (`Application SMTP.SendAsApp`):
    /// addresses, or `*@domain`.
    pub rbac_scope: Vec<String>,
    /// False: tokens are refused with AADSTS7000112.
    pub enabled: bool,
}

/// One client secret.
#[derive(Clone, Debug)]
pub struct AppSecret {
    /// Its value.
    pub value: SecretString,
    /// Its end: from then on AADSTS7000222.
    pub expires: Option<Timestamp>,
}

impl App {
    /// The role of the classic set-up: with it, Exchange asks for FullAccess on the mailbox.
    pub const SMTP_SEND_AS_APP: &str = "SMTP.SendAsApp";

    /// The role for Graph, and under the same name for High Volume Email.
    pub const MAIL_SEND: &str = "Mail.Send";

    /// An app with one client secret and no permission at all.
    pub fn with_secret(client_id: &str, secret: &str) -> Self {
        Self {
            client_id: client_id.to_owned(),
            object_id: stamp::guid(),
            name: "mail-egress-lab".to_owned(),
            secrets: vec![AppSecret { value: secret.into(), expires: None }],
            exchange_roles: Vec::new(),
            graph_roles: Vec::new(),
            rbac_scope: Vec::new(),
            enabled: true,
        }
    }

    /// Grants `SMTP.SendAsApp`, the classic set-up.
    #[must_use]
    pub fn with_role(mut self) -> Self {
        self.exchange_roles.push(Self::SMTP_SEND_AS_APP.to_owned());
        self
    }

    /// Grants sending as these mailboxes by RBAC for Applications; its tokens carry no role for it.
    #[must_use]
    pub fn scoped_to(mut self, mailboxes: &[&str]) -> Self {
        self.rbac_scope.extend(mailboxes.iter().map(|&pattern| pattern.to_owned()));
        self
    }
}
