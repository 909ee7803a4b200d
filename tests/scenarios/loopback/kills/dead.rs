//! The dead letters on a volume, read as a person would: the file of the message and its verdict.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// By their Message-ID, whether each is marked uncertain.
pub(super) fn letters(volume: &Path) -> Result<BTreeMap<String, bool>> {
    let mut letters = BTreeMap::new();
    let folder = volume.join("shop_billing").join("sidecar").join("dead");
    for item in fs::read_dir(folder)? {
        let path = item?.path();
        if path.extension().is_some_and(|it| it == "json") {
            let verdict: serde_json::Value = serde_json::from_slice(&fs::read(&path)?)?;
            let uncertain = verdict["uncertain"].as_bool().context("a verdict that does not say whether")?;
            let message = String::from_utf8(fs::read(path.with_extension("mail"))?)?;
            let id = message.lines().find_map(|line| line.strip_prefix("Message-ID: "));
            letters.insert(id.context("a dead letter without its Message-ID")?.to_owned(), uncertain);
        }
    }
    Ok(letters)
}
