//! The session's own replies, in the order of a dialogue.

use std::borrow::Cow;

use super::{Reply, Status, wrap};
use crate::{
    client::Accepted,
    name::host_name,
    server::{Kept, Taken},
};

macro_rules! status {
    () => {
        None
    };
    ($subject:literal, $detail:literal) => {
        Some(Status::new($subject, $detail))
    };
}

macro_rules! replies {
    ($($(#[$doc:meta])* $visibility:vis $name:ident = $code:literal $(($subject:literal, $detail:literal))? $text:literal;)*) => {
        $($(#[$doc])* $visibility const $name: Reply = Reply {
            code: $code,
            status: status!($($subject, $detail)?),
            text: Cow::Borrowed($text),
        };)*

        /// Every fixed reply, for the test that reads them all.
        #[cfg(test)]
        pub(super) const ALL: &[Reply] = &[$($name),*];
    };
}

replies! {
    /// For the listener: one session more than it serves. To be written in place of a greeting.
    pub TOO_MANY_SESSIONS = 421 (3, 2) "too many sessions at once, try again";
    /// The listener is going away; also said by the session itself.
    pub SHUTTING_DOWN = 421 (3, 2) "the sidecar is shutting down, try again";
    pub(crate) TIMED_OUT = 421 (4, 2) "nothing was said for too long, closing";
    pub(crate) TOO_MANY_ERRORS = 421 (7, 0) "too many errors, closing";
    pub(crate) TOO_EARLY = 421 (5, 1) "more came behind DATA before its reply, closing, since it must not be read as commands";
    pub(crate) MESSAGE_BEHIND_REFUSAL = 421 (5, 1) "DATA was refused and what came is no command, closing, since a message must not be read as commands";
    pub(crate) TOO_MANY_LOGINS = 421 (7, 0) "too many wrong passwords, closing";
    pub(crate) NOT_HTTP = 421 (7, 0) "this is an SMTP server, not a web server, closing";

    pub(crate) HELP = 214 (0, 0) "send mail as usual: EHLO, MAIL, RCPT, DATA or BDAT; also RSET, NOOP, VRFY, AUTH, QUIT";
    pub(crate) BYE = 221 (0, 0) "bye";
    pub(crate) OK = 250 (0, 0) "OK";
    pub(crate) SENDER_OK = 250 (1, 0) "sender taken";
    pub(crate) RECIPIENT_OK = 250 (1, 5) "recipient taken";
    pub(crate) CHUNK_TAKEN = 250 (0, 0) "chunk taken";
    pub(crate) NOT_VERIFIED = 252 (5, 0) "recipients are not verified here, send and see";
    pub(crate) SEND_BODY = 354 "send the message, end it with <CRLF>.<CRLF>";

    pub(crate) AUTHENTICATED = 235 (7, 0) "accepted; this listener asks for no password";
    pub(crate) LOGGED_IN = 235 (7, 0) "logged in";
    /// An empty challenge (RFC 4616).
    pub(crate) CHALLENGE = 334 "";
    /// "Username:" in base64, as LOGIN is commonly spoken.
    pub(crate) CHALLENGE_USER = 334 "VXNlcm5hbWU6";
    /// "Password:" in base64.
    pub(crate) CHALLENGE_PASSWORD = 334 "UGFzc3dvcmQ6";
    pub(crate) AUTH_CANCELLED = 501 (7, 0) "authentication cancelled";
    pub(crate) AUTH_NOT_BASE64 = 501 (5, 2) "that is not base64";
    pub(crate) AUTH_NOT_PLAIN = 501 (5, 2) "that is not what PLAIN says: nothing or the user name, a zero octet, the user name, a zero octet, the password";
    pub(crate) AUTH_TWICE = 503 (5, 1) "already authenticated";
    pub(crate) AUTH_IN_TRANSACTION = 503 (5, 1) "not within a message";
    pub(crate) NO_SUCH_MECHANISM = 504 (5, 4) "only PLAIN, LOGIN and XOAUTH2";
    pub(crate) ONLY_PASSWORDS = 504 (5, 4) "this listener checks a user name and a password: let the app use PLAIN or LOGIN; a token is of no use here, since the sidecar has its own";
    pub(crate) LOGIN_FIRST = 530 (7, 0) "this listener asks for a login: let the app use AUTH PLAIN or AUTH LOGIN with the username and password of the Secret that the pod's annotation mail-egress.io/auth-secret names (without Kubernetes: the files in --auth-dir)";

    pub(crate) UNKNOWN_COMMAND = 500 (5, 1) "no such command";
    pub(crate) LINE_TOO_LONG = 500 (5, 2) "the line is too long";
    pub(crate) BARE_LINE_ENDING = 500 (5, 2) "a command ends with CR LF, not with one of them alone";
    pub(crate) BAD_OCTETS = 500 (5, 2) "the command holds octets that it must not";
    pub(crate) NO_ARGUMENT = 501 (5, 4) "this command takes no argument";
    pub(crate) HELLO_SYNTAX = 501 (5, 4) "say EHLO and your name";
    pub(crate) AUTH_SYNTAX = 501 (5, 4) "say AUTH PLAIN or AUTH LOGIN";
    pub(crate) MAIL_SYNTAX = 501 (5, 4) "say MAIL FROM:<address>";
    pub(crate) RCPT_SYNTAX = 501 (5, 4) "say RCPT TO:<address>";
    pub(crate) PARAMETER_VALUE = 501 (5, 4) "a parameter's value is not valid, or given twice";
    pub(crate) PARAMETER_UNKNOWN = 555 (5, 4) "a parameter is not offered here, see EHLO";
    pub(crate) NEEDS_SMTPUTF8 = 553 (6, 7) "an address with other letters than ASCII needs SMTPUTF8";
    pub(crate) EXPN_REFUSED = 502 (5, 1) "lists are not expanded here";
    pub(crate) NOT_OFFERED = 502 (5, 1) "this command is not offered here, see EHLO";
    pub(crate) STARTTLS_REFUSED = 502 (5, 1) "STARTTLS is not offered: this listener is on the loopback interface only; turn TLS off in the app, the way to the mail server is encrypted by the sidecar";
    pub(crate) BDAT_SYNTAX = 501 (5, 4) "say BDAT and the chunk's octets, then LAST with the last one; closing, since the chunk must not be read as commands";
    pub(crate) WITHIN_CHUNKS = 503 (5, 1) "a message is coming in chunks: BDAT goes on with it, RSET drops it";

    pub(crate) HELLO_FIRST = 503 (5, 1) "say EHLO first";
    pub(crate) MAIL_FIRST = 503 (5, 1) "say MAIL first";
    pub(crate) MAIL_TWICE = 503 (5, 1) "there is a sender already, say RSET to begin anew";
    pub(crate) NO_RECIPIENT = 503 (5, 1) "no recipient was taken, say RCPT first";
    pub(crate) NO_POSTMASTER_YET = 451 (3, 5) "it is not known yet whose postmaster that is, since the sidecar has no mailbox; name the domain, or try again";
    pub(crate) TOO_MANY_RECIPIENTS = 452 (5, 3) "too many recipients, send the others with another message";
    pub(crate) BARE_ENDING_IN_MESSAGE = 550 (6, 0) "the message has a bare CR or LF, and the MailSender refuses such; let the app end its lines with CRLF, or set spec.delivery.bareLineEndings to Normalize";
    pub(crate) TOO_LARGE = 552 (3, 4) "the message is larger than may be sent, see SIZE in the reply to EHLO";
}

/// The greeting; `name` is ours.
pub(crate) fn greeting(name: &str) -> Reply {
    plain(220, format!("{} ESMTP mail-egress", own(name)))
}

/// The answer to HELO.
pub(crate) fn hello(name: &str) -> Reply {
    plain(250, own(name).to_owned())
}

/// The answer to EHLO: what is offered. `size` in octets; `mechanisms` of AUTH.
pub(crate) fn extended_hello(name: &str, size: u64, dsn: bool, mechanisms: &str) -> Reply {
    let (name, dsn) = (own(name), if dsn { "\nDSN" } else { "" });
    plain(
        250,
        format!(
            "{name}\nPIPELINING\n8BITMIME\nSIZE {size}\nSMTPUTF8\nCHUNKING{dsn}\nENHANCEDSTATUSCODES\nAUTH {mechanisms}"
        ),
    )
}

/// A message with a line of more than `most` octets.
pub(crate) fn long_line_in_message(most: usize) -> Reply {
    let text = format!(
        "the message has a line of more than {most} octets; let the app break its lines, or encode the text as quoted-printable or base64"
    );
    Reply { code: 550, status: Some(Status::new(6, 0)), text: text.into() }
}

/// An address that is none; `recipient` tells whose, `why` says what is wrong with it.
pub(crate) fn bad_address(recipient: bool, why: &str) -> Reply {
    let status = if recipient { Status::new(1, 3) } else { Status::new(1, 7) };
    Reply { code: 501, status: Some(status), text: why.to_owned().into() }
}

/// 250 in spool mode: it is on disk, and no relay has it yet.
pub(crate) fn kept(kept: &Kept) -> Reply {
    let text = wrap::printable(&format!("kept on disk as {}, and sent from there", kept.id()));
    Reply { code: 250, status: Some(Status::new(0, 0)), text: text.into() }
}

/// 250 in direct mode: the relay has it, in the relay's own words.
pub(crate) fn accepted(accepted: &Accepted) -> Reply {
    in_words(&accepted.reply().text)
}

/// 250 in direct mode: the route has it, in its own words.
pub(crate) fn taken(taken: &Taken) -> Reply {
    in_words(taken.said())
}

fn in_words(text: &str) -> Reply {
    let text = wrap::printable(text);
    let text = if text.is_empty() { Cow::Borrowed("OK") } else { Cow::Owned(text) };
    Reply { code: 250, status: Some(Status::new(0, 0)), text }
}

fn own(name: &str) -> &str {
    host_name(name, "localhost")
}

fn plain(code: u16, text: String) -> Reply {
    Reply { code, status: None, text: text.into() }
}
