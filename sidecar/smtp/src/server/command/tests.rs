use super::*;
use crate::{BodyType, ReversePath};

fn mail_of(line: &str) -> Mail {
    match parse(line.as_bytes()) {
        Ok(Command::Mail(mail)) => mail,
        other => panic!("{line}: {other:?}"),
    }
}

fn refusal_of(line: &str) -> Reply {
    parse(line.as_bytes()).expect_err(line)
}

#[test]
fn reads_commands_in_any_case_and_with_spaces_behind() {
    for (line, command) in [
        ("ehlo app", Command::Ehlo),
        ("EHLO [127.0.0.1]", Command::Ehlo),
        ("HELO app", Command::Helo),
        ("data", Command::Data),
        ("Rset  ", Command::Rset),
        ("NOOP and more", Command::Noop),
        ("HELP MAIL", Command::Help),
        ("VRFY ann", Command::Vrfy),
        ("QUIT", Command::Quit),
        ("STARTTLS", Command::StartTls),
        ("BDAT 10 LAST", Command::Bdat(Chunk { octets: 10, last: true })),
        ("bdat 0", Command::Bdat(Chunk { octets: 0, last: false })),
        ("BDAT 18446744073709551616", Command::BadBdat),
        ("BDAT +1 LAST", Command::BadBdat),
        ("BDAT 1 FIRST", Command::BadBdat),
        ("BDAT", Command::BadBdat),
        ("ETRN x", Command::NotOffered),
        ("GET / HTTP/1.1", Command::Http),
        ("auth plain AGEAYg==", Command::Auth { mechanism: "plain", initial: Some("AGEAYg==") }),
        ("AUTH LOGIN", Command::Auth { mechanism: "LOGIN", initial: None }),
    ] {
        assert_eq!(parse(line.as_bytes()), Ok(command), "{line}");
    }
}

#[test]
fn reads_a_sender_with_its_parameters() {
    let mail = mail_of("MAIL FROM:<ann@example.com> SIZE=1000 BODY=8BITMIME SMTPUTF8 AUTH=<>");
    assert_eq!(mail.from.to_string(), "ann@example.com");
    assert_eq!((mail.size, mail.body, mail.smtputf8), (Some(1000), BodyType::EightBitMime, true));
    assert_eq!(mail_of("mail from:<>").from, ReversePath::Null);
    assert_eq!(mail_of("MAIL FROM:<a@b> body=7bit").body, BodyType::SevenBit);
    assert_eq!(mail_of("MAIL FROM:<a@b> SIZE=99999999999999999999").size, Some(u64::MAX));
}

#[test]
fn reads_what_is_to_be_told_of_the_messages_fate() {
    let mail = mail_of("MAIL FROM:<> ret=hdrs ENVID=QQ+2B1");
    let shown = |value: Option<&dyn ToString>| value.map(|it| it.to_string()).unwrap_or_default();
    assert_eq!(shown(mail.dsn.ret.as_ref().map(|it| it as _)), "HDRS");
    assert_eq!(shown(mail.dsn.envid.as_ref().map(|it| it as _)), "QQ+2B1");
    let Ok(Command::Rcpt(rcpt)) = parse(b"RCPT TO:<a@b> Notify=delay,failure ORCPT=rfc822;c@d") else {
        panic!()
    };
    assert_eq!(shown(rcpt.dsn.notify.as_ref().map(|it| it as _)), "FAILURE,DELAY");
    assert_eq!(shown(rcpt.dsn.orcpt.as_ref().map(|it| it as _)), "rfc822;c@d");
}

#[test]
fn lets_pass_what_simple_clients_write() {
    for line in ["MAIL FROM: <a@b>", "MAIL FROM:a@b", "MAIL FROM: a@b SIZE=1", "MAIL  FROM:<@x,@y:a@b>"] {
        assert_eq!(mail_of(line).from.to_string(), "a@b", "{line}");
    }
}

#[test]
fn a_quoted_bracket_does_not_end_the_path() {
    let Ok(Command::Rcpt(rcpt)) = parse(br#"RCPT TO:<"a>\" b"@example.com>"#) else { panic!() };
    assert_eq!(rcpt.to, ForwardPath::Address(r#""a>\" b"@example.com"#.parse().unwrap()));
    // outside of quotes a backslash hides nothing
    assert_eq!(refusal_of(r"RCPT TO:<a\>"), reply::bad_address(true, "the address has no domain"));
}

#[test]
fn the_postmaster_needs_no_domain() {
    for name in ["postmaster", "Postmaster", "POSTMASTER"] {
        let Ok(Command::Rcpt(rcpt)) = parse(format!("RCPT TO:<{name}>").as_bytes()) else { panic!() };
        assert_eq!(rcpt.to, ForwardPath::Postmaster(name.to_owned()));
    }
    let Ok(Command::Rcpt(rcpt)) = parse(b"RCPT TO:<Postmaster@b.test>") else { panic!() };
    assert_eq!(rcpt.to, ForwardPath::Address("Postmaster@b.test".parse().unwrap()));
    // as a sender it is none
    assert_eq!(refusal_of("MAIL FROM:<postmaster>").code(), 501);
}

#[test]
fn refuses_bad_syntax_with_the_fitting_reply() {
    for (line, reply) in [
        ("", reply::UNKNOWN_COMMAND),
        ("FOO", reply::UNKNOWN_COMMAND),
        ("EHLO", reply::HELLO_SYNTAX),
        ("DATA now", reply::NO_ARGUMENT),
        ("QUIT now", reply::NO_ARGUMENT),
        ("AUTH", reply::AUTH_SYNTAX),
        ("AUTH PLAIN a b", reply::AUTH_SYNTAX),
        ("MAIL", reply::MAIL_SYNTAX),
        ("MAIL FROM:", reply::MAIL_SYNTAX),
        ("MAIL TO:<a@b>", reply::MAIL_SYNTAX),
        ("MAIL FROM:<a@b", reply::MAIL_SYNTAX),
        ("MAIL FROM:<a@b>SIZE=1", reply::MAIL_SYNTAX),
        ("MAIL FROM:<@x>", reply::MAIL_SYNTAX),
        ("MAIL FROM:<a@b> SIZE=", reply::PARAMETER_VALUE),
        ("MAIL FROM:<a@b> SIZE=1x", reply::PARAMETER_VALUE),
        ("MAIL FROM:<a@b> SIZE=+1", reply::PARAMETER_VALUE),
        ("MAIL FROM:<a@b> SIZE", reply::PARAMETER_VALUE),
        ("MAIL FROM:<a@b> SIZE=1 size=2", reply::PARAMETER_VALUE),
        ("MAIL FROM:<a@b> SMTPUTF8=yes", reply::PARAMETER_VALUE),
        ("MAIL FROM:<a@b> BODY=9BIT", reply::PARAMETER_VALUE),
        ("MAIL FROM:<a@b> BODY=BINARYMIME", reply::PARAMETER_UNKNOWN),
        ("MAIL FROM:<a@b> BY=120;R", reply::PARAMETER_UNKNOWN),
        ("MAIL FROM:<a@b> NOTIFY=NEVER", reply::PARAMETER_UNKNOWN),
        ("MAIL FROM:<a@b> RET", reply::PARAMETER_VALUE),
        ("MAIL FROM:<a@b> RET=ALL", reply::PARAMETER_VALUE),
        ("MAIL FROM:<a@b> RET=FULL ret=HDRS", reply::PARAMETER_VALUE),
        ("MAIL FROM:<a@b> ENVID=", reply::PARAMETER_VALUE),
        ("MAIL FROM:<a@b> ENVID=a+b", reply::PARAMETER_VALUE),
        ("MAIL FROM:<ä@b>", reply::NEEDS_SMTPUTF8),
        ("RCPT TO:", reply::RCPT_SYNTAX),
        ("RCPT FROM:<a@b>", reply::RCPT_SYNTAX),
        ("RCPT TO:<a@b> RET=FULL", reply::PARAMETER_UNKNOWN),
        ("RCPT TO:<a@b> NOTIFY", reply::PARAMETER_VALUE),
        ("RCPT TO:<a@b> NOTIFY=NEVER,DELAY", reply::PARAMETER_VALUE),
        ("RCPT TO:<a@b> NOTIFY=DELAY NOTIFY=DELAY", reply::PARAMETER_VALUE),
        ("RCPT TO:<a@b> ORCPT=a@b", reply::PARAMETER_VALUE),
        ("NOOP \u{0}", reply::BAD_OCTETS),
        ("NOOP \u{7f}", reply::BAD_OCTETS),
    ] {
        assert_eq!(refusal_of(line), reply, "{line}");
    }
    assert_eq!(parse(b"NOOP \xff"), Err(reply::BAD_OCTETS));
}

#[test]
fn a_bad_address_is_told_from_bad_syntax() {
    assert_eq!(refusal_of("MAIL FROM:<ann>").to_string(), "501 5.1.7 the address has no domain");
    assert_eq!(refusal_of("RCPT TO:<ann>").to_string(), "501 5.1.3 the address has no domain");
    assert_eq!(refusal_of("RCPT TO:<>").to_string(), "501 5.1.3 the address has no domain");
}
