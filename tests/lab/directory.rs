//! The lab's tenant: its applications, its mailboxes, and who was granted what. It may be changed
//! while the lab runs, as an administrator would.

mod organization;
mod registration;

use secrecy::SecretString;

pub use organization::{Communication, InboundConnector, Organization};
pub use registration::{App, AppSecret, FederatedCredential, IssuerKey};

/// Everything that Entra and Exchange know of the tenant.
#[derive(Clone, Debug)]
pub struct Directory {
    /// The tenant itself.
    pub tenant: Tenant,
    /// Its application registrations.
    pub apps: Vec<App>,
    /// Its mailboxes.
    pub mailboxes: Vec<Mailbox>,
    /// Its domains and connectors.
    pub organization: Organization,
}

/// A tenant.
#[derive(Clone, Debug)]
pub struct Tenant {
    /// Its GUID, which is also the `tid` of its tokens.
    pub id: String,
    /// Its display name, as error texts show it.
    pub name: String,
    /// Domains that name it in a token URL.
    pub domains: Vec<String>,
    /// Whether SMTP AUTH is allowed where a mailbox does not say (`Set-TransportConfig`).
    pub smtp_client_authentication: bool,
}

/// A mailbox and its permissions.
#[derive(Clone, Debug)]
pub struct Mailbox {
    /// Its primary address.
    pub address: String,
    /// Client ids that hold FullAccess (`Add-MailboxPermission`).
    pub full_access: Vec<String>,
    /// Other addresses that may stand in From or MAIL FROM (`Add-RecipientPermission`).
    pub may_send_as: Vec<String>,
    /// `Set-CASMailbox -SmtpClientAuthenticationDisabled`, the other way round; `None` inherits.
    pub smtp_client_authentication: Option<bool>,
    /// Its password, where basic authentication is still let in; `None` refuses it, as Exchange does.
    pub password: Option<SecretString>,
}

impl Mailbox {
    /// A mailbox that nobody but its owner may use.
    pub fn new(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            full_access: Vec::new(),
            may_send_as: Vec::new(),
            smtp_client_authentication: None,
            password: None,
        }
    }

    /// Lets basic authentication in, by this password.
    #[must_use]
    pub fn with_password(mut self, password: &str) -> Self {
        self.password = Some(password.into());
        self
    }

    /// Grants FullAccess to an app.
    #[must_use]
    pub fn open_to(mut self, client_id: &str) -> Self {
        self.full_access.push(client_id.to_owned());
        self
    }

    /// Whether this address may be given as the sender by one who signed in to this mailbox.
    pub fn sends_as(&self, address: &str) -> bool {
        address.eq_ignore_ascii_case(&self.address)
            || self.may_send_as.iter().any(|pattern| matches(pattern, address))
    }
}

impl Directory {
    /// The app of this client id.
    pub fn app(&self, client_id: &str) -> Option<&App> {
        self.apps.iter().find(|app| app.client_id.eq_ignore_ascii_case(client_id))
    }

    /// The app of this client id, to be changed.
    pub fn app_mut(&mut self, client_id: &str) -> Option<&mut App> {
        self.apps.iter_mut().find(|app| app.client_id.eq_ignore_ascii_case(client_id))
    }

    /// The mailbox of this address.
    pub fn mailbox(&self, address: &str) -> Option<&Mailbox> {
        self.mailboxes.iter().find(|mailbox| mailbox.address.eq_ignore_ascii_case(address))
    }

    /// The mailbox of this address, to be changed.
    pub fn mailbox_mut(&mut self, address: &str) -> Option<&mut Mailbox> {
        self.mailboxes.iter_mut().find(|mailbox| mailbox.address.eq_ignore_ascii_case(address))
    }

    /// Whether a token URL that says `name` means this tenant.
    pub(super) fn is_tenant(&self, name: &str) -> bool {
        name.eq_ignore_ascii_case(&self.tenant.id)
            || self.tenant.domains.iter().any(|domain| domain.eq_ignore_ascii_case(name))
    }
}

/// Whether an address fits a pattern: itself, or `*@domain`; case does not matter.
pub(super) fn matches(pattern: &str, address: &str) -> bool {
    match pattern.strip_prefix("*@") {
        Some(domain) => address.rsplit_once('@').is_some_and(|(_, own)| own.eq_ignore_ascii_case(domain)),
        None => pattern.eq_ignore_ascii_case(address),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_an_address_or_a_whole_domain() {
        assert!(matches("*@contoso.com", "Billing@Contoso.com"));
        assert!(matches("billing@contoso.com", "BILLING@contoso.com"));
        assert!(!matches("*@contoso.com", "billing@evil-contoso.com"));
        assert!(!matches("*@contoso.com", "billing@sub.contoso.com"));
        assert!(!matches("billing@contoso.com", "other@contoso.com"));
    }
}
