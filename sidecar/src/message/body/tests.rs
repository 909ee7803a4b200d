//! Where the octets go, and that they come back or say that they do not.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

fn text(octets: usize) -> Vec<u8> {
    (0..u32::MAX).flat_map(u32::to_le_bytes).take(octets).collect()
}

fn spilling(memory: usize, limit: usize) -> (Store, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Store::new(memory, folder.path().to_owned(), Some(limit)), folder)
}

fn without_folder(memory: usize) -> Store {
    Store::new(memory, "/nowhere/to/spill".into(), None)
}

async fn pushed(store: &Store, text: &[u8]) -> Body {
    let mut body = store.begin(0).await.unwrap();
    for input in text.chunks(9_999) {
        body.push(input).await;
    }
    body
}

async fn read(body: &Body, from: u64) -> io::Result<Vec<u8>> {
    let (mut reader, mut all) = (body.reader(from), Vec::new());
    while let Some(piece) = reader.next().await? {
        all.extend_from_slice(piece);
    }
    Ok(all)
}

#[tokio::test]
async fn gives_back_what_came_in_from_anywhere_and_more_than_once() {
    let (store, _folder) = spilling(1 << 20, 1 << 30);
    for octets in [0, 1, PIECE, KEPT - 1, KEPT, KEPT + 1, 3 * KEPT, 1_000_003] {
        let text = text(octets);
        let body = pushed(&store, &text).await;
        assert_eq!((body.octets(), body.fault()), (octets, None));
        for from in [0, 0, 1, KEPT - 1, KEPT, KEPT + 1, octets] {
            let (from, rest) = (from.min(octets), &text[from.min(octets)..]);
            assert!(read(&body, from as u64).await.unwrap() == rest, "{octets} from {from}");
        }
    }
    assert_eq!(store.held(), Held::default());
}

#[tokio::test]
async fn gives_its_first_octets_wherever_they_lie() {
    let (store, _folder) = spilling(1 << 20, 1 << 30);
    let text = text(4 * KEPT);
    for octets in [10, KEPT, KEPT + 1, 4 * KEPT] {
        let body = pushed(&store, &text[..octets]).await;
        for limit in [0, 5, 1_000, 300_000] {
            assert!(*body.head(limit).await.unwrap() == text[..limit.min(octets)], "{limit} of {octets}");
        }
    }
}

#[tokio::test]
async fn a_large_message_takes_a_small_buffer_and_a_file_without_a_name() {
    let (store, folder) = spilling(1 << 20, 1 << 30);
    let body = pushed(&store, &text(10 * KEPT + 1)).await;
    assert_eq!(store.held(), Held { memory: KEPT, disk: 10 * KEPT });
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    drop(body);
    assert_eq!(store.held(), Held::default());
}

#[tokio::test]
async fn its_file_is_nobody_elses() {
    let (_, folder) = spilling(0, 0);
    let file = spill::Folder::new(folder.path().to_owned()).file().unwrap();
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn the_folder_is_made_on_a_volume_that_lies_above_it() {
    let volume = tempfile::tempdir().unwrap();
    let folder = volume.path().join("spill");
    let store = Store::new(1 << 20, folder.clone(), None);
    let body = pushed(&store, &text(2 * KEPT)).await;
    assert_eq!(store.held().disk, KEPT);
    assert_eq!(fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o700);
    drop(body);
}

#[tokio::test]
async fn where_memory_is_short_it_goes_to_disk_earlier() {
    let (store, _folder) = spilling(2 * PIECE, 1 << 30);
    let text = text(5 * KEPT);
    let first = pushed(&store, &text).await;
    let mut second = store.begin(0).await.err();
    assert_eq!(second.take(), Some(Full::Memory));
    assert!(read(&first, 0).await.unwrap() == text);
    drop(first);
    let _first = store.begin(PIECE as u64).await.unwrap();
    let second = pushed(&store, &text).await;
    assert!(read(&second, 0).await.unwrap() == text);
}

#[tokio::test]
async fn without_a_folder_memory_must_do() {
    let store = without_folder(3 * KEPT);
    let text = text(2 * KEPT + 5);
    let body = pushed(&store, &text).await;
    assert!(read(&body, 0).await.unwrap() == text);
    assert_eq!(store.held(), Held { memory: 3 * KEPT, disk: 0 });
    assert_eq!(store.begin(10).await.err(), Some(Full::Memory));
}

#[tokio::test]
async fn without_a_folder_what_memory_cannot_hold_is_said_before_it_is_sent() {
    let store = without_folder(4 * KEPT);
    assert_eq!(store.begin(4 * KEPT as u64 + 1).await.err(), Some(Full::Folder));
    assert!(store.begin(4 * KEPT as u64).await.is_ok());
    assert_eq!(store.begin(u64::MAX).await.err(), Some(Full::Folder));
    assert_eq!(store.held(), Held::default());
}

#[tokio::test]
async fn an_announced_message_holds_its_place_on_disk() {
    let (store, _folder) = spilling(3 * KEPT, 10 * KEPT);
    let first = store.begin(8 * KEPT as u64).await.unwrap();
    assert_eq!(store.held(), Held { memory: PIECE, disk: 8 * KEPT });
    assert_eq!(store.begin(5 * KEPT as u64).await.err(), Some(Full::Limit));
    assert!(store.begin(2 * KEPT as u64).await.is_ok());
    drop(first);
    assert!(store.begin(5 * KEPT as u64).await.is_ok());
}

#[tokio::test]
async fn beyond_the_limit_nothing_is_held_and_others_go_on() {
    let (store, _folder) = spilling(2 * KEPT, 2 * KEPT);
    let mut body = pushed(&store, &text(3 * KEPT)).await;
    assert_eq!(body.fault(), None, "two parts lie on disk, one in memory");
    body.push(b"x").await;
    assert_eq!((body.fault(), body.octets()), (Some(Full::Limit), 3 * KEPT + 1));
    assert_eq!(store.held(), Held::default(), "others wait until the app ends");
    body.push(b"more").await;
    assert_eq!(body.octets(), 3 * KEPT + 5);
    assert!(read(&body, 0).await.is_err(), "not read as an empty message");
    assert!(body.head(10).await.is_err());
    assert!(pushed(&store, &text(3 * KEPT)).await.fault().is_none());
}

#[tokio::test]
async fn beyond_memory_without_a_folder_it_says_what_is_missing() {
    let store = without_folder(2 * KEPT);
    let body = pushed(&store, &text(2 * KEPT + 1)).await;
    assert_eq!((body.fault(), store.held()), (Some(Full::Folder), Held::default()));
}

#[tokio::test]
async fn a_file_that_was_cut_short_is_an_error_and_not_a_shorter_message() {
    let (store, _folder) = spilling(1 << 20, 1 << 30);
    let body = pushed(&store, &text(4 * KEPT)).await;
    let Front::File(spill) = &body.front else { panic!("not on disk") };
    spill.shorten(2 * KEPT as u64 + 7);
    let error = read(&body, 0).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[tokio::test]
async fn a_push_that_was_given_up_is_not_read_as_a_shorter_message() {
    let (store, _folder) = spilling(1 << 20, 1 << 30);
    let mut body = pushed(&store, &text(KEPT)).await;
    // polled once: the tail is on its way to the disk
    tokio::select! {
        biased;
        () = body.push(b"x") => panic!("the disk was not waited for"),
        () = std::future::ready(()) => {}
    }
    assert!(read(&body, 0).await.is_err());
}

#[tokio::test]
async fn a_reader_that_begins_behind_the_end_is_told_so() {
    let (store, _folder) = spilling(1 << 20, 1 << 30);
    let body = pushed(&store, b"hello").await;
    assert!(read(&body, 6).await.is_err());
    assert_eq!(read(&body, 5).await.unwrap(), b"");
}

#[tokio::test]
async fn debug_shows_nothing_of_the_content() {
    let (store, _folder) = spilling(1 << 20, 1 << 30);
    let body = pushed(&store, b"@@@@").await;
    assert_eq!(format!("{body:?}"), "Body { octets: 4, spilled: 0, fault: None, .. }");
}
