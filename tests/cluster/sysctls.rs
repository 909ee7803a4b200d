//! What kubelet changes for the whole machine, remembered before the first node and put back after the
//! last.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::host;
use super::run::Base;

const CHANGED: [&str; 5] = [
    "kernel/panic",
    "kernel/panic_on_oops",
    "kernel/keys/root_maxbytes",
    "kernel/keys/root_maxkeys",
    "vm/overcommit_memory",
];

/// As they were before the first node of this boot.
#[derive(Serialize, Deserialize)]
struct Remembered {
    boot: String,
    values: BTreeMap<String, String>,
}

/// Keeps the present values, unless another run's node has changed them already. The caller holds the
/// base's lock.
pub(crate) fn remember(base: &Base) -> Result<()> {
    if read(base).is_some() {
        return Ok(());
    }
    let read = |name: &&str| Some(((*name).to_owned(), fs::read_to_string(path(name)).ok()?));
    let remembered = Remembered { boot: host::boot_id(), values: CHANGED.iter().filter_map(read).collect() };
    fs::write(file(base), serde_json::to_vec(&remembered)?)?;
    Ok(())
}

/// Puts the values back. The caller holds the base's lock and knows that no run is left.
pub(crate) fn restore(base: &Base) {
    for (name, value) in read(base).map(|remembered| remembered.values).unwrap_or_default() {
        if fs::read_to_string(path(&name)).is_ok_and(|now| now != value) {
            let _ = fs::write(path(&name), value);
        }
    }
    let _ = fs::remove_file(file(base));
}

/// What was remembered before a restart of the machine is void.
fn read(base: &Base) -> Option<Remembered> {
    let remembered: Remembered = serde_json::from_slice(&fs::read(file(base)).ok()?).ok()?;
    (remembered.boot == host::boot_id()).then_some(remembered)
}

fn file(base: &Base) -> PathBuf {
    base.file("sysctls.json")
}

fn path(name: &str) -> PathBuf {
    PathBuf::from("/proc/sys").join(name)
}
