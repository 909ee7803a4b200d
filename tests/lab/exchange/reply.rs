//! Every reply that the lab's Exchange gives by itself, in the words of the fact sheet (B and C).

mod routes;

use crate::lab::stamp;
use jiff::Timestamp;

pub(super) use routes::{
    bad_token_data, internal_only, no_direct_send, queued, relay_denied, token_ends_soon, too_fast,
    unable_to_relay, wrong_credentials,
};

/// A reply: a code and one or more lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reply {
    code: u16,
    lines: Vec<String>,
}

impl Reply {
    pub(super) fn new(code: u16, line: impl Into<String>) -> Self {
        Self { code, lines: vec![line.into()] }
    }

    pub(super) fn lines(code: u16, lines: Vec<String>) -> Self {
        Self { code, lines }
    }

    /// The text of the last line.
    pub(super) fn text(&self) -> &str {
        self.lines.last().map_or("", String::as_str)
    }

    /// The lines as they go out, without their CRLF.
    pub(super) fn wire_lines(&self) -> impl Iterator<Item = String> {
        let last = self.lines.len().saturating_sub(1);
        self.lines.iter().enumerate().map(move |(at, line)| {
            let separator = if at == last { ' ' } else { '-' };
            format!("{}{separator}{line}", self.code)
        })
    }
}

/// What stands behind greetings and refusals, for support to look up.
#[derive(Clone, Debug)]
pub(super) struct Host {
    pub(super) name: String,
    pub(super) session: String,
    /// The client's address.
    pub(super) peer: String,
}

impl Host {
    fn trace(&self) -> String {
        format!("[{} {} {}]", self.name, stamp::exchange(Timestamp::now()), self.session)
    }
}

pub(super) fn greeting(host: &Host) -> Reply {
    let now = stamp::banner(Timestamp::now());
    let Host { name, session, .. } = host;
    Reply::new(220, format!("{name} Microsoft ESMTP MAIL Service ready at {now} [{session}]"))
}

/// EHLO's list without the extensions in `without`, and the keywords that it leaves out; within TLS with
/// mechanisms, else with STARTTLS.
pub(super) fn hello(
    host: &Host,
    size: u64,
    mechanisms: Option<&str>,
    without: impl Fn(&str) -> bool,
) -> (Reply, Vec<&'static str>) {
    let third = match mechanisms {
        Some(mechanisms) => ("AUTH", format!(" {mechanisms}")),
        None => ("STARTTLS", String::new()),
    };
    let list = [
        ("SIZE", format!(" {size}")),
        ("PIPELINING", String::new()),
        ("DSN", String::new()),
        ("ENHANCEDSTATUSCODES", String::new()),
        third,
        ("8BITMIME", String::new()),
        ("BINARYMIME", String::new()),
        ("CHUNKING", String::new()),
        ("SMTPUTF8", String::new()),
    ];
    let (mut lines, mut withheld) = (vec![format!("{} Hello [{}]", host.name, host.peer)], Vec::new());
    for (keyword, rest) in list {
        if without(keyword) {
            withheld.push(keyword);
        } else {
            lines.push(format!("{keyword}{rest}"));
        }
    }
    (Reply::lines(250, lines), withheld)
}

pub(super) fn helo(host: &Host) -> Reply {
    Reply::new(250, format!("{} Hello [{}]", host.name, host.peer))
}

pub(super) fn ready_for_tls() -> Reply {
    Reply::new(220, "2.0.0 SMTP server ready")
}

pub(super) fn one_starttls() -> Reply {
    Reply::new(503, "5.5.2 Only one STARTTLS command can be issued per session")
}

pub(super) fn signed_in() -> Reply {
    Reply::new(235, "2.7.0 Authentication successful")
}

/// Every refusal of a token looks like this; the reason is the server's own affair.
pub(super) fn unsuccessful(host: &Host) -> Reply {
    Reply::new(535, format!("5.7.3 Authentication unsuccessful {}", host.trace()))
}

/// Refused with a stated reason.
pub(super) fn unsuccessful_because(host: &Host, reason: &str) -> Reply {
    Reply::new(535, format!("5.7.139 Authentication unsuccessful, {reason} {}", host.trace()))
}

/// An empty challenge, or one of SASL LOGIN in base64.
pub(super) fn challenge(text: &str) -> Reply {
    Reply::new(334, text)
}

pub(super) fn cancelled() -> Reply {
    Reply::new(501, "5.7.0 Authentication cancelled")
}

pub(super) fn auth_line_too_long() -> Reply {
    Reply::new(500, "5.5.6 Authentication exchange line is too long")
}

pub(super) fn unrecognized_mechanism() -> Reply {
    Reply::new(504, "5.7.4 Unrecognized authentication type")
}

pub(super) fn already_signed_in() -> Reply {
    Reply::new(503, "5.5.2 Already authenticated")
}

pub(super) fn starttls_first() -> Reply {
    Reply::new(530, "5.7.0 Must issue a STARTTLS command first")
}

/// MAIL without AUTH; a refusal that came before is repeated in it.
pub(super) fn not_authenticated(host: &Host, earlier: Option<&str>) -> Reply {
    let detail = match earlier {
        Some(refusal) => format!("[Error: 535 {refusal}]"),
        None => host.trace(),
    };
    Reply::new(530, format!("5.7.57 Client not authenticated to send mail. {detail}"))
}

pub(super) fn sender_ok() -> Reply {
    Reply::new(250, "2.1.0 Sender OK")
}

pub(super) fn recipient_ok() -> Reply {
    Reply::new(250, "2.1.5 Recipient OK")
}

pub(super) fn go_ahead() -> Reply {
    Reply::new(354, "Start mail input; end with <CRLF>.<CRLF>")
}

pub(super) fn chunk_ok(octets: usize) -> Reply {
    Reply::new(250, format!("2.6.0 CHUNK received OK, {octets} octets"))
}

pub(super) fn taken(id: &str, host: &Host) -> Reply {
    Reply::new(250, format!("2.0.0 OK {id} [Hostname={}]", host.name))
}

pub(super) fn reset() -> Reply {
    Reply::new(250, "2.0.0 Resetting")
}

pub(super) fn noop() -> Reply {
    Reply::new(250, "2.0.0 OK")
}

pub(super) fn cannot_verify() -> Reply {
    Reply::new(252, "2.1.5 Cannot VRFY user")
}

pub(super) fn help() -> Reply {
    Reply::new(
        214,
        "2.0.0 This server supports the following commands: HELO EHLO STARTTLS RCPT DATA RSET MAIL QUIT HELP AUTH BDAT",
    )
}

pub(super) fn bye() -> Reply {
    Reply::new(221, "2.0.0 Service closing transmission channel")
}

pub(super) fn hello_first() -> Reply {
    Reply::new(503, "5.5.2 Send hello first")
}

pub(super) fn mail_first() -> Reply {
    Reply::new(503, "5.5.2 Need mail command")
}

pub(super) fn rcpt_first() -> Reply {
    Reply::new(503, "5.5.2 Need rcpt command")
}

pub(super) fn sender_already() -> Reply {
    Reply::new(503, "5.5.2 Sender already specified")
}

/// DATA and BDAT do not mix, and BINARYMIME needs BDAT (RFC 3030 section 3).
pub(super) fn wrong_transfer() -> Reply {
    Reply::new(503, "5.5.1 Bad sequence of commands")
}

pub(super) fn unknown_command(word: &str, host: &Host) -> Reply {
    let word: String = word.chars().filter(char::is_ascii_graphic).take(32).collect();
    Reply::new(500, format!("5.3.3 Unrecognized command '{word}' {}", host.trace()))
}

pub(super) fn bad_arguments() -> Reply {
    Reply::new(501, "5.5.4 Invalid arguments")
}

pub(super) fn bad_address() -> Reply {
    Reply::new(501, "5.1.7 Invalid address")
}

/// An address in UTF-8 without SMTPUTF8 (RFC 6531 section 3.5).
pub(super) fn address_needs_smtputf8() -> Reply {
    Reply::new(553, "5.6.7 Non-ASCII address without SMTPUTF8")
}

pub(super) fn line_too_long() -> Reply {
    Reply::new(500, "5.5.2 Command line too long")
}

pub(super) fn too_many_recipients() -> Reply {
    Reply::new(452, "4.5.3 Too many recipients")
}

pub(super) fn too_large() -> Reply {
    Reply::new(552, "5.3.4 Message size exceeds fixed maximum message size")
}

pub(super) fn bare_linefeeds() -> Reply {
    Reply::new(
        550,
        "5.6.11 SMTPSEND.BareLinefeedsAreIllegal; message contains bare linefeeds, which cannot be sent via DATA and receiving system does not support BDAT",
    )
}

pub(super) fn no_from() -> Reply {
    Reply::new(
        550,
        "5.7.512 Access denied, message must be RFC 5322 section 3.6.2 compliant and include a valid From address",
    )
}

pub(super) fn send_as_denied(mailbox: &str, address: &str, host: &Host) -> Reply {
    let ascii = |text: &str| text.chars().filter(char::is_ascii_graphic).take(120).collect::<String>();
    Reply::new(
        554,
        format!(
            "5.2.252 SendAsDenied; {} not allowed to send as {}; STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied; Failed to process message due to a permanent exception with message Cannot submit message. [Hostname={}]",
            ascii(mailbox),
            ascii(address),
            host.name
        ),
    )
}

pub(super) fn no_permission_to_send_as() -> Reply {
    Reply::new(550, "5.7.60 Client does not have permissions to send as this sender")
}

pub(super) fn too_many_connections(host: &Host) -> Reply {
    Reply::new(
        432,
        format!(
            "4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending for more information. [Hostname={}]",
            host.name
        ),
    )
}

pub(super) fn quota_exceeded(host: &Host) -> Reply {
    Reply::new(
        554,
        format!(
            "5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException; Failed to process message due to a permanent exception with message The message can't be submitted because the sender's submission quota was exceeded. [Hostname={}]",
            host.name
        ),
    )
}

pub(super) fn timed_out() -> Reply {
    Reply::new(421, "4.4.1 Connection timed out")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host() -> Host {
        Host {
            name: "LAB1.smtp.lab.test".to_owned(),
            session: "08DE2A6028D26C22".to_owned(),
            peer: "172.105.184.101".to_owned(),
        }
    }

    fn list(tls: bool) -> String {
        hello(&host(), 157_286_400, tls.then_some("LOGIN XOAUTH2"), |_| false)
            .0
            .wire_lines()
            .collect::<Vec<_>>()
            .join("\n")
    }

    #[test]
    fn ehlo_lists_what_the_real_server_lists() {
        let plain = "250-LAB1.smtp.lab.test Hello [172.105.184.101]\n250-SIZE 157286400\n250-PIPELINING\n250-DSN\n\
                     250-ENHANCEDSTATUSCODES\n250-STARTTLS\n250-8BITMIME\n250-BINARYMIME\n250-CHUNKING\n250 SMTPUTF8";
        assert_eq!(list(false), plain);
        assert_eq!(list(true), plain.replace("STARTTLS", "AUTH LOGIN XOAUTH2"));
    }

    #[test]
    fn every_enhanced_code_matches_its_basic_one_and_every_line_fits() {
        let host = host();
        for reply in [
            ready_for_tls(),
            one_starttls(),
            signed_in(),
            unsuccessful(&host),
            unsuccessful_because(&host, "x."),
            cancelled(),
            auth_line_too_long(),
            unrecognized_mechanism(),
            already_signed_in(),
            starttls_first(),
            not_authenticated(&host, Some(unsuccessful(&host).text())),
            sender_ok(),
            recipient_ok(),
            chunk_ok(1),
            taken("<a@b>", &host),
            queued("<a@b>", 1, &host),
            token_ends_soon(),
            bad_token_data(),
            internal_only(),
            relay_denied(&host),
            unable_to_relay(),
            no_direct_send(&host),
            too_fast(),
            wrong_credentials(),
            reset(),
            noop(),
            cannot_verify(),
            help(),
            bye(),
            hello_first(),
            mail_first(),
            rcpt_first(),
            sender_already(),
            wrong_transfer(),
            unknown_command("\u{7}x", &host),
            bad_arguments(),
            bad_address(),
            address_needs_smtputf8(),
            line_too_long(),
            too_many_recipients(),
            too_large(),
            bare_linefeeds(),
            no_from(),
            send_as_denied("a@b", "c@d", &host),
            no_permission_to_send_as(),
            too_many_connections(&host),
            quota_exceeded(&host),
            timed_out(),
        ] {
            for line in reply.wire_lines() {
                assert_eq!(line.as_bytes()[0], line.as_bytes()[4], "{line}");
                assert!(line.len() <= 510 && line.is_ascii(), "{line}");
            }
        }
    }
}
