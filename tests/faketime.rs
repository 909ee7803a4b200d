//! A wall clock that is wrong, for one process: Debian's libfaketime.

use std::fs;

use anyhow::{Context, Result};

use crate::debian;

/// What to put into the environment of a process whose wall clock is to be off by this (`+30s`,
/// `-3600s`); its monotonic clock stays right.
///
/// # Errors
/// When libfaketime is not there and cannot be installed.
pub fn clock_off_by(shift: &str) -> Result<Vec<(String, String)>> {
    debian::provide(&[("/usr/bin/faketime", "faketime")])?;
    let found = fs::read_dir("/usr/lib")?
        .filter_map(|entry| Some(entry.ok()?.path().join("faketime/libfaketime.so.1")))
        .find(|file| file.exists());
    let library = found.context("the package faketime has brought no libfaketime")?;
    Ok([
        ("LD_PRELOAD", library.display().to_string()),
        ("FAKETIME", shift.to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec())
}
