//! The spool's folder, as an earlier process or a broken disk may have left it.

use std::{
    fs,
    io::Read,
    path::{Path, PathBuf},
};

use mail_egress_spool::{Id, Limits, Recovered, Spool};
use sha2::{Digest, Sha256};

use crate::steering::{PAUSE, Steering};

/// Whatever lies in the folder: it is opened, what is damaged is set aside and nothing else, what is
/// whole is read octet for octet, no message goes missing, and a second start finds the same.
///
/// Input: a line of choices (ready or dotted; the file as it stands, or with its first line and its
/// end made to fit), and then, each behind a `0x1e`: the message's file, its state, and the verdict
/// on it. A file that is made to fit has its JSON on its first line.
pub fn spool(input: &[u8]) {
    let (mut steering, files) = Steering::split(input);
    let mut files = files.splitn(3, |octet| *octet == PAUSE);
    let root = scratch();
    let pod = root.path().join("pod");
    fs::create_dir_all(pod.join("dead")).unwrap();
    let name = steering.one(&["m1.mail", "m1.dotted"]);
    let given = files.next().unwrap_or_default();
    let (file, content) = if steering.below(2) == 0 { sealed(given) } else { (given.to_vec(), None) };
    fs::write(pod.join(name), &file).unwrap();
    for (name, file) in ["m1.state", "dead/m1.json"].iter().zip(files) {
        fs::write(pod.join(name), file).unwrap();
    }
    let before = messages(&pod);

    let (spool, recovered) = open(root.path());
    assert_eq!(messages(&pod), before, "a message is missing or doubled");
    let id: Id = "m1".parse().unwrap();
    match recovered.tickets.as_slice() {
        [] => assert!(pod.join("dead/m1.mail").exists() && pod.join("dead/m1.json").exists()),
        [ticket] => {
            assert!(recovered.set_aside.is_empty() && ticket.id == id);
            assert_eq!(ticket.dotted, name == "m1.dotted");
            // a content that has changed is found out when it is read, and never sent in part
            let read = spool.load(&id, |_| {}).map(|mut letter| {
                let mut read = Vec::new();
                letter.read_to_end(&mut read).map(|octets| (octets as u64, read))
            });
            match (read, content) {
                (Ok(Ok((octets, read))), content) => {
                    assert!(is_sound(&file), "a damaged file is read");
                    assert!(octets == ticket.octets && content.is_none_or(|content| content == read));
                    assert!(file.windows(read.len().max(1)).any(|it| it == read) || read.is_empty());
                }
                (Ok(Err(error)), _) => panic!("{error}"),
                (Err(error), content) => assert!(content.is_none(), "{error}"),
            }
        }
        more => panic!("{} messages out of one file", more.len()),
    }
    drop(spool);
    let (_, again) = open(root.path());
    assert_eq!(again.tickets, recovered.tickets);
    assert!(again.set_aside.is_empty() && messages(&pod) == before);
}

fn open(root: &Path) -> (Spool, Recovered) {
    let limits = Limits { octets: u64::MAX, entries: usize::MAX };
    Spool::open(root, "pod", limits, "2026-11-23T06:39:39Z".parse().unwrap())
        .expect("a folder that can be written")
}

/// In memory where that is possible: most of the time would go into syncing otherwise.
fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}

/// The message's files, wherever they lie now, by what is in them.
fn messages(pod: &Path) -> Vec<Vec<u8>> {
    let files = |folder: PathBuf| fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let message = |path: &PathBuf| path.extension().is_some_and(|it| it == "mail" || it == "dotted");
    files(pod.to_owned())
        .chain(files(pod.join("dead")))
        .filter(message)
        .map(|it| fs::read(it).unwrap())
        .collect()
}

/// A file whose lengths and checksum fit, and its content, if its first line is one of ours.
fn sealed(given: &[u8]) -> (Vec<u8>, Option<Vec<u8>>) {
    let end = given.iter().position(|octet| *octet == b'\n').unwrap_or(given.len());
    let (json, content) = (&given[..end], given.get(end + 1..).unwrap_or_default());
    let mut file = format!("mail-egress-spool 1 {:08x}\n", json.len()).into_bytes();
    file.extend_from_slice(json);
    file.push(b'\n');
    file.extend_from_slice(content);
    file.extend_from_slice(format!("\n{:016x} {}\n", content.len(), sum(&file)).as_bytes());
    (file, Some(content.to_vec()))
}

fn sum(octets: &[u8]) -> String {
    Sha256::digest(octets).iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Whether a file ends with the checksum of what stands before its last line.
fn is_sound(file: &[u8]) -> bool {
    // a line feed, the length, a space, the sum, a line feed
    let end = file.len().saturating_sub(1 + 16 + 1 + 64 + 1);
    file[end..].ends_with(format!("{}\n", sum(&file[..end])).as_bytes())
}
