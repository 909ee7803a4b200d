//! The way out through any other relay.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::secret::{ClientCertificate, SecretKey};

/// Any other relay, by name or by host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.preset) != has(self.host)")
        .message("spec.smtpRelay needs exactly one of preset and host: a preset brings its host"),
    validation = Rule::new("has(self.region) == (has(self.preset) && self.preset == 'AmazonSES')")
        .message("spec.smtpRelay.region belongs to the preset AmazonSES, which needs it")
        .field_path(".region"),
    validation = Rule::new("!has(self.password) || !has(self.xoauth2)")
        .message("spec.smtpRelay takes one of password and xoauth2: remove the other"),
    validation = Rule::new("self.tls != 'Plaintext' || !(has(self.password) || has(self.xoauth2) || has(self.clientCertificate))")
        .message("spec.smtpRelay.tls Plaintext never carries a credential: remove password, xoauth2 and clientCertificate, or use StartTLS or Implicit")
        .field_path(".tls"),
    validation = Rule::new("self.tls != 'Plaintext' || !has(self.caBundle)")
        .message("spec.smtpRelay.caBundle has no use with tls Plaintext: remove it, or use StartTLS or Implicit")
        .field_path(".caBundle"),
    validation = Rule::new("self.tls != 'Plaintext' || !has(self.preset)")
        .message("spec.smtpRelay.tls Plaintext is refused by every preset: use StartTLS or Implicit")
        .field_path(".tls"),
    validation = Rule::new("!has(self.port) || self.port != 465 || self.tls == 'Implicit'")
        .message("spec.smtpRelay.port 465 speaks TLS from the first byte (RFC 8314): set tls to Implicit")
        .field_path(".tls"),
)]
pub struct SmtpRelay {
    /// A relay that is known by name, which brings host and port (that of StartTLS or of Implicit): `Brevo` (login and SMTP key, not an
    /// API key), `Mailjet` (API key and secret), `SMTP2GO`, `Mailgun` (the domain's login),
    /// `AmazonSES` (the region's SMTP credentials, not IAM keys), `Gmail` (XOAUTH2 with the scope
    /// `https://mail.google.com/`), `Zoho`.
    #[schemars(schema_with = "crate::schema::choice::<RelayPreset>")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<RelayPreset>,
    /// The region of Amazon SES, such as `eu-central-1`.
    #[schemars(length(min = 1, max = 32), pattern(r"^[a-z0-9]+(-[a-z0-9]+)*$"))]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The host. Its certificate must name it.
    #[schemars(schema_with = "crate::schema::host")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The port. Absent: the preset's; else 587 for StartTLS, 465 for Implicit, 25 for Plaintext.
    #[schemars(schema_with = "crate::schema::port")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// How the connection is protected: `StartTLS` (which must be offered), `Implicit` (TLS from the
    /// first byte), or `Plaintext`, which must be asked for and never carries a credential.
    #[schemars(schema_with = "crate::schema::choice::<RelayTls>")]
    #[serde(default)]
    pub tls: RelayTls,
    /// Certificates (PEM) that replace the public roots when the host is dialled.
    #[schemars(schema_with = "crate::schema::ca_bundle")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<String>,
    /// Login by user name and password. The password is carried into the namespaces of the senders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<RelayPassword>,
    /// Login by a token of the relay's own provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub xoauth2: Option<RelayXoauth2>,
    /// A certificate by which the relay knows us, and its key; it is carried into the namespaces of
    /// the senders.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<ClientCertificate>,
}

/// A relay that is known by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RelayPreset {
    /// smtp-relay.brevo.com: login and SMTP key (not an API key).
    Brevo,
    /// in-v3.mailjet.com: API key and secret.
    Mailjet,
    /// mail.smtp2go.com: an SMTP user.
    #[serde(rename = "SMTP2GO")]
    Smtp2Go,
    /// smtp.mailgun.org: the domain's login.
    Mailgun,
    /// email-smtp.REGION.amazonaws.com: the region's SMTP credentials (not IAM keys).
    AmazonSES,
    /// smtp.gmail.com: XOAUTH2 with the scope `https://mail.google.com/`.
    Gmail,
    /// smtp.zoho.com: login and password.
    Zoho,
}

/// How the connection to a relay is protected.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RelayTls {
    /// STARTTLS (RFC 3207), which must be offered.
    #[default]
    StartTLS,
    /// TLS from the first byte (RFC 8314).
    Implicit,
    /// None.
    Plaintext,
}

/// Login by user name and password.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RelayPassword {
    /// The user name.
    #[schemars(schema_with = "crate::schema::username")]
    pub username: String,
    /// The Secret's name, in the operator's namespace. It needs the label
    /// `mail-egress.io/credential: "true"`.
    #[schemars(schema_with = "crate::schema::object_name")]
    pub secret_name: String,
    /// The key that holds the password.
    #[schemars(schema_with = "crate::schema::secret_key")]
    #[serde(default = "password_key")]
    pub key: String,
}

/// Login by a token of the relay's own provider.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.clientSecret) || has(self.refreshToken)")
        .message("spec.smtpRelay.xoauth2 needs clientSecret, refreshToken or both"),
)]
pub struct RelayXoauth2 {
    /// The user of the login, as a rule the mailbox. Absent: the sender's mailbox.
    #[schemars(schema_with = "crate::schema::username")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The token endpoint, such as `https://oauth2.googleapis.com/token`. HTTPS only.
    #[schemars(schema_with = "crate::schema::https_url")]
    #[serde(rename = "tokenURL")]
    pub token_url: String,
    /// Certificates (PEM) that replace the public roots when the token endpoint is dialled.
    #[schemars(schema_with = "crate::schema::ca_bundle")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<String>,
    /// The client id.
    #[schemars(length(min = 1, max = 255), pattern(r"^[\x21-\x7E]+$"))]
    #[serde(rename = "clientID")]
    pub client_id: String,
    /// The scope, such as `https://mail.google.com/`.
    #[schemars(schema_with = "crate::schema::scope")]
    pub scope: String,
    /// The client secret; alone, the token is asked for by client credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<SecretKey>,
    /// The refresh token of a signed-in user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<SecretKey>,
}

impl SmtpRelay {
    /// The host that is dialled: that of the preset, with its region, or its own.
    pub fn host(&self) -> String {
        let region = self.region.as_deref().unwrap_or_default();
        match self.preset {
            Some(preset) => preset.host(region),
            None => self.host.clone().unwrap_or_default(),
        }
    }

    /// The port that is dialled: its own, else the usual one of the preset or of the protection.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(match (self.preset, self.tls) {
            // the one port that it names for STARTTLS
            (Some(RelayPreset::Smtp2Go), RelayTls::StartTLS) => 2525,
            (_, RelayTls::StartTLS) => 587,
            (_, RelayTls::Implicit) => 465,
            (_, RelayTls::Plaintext) => 25,
        })
    }
}

impl RelayPreset {
    fn host(self, region: &str) -> String {
        match self {
            Self::Brevo => "smtp-relay.brevo.com".to_owned(),
            Self::Mailjet => "in-v3.mailjet.com".to_owned(),
            Self::Smtp2Go => "mail.smtp2go.com".to_owned(),
            Self::Mailgun => "smtp.mailgun.org".to_owned(),
            Self::AmazonSES => format!("email-smtp.{region}.amazonaws.com"),
            Self::Gmail => "smtp.gmail.com".to_owned(),
            Self::Zoho => "smtp.zoho.com".to_owned(),
        }
    }
}

fn password_key() -> String {
    "password".into()
}

#[cfg(test)]
mod tests {
    use super::SmtpRelay;

    fn dialled(yaml: &str) -> (String, u16) {
        let relay: SmtpRelay = serde_yaml::from_str(yaml).unwrap();
        (relay.host(), relay.port())
    }

    #[test]
    fn a_preset_brings_host_and_port() {
        for (yaml, host, port) in [
            ("preset: Brevo", "smtp-relay.brevo.com", 587),
            ("preset: Mailjet", "in-v3.mailjet.com", 587),
            ("preset: SMTP2GO", "mail.smtp2go.com", 2525),
            ("preset: Mailgun", "smtp.mailgun.org", 587),
            ("{preset: AmazonSES, region: eu-central-1}", "email-smtp.eu-central-1.amazonaws.com", 587),
            ("{preset: Gmail, tls: Implicit}", "smtp.gmail.com", 465),
            ("{preset: Zoho, tls: Implicit}", "smtp.zoho.com", 465),
            ("{preset: SMTP2GO, port: 8025}", "mail.smtp2go.com", 8025),
        ] {
            assert_eq!(dialled(yaml), (host.to_owned(), port), "{yaml}");
        }
    }

    #[test]
    fn a_host_is_dialled_at_the_usual_port_of_its_protection() {
        for (tls, port) in [("StartTLS", 587), ("Implicit", 465), ("Plaintext", 25)] {
            assert_eq!(dialled(&format!("{{host: mta.test, tls: {tls}}}")), ("mta.test".to_owned(), port));
        }
    }
}
