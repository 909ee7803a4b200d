//! The cases in `tests/cases`: documents, and what an API server says to them.
//!
//! A file has a `kind`, a `base` document that is accepted, and three lists. Each entry has a
//! `name` and a merge patch (RFC 7396) on the base: `accepted` ones; `refused` ones, with the
//! `field` that is blamed and a part of the sentence (`because`); `updates` of the base by the patch
//! `to`, refused where `field` and `because` are given. They say what a real API server says, so a
//! test against one can read the same files.

use std::{fs, path::Path};

use serde::Deserialize;
use serde_json::Value;

/// One file of cases.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cases {
    pub(crate) kind: String,
    pub(crate) base: Value,
    pub(crate) accepted: Vec<Accepted>,
    pub(crate) refused: Vec<Refused>,
    pub(crate) updates: Vec<Update>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Accepted {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) patch: Option<Value>,
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refused {
    pub(crate) name: String,
    pub(crate) patch: Value,
    #[serde(flatten)]
    pub(crate) cause: Cause,
}

#[derive(Clone, Deserialize)]
pub(crate) struct Update {
    pub(crate) name: String,
    pub(crate) to: Value,
    #[serde(flatten)]
    pub(crate) cause: Option<Cause>,
}

/// What is blamed, and a part of the sentence.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Cause {
    pub(crate) field: String,
    pub(crate) because: String,
}

impl Cases {
    /// Reads every file of the folder.
    pub(crate) fn read_all(folder: &Path) -> Vec<Self> {
        let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
            .iter()
            .map(|file| {
                serde_yaml::from_str(&fs::read_to_string(file).unwrap())
                    .unwrap_or_else(|error| panic!("{}: {error}", file.display()))
            })
            .collect()
    }

    /// The base document with a merge patch applied.
    pub(crate) fn patched(&self, patch: Option<&Value>) -> Value {
        let mut document = self.base.clone();
        if let Some(patch) = patch {
            merge(&mut document, patch);
        }
        document
    }
}

/// RFC 7396 section 2.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let target = target.as_object_mut().unwrap();
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}
