//! Who may send to whom on port 25 (fact sheet C and D): a connector's own to everybody, anybody to
//! the tenant's own recipients, as Direct Send does where it was not switched off.

use std::net::IpAddr;

use super::reply::{self, Host, Reply};
use crate::lab::directory::Organization;

/// Who connects, as far as a connector can know.
#[derive(Clone, Debug, Default)]
pub(super) struct Client {
    /// The names in a certificate that is trusted.
    pub(super) names: Vec<String>,
    /// The address.
    pub(super) address: Option<IpAddr>,
}

impl Client {
    /// Whether somebody who gives this sender may reach this recipient.
    pub(super) fn may_reach(
        &self,
        organization: &Organization,
        sender: Option<&str>,
        recipient: &str,
        host: &Host,
    ) -> Result<(), Reply> {
        let known = organization.connectors.iter().any(|one| one.knows(&self.names, self.address));
        let own_sender = sender.is_some_and(|sender| organization.is_internal(sender));
        match (known, own_sender, organization.is_internal(recipient)) {
            (true, true, _) => Ok(()),
            (false, true, true) if organization.reject_direct_send => Err(reply::no_direct_send(host)),
            (_, _, true) => Ok(()),
            (false, _, false) if organization.connectors.is_empty() => Err(reply::unable_to_relay()),
            (_, _, false) => Err(reply::relay_denied(host)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::directory::InboundConnector;

    const OWN: &str = "app@contoso.com";
    const INSIDE: &str = "to@contoso.com";
    const OUTSIDE: &str = "to@example.org";

    fn organization() -> Organization {
        let certificate_name = Some("mail.contoso.com".to_owned());
        Organization {
            accepted_domains: vec!["contoso.com".to_owned()],
            connectors: vec![InboundConnector { certificate_name, addresses: Vec::new() }],
            ..Organization::default()
        }
    }

    fn verdict(organization: &Organization, name: &str, sender: &str, recipient: &str) -> String {
        let client = Client { names: vec![name.to_owned()], address: None };
        let host = Host { name: "h".to_owned(), session: "s".to_owned(), peer: "p".to_owned() };
        match client.may_reach(organization, Some(sender), recipient, &host) {
            Ok(()) => "taken".to_owned(),
            Err(reply) => reply.wire_lines().next().unwrap_or_default().chars().take(10).collect(),
        }
    }

    #[test]
    fn a_connector_lets_its_own_senders_reach_everybody() {
        let (organization, name) = (organization(), "mail.contoso.com");
        assert_eq!(verdict(&organization, name, OWN, OUTSIDE), "taken");
        assert_eq!(verdict(&organization, name, "app@fabrikam.com", OUTSIDE), "550 5.7.64");
        assert_eq!(verdict(&organization, name, "app@fabrikam.com", INSIDE), "taken");
        assert_eq!(verdict(&organization, "other.com", OWN, OUTSIDE), "550 5.7.64");
        assert_eq!(
            verdict(&Organization { connectors: Vec::new(), ..organization }, name, OWN, OUTSIDE),
            "550 5.7.54"
        );
    }

    #[test]
    fn direct_send_reaches_the_inside_unless_it_is_rejected() {
        let mut organization = organization();
        assert_eq!(verdict(&organization, "-", OWN, INSIDE), "taken");
        organization.reject_direct_send = true;
        assert_eq!(verdict(&organization, "-", OWN, INSIDE), "550 5.7.68");
        assert_eq!(verdict(&organization, "mail.contoso.com", OWN, INSIDE), "taken");
        assert_eq!(verdict(&organization, "-", "app@fabrikam.com", INSIDE), "taken");
    }
}
