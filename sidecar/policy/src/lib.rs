//! What a sender's rules say of an envelope and of a header section, and what they make of them.
//!
//! Pure: no I/O and no clock. The rules are guard rails (docs, "the trust boundary"), so whatever
//! two readers could read differently is refused rather than guessed.

mod address;
mod denied;
mod header;

use jiff::Timestamp;
use mail_egress_config::{Rules, pattern};

pub use denied::Denied;

/// One sender's rules, ready to be asked.
#[derive(Clone, Debug)]
pub struct Policy {
    mailbox: String,
    /// The mailbox in the form of [`address::plain`].
    own: String,
    rules: Rules,
}

/// What becomes of an envelope sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// It goes out as the app gave it.
    Kept,
    /// The mailbox goes out in its place.
    Mailbox,
}

/// What is known of the message besides its header.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// The Date of a message that has none.
    pub now: Timestamp,
    /// The Message-ID of a message that has none: printable ASCII, without `<` and `>`.
    pub message_id: &'a str,
    /// The Received line, with its CRLF.
    pub received: &'a str,
}

/// How a message's beginning changes: `head` goes out in place of the first `replaces` octets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// What goes out first: whole CRLF lines; an empty line stands at its very end or nowhere.
    pub head: Vec<u8>,
    /// Octets of the message that `head` stands for: none, or the header section with the empty
    /// line behind it.
    pub replaces: u64,
    /// The Message-ID that goes out, fit for the log; empty where there is none.
    pub message_id: String,
}

/// Whom a message's own header names as its recipients.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Named {
    /// The addresses in To, Cc and Bcc, as they are written.
    pub recipients: Vec<String>,
    /// Whether there is a Bcc field.
    pub blind: bool,
    /// Whether there is a Resent-To, Resent-Cc or Resent-Bcc field (RFC 5322 section 3.6.6).
    pub resent: bool,
}

/// Reads whom `header` names, for a route that sends to whom it names. The section is as for
/// [`Policy::header`].
///
/// # Errors
/// What could be read in two ways: [`Denied::HeaderRecipientsUnclear`] and those of the section.
pub fn named(header: &[u8]) -> Result<Named, Denied> {
    header::recipients::named(header)
}

/// Whether two addresses are the same mailbox to Exchange, which knows no difference of case and
/// none of needless quotes.
#[must_use]
pub fn is_same(one: &str, other: &str) -> bool {
    match (address::plain(one), address::plain(other)) {
        (Some(one), Some(other)) => one.eq_ignore_ascii_case(&other),
        _ => one.eq_ignore_ascii_case(other),
    }
}

impl Policy {
    /// Rules for the sender whose own address is `mailbox`.
    #[must_use]
    pub fn new(mailbox: &str, rules: &Rules) -> Self {
        let mut rules = rules.clone();
        for patterns in [&mut rules.send_as, &mut rules.allow_recipients, &mut rules.deny_recipients] {
            patterns.iter_mut().for_each(|pattern| *pattern = address::plain_pattern(pattern));
        }
        let own = address::plain(mailbox).unwrap_or_else(|| mailbox.to_owned());
        Self { mailbox: mailbox.to_owned(), own, rules }
    }

    /// What becomes of the envelope sender `from`; `""` is `<>`.
    ///
    /// # Errors
    /// [`Denied::NullSender`], where `<>` is not allowed.
    pub fn sender(&self, from: &str) -> Result<Sender, Denied> {
        match from {
            "" if !self.rules.allow_null_sender => Err(Denied::NullSender),
            "" => Ok(Sender::Kept),
            _ if address::plain(from).is_some_and(|it| self.owns(&it)) => Ok(Sender::Kept),
            _ => Ok(Sender::Mailbox),
        }
    }

    /// Whether the message may go to `to`; a deny pattern wins over an allow pattern.
    ///
    /// Patterns know addresses in plain form only, so once there are any, an address that has none
    /// is refused: literals, routes, `@`, `%` and `!` in the local part. Foreign letters are
    /// compared as they are written, which is safe for an allow pattern only; so where there are deny
    /// patterns, an address that is not ASCII is refused.
    ///
    /// # Errors
    /// [`Denied::Recipient`], [`Denied::RecipientNotAllowed`] or [`Denied::RecipientUnclear`].
    pub fn recipient(&self, to: &str) -> Result<(), Denied> {
        let (allow, deny) = (&self.rules.allow_recipients, &self.rules.deny_recipients);
        if allow.is_empty() && deny.is_empty() {
            return Ok(());
        }
        let unclear = || Denied::RecipientUnclear(to.to_owned());
        let plain = address::plain(to).ok_or_else(unclear)?;
        if pattern::any_covers(deny, &plain) {
            return Err(Denied::Recipient(to.to_owned()));
        }
        let foreign = !plain.is_ascii() && !deny.is_empty();
        // a U-label that is denied has an A-label too
        let encoded = address::has_a_label(&plain) && deny.iter().any(|pattern| !pattern.is_ascii());
        if foreign || encoded {
            return Err(unclear());
        }
        if !allow.is_empty() && !pattern::any_covers(allow, &plain) {
            return Err(Denied::RecipientNotAllowed(to.to_owned()));
        }
        Ok(())
    }

    /// What goes out in place of, or before, a message's header section.
    ///
    /// `header` is the section as it was received, with CRLF line ends and with the empty line that
    /// ends it, if it has one; what follows that line is not looked at. Usually a trace line and
    /// missing fields are put before it and no octet of it changes. It is written anew only where a
    /// foreign From is rewritten or a Bcc removed (RFC 5322 section 3.6.3); then all other fields
    /// go out byte for byte and in order. Resent fields are left alone.
    ///
    /// # Errors
    /// What the rules do not allow, and what could be read in two ways.
    pub fn header(&self, header: &[u8], context: &Context<'_>) -> Result<Edit, Denied> {
        header::edit(self, header, context)
    }

    /// Whether an address in plain form is the mailbox or one that it may send as.
    fn owns(&self, plain: &str) -> bool {
        plain.eq_ignore_ascii_case(&self.own) || pattern::any_covers(&self.rules.send_as, plain)
    }
}
