//! An application registration with its enterprise application: how the application proves itself, and
//! what it may do.

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use secrecy::SecretString;
use serde_json::Value;

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
    /// Its certificates (PEM); any of them serves.
    pub certificates: Vec<String>,
    /// The foreign tokens that it trusts.
    pub federated: Vec<FederatedCredential>,
    /// Whether it allows public client flows: people sign in without a credential of the app's own.
    pub public_client: bool,
    /// Whether people with personal Microsoft accounts may sign in (the tenant `consumers`).
    pub personal_accounts: bool,
    /// Application permissions with admin consent, for the resource Exchange Online.
    pub exchange_roles: Vec<String>,
    /// The same for Microsoft Graph.
    pub graph_roles: Vec<String>,
    /// Delegated permissions with consent, as `SMTP.Send`.
    pub delegated: Vec<String>,
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

/// A foreign token that an application trusts. All three are compared to the letter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FederatedCredential {
    /// Who issues it.
    pub issuer: String,
    /// Whom it is for: `system:serviceaccount:NAMESPACE:NAME`.
    pub subject: String,
    /// `api://AzureADTokenExchange`.
    pub audience: String,
    /// The issuer's keys, which Entra fetches from it; none: it cannot be reached (AADSTS90061).
    pub keys: Vec<IssuerKey>,
}

/// A public RSA key of an issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerKey {
    /// Its name, the `kid` of tokens.
    pub id: String,
    /// Big-endian, without zeros in front.
    pub modulus: Vec<u8>,
    /// The same.
    pub exponent: Vec<u8>,
}

impl IssuerKey {
    /// The RSA keys of a key set (RFC 7517), such as an API server's `/openid/v1/jwks`.
    ///
    /// # Errors
    /// When it is no key set.
    pub fn of_jwks(set: &Value) -> anyhow::Result<Vec<Self>> {
        let keys = set["keys"].as_array().context("there are no keys in the key set")?;
        let rsa = keys.iter().filter(|key| key["kty"] == "RSA");
        rsa.map(|key| {
            let number = |name: &str| {
                let text = key[name].as_str().with_context(|| format!("a key has no {name}"))?;
                URL_SAFE_NO_PAD.decode(text).with_context(|| format!("{name} of a key is no base64url"))
            };
            let id = key["kid"].as_str().unwrap_or_default().to_owned();
            Ok(Self { id, modulus: number("n")?, exponent: number("e")? })
        })
        .collect()
    }
}

impl App {
    /// The role of the classic set-up: with it, Exchange asks for FullAccess on the mailbox.
    pub const SMTP_SEND_AS_APP: &str = "SMTP.SendAsApp";

    /// The role for Graph, and under the same name for High Volume Email.
    pub const MAIL_SEND: &str = "Mail.Send";

    /// The delegated permission: the app sends as whoever signed in.
    pub const SMTP_SEND: &str = "SMTP.Send";

    /// An app without any credential and permission.
    pub fn new(client_id: &str) -> Self {
        Self {
            client_id: client_id.to_owned(),
            object_id: stamp::guid(),
            name: "mail-egress-lab".to_owned(),
            secrets: Vec::new(),
            certificates: Vec::new(),
            federated: Vec::new(),
            public_client: false,
            personal_accounts: false,
            exchange_roles: Vec::new(),
            graph_roles: Vec::new(),
            delegated: Vec::new(),
            rbac_scope: Vec::new(),
            enabled: true,
        }
    }

    /// An app with one client secret and no permission at all.
    pub fn with_secret(client_id: &str, secret: &str) -> Self {
        let secrets = vec![AppSecret { value: secret.into(), expires: None }];
        Self { secrets, ..Self::new(client_id) }
    }

    /// Uploads a certificate (PEM).
    #[must_use]
    pub fn with_certificate(mut self, pem: &str) -> Self {
        self.certificates.push(pem.to_owned());
        self
    }

    /// Trusts a foreign token.
    #[must_use]
    pub fn trusting(mut self, credential: FederatedCredential) -> Self {
        self.federated.push(credential);
        self
    }

    /// Lets people sign in, of the tenant and with personal accounts, so that the app sends as they, by
    /// SMTP or Graph.
    #[must_use]
    pub fn for_people(mut self) -> Self {
        (self.public_client, self.personal_accounts) = (true, true);
        self.delegated.extend([Self::SMTP_SEND, Self::MAIL_SEND].map(str::to_owned));
        self
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
