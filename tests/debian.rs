//! Programs from Debian's packages, installed where that can be done.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

/// What is wanted: a file that the package brings, and the package.
pub type Wanted<'a> = (&'a str, &'a str);

/// Installs the packages whose files are not there. Needs root and apt-get; says otherwise which
/// packages a person has to install.
///
/// # Errors
/// Names the packages that are still missing.
pub fn provide(wanted: &[Wanted<'_>]) -> Result<()> {
    if lacking(wanted).is_empty() {
        return Ok(());
    }
    let by_hand = || format!("`apt-get install {}` as root adds them", lacking(wanted).join(" "));
    if !nix::unistd::geteuid().is_root() || !Path::new("/usr/bin/apt-get").exists() {
        bail!("packages are missing: {}", by_hand());
    }
    // another run may be at it: two would wait for dpkg's lock, and install twice
    let lock = File::create(std::env::temp_dir().join("mail-egress-packages.lock"))?;
    lock.lock()?;
    let packages = lacking(wanted);
    if packages.is_empty() {
        return Ok(());
    }
    eprintln!("installing {}", packages.join(" "));
    let _quiet = NothingStarts::order();
    apt(&["update"])?;
    apt(&[&["install", "--yes", "--no-install-recommends"], &packages[..]].concat())?;
    ensure!(lacking(wanted).is_empty(), "packages are missing still: {}", by_hand());
    Ok(())
}

fn lacking<'a>(wanted: &[Wanted<'a>]) -> Vec<&'a str> {
    let absent = wanted.iter().filter(|(file, _)| !Path::new(file).exists());
    absent.map(|(_, package)| *package).collect()
}

/// While it lives, Debian's packages start no service that they bring: invoke-rc.d and systemd's
/// helper ask this file (deb-systemd-invoke(1)).
struct NothingStarts;

impl NothingStarts {
    const FILE: &str = "/usr/sbin/policy-rc.d";

    /// `None` where there is such a file already, as in containers, or it cannot be written.
    fn order() -> Option<Self> {
        let mut options = File::options();
        let mut file = options.write(true).create_new(true).mode(0o755).open(Self::FILE).ok()?;
        let order = Self;
        // "action forbidden by policy"
        file.write_all(b"#!/bin/sh\nexit 101\n").ok()?;
        Some(order)
    }
}

impl Drop for NothingStarts {
    fn drop(&mut self) {
        // what is left says no to services, which a person will see
        let _ = fs::remove_file(Self::FILE);
    }
}

fn apt(arguments: &[&str]) -> Result<()> {
    let done = Command::new("apt-get")
        .args(["--quiet=2", "--option", "DPkg::Lock::Timeout=300"])
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .output()
        .context("apt-get cannot be started")?;
    ensure!(
        done.status.success(),
        "apt-get {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&done.stderr)
    );
    Ok(())
}
