//! What Exchange looks at when a whole message is there.

use super::kind::Kind;
use super::message::{Body, Envelope};
use super::reply::{self, Host, Reply};
use crate::lab::directory::Mailbox;
use crate::lab::header;

/// A message as it came.
#[derive(Debug, Default)]
pub(super) struct Submission {
    pub(super) envelope: Envelope,
    pub(super) content: Vec<u8>,
    /// A CR or LF stands alone in it.
    pub(super) bare: bool,
    /// It was larger than allowed, and its content is gone.
    pub(super) too_large: bool,
}

impl Submission {
    /// Whether anybody may send this.
    pub(super) fn judge_form(&self) -> Result<(), Reply> {
        if self.too_large {
            return Err(reply::too_large());
        }
        if self.bare && self.envelope.body != Body::BinaryMime {
            return Err(reply::bare_linefeeds());
        }
        if self.authors().is_empty() {
            return Err(reply::no_from());
        }
        Ok(())
    }

    fn authors(&self) -> Vec<String> {
        header::addresses(&header::field(&self.content, "From").unwrap_or_default())
    }

    /// Whether the mailbox may send this. MAIL FROM and From must both be its own, or granted; the
    /// null sender is left to From, since nothing says what the real server does with it.
    pub(super) fn judge(&self, mailbox: &Mailbox, host: &Host) -> Result<(), Reply> {
        if self.envelope.sender.as_ref().is_some_and(|sender| !mailbox.sends_as(sender)) {
            return Err(reply::no_permission_to_send_as());
        }
        match self.authors().iter().find(|author| !mailbox.sends_as(author)) {
            Some(foreign) => Err(reply::send_as_denied(&mailbox.address, foreign, host)),
            None => Ok(()),
        }
    }

    /// The id in the 250: the message's own, or one for it.
    pub(super) fn id(&self, kind: Kind, host: &Host) -> String {
        let own = header::field(&self.content, "Message-ID");
        let own = own.filter(|id| kind != Kind::Consumer && !id.is_empty());
        let id = own.unwrap_or_else(|| format!("<{}@{}>", crate::lab::stamp::hex_id(), host.name));
        id.chars().filter(char::is_ascii_graphic).take(256).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(sender: Option<&str>, content: &str, change: impl Fn(&mut Submission)) -> String {
        let mut mailbox = Mailbox::new("billing@contoso.com");
        mailbox.may_send_as.push("*@alias.example".to_owned());
        let host = Host { name: "h".to_owned(), session: "s".to_owned(), peer: "p".to_owned() };
        let mut submission = Submission {
            envelope: Envelope { sender: sender.map(str::to_owned), ..Envelope::default() },
            content: content.replace('\n', "\r\n").into_bytes(),
            ..Submission::default()
        };
        change(&mut submission);
        match submission.judge_form().and_then(|()| submission.judge(&mailbox, &host)) {
            Ok(()) => "taken".to_owned(),
            Err(reply) => reply.wire_lines().next().unwrap_or_default().chars().take(10).collect(),
        }
    }

    #[test]
    fn sender_and_author_must_be_the_mailbox_or_granted() {
        let (own, from) = (Some("Billing@contoso.com"), "From: B <billing@contoso.com>\n\nx\n");
        assert_eq!(verdict(own, from, |_| ()), "taken");
        assert_eq!(verdict(None, from, |_| ()), "taken");
        assert_eq!(verdict(Some("a@alias.example"), "From: b@alias.example\n\n", |_| ()), "taken");
        assert_eq!(verdict(Some("boss@contoso.com"), from, |_| ()), "550 5.7.60");
        assert_eq!(verdict(own, "From: boss@contoso.com\n\n", |_| ()), "554 5.2.25");
        assert_eq!(verdict(own, "From: billing@contoso.com, boss@contoso.com\n\n", |_| ()), "554 5.2.25");
        assert_eq!(verdict(own, "Subject: x\n\nFrom: billing@contoso.com\n", |_| ()), "550 5.7.51");
    }

    #[test]
    fn bare_line_endings_need_binarymime() {
        let (own, from) = (Some("billing@contoso.com"), "From: billing@contoso.com\n\nx\n");
        assert_eq!(verdict(own, from, |s| s.bare = true), "550 5.6.11");
        let binary = |s: &mut Submission| (s.bare, s.envelope.body) = (true, Body::BinaryMime);
        assert_eq!(verdict(own, from, binary), "taken");
        assert_eq!(verdict(own, from, |s| s.too_large = true), "552 5.3.4 ");
    }
}
