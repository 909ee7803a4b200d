//! Which of Microsoft's servers the lab plays: they differ in who is let in, and what is said.

/// A way into Microsoft 365 (fact sheet B and D), or past it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Kind {
    /// Client submission to Exchange Online, as `smtp.office365.com` takes it.
    #[default]
    Submission,
    /// The same for consumer mailboxes, as `smtp-mail.outlook.com` takes it: the reply to a message
    /// names an id of the server's own.
    Consumer,
    /// High Volume Email: the app needs `Mail.Send` and access to the account, its token ten minutes,
    /// and recipients are internal.
    HighVolumeEmail,
    /// Azure Communication Services: a user name, and as password a client secret.
    AzureCommunicationServices,
    /// What a domain's MX names, on port 25: for an inbound connector, by certificate or address, and
    /// for Direct Send without either.
    MailProtection,
    /// A relay of somebody else on port 25, which knows no TLS and takes everything.
    Plaintext,
}

impl Kind {
    /// The mechanisms that AUTH takes, within TLS; none: there is no AUTH.
    pub(super) fn mechanisms(self) -> &'static [&'static str] {
        match self {
            Self::Submission | Self::Consumer | Self::HighVolumeEmail => &["LOGIN", "XOAUTH2"],
            Self::AzureCommunicationServices => &["LOGIN", "PLAIN"],
            Self::MailProtection | Self::Plaintext => &[],
        }
    }

    pub(super) fn wants_login(self) -> bool {
        !self.mechanisms().is_empty()
    }

    /// Whether STARTTLS is offered. On port 25 Exchange offers it and takes mail without it.
    pub(super) fn offers_starttls(self) -> bool {
        self != Self::Plaintext
    }
}
