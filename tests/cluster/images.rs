//! Images for the node, made from nothing but programs of this machine.
//!
//! An image is one layer in the archive format that `docker save` writes and containerd imports; two
//! calls of tar make it, so no image builder and no registry takes part.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::json;

use super::components::need_in_path;
use super::ldd;
use super::node;
use super::processes::answer;

/// What goes into an image.
#[derive(Debug, Clone)]
pub struct Image {
    name: String,
    programs: Vec<(PathBuf, String)>,
    files: Vec<(String, String, u32)>,
    busybox: bool,
    entrypoint: Vec<String>,
    user: String,
}

impl Image {
    /// An empty image; `name` in full, as pods say it: `localhost/sidecar:test`.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            programs: Vec::new(),
            files: Vec::new(),
            busybox: false,
            entrypoint: Vec::new(),
            user: String::new(),
        }
    }

    /// Copies a program in, with the libraries that it is linked to, so that an ordinary debug build
    /// runs.
    #[must_use]
    pub fn program(mut self, source: impl Into<PathBuf>, inside: impl Into<String>) -> Self {
        self.programs.push((source.into(), inside.into()));
        self
    }

    /// Writes a file with these contents and this mode.
    #[must_use]
    pub fn file(mut self, inside: impl Into<String>, contents: impl Into<String>, mode: u32) -> Self {
        self.files.push((inside.into(), contents.into(), mode));
        self
    }

    /// Adds busybox with all its applets in `/bin`: sh, nc, wget, nslookup, cat …
    #[must_use]
    pub fn busybox(mut self) -> Self {
        self.busybox = true;
        self
    }

    /// The command that runs where the pod names none.
    #[must_use]
    pub fn entrypoint(mut self, command: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.entrypoint = command.into_iter().map(Into::into).collect();
        self
    }

    /// Who runs it where the pod does not say: `65532`, `65532:65532`. Without it, root.
    #[must_use]
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.user = user.into();
        self
    }

    /// What pods call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What holds a pod's sandbox open.
    pub(crate) fn pause() -> Self {
        Self::new("localhost/pause:1")
            .busybox()
            .file("/pause", include_str!("images/pause.sh"), 0o755)
            .entrypoint(["/pause"])
    }

    /// `localhost/app:1`: an app with a shell, netcat and the like, and nothing to do.
    pub(crate) fn app() -> Self {
        Self::new("localhost/app:1")
            .busybox()
            .file("/idle", include_str!("images/idle.sh"), 0o755)
            .entrypoint(["/idle"])
    }
}

/// Builds an image and imports it into the containerd of the run in `folder`.
pub(crate) fn load(image: &Image, folder: &Path) -> Result<()> {
    let place = tempfile::Builder::new().prefix("image-").tempdir_in(folder)?;
    let archive =
        build(image, place.path()).with_context(|| format!("cannot build the image {}", image.name))?;
    let mut import = node::ctr(folder);
    import.args(["images", "import", "--snapshotter", node::snapshotter(folder)?]).arg(archive);
    answer(&mut import).map_err(|said| anyhow!("cannot import the image {}: {said}", image.name))?;
    Ok(())
}

fn build(image: &Image, place: &Path) -> Result<PathBuf> {
    let root = place.join("root");
    fill(image, &root)?;
    let layer = place.join("layer.tar");
    tar(
        Command::new("tar").args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner"]),
        &layer,
        &root,
        &["."],
    )?;
    let digest = answer(Command::new("sha256sum").arg(&layer)).map_err(anyhow::Error::msg)?;
    let digest = digest.split(' ').next().unwrap_or_default();
    let config = json!({
        "architecture": architecture(),
        "os": "linux",
        "config": {
            "Entrypoint": image.entrypoint,
            "User": image.user,
            "Env": ["PATH=/usr/local/bin:/usr/bin:/bin"],
            "WorkingDir": "/",
        },
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{digest}")]},
    });
    let manifest = json!([{"Config": "config.json", "RepoTags": [image.name], "Layers": ["layer.tar"]}]);
    fs::write(place.join("config.json"), config.to_string())?;
    fs::write(place.join("manifest.json"), manifest.to_string())?;
    let archive = place.join("image.tar");
    tar(&mut Command::new("tar"), &archive, place, &["manifest.json", "config.json", "layer.tar"])?;
    Ok(archive)
}

fn fill(image: &Image, root: &Path) -> Result<()> {
    for (folder, mode) in [("tmp", 0o1777), ("etc", 0o755)] {
        fs::create_dir_all(root.join(folder))?;
        fs::set_permissions(root.join(folder), Permissions::from_mode(mode))?;
    }
    write(root, "/etc/passwd", "root:x:0:0::/:/bin/sh\nnonroot:x:65532:65532::/:/bin/sh\n", 0o644)?;
    write(root, "/etc/group", "root:x:0:\nnonroot:x:65532:\n", 0o644)?;
    write(root, "/etc/nsswitch.conf", "hosts: files dns\n", 0o644)?;
    for (inside, contents, mode) in &image.files {
        write(root, inside, contents, *mode)?;
    }
    if image.busybox {
        let busybox = need_in_path("busybox")?;
        copy_program(root, &busybox, "/bin/busybox")?;
        let applets = answer(Command::new(&busybox).arg("--list")).map_err(anyhow::Error::msg)?;
        for applet in applets.lines().filter(|applet| *applet != "busybox") {
            symlink("busybox", root.join("bin").join(applet))?;
        }
    }
    for (source, inside) in &image.programs {
        copy_program(root, source, inside)?;
    }
    Ok(())
}

fn copy_program(root: &Path, source: &Path, inside: &str) -> Result<()> {
    copy(root, source, inside)?;
    for library in ldd::libraries(source)? {
        copy(root, &library, &library.to_string_lossy())?;
    }
    Ok(())
}

fn copy(root: &Path, source: &Path, inside: &str) -> Result<()> {
    let target = place_in(root, inside)?;
    fs::copy(source, &target)
        .with_context(|| format!("cannot copy {} to {}", source.display(), target.display()))?;
    fs::set_permissions(&target, Permissions::from_mode(0o755))?;
    Ok(())
}

fn write(root: &Path, inside: &str, contents: &str, mode: u32) -> Result<()> {
    let target = place_in(root, inside)?;
    fs::write(&target, contents)?;
    fs::set_permissions(&target, Permissions::from_mode(mode))?;
    Ok(())
}

/// The path outside of a path inside, whose folders are made.
fn place_in(root: &Path, inside: &str) -> Result<PathBuf> {
    ensure!(inside.starts_with('/'), "the path {inside} inside an image must begin with /");
    let target = root.join(inside.trim_start_matches('/'));
    if let Some(folder) = target.parent() {
        fs::create_dir_all(folder)?;
    }
    Ok(target)
}

fn tar(command: &mut Command, archive: &Path, folder: &Path, what: &[&str]) -> Result<()> {
    command.arg("--create").arg("--file").arg(archive).arg("--directory").arg(folder).args(what);
    answer(command).map(drop).map_err(|said| anyhow!("tar: {said}"))
}

/// As images say it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
