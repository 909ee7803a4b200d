//! What may happen to a message, and what the next process finds of it.

#![allow(clippy::unwrap_used, reason = "clippy.toml allows it in test functions, not in what they call")]

use std::fs;
use std::io::Read;
use std::path::Path;

use jiff::Timestamp;
use mail_egress_spool::{
    Death, Envelope, Head, Id, Limits, LoadError, OpenError, Progress, Recovered, Spool, SpoolError, Spooled,
};

const WIDE: Limits = Limits { octets: 1 << 30, entries: 1000 };

fn now() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

fn id(text: &str) -> Id {
    text.parse().unwrap()
}

fn head(name: &str) -> Head {
    let envelope = Envelope {
        from: String::new(),
        to: vec!["ann@example.com".to_owned()],
        eight_bit: false,
        smtputf8: false,
        dsn: None,
    };
    Head { id: id(name), accepted_at: now(), message_id: None, envelope }
}

fn open(root: &Path) -> (Spool, Recovered) {
    Spool::open(root, "shop-0", WIDE, now()).unwrap()
}

fn spooled(spool: &Spool, name: &str, content: &[u8]) -> Spooled {
    let mut draft = spool.begin(head(name), 0).unwrap();
    draft.write(content).unwrap();
    draft.commit().unwrap()
}

fn content(spool: &Spool, name: &str) -> Vec<u8> {
    let mut content = Vec::new();
    spool.load(&id(name), |_| ()).unwrap().read_to_end(&mut content).unwrap();
    content
}

fn death(uncertain: bool) -> Death {
    Death { at: now(), reason: "RecipientRefused".into(), sentence: "no".into(), uncertain, attempts: 1 }
}

#[test]
fn the_next_process_finds_messages_by_age_with_what_was_tried() {
    let root = tempfile::tempdir().unwrap();
    let (spool, _) = open(root.path());
    let progress = Progress { attempts: 2, due: now(), reason: "UpstreamBusy".into(), uncertain: false };
    for (name, hours) in [("b", 2), ("a", 1), ("c", 3)] {
        let mut head = head(name);
        head.accepted_at = now() + jiff::SignedDuration::from_hours(hours);
        spool.begin(head, 0).unwrap().commit().unwrap();
    }
    spool.retry(&id("b"), &progress).unwrap();
    spool.dot(&id("c")).unwrap();
    drop(spool);

    let (_spool, found) = open(root.path());
    let names: Vec<_> = found.tickets.iter().map(|it| it.id.to_string()).collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(found.tickets[0].progress, None);
    assert_eq!(found.tickets[1].progress, Some(progress));
    let dotted: Vec<_> = found.tickets.iter().map(|it| it.dotted).collect();
    assert_eq!(dotted, [false, false, true]);
}

#[test]
fn a_draft_that_is_dropped_leaves_nothing() {
    let root = tempfile::tempdir().unwrap();
    let (spool, _) = open(root.path());
    let mut draft = spool.begin(head("a"), 100_000).unwrap();
    draft.write(b"half").unwrap();
    assert!(spool.standing().octets > 100_000);
    drop(draft);
    assert_eq!((spool.standing().entries, spool.standing().octets), (0, 0));
    assert!(!root.path().join("shop-0/a.tmp").exists());
}

#[test]
fn a_dotted_message_is_ready_again_after_a_known_refusal_and_keeps_its_mark_if_tried_again() {
    let root = tempfile::tempdir().unwrap();
    let (spool, _) = open(root.path());
    spooled(&spool, "a", b"text");
    spool.dot(&id("a")).unwrap();
    spool.dot(&id("a")).unwrap();
    let progress = Progress { attempts: 1, due: now(), reason: "UpstreamBusy".into(), uncertain: false };
    spool.retry(&id("a"), &progress).unwrap();
    assert_eq!(content(&spool, "a"), b"text");
    drop(spool);
    let (_spool, found) = open(root.path());
    assert!(!found.tickets[0].dotted);
}

#[test]
fn what_is_done_is_gone_and_what_is_dead_is_kept_with_its_reason() {
    let root = tempfile::tempdir().unwrap();
    let (spool, _) = open(root.path());
    for name in ["a", "b"] {
        spooled(&spool, name, b"text");
        spool.dot(&id(name)).unwrap();
    }
    spool.done(&id("a")).unwrap();
    spool.bury(&id("b"), &death(true)).unwrap();
    assert!(matches!(spool.done(&id("a")), Err(SpoolError::Unknown(_))));
    assert!(matches!(spool.begin(head("b"), 0), Err(SpoolError::Exists(_))));
    let dead = root.path().join("shop-0/dead");
    let verdict: Death = serde_json::from_slice(&fs::read(dead.join("b.json")).unwrap()).unwrap();
    assert_eq!(verdict, death(true));
    assert!(dead.join("b.mail").exists());
    drop(spool);
    let (spool, found) = open(root.path());
    assert!(found.tickets.is_empty());
    assert_eq!((spool.standing().entries, spool.standing().dead), (0, 1));
}

#[test]
fn no_other_user_can_read_mail_or_what_was_said_of_it() {
    use std::os::unix::fs::PermissionsExt;
    let root = tempfile::tempdir().unwrap();
    let (spool, _) = open(root.path());
    spooled(&spool, "a", b"text");
    spool
        .retry(&id("a"), &Progress { attempts: 1, due: now(), reason: "R".into(), uncertain: false })
        .unwrap();
    spooled(&spool, "b", b"text");
    spool.bury(&id("b"), &death(false)).unwrap();
    for name in ["a.mail", "a.state", "dead/b.mail", "dead/b.json"] {
        let mode = fs::metadata(root.path().join("shop-0").join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_burial_that_was_cut_short_is_completed() {
    let root = tempfile::tempdir().unwrap();
    let (spool, _) = open(root.path());
    spooled(&spool, "a", b"text");
    drop(spool);
    let dead = root.path().join("shop-0/dead");
    fs::write(dead.join("a.json"), serde_json::to_vec(&death(false)).unwrap()).unwrap();
    let (spool, found) = open(root.path());
    assert!(found.tickets.is_empty() && dead.join("a.mail").exists());
    assert_eq!(spool.standing().dead, 1);
}

#[test]
fn a_torn_file_is_set_aside_and_one_that_changed_is_not_read() {
    let root = tempfile::tempdir().unwrap();
    let (spool, _) = open(root.path());
    spooled(&spool, "torn", b"text");
    spooled(&spool, "changed", b"text");
    drop(spool);
    let folder = root.path().join("shop-0");
    let torn = fs::read(folder.join("torn.mail")).unwrap();
    fs::write(folder.join("torn.mail"), &torn[..torn.len() - 1]).unwrap();
    let mut changed = fs::read(folder.join("changed.mail")).unwrap();
    let at = changed.len() - 85; // within the content
    changed[at] ^= 1;
    fs::write(folder.join("changed.mail"), &changed).unwrap();

    let (spool, found) = open(root.path());
    assert_eq!(found.set_aside.len(), 1);
    assert_eq!(found.set_aside[0].id, id("torn"));
    assert!(folder.join("dead/torn.mail").exists() && folder.join("dead/torn.json").exists());
    assert!(matches!(spool.load(&id("changed"), |_| ()), Err(LoadError::Damaged(_))));
    spool.bury(&id("changed"), &death(false)).unwrap();
    assert_eq!(spool.standing().dead, 2);
}

#[test]
fn a_state_that_cannot_be_read_means_at_once() {
    let root = tempfile::tempdir().unwrap();
    let (spool, _) = open(root.path());
    spooled(&spool, "a", b"text");
    drop(spool);
    fs::write(root.path().join("shop-0/a.state"), "").unwrap();
    fs::write(root.path().join("shop-0/gone.state"), "").unwrap();
    let (_spool, found) = open(root.path());
    assert_eq!(found.tickets[0].due(), now());
    assert!(!root.path().join("shop-0/gone.state").exists());
}

#[test]
fn two_never_share_a_folder_and_each_pod_has_its_own() {
    let root = tempfile::tempdir().unwrap();
    let (spool, _) = open(root.path());
    let refused = Spool::open(root.path(), "shop-0", WIDE, now()).unwrap_err();
    assert!(matches!(refused, OpenError::Locked { .. }), "{refused}");
    Spool::open(root.path(), "shop-1", WIDE, now()).unwrap();
    drop(spool);
    open(root.path());
}

#[test]
fn a_folder_that_is_not_there_or_none_is_explained() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("file");
    fs::write(&file, "").unwrap();
    for path in [root.path().join("nowhere"), file] {
        let refused = Spool::open(path, "shop-0", WIDE, now()).unwrap_err();
        assert!(matches!(refused, OpenError::Missing(_)), "{refused}");
    }
    for name in ["", "..", ".hidden", "a/b"] {
        assert!(matches!(Spool::open(root.path(), name, WIDE, now()), Err(OpenError::Name(_))), "{name}");
    }
}

#[test]
fn octets_are_limited_with_those_of_the_dead_and_of_an_earlier_process() {
    let root = tempfile::tempdir().unwrap();
    let limits = Limits { octets: 40 * 1024, entries: 10 };
    let open = || Spool::open(root.path(), "shop-0", limits.clone(), now()).unwrap().0;
    let spool = open();
    assert!(spool.begin(head("big"), 50_000).unwrap_err().is_full());
    spooled(&spool, "a", &[b'x'; 20_000]);
    spool.bury(&id("a"), &death(false)).unwrap();
    drop(spool);

    let spool = open();
    let mut draft = spool.begin(head("b"), 0).unwrap();
    assert!(draft.write(&[b'x'; 20_000]).unwrap_err().is_full());
    assert!(draft.commit().is_err());
    assert_eq!(spool.standing().entries, 0);
    // a person looked at it and removed it
    fs::remove_file(root.path().join("shop-0/dead/a.mail")).unwrap();
    spooled(&spool, "b", &[b'x'; 20_000]);
}

#[test]
fn messages_are_limited_too() {
    let root = tempfile::tempdir().unwrap();
    let limits = Limits { octets: 1 << 30, entries: 2 };
    let (spool, _) = Spool::open(root.path(), "shop-0", limits, now()).unwrap();
    spooled(&spool, "a", b"");
    let second = spool.begin(head("b"), 0).unwrap();
    assert!(matches!(spool.begin(head("c"), 0), Err(SpoolError::Entries { held: 2, limit: 2 })));
    drop(second);
    spooled(&spool, "c", b"");
}
