//! A Secret's volume as the kubelet keeps it: files are links through `..data`, which is swapped.

use std::os::unix::fs::symlink;

use super::*;

struct Volume {
    folder: tempfile::TempDir,
    generation: u32,
}

impl Volume {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), generation: 0 }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("sender.json")
    }

    /// As the kubelet's atomic writer does it: a new folder, the link renamed over the old one,
    /// the user-visible link made or removed, the old folder removed.
    fn bring(&mut self, content: Option<&str>) {
        let root = self.folder.path();
        let old = root.join(format!("..{}", self.generation));
        self.generation += 1;
        let name = format!("..{}", self.generation);
        std::fs::create_dir(root.join(&name)).unwrap();
        if let Some(content) = content {
            std::fs::write(root.join(&name).join("sender.json"), content).unwrap();
        }
        symlink(&name, root.join("..data_tmp")).unwrap();
        std::fs::rename(root.join("..data_tmp"), root.join("..data")).unwrap();
        match (content, self.path().is_symlink()) {
            (Some(_), false) => symlink("..data/sender.json", self.path()).unwrap(),
            (None, true) => std::fs::remove_file(self.path()).unwrap(),
            (Some(_), true) | (None, false) => {}
        }
        let _ = std::fs::remove_dir_all(old);
    }
}

fn content(mailbox: &str) -> String {
    format!(
        r#"{{"format": 1, "sender": {{"namespace": "shop", "name": "billing"}}, "mailbox": "{mailbox}",
            "state": {{"unready": {{"reason": "TokenMissing", "message": "wait"}}}}}}"#
    )
}

fn mailbox(current: &Current) -> &str {
    match current {
        Current::Usable(loaded) => &loaded.file.mailbox,
        Current::Missing | Current::Unusable(_) => panic!("not usable: {current:?}"),
    }
}

#[test]
fn follows_a_secret_that_comes_changes_and_goes() {
    let mut volume = Volume::new();
    let mut follower = Follower::new(volume.path(), u64::MAX);
    assert!(matches!(follower.look(), Seen::Missing));
    assert!(matches!(follower.look(), Seen::Same));

    volume.bring(Some(&content("a@contoso.com")));
    assert!(matches!(follower.look(), Seen::Usable(_)));
    assert_eq!(mailbox(follower.current()), "a@contoso.com");
    assert!(matches!(follower.look(), Seen::Same));

    volume.bring(Some(&content("b@contoso.com")));
    assert!(matches!(follower.look(), Seen::Usable(_)));
    assert_eq!(mailbox(follower.current()), "b@contoso.com");

    volume.bring(None);
    assert!(matches!(follower.look(), Seen::Missing));
    assert!(matches!(follower.current(), Current::Missing));
}

#[test]
fn garbage_leaves_the_last_good_file_in_force() {
    let mut volume = Volume::new();
    volume.bring(Some(&content("a@contoso.com")));
    let mut follower = Follower::new(volume.path(), u64::MAX);
    follower.look();
    volume.bring(Some(r#"{"format": 1, "mailbox": 7}"#));
    match follower.look() {
        Seen::Unusable(why) => assert!(why.starts_with("mailbox: "), "{why}"),
        other => panic!("{other:?}"),
    }
    assert_eq!(mailbox(follower.current()), "a@contoso.com");
    volume.bring(Some(&content("b@contoso.com")));
    follower.look();
    assert_eq!(mailbox(follower.current()), "b@contoso.com");
}

#[test]
fn garbage_with_nothing_before_it_says_what_is_wrong() {
    let mut volume = Volume::new();
    volume.bring(Some("{"));
    let mut follower = Follower::new(volume.path(), u64::MAX);
    follower.look();
    assert!(
        matches!(follower.current(), Current::Unusable(why) if why.contains("ends too early")),
        "{:?}",
        follower.current()
    );
}

#[test]
fn a_file_that_ends_is_forgotten_even_if_garbage_follows() {
    let mut volume = Volume::new();
    volume.bring(Some(&content("a@contoso.com")));
    let mut follower = Follower::new(volume.path(), u64::MAX);
    follower.look();
    volume.bring(None);
    follower.look();
    volume.bring(Some("garbage"));
    follower.look();
    assert!(matches!(follower.current(), Current::Unusable(_)));
}

#[test]
fn follows_a_plain_file_that_is_renamed_into_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sender.json");
    std::fs::write(&path, content("a@contoso.com")).unwrap();
    let mut follower = Follower::new(path.clone(), u64::MAX);
    follower.look();
    std::fs::write(folder.path().join("new"), content("b@contoso.com")).unwrap();
    std::fs::rename(folder.path().join("new"), &path).unwrap();
    assert!(matches!(follower.look(), Seen::Usable(_)));
    assert_eq!(mailbox(follower.current()), "b@contoso.com");
}

#[test]
fn a_folder_in_its_place_is_unusable() {
    let folder = tempfile::tempdir().unwrap();
    let mut follower = Follower::new(folder.path().to_owned(), u64::MAX);
    assert!(matches!(follower.look(), Seen::Unusable(_)));
}

#[test]
fn a_file_beyond_the_limit_is_not_taken_into_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sender.json");
    File::create(&path).unwrap().set_len(1 << 40).unwrap();
    let mut follower = Follower::new(path, u64::MAX);
    match follower.look() {
        Seen::Unusable(why) => assert!(why.contains("more than"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn publishes_each_change_once() {
    let mut volume = Volume::new();
    let (publish, mut current) = watch::channel(Current::Missing);
    let (changes, mut reported) = tokio::sync::mpsc::unbounded_channel();
    let follower = Follower::new(volume.path(), u64::MAX);
    let task = tokio::spawn(follower.run(publish, move |seen, _| {
        let _ = changes.send(format!("{seen:?}"));
    }));
    assert_eq!(reported.recv().await.as_deref(), Some("Missing"));
    volume.bring(Some(&content("a@contoso.com")));
    current.wait_for(|it| matches!(it, Current::Usable(_))).await.unwrap();
    assert!(reported.recv().await.unwrap().starts_with("Usable"));
    drop(current);
    task.await.unwrap();
    assert!(reported.recv().await.is_none());
}
