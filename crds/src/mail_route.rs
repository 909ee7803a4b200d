//! `MailRoute`: exactly one way out of the cluster.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use crate::{
    allowed::{Admission, AllowedNamespace},
    honoured::paths_of_set,
    limits::Limits,
    secret::ClientCertificate,
};

pub use self::{exchange::*, relay::*};

mod exchange;
mod relay;

/// What the platform team says about the way out.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "mail-egress.io",
    version = "v1alpha1",
    kind = "MailRoute",
    plural = "mailroutes",
    shortname = "mroute",
    category = "mail-egress",
    status = "MailRouteStatus",
    derive = "PartialEq",
    doc = "Exactly one way out of the cluster: where mail goes, how the server is trusted, and the limits that it sets.",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#,
        description = "Whether senders can use it"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#,
        description = "Why, in a word"
    ),
    printcolumn(
        name = "Host",
        type_ = "string",
        json_path = ".spec.*.host",
        description = "The host, where one is set"
    ),
    printcolumn(
        name = "Since",
        type_ = "date",
        json_path = r#".status.conditions[?(@.type=="Ready")].lastTransitionTime"#,
        description = "When Ready last changed"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].message"#,
        priority = 1
    )
)]
#[x_kube(
    validation = Rule::new("[has(self.exchangeOnline), has(self.graph), has(self.highVolumeEmail), has(self.azureCommunicationServices), has(self.connector), has(self.directSend), has(self.smtpRelay)].filter(x, x).size() == 1")
        .message("spec needs exactly one of exchangeOnline, graph, highVolumeEmail, azureCommunicationServices, connector, directSend and smtpRelay: a MailRoute is one way out"),
    validation = Rule::new("has(self.exchangeOnline) == has(oldSelf.exchangeOnline) && has(self.graph) == has(oldSelf.graph) && has(self.highVolumeEmail) == has(oldSelf.highVolumeEmail) && has(self.azureCommunicationServices) == has(oldSelf.azureCommunicationServices) && has(self.connector) == has(oldSelf.connector) && has(self.directSend) == has(oldSelf.directSend) && has(self.smtpRelay) == has(oldSelf.smtpRelay)")
        .message("the kind of a route is immutable: create another MailRoute and let the senders name it"),
    validation = Rule::new("!has(self.allowedNamespaces) || self.allowedNamespaces.size() == 0 || has(self.connector) || has(self.directSend) || has(self.smtpRelay)")
        .message("spec.allowedNamespaces belongs to routes without an EntraApp (connector, directSend, smtpRelay); here the EntraApp's own allowedNamespaces decide: remove it")
        .field_path(".allowedNamespaces"),
)]
pub struct MailRouteSpec {
    /// Exchange Online by SMTP submission with a token. Uses the sender's EntraApp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exchange_online: Option<ExchangeOnline>,
    /// Microsoft Graph, `sendMail`. Uses the sender's EntraApp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub graph: Option<Graph>,
    /// High Volume Email for Microsoft 365: internal recipients only. Uses the sender's EntraApp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high_volume_email: Option<HighVolumeEmail>,
    /// Azure Communication Services by SMTP. Uses the client secret of the sender's EntraApp as
    /// password, so that secret lies in the sender's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub azure_communication_services: Option<AzureCommunicationServices>,
    /// Exchange Online's inbound connector, on port 25, by client certificate or address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connector: Option<Connector>,
    /// Direct Send to the tenant's own recipients, on port 25, without a credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direct_send: Option<DirectSend>,
    /// Any other relay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smtp_relay: Option<SmtpRelay>,

    /// The tenant's own domains, where the route takes internal recipients only: others are refused
    /// before dialling.
    #[schemars(schema_with = "crate::schema::domains")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accepted_domains: Vec<String>,
    /// The proxy through which the route's server is reached: `http://HOST:PORT` (CONNECT) or
    /// `socks5://HOST:PORT`. Absent: it is dialled directly.
    #[schemars(schema_with = "crate::schema::proxy")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy: Option<String>,
    /// What the route's server allows to one mailbox, and so the default of every sender.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<Limits>,
    /// Who may use a route that has no EntraApp, and for which mailboxes. By default nobody.
    #[schemars(length(max = 200))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allowed_namespaces: Vec<AllowedNamespace>,
}

/// What the operator says about the route.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct MailRouteStatus {
    /// The generation of the spec that the conditions speak of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Accepted`, `ResolvedRefs`, `Supported`, and their summary `Ready`; `CredentialReady` where the
    /// relay has a token endpoint of its own, or knows us by a certificate.
    #[schemars(schema_with = "crate::schema::conditions")]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// The one way out of a MailRoute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way<'a> {
    /// Exchange Online by SMTP submission.
    ExchangeOnline(&'a ExchangeOnline),
    /// Microsoft Graph.
    Graph(&'a Graph),
    /// High Volume Email.
    HighVolumeEmail(&'a HighVolumeEmail),
    /// Azure Communication Services.
    AzureCommunicationServices(&'a AzureCommunicationServices),
    /// An inbound connector.
    Connector(&'a Connector),
    /// Direct Send.
    DirectSend(&'a DirectSend),
    /// Any other relay.
    SmtpRelay(&'a SmtpRelay),
}

impl Way<'_> {
    /// The name of its field in the spec.
    pub fn field(&self) -> &'static str {
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

    /// Tells whether its senders need an EntraApp.
    pub fn uses_entra_app(&self) -> bool {
        match self {
            Self::ExchangeOnline(_)
            | Self::Graph(_)
            | Self::HighVolumeEmail(_)
            | Self::AzureCommunicationServices(_) => true,
            Self::Connector(_) | Self::DirectSend(_) | Self::SmtpRelay(_) => false,
        }
    }
}

impl MailRouteSpec {
    /// The one way out; none if there is not exactly one, which the API server refuses.
    pub fn way(&self) -> Option<Way<'_>> {
        let mut ways = [
            self.exchange_online.as_ref().map(Way::ExchangeOnline),
            self.graph.as_ref().map(Way::Graph),
            self.high_volume_email.as_ref().map(Way::HighVolumeEmail),
            self.azure_communication_services.as_ref().map(Way::AzureCommunicationServices),
            self.connector.as_ref().map(Way::Connector),
            self.direct_send.as_ref().map(Way::DirectSend),
            self.smtp_relay.as_ref().map(Way::SmtpRelay),
        ]
        .into_iter()
        .flatten();
        let way = ways.next()?;
        ways.next().is_none().then_some(way)
    }

    /// The certificate by which the route's server knows us, where there is one.
    pub fn client_certificate(&self) -> Option<&ClientCertificate> {
        match self.way()? {
            Way::Connector(connector) => connector.client_certificate.as_ref(),
            Way::SmtpRelay(relay) => relay.client_certificate.as_ref(),
            Way::ExchangeOnline(_)
            | Way::Graph(_)
            | Way::HighVolumeEmail(_)
            | Way::AzureCommunicationServices(_)
            | Way::DirectSend(_) => None,
        }
    }

    /// Judges whether a namespace of that name and with those labels may use the route for that
    /// mailbox, as far as the route itself decides: where its way uses an EntraApp, that one decides
    /// instead.
    pub fn admission(&self, namespace: &str, labels: &BTreeMap<String, String>, mailbox: &str) -> Admission {
        match self.way() {
            Some(way) if way.uses_entra_app() => Admission::Admitted,
            Some(_) => Admission::judge_route(&self.allowed_namespaces, namespace, labels, mailbox),
            None => Admission::NamespaceNotAllowed,
        }
    }

    /// The paths of the fields that are set and that this version does not act upon.
    pub fn not_yet_honoured(&self) -> Vec<&'static str> {
        let takes_internal_only = self.high_volume_email.is_some() || self.direct_send.is_some();
        paths_of_set([("spec.acceptedDomains", !self.accepted_domains.is_empty() && !takes_internal_only)])
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Admission, MailRouteSpec, Way};

    fn spec(yaml: &str) -> MailRouteSpec {
        serde_yaml::from_str(yaml).unwrap()
    }

    #[test]
    fn exchange_online_is_dialled_where_the_cloud_takes_submissions() {
        let spec = spec("exchangeOnline: {cloud: China}");
        let Some(Way::ExchangeOnline(exchange)) = spec.way() else { panic!("another way") };
        assert_eq!((exchange.host(), exchange.port()), ("smtp.partner.outlook.cn", 587));
    }

    #[test]
    fn host_and_port_override_the_cloud() {
        let spec = spec("exchangeOnline: {host: smtp.lab.test, port: 1587}");
        let Some(Way::ExchangeOnline(exchange)) = spec.way() else { panic!("another way") };
        assert_eq!((exchange.host(), exchange.port()), ("smtp.lab.test", 1587));
    }

    #[test]
    fn none_or_two_ways_that_got_past_the_rules_are_no_way() {
        assert_eq!(spec("{}").way(), None);
        assert_eq!(spec("{exchangeOnline: {}, graph: {}}").way(), None);
        let admission =
            spec("{exchangeOnline: {}, graph: {}}").admission("shop", &BTreeMap::new(), "a@b.test");
        assert_eq!(admission, Admission::NamespaceNotAllowed);
    }

    #[test]
    fn a_way_is_called_as_its_field() {
        for field in ["exchangeOnline", "graph", "highVolumeEmail", "directSend", "smtpRelay"] {
            let spec = spec(&format!("{field}: {{}}"));
            assert_eq!(spec.way().map(|way| way.field()), Some(field));
        }
        assert_eq!(spec("connector: {host: a}").way().map(|way| way.field()), Some("connector"));
        let acs = spec("azureCommunicationServices: {username: a}");
        assert_eq!(acs.way().map(|way| way.field()), Some("azureCommunicationServices"));
    }

    #[test]
    fn a_route_without_an_entra_app_admits_nobody_by_default() {
        let admits = |spec: &MailRouteSpec, namespace: &str| {
            spec.admission(namespace, &BTreeMap::new(), "billing@contoso.com") == Admission::Admitted
        };
        assert!(admits(&spec("exchangeOnline: {}"), "shop"));
        assert!(!admits(&spec("directSend: {}"), "shop"));
        let open = spec("{directSend: {}, allowedNamespaces: [{namespaces: [shop]}]}");
        assert!(admits(&open, "shop"));
        assert!(!admits(&open, "hr"));
        let narrow =
            "{directSend: {}, allowedNamespaces: [{namespaces: [shop], mailboxes: ['hr@contoso.com']}]}";
        assert!(!admits(&spec(narrow), "shop"));
    }

    #[test]
    fn what_is_not_honoured_is_named() {
        assert_eq!(
            spec("{exchangeOnline: {cloud: China, host: a, port: 1, caBundle: b}, limits: {messageBytes: 4096}}")
                .not_yet_honoured(),
            Vec::<&str>::new()
        );
        assert_eq!(
            spec("{graph: {}, acceptedDomains: [a.com], limits: {connections: 1, messageBytes: 4096}}")
                .not_yet_honoured(),
            ["spec.acceptedDomains"]
        );
        assert!(spec("{directSend: {}, acceptedDomains: [a.com]}").not_yet_honoured().is_empty());
    }
}
