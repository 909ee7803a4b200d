//! Programs from Debian's packages, installed where that can be done.

use std::fs::File;
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
    apt(&["update"])?;
    apt(&[&["install", "--yes", "--no-install-recommends"], &packages[..]].concat())?;
    ensure!(lacking(wanted).is_empty(), "packages are missing still: {}", by_hand());
    Ok(())
}

fn lacking<'a>(wanted: &[Wanted<'a>]) -> Vec<&'a str> {
    let absent = wanted.iter().filter(|(file, _)| !Path::new(file).exists());
    absent.map(|(_, package)| *package).collect()
}

fn apt(arguments: &[&str]) -> Result<()> {
    let done = Command::new("apt-get")
        .args(["--quiet=2", "--option", "DPkg::Lock::Timeout=300"])
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        // an installed server must not start by itself
        .env("RUNLEVEL", "1")
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
