//! Reading command lines (RFC 5321 section 4.1), as strictly as the RFC allows.

use super::message::{Body, Envelope, Recipient};

/// A command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    /// EHLO, with the client's name.
    Ehlo(String),
    /// HELO, with the client's name.
    Helo(String),
    /// STARTTLS.
    StartTls,
    /// AUTH, with the mechanism in capitals and the initial response.
    Auth(String, Option<String>),
    /// MAIL, as an envelope without recipients.
    Mail(Envelope),
    /// RCPT.
    Rcpt(Recipient),
    /// DATA.
    Data,
    /// BDAT, with the chunk's octets and whether it is the last.
    Bdat(usize, bool),
    /// RSET.
    Rset,
    /// NOOP.
    Noop,
    /// VRFY.
    Vrfy,
    /// HELP.
    Help,
    /// QUIT.
    Quit,
}

/// Why a line is no command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum BadCommand {
    /// The word is unknown.
    Unknown(String),
    /// The argument is missing, or one too many.
    Arguments,
    /// The argument of MAIL or RCPT is no address in angle brackets.
    Address,
}

impl Command {
    /// Reads a line without its CRLF.
    pub(super) fn parse(line: &str) -> Result<Self, BadCommand> {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        let bare = |command: Self| match rest {
            "" => Ok(command),
            _ => Err(BadCommand::Arguments),
        };
        let name = || match rest.trim() {
            "" => Err(BadCommand::Arguments),
            name => Ok(name.to_owned()),
        };
        match word.to_ascii_uppercase().as_str() {
            "EHLO" => name().map(Self::Ehlo),
            "HELO" => name().map(Self::Helo),
            "STARTTLS" => bare(Self::StartTls),
            "AUTH" => auth(rest),
            "MAIL" => mail(rest).map(Self::Mail),
            "RCPT" => rcpt(rest).map(Self::Rcpt),
            "DATA" => bare(Self::Data),
            "BDAT" => bdat(rest),
            "RSET" => bare(Self::Rset),
            "NOOP" => Ok(Self::Noop),
            "VRFY" => Ok(Self::Vrfy),
            "HELP" => Ok(Self::Help),
            "QUIT" => bare(Self::Quit),
            _ => Err(BadCommand::Unknown(word.to_owned())),
        }
    }

    /// Whether it must be the last of a group: the client has to await its reply before it says
    /// more (RFC 2920 section 3.1; RFC 3207 section 4; RFC 4954 section 4).
    pub(super) fn ends_group(&self) -> bool {
        match self {
            Self::Ehlo(_)
            | Self::Helo(_)
            | Self::StartTls
            | Self::Auth(_, _)
            | Self::Data
            | Self::Noop
            | Self::Vrfy
            | Self::Quit => true,
            Self::Mail(_) | Self::Rcpt(_) | Self::Bdat(_, _) | Self::Rset | Self::Help => false,
        }
    }
}

fn auth(rest: &str) -> Result<Command, BadCommand> {
    let mut words = rest.split(' ');
    let mechanism = words.next().filter(|word| !word.is_empty()).ok_or(BadCommand::Arguments)?;
    let initial = words.next().map(str::to_owned);
    match words.next() {
        None => Ok(Command::Auth(mechanism.to_ascii_uppercase(), initial)),
        Some(_) => Err(BadCommand::Arguments),
    }
}

fn bdat(rest: &str) -> Result<Command, BadCommand> {
    let (octets, last) = match rest.split_once(' ') {
        Some((octets, word)) if word.eq_ignore_ascii_case("LAST") => (octets, true),
        Some(_) => return Err(BadCommand::Arguments),
        None => (rest, false),
    };
    let octets = octets.parse().map_err(|_| BadCommand::Arguments)?;
    Ok(Command::Bdat(octets, last))
}

fn mail(rest: &str) -> Result<Envelope, BadCommand> {
    let (path, parameters) = path(rest, "FROM:")?;
    let mut envelope = Envelope { sender: (!path.is_empty()).then_some(path), ..Envelope::default() };
    for parameter in parameters {
        match (parameter.0.as_str(), parameter.1) {
            ("BODY", kind) => envelope.body = body(kind)?,
            ("SMTPUTF8", "") => envelope.smtputf8 = true,
            ("SIZE", size) => envelope.size = Some(size.parse().map_err(|_| BadCommand::Arguments)?),
            ("RET", ret @ ("FULL" | "HDRS")) => envelope.ret = Some(ret.to_owned()),
            ("ENVID", id) if !id.is_empty() => envelope.envid = Some(id.to_owned()),
            ("AUTH", who) if !who.is_empty() => {}
            _ => return Err(BadCommand::Arguments),
        }
    }
    Ok(envelope)
}

fn rcpt(rest: &str) -> Result<Recipient, BadCommand> {
    let (address, parameters) = path(rest, "TO:")?;
    if address.is_empty() {
        return Err(BadCommand::Address);
    }
    let mut recipient = Recipient { address, ..Recipient::default() };
    for parameter in parameters {
        match (parameter.0.as_str(), parameter.1) {
            ("NOTIFY", "NEVER") => recipient.notify = Some("NEVER".to_owned()),
            ("NOTIFY", list) if list.split(',').all(|w| ["SUCCESS", "FAILURE", "DELAY"].contains(&w)) => {
                recipient.notify = Some(list.to_owned());
            }
            ("ORCPT", address) if address.contains(';') => recipient.orcpt = Some(address.to_owned()),
            _ => return Err(BadCommand::Arguments),
        }
    }
    Ok(recipient)
}

fn body(kind: &str) -> Result<Body, BadCommand> {
    match kind.to_ascii_uppercase().as_str() {
        "7BIT" => Ok(Body::SevenBit),
        "8BITMIME" => Ok(Body::EightBitMime),
        "BINARYMIME" => Ok(Body::BinaryMime),
        _ => Err(BadCommand::Arguments),
    }
}

/// A parameter: its keyword in capitals, and its value or nothing.
type Parameter<'a> = (String, &'a str);

/// Splits `FROM:<path> KEY=VALUE …`. No space may stand before the `<` (RFC 5321 section 3.3).
fn path<'a>(rest: &'a str, word: &str) -> Result<(String, Vec<Parameter<'a>>), BadCommand> {
    let head = rest.get(..word.len()).filter(|head| head.eq_ignore_ascii_case(word));
    let after = &rest[head.ok_or(BadCommand::Arguments)?.len()..];
    let inner = after.strip_prefix('<').ok_or(BadCommand::Address)?;
    let mut quoted = false;
    let end = inner
        .char_indices()
        .find(|&(at, c)| {
            quoted ^= c == '"' && !inner[..at].ends_with('\\');
            c == '>' && !quoted
        })
        .map(|(at, _)| at)
        .ok_or(BadCommand::Address)?;
    let path = &inner[..end];
    if !path.is_empty() && !is_address(path) {
        return Err(BadCommand::Address);
    }
    let parameters = match &inner[end + 1..] {
        "" => Vec::new(),
        text => {
            let list = text.strip_prefix(' ').ok_or(BadCommand::Arguments)?;
            let parameter = |one: &'a str| {
                let (key, value) = one.split_once('=').unwrap_or((one, ""));
                (key.to_ascii_uppercase(), value)
            };
            list.split(' ').map(parameter).collect()
        }
    };
    Ok((path.to_owned(), parameters))
}

fn is_address(path: &str) -> bool {
    path.rsplit_once('@').is_some_and(|(local, domain)| {
        !local.is_empty()
            && local.len() <= 64
            && !domain.is_empty()
            && domain.len() <= 255
            && !domain.contains(['@', '<', '>'])
            && !path.contains(|c: char| c.is_whitespace() || c.is_control())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_parameters_of_mail_and_rcpt() {
        let line = "mail from:<a@b.c> SIZE=10 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=x+2B AUTH=<>";
        let Ok(Command::Mail(envelope)) = Command::parse(line) else { panic!("{line}") };
        assert_eq!(envelope.sender.as_deref(), Some("a@b.c"));
        assert_eq!((envelope.size, envelope.body, envelope.smtputf8), (Some(10), Body::EightBitMime, true));
        assert_eq!((envelope.ret.as_deref(), envelope.envid.as_deref()), (Some("HDRS"), Some("x+2B")));

        let line = "RCPT TO:<\"a > b\"@c> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a@b";
        assert_eq!(Command::parse(line), Err(BadCommand::Address), "spaces are not for the lab");
        let Ok(Command::Rcpt(recipient)) = Command::parse(&line.replace(" > ", ">")) else {
            panic!("{line}")
        };
        assert_eq!(recipient.address, "\"a>b\"@c");
        assert_eq!(recipient.notify.as_deref(), Some("SUCCESS,DELAY"));
    }

    #[test]
    fn the_null_sender_is_a_sender_and_no_recipient() {
        assert_eq!(Command::parse("MAIL FROM:<>"), Ok(Command::Mail(Envelope::default())));
        assert_eq!(Command::parse("RCPT TO:<>"), Err(BadCommand::Address));
    }

    #[test]
    fn refuses_what_the_rfc_refuses() {
        for line in [
            "MAIL",
            "MAIL FROM",
            "MAIL FROM:<a@b> ",
            "MAIL FROM:<a@b>SIZE=1",
            "MAIL FROM:<a@b> SIZE=x",
            "MAIL FROM:<a@b> BODY=9BIT",
            "MAIL FROM:<a@b> FOO=1",
            "RCPT TO:<a@b> NOTIFY=NEVER,SUCCESS",
            "RCPT TO:<a@b> ORCPT=a@b",
            "DATA x",
            "BDAT",
            "BDAT x LAST",
            "BDAT 1 FIRST",
            "EHLO",
            "AUTH",
            "AUTH XOAUTH2 a b",
            "STARTTLS now",
            "QUIT now",
        ] {
            assert_eq!(Command::parse(line), Err(BadCommand::Arguments), "{line:?}");
        }
        for line in ["MAIL FROM: <a@b>", "MAIL FROM:a@b", "MAIL FROM:<a@b", "MAIL FROM:<a>", "RCPT TO:<@b>"] {
            assert_eq!(Command::parse(line), Err(BadCommand::Address), "{line:?}");
        }
        assert_eq!(Command::parse("FOO bar"), Err(BadCommand::Unknown("FOO".to_owned())));
        assert_eq!(Command::parse(""), Err(BadCommand::Unknown(String::new())));
    }
}
