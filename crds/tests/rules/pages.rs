//! What `docs/routes/` and `docs/credentials.md` show is what the API server takes, and their links
//! lead somewhere.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use libtest_mimic::{Failed, Trial};
use serde::Deserialize;
use serde_json::Value;

use super::{is_accepted, schema::judge, survives_the_types};

/// One test for each page.
pub(crate) fn trials(schemas: &BTreeMap<String, Arc<Value>>) -> Vec<Trial> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let pages = fs::read_dir(docs.join("routes")).unwrap().map(|entry| entry.unwrap().path());
    let pages = pages.chain([docs.join("credentials.md")]);
    let trial = |page: PathBuf| {
        let schemas = schemas.clone();
        let name = page.strip_prefix(&docs).unwrap().display().to_string();
        Trial::test(format!("docs/{name}: its objects and links are right"), move || {
            let text = fs::read_to_string(&page)?;
            objects_are_right(&text, &schemas)?;
            links_are_right(&text, &page)
        })
    };
    pages.map(trial).collect()
}

fn objects_are_right(text: &str, schemas: &BTreeMap<String, Arc<Value>>) -> Result<(), Failed> {
    for block in text.split("```yaml\n").skip(1) {
        let block = block.split("```").next().unwrap();
        for document in serde_yaml::Deserializer::from_str(block) {
            let document = Value::deserialize(document)?;
            let kind = document["kind"].as_str().ok_or_else(|| format!("no kind in:\n{block}"))?;
            let schema = schemas.get(kind).ok_or_else(|| format!("there is no kind {kind}"))?;
            is_accepted(&judge(schema, &document, None))
                .and_then(|()| survives_the_types(kind, &document))
                .map_err(|error| format!("{} in:\n{block}", error.message().unwrap_or_default()))?;
        }
    }
    Ok(())
}

fn links_are_right(text: &str, page: &Path) -> Result<(), Failed> {
    for link in text.split("](").skip(1) {
        let link = link.split(')').next().unwrap();
        if link.contains("://") {
            continue;
        }
        let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
        let target = if path.is_empty() { page.to_owned() } else { page.with_file_name("").join(path) };
        let target = fs::read_to_string(&target).map_err(|error| format!("{link}: {error}"))?;
        if !anchor.is_empty() && !anchors(&target).contains(anchor) {
            return Err(format!("{link}: no such heading").into());
        }
    }
    Ok(())
}

/// What a page's headings are called in links.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let name = |heading: &str| {
        let words = heading.trim_start_matches('#').trim().to_lowercase();
        words.replace(' ', "-").chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect()
    };
    headings.map(name).collect()
}
