use super::*;

/// Reads all of the input in pieces of `step` octets.
fn read(input: &[u8], step: usize) -> Result<Vec<Lines>, &'static str> {
    let mut reader = ReplyReader::default();
    let mut found = Vec::new();
    for mut piece in input.chunks(step) {
        while !piece.is_empty() {
            found.extend(reader.feed(&mut piece)?);
        }
    }
    Ok(found)
}

fn cleaned(wire: &str) -> UpstreamReply {
    read(wire.as_bytes(), 5).unwrap().pop().unwrap().into()
}

#[test]
fn reads_replies_however_they_are_cut() {
    let wire = b"220 hi\r\n250-one\r\n250-\r\n250 three\r\n354\r\n";
    for step in 1..=wire.len() {
        let replies = read(wire, step).unwrap();
        let texts: Vec<_> = replies.iter().map(|r| (r.code, r.texts.join("|"))).collect();
        let expected = [(220, "hi"), (250, "one||three"), (354, "")].map(|(c, t)| (c, t.to_owned()));
        assert_eq!(texts, expected, "in pieces of {step}");
    }
}

#[test]
fn refuses_what_is_no_reply() {
    for (wire, error) in [
        ("hello\r\n", "something came that is no reply"),
        ("\r\n", "something came that is no reply"),
        ("25\r\n", "something came that is no reply"),
        ("150 x\r\n", "something came that is no reply"),
        ("650 x\r\n", "something came that is no reply"),
        ("250x\r\n", "something came that is no reply"),
        ("25\u{661} x\r\n", "something came that is no reply"),
        ("250 x\n", "a reply line does not end with CRLF"),
        ("250-x\r\n251 y\r\n", "the lines of one reply have different codes"),
    ] {
        for step in [1, 3, wire.len()] {
            assert_eq!(read(wire.as_bytes(), step), Err(error), "{wire:?}");
        }
    }
}

#[test]
fn a_line_may_have_2048_octets_and_no_more() {
    let line = |len: usize| format!("250 {}\r\n", "x".repeat(len - 6));
    assert!(read(line(2_048).as_bytes(), 4_096).is_ok());
    for step in [1, 100, 4_096] {
        assert_eq!(read(line(2_049).as_bytes(), step), Err("a reply line is too long"));
        assert_eq!(read(&[b'x'; 10_000], step), Err("a reply line is too long"));
    }
}

#[test]
fn a_reply_may_have_100_lines_and_64_kib() {
    let lines = |n: usize| "250-x\r\n".repeat(n - 1) + "250 x\r\n";
    assert_eq!(read(lines(100).as_bytes(), 99).unwrap()[0].texts.len(), 100);
    assert_eq!(read(lines(101).as_bytes(), 99), Err("a reply has too many lines"));
    let exactly = |size: usize| {
        let lines = format!("250-{}\r\n", "x".repeat(1_018)).repeat(size / 1_024 - 1);
        let last = size - lines.len() - 6;
        lines + &format!("250 {}\r\n", "x".repeat(last))
    };
    assert!(read(exactly(64 * 1_024).as_bytes(), 1_000).is_ok());
    assert_eq!(read(exactly(64 * 1_024 + 1).as_bytes(), 1_000), Err("a reply is too long"));
    let long = format!("250-{}\r\n", "x".repeat(2_000)).repeat(40);
    assert_eq!(read(long.as_bytes(), 1_000), Err("a reply is too long"));
    let two_long = (format!("250-{}\r\n", "x".repeat(2_000)).repeat(30) + "250 x\r\n").repeat(2);
    assert_eq!(read(two_long.as_bytes(), 1_000).unwrap().len(), 2);
}

#[test]
fn joins_the_lines_and_lifts_the_enhanced_code_out() {
    let reply = cleaned("550-5.7.60 SMTP; Client does not\r\n550 5.7.60  have permissions\t[a.b]\r\n");
    assert_eq!(reply.enhanced.unwrap().to_string(), "5.7.60");
    assert_eq!(reply.text, "SMTP; Client does not have permissions [a.b]");
    let reply = cleaned("432 4.3.2\r\n");
    assert_eq!((reply.enhanced.unwrap().to_string().as_str(), reply.text.as_str()), ("4.3.2", ""));
    let reply = cleaned("550-5.7.1 one\r\n550 5.1.1 another\r\n");
    assert_eq!(reply.enhanced.unwrap().to_string(), "5.7.1");
    assert_eq!(reply.text, "one 5.1.1 another");
    let reply = cleaned("554 no code here 5.1.1\r\n");
    assert_eq!((reply.enhanced, reply.text.as_str()), (None, "no code here 5.1.1"));
    let reply = cleaned("554 1.2.3 1.2 5.7.1.1 hosts\r\n");
    assert_eq!((reply.enhanced, reply.text.as_str()), (None, "1.2.3 1.2 5.7.1.1 hosts"));
}

#[test]
fn keeps_no_control_characters_and_not_too_much() {
    assert_eq!(cleaned("550 a\u{0}b\u{1b}[31mc\u{85}d\r\n").text, "a b [31mc d");
    let long = format!("550-{0}\r\n550 {0}\r\n", "ü".repeat(400));
    let text = cleaned(&long).text;
    assert!(text.len() <= 1_000 && text.len() > 990, "{}", text.len());
}

#[test]
fn one_reply_is_read_when_it_is_whole_and_more_than_one_is_not() {
    assert_eq!(UpstreamReply::read(b"250-a\r\n250"), Ok(None));
    let reply = UpstreamReply::read(b"250-2.1.0 a\r\n250 2.1.0 b\r\n").unwrap().unwrap();
    assert_eq!((reply.code, reply.text.as_str()), (250, "a b"));
    assert!(UpstreamReply::read(b"250 a\r\n250 b\r\n").is_err());
    assert!(UpstreamReply::read(b"HTTP/1.1 400\r\n").is_err());
}
