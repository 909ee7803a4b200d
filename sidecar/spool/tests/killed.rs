//! Killed at random instants: whatever was acknowledged is there and whole.
//!
//! The test starts itself as a child, which works on a spool and says on its output what it is
//! about to do (`<`) and what is done (`>`). After SIGKILL the next process's view is compared with
//! that. `MAIL_EGRESS_SEED` repeats a run.

#![allow(clippy::unwrap_used, reason = "clippy.toml allows it in test functions, not in what they call")]

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use mail_egress_spool::{Death, Envelope, Head, Id, Limits, Progress, Recovered, Spool};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const ROOT: &str = "MAIL_EGRESS_SPOOL_TEST_ROOT";
const SEED: &str = "MAIL_EGRESS_SEED";
const ROUNDS: u64 = 60;

fn now() -> Timestamp {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

fn open(root: &Path) -> (Spool, Recovered) {
    let limits = Limits { octets: u64::MAX, entries: usize::MAX };
    Spool::open(root, "pod", limits, now()).unwrap()
}

/// The octets that a message of this name has.
fn content(id: &Id) -> Vec<u8> {
    let seed = id.as_str().bytes().fold(7, |sum: u64, b| sum.wrapping_mul(31) + u64::from(b));
    let mut rng = StdRng::seed_from_u64(seed);
    let octets = if rng.random_bool(0.1) { rng.random_range(0..300_000) } else { rng.random_range(0..5_000) };
    let mut content = vec![0; octets];
    rng.fill(&mut content[..]);
    content
}

fn head(id: &Id) -> Head {
    let envelope = Envelope {
        from: "a@example.com".into(),
        to: vec!["b@example.com".into()],
        eight_bit: true,
        smtputf8: false,
        dsn: None,
    };
    Head { id: id.clone(), accepted_at: now(), message_id: None, envelope }
}

fn say(mark: char, word: &str, id: &Id) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{mark} {word} {id}").unwrap();
    out.flush().unwrap();
}

/// The child's life; it ends by SIGKILL.
#[test]
#[ignore = "the test below runs it, as a process of its own that it kills"]
fn child() {
    let root = std::env::var(ROOT).unwrap();
    let seed: u64 = std::env::var(SEED).unwrap().parse().unwrap();
    let mut rng = StdRng::seed_from_u64(seed);
    let (spool, found) = open(Path::new(&root));
    let mut queue: Vec<Id> = found.tickets.into_iter().map(|it| it.id).collect();
    for count in 0_u64.. {
        if queue.len() < 40 && rng.random_bool(0.6) {
            let id: Id = format!("{seed:x}-{count}").parse().unwrap();
            let mut draft = spool.begin(head(&id), 0).unwrap();
            for piece in content(&id).chunks(16 * 1024) {
                draft.write(piece).unwrap();
            }
            if rng.random_bool(0.1) {
                continue;
            }
            let spooled = draft.commit().unwrap();
            say('>', "spooled", &spooled.ticket().id);
            queue.push(id);
        } else if !queue.is_empty() {
            let id = queue.swap_remove(rng.random_range(0..queue.len()));
            let (word, keep) =
                [("dotted", true), ("ready", true), ("done", false), ("dead", false)][rng.random_range(0..4)];
            say('<', word, &id);
            let death = |attempts| Death {
                at: now(),
                reason: "R".into(),
                sentence: "s".into(),
                uncertain: false,
                attempts,
            };
            match word {
                "dotted" => spool.dot(&id).unwrap(),
                "ready" => {
                    let progress = Progress { attempts: 1, due: now(), reason: "R".into(), uncertain: false };
                    spool.retry(&id, &progress).unwrap();
                }
                "done" => spool.done(&id).unwrap(),
                _ => spool.bury(&id, &death(1)).unwrap(),
            }
            say('>', word, &id);
            if keep {
                queue.push(id);
            }
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_and_nothing_is_half_read() {
    let seed = std::env::var(SEED).ok().and_then(|it| it.parse().ok()).unwrap_or_else(rand::random::<u64>);
    println!("{SEED}={seed}");
    // a process that is killed leaves the same on any file system; here nobody waits for a disk
    let root = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
    let mut rng = StdRng::seed_from_u64(seed);
    // for each message, the states that it may be in
    let mut may_be: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let (mut acknowledged, mut drafts) = (0, 0);
    for round in 0..ROUNDS {
        let pause = Duration::from_micros(rng.random_range(0..3_000));
        let lines = life(root.path(), seed.wrapping_add(round), rng.random_range(0..200), pause);
        for line in &lines {
            let Some((mark, rest)) = line.split_once(' ') else { continue };
            let Some((word, id)) = rest.split_once(' ') else { continue };
            let states = may_be.entry(id.to_owned()).or_default();
            if mark == ">" {
                acknowledged += 1;
                states.clear();
            }
            states.insert(word.replace("spooled", "ready"));
        }
        drafts += compare(root.path(), &mut may_be);
    }
    println!("{acknowledged} acknowledged, {drafts} drafts removed");
    assert!(acknowledged > 500, "too little was done: {acknowledged}");
}

/// One child, killed after it has said so many lines and gone on for a pause; all that it said.
fn life(root: &Path, seed: u64, lines: usize, pause: Duration) -> Vec<String> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "child", "--nocapture"])
        .envs([(ROOT, root.as_os_str().to_owned()), (SEED, seed.to_string().into())])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let out = child.stdout.take().unwrap();
    let (say, said) = mpsc::channel();
    let reading = std::thread::spawn(move || {
        let mut out = BufReader::new(out);
        let mut line = String::new();
        // a line without its end was not said
        while out.read_line(&mut line).unwrap() > 0 && line.ends_with('\n') {
            say.send(std::mem::take(&mut line)).unwrap();
        }
    });
    let mut all: Vec<String> = said.iter().take(lines).collect();
    let until = Instant::now() + pause;
    while let Ok(line) = said.recv_timeout(until.saturating_duration_since(Instant::now())) {
        all.push(line);
    }
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert!(status.code().is_none(), "the child ended by itself: {status}");
    reading.join().unwrap();
    all.extend(said);
    all.iter()
        .map(|line| line.trim_end())
        .filter(|line| line.starts_with(['<', '>']))
        .map(str::to_owned)
        .collect()
}

/// Compares what the next process finds with what may be, and makes that what is.
fn compare(root: &Path, may_be: &mut BTreeMap<String, BTreeSet<String>>) -> usize {
    let (spool, found) = open(root);
    assert!(found.set_aside.is_empty(), "half-written: {:?}", found.set_aside);
    let mut is: BTreeMap<String, String> = BTreeMap::new();
    for ticket in &found.tickets {
        let mut letter = spool.load(&ticket.id, |_| ()).unwrap();
        let mut read = Vec::new();
        letter.read_to_end(&mut read).unwrap();
        assert!(read == content(&ticket.id), "{} has other octets", ticket.id);
        let state = if ticket.dotted { "dotted" } else { "ready" };
        is.insert(ticket.id.to_string(), state.to_owned());
    }
    for item in std::fs::read_dir(root.join("pod/dead")).unwrap() {
        let name = item.unwrap().file_name().into_string().unwrap();
        if let Some(id) = name.strip_suffix(".mail") {
            assert!(root.join(format!("pod/dead/{id}.json")).exists(), "{id} is dead without a reason");
            assert_eq!(is.insert(id.to_owned(), "dead".to_owned()), None, "{id} is twice there");
        }
    }
    for (id, states) in may_be.iter_mut() {
        let state = is.get(id).map_or("done", String::as_str);
        assert!(states.contains(state), "{id} is {state}, and should be {states:?}");
        *states = BTreeSet::from([state.to_owned()]);
    }
    // committed, and killed before that was said
    for (id, state) in is {
        may_be.entry(id).or_insert_with(|| BTreeSet::from([state]));
    }
    found.drafts
}
