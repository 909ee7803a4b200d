use super::{session::ALL, *};

fn wire(reply: &Reply) -> String {
    let mut out = Vec::new();
    reply.write_to(&mut out);
    String::from_utf8(out).unwrap()
}

/// What RFC 5321 section 4.2 and RFC 2034 ask of every reply.
#[track_caller]
fn is_well_formed(reply: &Reply) {
    let wire = wire(reply);
    let lines: Vec<_> = wire.strip_suffix("\r\n").unwrap().split("\r\n").collect();
    let code = reply.code().to_string();
    for (index, line) in lines.iter().enumerate() {
        assert!(line.len() + 2 <= 512, "{} octets: {line}", line.len() + 2);
        assert!(line.bytes().all(|b| (b' '..=b'~').contains(&b)), "{line:?}");
        let separator = if index + 1 == lines.len() { ' ' } else { '-' };
        assert_eq!(line.split_at(4), (format!("{code}{separator}").as_str(), &line[4..]));
        if let Some(enhanced) = reply.enhanced() {
            assert_eq!(enhanced.class, reply.code() / 100);
            let (read, _) = Enhanced::split_from(&line[4..]).unwrap();
            assert_eq!(read, enhanced, "{line}");
        }
    }
}

#[test]
fn every_reply_of_the_session_is_well_formed() {
    for reply in ALL {
        is_well_formed(reply);
        let plain = matches!(reply.code(), 334 | 354);
        assert_eq!(reply.enhanced().is_none(), plain, "{reply}");
    }
    is_well_formed(&greeting("localhost"));
    is_well_formed(&hello("localhost"));
    is_well_formed(&extended_hello("localhost", u64::MAX, true, "PLAIN LOGIN XOAUTH2"));
    is_well_formed(&long_line_in_message(usize::MAX));
    is_well_formed(&bad_address(true, "the address has no domain"));
    is_well_formed(&bad_address(false, "the address has no domain"));
}

#[test]
fn every_refusal_is_well_formed_whatever_its_text() {
    let codes = [
        NegativeCode::LocalError,
        NegativeCode::InsufficientStorage,
        NegativeCode::NotTaken,
        NegativeCode::TooLarge,
        NegativeCode::TransactionFailed,
    ];
    let texts = [
        String::new(),
        "short".to_owned(),
        "word ".repeat(300),
        "x".repeat(2_000),
        format!("{} {}", "a".repeat(497), "b".repeat(497)),
        "\r\n250 injected\r\n".to_owned(),
        "ünïcödé \u{2028} \u{85} \u{0} \u{7f}".repeat(100),
        "y".repeat(100_000),
    ];
    for code in codes {
        for text in &texts {
            let reply = NegativeReply::new(code, Status::new(7, 512), text);
            is_well_formed(reply.as_reply());
            assert_eq!(reply.is_transient(), code.number() / 100 == 4);
            assert!(matches!(reply.as_reply().code() / 100, 4 | 5));
        }
    }
}

#[test]
fn a_long_text_is_wrapped_at_its_spaces_and_loses_nothing() {
    let text = (0..300).map(|n| format!("word{n}")).collect::<Vec<_>>().join(" ");
    let reply = NegativeReply::new(NegativeCode::LocalError, Status::new(7, 3), &text);
    let shown = reply.as_reply().to_string();
    let lines: Vec<_> = shown.lines().collect();
    assert!(lines.len() > 3 && lines[..lines.len() - 1].iter().all(|l| l.starts_with("451-4.7.3 word")));
    assert!(lines.last().unwrap().starts_with("451 4.7.3 word"));
    let words: Vec<_> = lines.iter().map(|line| &line[10..]).collect();
    assert_eq!(words.join(" "), text);
}

#[test]
fn a_word_longer_than_a_line_is_cut() {
    let reply = NegativeReply::new(NegativeCode::LocalError, Status::new(0, 0), &"x".repeat(1_200));
    let lengths: Vec<_> = reply.as_reply().to_string().lines().map(|line| line.len() - 10).collect();
    assert_eq!(lengths, [500, 500, 200]);
}

#[test]
fn no_text_can_become_a_line_of_its_own() {
    let reply = NegativeReply::new(NegativeCode::LocalError, Status::new(0, 0), "a\r\n250 OK\tb\u{0}c");
    assert_eq!(wire(reply.as_reply()), "451 4.0.0 a 250 OK b c\r\n");
    assert_eq!(reply.as_reply().text(), "a 250 OK b c");
    assert_eq!(format!("{:?}", reply.as_reply()), "Reply(451 4.0.0 a 250 OK b c)");
}

#[test]
fn what_is_not_ascii_is_marked() {
    let reply = NegativeReply::new(NegativeCode::LocalError, Status::new(0, 0), " für  Bücher\u{2003}… ");
    assert_eq!(reply.as_reply().text(), "f?r B?cher ?");
}

#[test]
fn an_empty_challenge_keeps_its_space() {
    // RFC 4954 section 4: "334" SP [base64]
    assert_eq!(wire(&CHALLENGE), "334 \r\n");
}

#[test]
fn offers_each_extension_on_a_line_of_its_own() {
    let expected = "250-mail.shop\n250-PIPELINING\n250-8BITMIME\n250-SIZE 1000\n250-SMTPUTF8\n\
                    250-CHUNKING\n250-DSN\n250-ENHANCEDSTATUSCODES\n250 AUTH PLAIN LOGIN XOAUTH2";
    assert_eq!(extended_hello("mail.shop", 1_000, true, "PLAIN LOGIN XOAUTH2").to_string(), expected);
    let without = expected.replace("250-DSN\n", "");
    assert_eq!(extended_hello("mail.shop", 1_000, false, "PLAIN LOGIN XOAUTH2").to_string(), without);
}

#[test]
fn reads_enhanced_codes() {
    let read = |text| Enhanced::split_from(text).map(|(code, rest)| (code.to_string(), rest));
    assert_eq!(read("5.7.139 Authentication"), Some(("5.7.139".to_owned(), "Authentication")));
    assert_eq!(read("4.3.2"), Some(("4.3.2".to_owned(), "")));
    for none in
        ["", "OK", "3.0.0 x", "5.7 x", "5.7.1.2 x", "5..1 x", "5.7.1000 x", "5.7.1x", "+5.7.1 x", "55.1.1 x"]
    {
        assert_eq!(read(none), None, "{none}");
    }
}
