//! Whom a header names as recipients.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy.toml allows it in test functions, not in what they call"
)]

use mail_egress_policy::{is_same, named};

fn recipients(header: &str) -> Result<Vec<String>, &'static str> {
    named(header.as_bytes()).map(|named| named.recipients).map_err(|denied| denied.diagnosis().reason)
}

#[test]
fn every_way_to_write_a_list_is_read() {
    for (header, addresses) in [
        ("Subject: x\r\n\r\n", vec![]),
        ("To: a@x.test\r\n", vec!["a@x.test"]),
        ("To: a@x.test, b@x.test\r\nCC: c@x.test\r\n\r\n", vec!["a@x.test", "b@x.test", "c@x.test"]),
        ("To: \"Doe, Jane\" <a@x.test>,\r\n\tJohn (the, other) <b@x.test>\r\n", vec!["a@x.test", "b@x.test"]),
        ("To: undisclosed-recipients:;\r\n", vec![]),
        ("To: Team: a@x.test, B <b@x.test>;\r\n", vec!["a@x.test", "b@x.test"]),
        ("To: Team: a@x.test;, Other:;\r\nBcc: c@x.test\r\n", vec!["a@x.test", "c@x.test"]),
        ("To: =?utf-8?q?J=C3=B6rg=2C?= <a@x.test>\r\n", vec!["a@x.test"]),
        ("To: J\u{f6}rg <j\u{f6}rg@b\u{fc}cher.test>\r\n", vec!["j\u{f6}rg@b\u{fc}cher.test"]),
        ("To: a@x.test,\r\nTo: b@x.test\r\n", vec!["a@x.test", "b@x.test"]),
    ] {
        let expected: Vec<_> = addresses.into_iter().map(str::to_owned).collect();
        assert_eq!(recipients(header), Ok(expected), "{header}");
    }
}

#[test]
fn what_could_be_read_in_two_ways_is_refused() {
    for value in [
        "a@x.test b@x.test",
        "a@x.test <b@x.test>",
        "<a@x.test> <b@x.test>",
        "<a@x.test>, b@x.test>",
        "\"a@x.test",
        "(a@x.test",
        "a@x.test; b@x.test",
        "a@x.test: b@x.test;",
        "Team: a@x.test",
        "Team: Other: a@x.test;;",
        "Team: a@x.test; b@x.test",
        "name",
        "=?utf-8?q?a=40x.test?=",
        "a@x.test\\, b@x.test",
        "<@relay.test:a@x.test>",
    ] {
        let header = format!("To: {value}\r\n");
        assert_eq!(recipients(&header), Err("HeaderRecipientsUnclear"), "{value}");
    }
    assert_eq!(recipients("To: a@x.test\r\nTo : b@x.test\r\n"), Err("HeaderMalformed"));
}

#[test]
fn bcc_and_resent_fields_are_noticed() {
    let found = |header: &str| named(header.as_bytes()).map(|it| (it.blind, it.resent)).unwrap();
    assert_eq!(found("To: a@x.test\r\n"), (false, false));
    assert_eq!(found("BCC:\r\nResent-To: a@x.test\r\n"), (true, true));
}

#[test]
fn addresses_are_compared_as_exchange_does() {
    assert!(is_same("A@X.test", "a@x.TEST") && is_same("\"a\"@x.test", "a@x.test."));
    assert!(!is_same("a@x.test", "b@x.test") && !is_same("a.b@x.test", "ab@x.test"));
    assert!(is_same("a%b@x", "A%b@x") && !is_same("a%b@x", "a@x"));
}

/// What looks like an address outside quotes and comments, by a reader that knows nothing else.
fn seen_by_anybody(value: &str) -> Vec<String> {
    let (mut plain, mut quoted, mut depth, mut escaped) = (String::new(), false, 0, false);
    for c in value.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted || depth > 0 => escaped = true,
            '"' if depth == 0 => quoted = !quoted,
            '(' if !quoted => depth += 1,
            ')' if !quoted && depth > 0 => depth -= 1,
            _ if quoted || depth > 0 => {}
            c => plain.push(c),
        }
    }
    let ends = |c: char| c.is_whitespace() || "<>,;:".contains(c);
    plain.split(ends).filter(|it| it.contains('@')).map(str::to_owned).collect()
}

#[test]
fn whatever_is_let_through_hides_no_address_from_anybody() {
    const PIECES: [&str; 18] = [
        "a@x.test",
        "<b@x.test>",
        "<c@x.test>",
        "d@x.test",
        ",",
        ", ",
        ";",
        ":",
        " ",
        "\r\n ",
        "\"",
        "(",
        ")",
        "name",
        "\\",
        "<",
        ">",
        "=?utf-8?q?e=40x?=",
    ];
    let seed = std::env::var("SEED").ok().and_then(|it| it.parse().ok()).unwrap_or(0x5eed_2026_1125_u64);
    println!("seed {seed}");
    let mut state = seed;
    let mut below = |end: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % end as u64).unwrap()
    };
    let mut through = 0;
    for _ in 0..100_000 {
        let value: String = (0..below(9)).map(|_| PIECES[below(PIECES.len())]).collect();
        let Ok(found) = recipients(&format!("To: {value}\r\n")) else { continue };
        through += usize::from(!found.is_empty());
        assert_eq!(found, seen_by_anybody(&value), "seed {seed}: {value:?}");
    }
    assert!(through > 2_000, "{through} went through");
}
