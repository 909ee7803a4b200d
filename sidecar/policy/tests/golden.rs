//! Whole messages in and out, under `headerFrom: Rewrite`; the files' line ends stand for CRLF.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "clippy.toml allows it in test functions, not in what they call"
)]

use std::{fs, path::Path};

use mail_egress_config::{ForeignFrom, Rules};
use mail_egress_policy::{Context, Policy};

fn leaves(message: &str) -> String {
    let rules = Rules { header_from: ForeignFrom::Rewrite, ..Rules::default() };
    let context = Context {
        now: "2026-11-23T06:39:39Z".parse().unwrap(),
        message_id: "queue@contoso.com",
        received: "Received: from localhost;\r\n\tMon, 23 Nov 2026 06:39:39 +0000\r\n",
    };
    let section = message.find("\r\n\r\n").map_or(message.len(), |end| end + 4);
    let policy = Policy::new("billing@contoso.com", &rules);
    let edit = policy.header(&message.as_bytes()[..section], &context).unwrap();
    let rest = &message[usize::try_from(edit.replaces).unwrap()..];
    String::from_utf8(edit.head).unwrap() + rest
}

#[test]
fn every_message_leaves_as_its_file_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let mut seen = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|it| it == "in") {
            let read = |path: &Path| fs::read_to_string(path).unwrap().replace('\n', "\r\n");
            assert_eq!(leaves(&read(&path)), read(&path.with_extension("out")), "{}", path.display());
            seen += 1;
        }
    }
    assert!(seen >= 6, "only {seen} messages were found");
}
