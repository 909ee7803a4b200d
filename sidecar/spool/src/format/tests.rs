//! Files that are whole, cut off, and changed.

use super::*;

fn head() -> Head {
    let envelope = Envelope {
        from: "a@example.com".into(),
        to: vec!["b@example.com".into()],
        eight_bit: true,
        smtputf8: false,
        dsn: None,
    };
    let accepted_at = "2026-11-23T12:00:00Z".parse().unwrap();
    Head { id: "m1".parse().unwrap(), accepted_at, message_id: Some("<1@x>".into()), envelope }
}

fn file(content: &[u8]) -> Vec<u8> {
    let mut writing = Writing::begin(Vec::new(), &first_part(&head()).unwrap()).unwrap();
    for piece in content.chunks(7) {
        writing.content(piece).unwrap();
    }
    writing.end().unwrap()
}

fn load(bytes: &[u8], id: &str) -> Result<Vec<u8>, LoadError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("m1.mail");
    std::fs::write(&path, bytes).unwrap();
    let mut letter = Letter::open(&path, &id.parse().unwrap(), |_| ())?;
    assert_eq!(letter.head, head());
    let mut content = Vec::new();
    letter.read_to_end(&mut content)?;
    letter.rewind()?;
    let mut again = Vec::new();
    letter.read_to_end(&mut again)?;
    assert_eq!(content, again);
    Ok(content)
}

#[test]
fn what_was_written_is_read_octet_for_octet() {
    for content in [&b""[..], b"\n", b"Subject: x\r\n\r\n.\r\nmail-egress-spool 1 \n\0\xff"] {
        let bytes = file(content);
        assert_eq!(bytes.len() as u64, length(first_part(&head()).unwrap().len(), content.len() as u64));
        assert_eq!(load(&bytes, "m1").unwrap(), content);
    }
}

#[test]
fn a_file_cut_off_anywhere_is_damaged() {
    let whole = file(b"Subject: x\r\n\r\ntext\r\n");
    for length in 0..whole.len() {
        assert!(matches!(load(&whole[..length], "m1"), Err(LoadError::Damaged(_))), "{length}");
    }
}

#[test]
fn a_file_with_any_octet_changed_or_more_behind_it_is_damaged() {
    let whole = file(b"Subject: x\r\n\r\ntext\r\n");
    for at in 0..whole.len() {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        assert!(matches!(load(&changed, "m1"), Err(LoadError::Damaged(_))), "{at}");
    }
    let longer = [&whole[..], b"\n"].concat();
    assert!(matches!(load(&longer, "m1"), Err(LoadError::Damaged(_))));
}

#[test]
fn another_messages_file_is_not_taken_for_this_one() {
    assert!(matches!(load(&file(b"x"), "m2"), Err(LoadError::Damaged("it is another message's file"))));
}
