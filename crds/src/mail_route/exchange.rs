//! The ways out through Microsoft: Exchange Online, Graph, High Volume Email, Azure Communication
//! Services, connectors and Direct Send.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{cloud::Cloud, secret::ClientCertificate};

/// The port of SMTP submission (RFC 6409).
const SUBMISSION_PORT: u16 = 587;
/// The port of SMTP between servers (RFC 5321).
const SMTP_PORT: u16 = 25;

/// Exchange Online by SMTP submission: STARTTLS, then XOAUTH2.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExchangeOnline {
    /// The Microsoft cloud, which decides the host: `Global` (GCC too), `USGovernment` (GCC High),
    /// `USGovernmentDoD`, `China` (21Vianet).
    #[schemars(schema_with = "crate::schema::choice::<Cloud>")]
    #[serde(default)]
    pub cloud: Cloud,
    /// The host, in place of the cloud's. Its certificate must name it.
    #[schemars(schema_with = "crate::schema::host")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The port, in place of 587.
    #[schemars(schema_with = "crate::schema::port")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Certificates (PEM) that replace the public roots when the host is dialled.
    #[schemars(schema_with = "crate::schema::ca_bundle")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<String>,
}

impl ExchangeOnline {
    /// The host that is dialled, and whose name the certificate must bear.
    pub fn host(&self) -> &str {
        self.host.as_deref().unwrap_or(self.cloud.submission_host())
    }

    /// The port that is dialled.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(SUBMISSION_PORT)
    }
}

/// Microsoft Graph, `sendMail` with MIME.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Graph {
    /// The base URL, in place of that of the EntraApp's cloud. HTTPS only.
    #[schemars(schema_with = "crate::schema::https_url")]
    #[serde(default, rename = "baseURL", skip_serializing_if = "Option::is_none")]
    pub base_url: Option<String>,
    /// Certificates (PEM) that replace the public roots when Graph is dialled.
    #[schemars(schema_with = "crate::schema::ca_bundle")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<String>,
    /// What is done with a message too large for one request (about 3 MB): `Refuse` refuses it, or
    /// sends it by the sender's fallback route; `Draft` goes through a draft and an upload session,
    /// which needs Mail.ReadWrite and rebuilds the MIME.
    #[schemars(schema_with = "crate::schema::choice::<LargeMessages>")]
    #[serde(default)]
    pub large_messages: LargeMessages,
}

/// What is done with a message that is too large for one Graph request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum LargeMessages {
    /// It is refused, or sent by the sender's fallback route.
    #[default]
    Refuse,
    /// It goes through a draft and an upload session: needs Mail.ReadWrite, and rebuilds the MIME.
    Draft,
}

/// High Volume Email for Microsoft 365.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HighVolumeEmail {
    /// The host, in place of `smtp.hve.mx.microsoft`.
    #[schemars(schema_with = "crate::schema::host")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The port, in place of 587.
    #[schemars(schema_with = "crate::schema::port")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Certificates (PEM) that replace the public roots when the host is dialled.
    #[schemars(schema_with = "crate::schema::ca_bundle")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<String>,
}

impl HighVolumeEmail {
    /// The host that is dialled.
    pub fn host(&self) -> &str {
        self.host.as_deref().unwrap_or("smtp.hve.mx.microsoft")
    }

    /// The port that is dialled.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(SUBMISSION_PORT)
    }
}

/// Azure Communication Services by SMTP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AzureCommunicationServices {
    /// The host, in place of `smtp.azurecomm.net`.
    #[schemars(schema_with = "crate::schema::host")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The port, in place of 587.
    #[schemars(schema_with = "crate::schema::port")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Certificates (PEM) that replace the public roots when the host is dialled.
    #[schemars(schema_with = "crate::schema::ca_bundle")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<String>,
    /// The user name of the login: that of an SMTP Username resource (an address or free text), or
    /// `RESOURCE|CLIENT ID|TENANT ID`.
    #[schemars(schema_with = "crate::schema::username")]
    pub username: String,
}

impl AzureCommunicationServices {
    /// The host that is dialled.
    pub fn host(&self) -> &str {
        self.host.as_deref().unwrap_or("smtp.azurecomm.net")
    }

    /// The port that is dialled.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(SUBMISSION_PORT)
    }
}

/// Exchange Online's inbound connector.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Connector {
    /// The tenant's host, such as `contoso-com.mail.protection.outlook.com`.
    #[schemars(schema_with = "crate::schema::host")]
    pub host: String,
    /// The port, in place of 25.
    #[schemars(schema_with = "crate::schema::port")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Certificates (PEM) that replace the public roots when the host is dialled.
    #[schemars(schema_with = "crate::schema::ca_bundle")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<String>,
    /// The certificate by which the connector knows us, and its key; it is carried into the
    /// namespaces of the senders. Absent: the connector knows us by our address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<ClientCertificate>,
}

impl Connector {
    /// The port that is dialled.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(SMTP_PORT)
    }
}

/// Direct Send: to the tenant's own recipients, without a credential.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DirectSend {
    /// The host, in place of the MX of the mailbox's domain.
    #[schemars(schema_with = "crate::schema::host")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The port, in place of 25.
    #[schemars(schema_with = "crate::schema::port")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Certificates (PEM) that replace the public roots when the host is dialled.
    #[schemars(schema_with = "crate::schema::ca_bundle")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<String>,
}

impl DirectSend {
    /// The port that is dialled.
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(SMTP_PORT)
    }
}
