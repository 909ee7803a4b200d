//! What a tenant has set up for the ways in that need no mailbox to sign in to.

use std::net::IpAddr;

/// Domains, connectors, and who may use the other services.
#[derive(Clone, Debug, Default)]
pub struct Organization {
    /// `Get-AcceptedDomain`: who has an address there is internal.
    pub accepted_domains: Vec<String>,
    /// `Get-InboundConnector`.
    pub connectors: Vec<InboundConnector>,
    /// `Set-OrganizationConfig -RejectDirectSend`.
    pub reject_direct_send: bool,
    /// Client ids that may send from High Volume Email accounts (`Add-HVEAppAccess`).
    pub high_volume_apps: Vec<String>,
    /// The resource of Azure Communication Services.
    pub communication: Communication,
}

/// How a connector knows who connects: by either.
#[derive(Clone, Debug, Default)]
pub struct InboundConnector {
    /// `-TlsSenderCertificateName`: a name in the client's certificate.
    pub certificate_name: Option<String>,
    /// `-SenderIPAddresses`.
    pub addresses: Vec<IpAddr>,
}

/// A resource of Azure Communication Services with SMTP.
#[derive(Clone, Debug, Default)]
pub struct Communication {
    /// The resource's name.
    pub resource: String,
    /// Its SMTP Username resources: the user name (an address or free text) and the app's client id.
    pub usernames: Vec<(String, String)>,
    /// Apps with the role *Communication and Email Service Owner*, by client id.
    pub owners: Vec<String>,
}

impl Organization {
    /// Whether an address is of an accepted domain.
    pub fn is_internal(&self, address: &str) -> bool {
        let domain = address.rsplit_once('@').map_or("", |(_, domain)| domain);
        self.accepted_domains.iter().any(|own| own.eq_ignore_ascii_case(domain))
    }
}

impl InboundConnector {
    /// Whether it is for who shows a certificate with these names and comes from this address.
    pub fn knows(&self, names: &[String], address: Option<IpAddr>) -> bool {
        let named = self.certificate_name.as_deref();
        named.is_some_and(|wanted| names.iter().any(|name| name.eq_ignore_ascii_case(wanted)))
            || address.is_some_and(|address| self.addresses.contains(&address))
    }
}

impl Communication {
    /// The app that a user name stands for: that of an SMTP Username resource, or of
    /// `RESOURCE|CLIENT ID|TENANT ID`, which a dot may separate as well.
    pub fn app_of(&self, username: &str, tenant: &str) -> Option<String> {
        if let Some((_, app)) = self.usernames.iter().find(|(name, _)| name.eq_ignore_ascii_case(username)) {
            return Some(app.clone());
        }
        let separator = if username.contains('|') { '|' } else { '.' };
        let mut parts = username.split(separator);
        let (resource, app, of) = (parts.next()?, parts.next()?, parts.next()?);
        let fits = parts.next().is_none()
            && resource.eq_ignore_ascii_case(&self.resource)
            && of.eq_ignore_ascii_case(tenant);
        fits.then(|| app.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_name_has_three_forms() {
        let of = Communication {
            resource: "contoso-acs".to_owned(),
            usernames: vec![("Billing System".to_owned(), "free".to_owned())],
            owners: Vec::new(),
        };
        assert_eq!(of.app_of("billing system", "t").as_deref(), Some("free"));
        assert_eq!(of.app_of("contoso-acs|app|T", "t").as_deref(), Some("app"));
        assert_eq!(of.app_of("contoso-acs.app.t", "t").as_deref(), Some("app"));
        for wrong in ["contoso-acs|app", "contoso-acs|app|t|x", "other|app|t", "contoso-acs|app|other", ""] {
            assert_eq!(of.app_of(wrong, "t"), None, "{wrong}");
        }
    }

    #[test]
    fn a_connector_knows_a_name_or_an_address() {
        let connector = InboundConnector {
            certificate_name: Some("mail.contoso.com".to_owned()),
            addresses: vec![IpAddr::from([192, 0, 2, 1])],
        };
        assert!(connector.knows(&["MAIL.contoso.com".to_owned()], None));
        assert!(connector.knows(&[], Some(IpAddr::from([192, 0, 2, 1]))));
        assert!(!connector.knows(&["contoso.com".to_owned()], Some(IpAddr::from([192, 0, 2, 2]))));
        assert!(!InboundConnector::default().knows(&[String::new()], None));
    }
}
