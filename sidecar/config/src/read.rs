//! Reading and writing the file: every error is one line that names the field.

mod check;
mod route;

use serde::Deserialize;

use crate::file::{FORMAT, SenderFile, SenderRef, State};
use check::check;

/// Longest file that is read, in octets; an API server stores no larger Secret.
pub const LIMIT: usize = 1024 * 1024;

/// Longest path of a field that an error names, in characters.
const PATH_LIMIT: usize = 100;

/// Why a file cannot be used. No variant repeats a value of the file: it may hold a token.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum ReadError {
    /// Longer than [`LIMIT`].
    #[error("the file has {0} octets, more than {LIMIT}")]
    TooLong(usize),
    /// Not JSON, or a field is missing or of the wrong kind.
    #[error("{field}: {problem}")]
    Field {
        /// The path of the field, "route.exchangeOnline.port"; "." for the whole file.
        field: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Written by a version that this one cannot follow.
    #[error("format: {0} is newer than this version reads ({FORMAT}): upgrade the sidecar (restart the pod)")]
    Format(u32),
}

fn field(field: &str, problem: &str) -> ReadError {
    ReadError::Field { field: field.to_owned(), problem: problem.to_owned() }
}

/// Reads a file, and checks all that later code relies on.
///
/// A denial counts whatever else stands in the file: where `state` says unready, a route or a
/// field that this version cannot read is left out, and is no error. Otherwise the last good file
/// would stay in force, and mail would go on.
pub fn parse(bytes: &[u8]) -> Result<SenderFile, ReadError> {
    if bytes.len() > LIMIT {
        return Err(ReadError::TooLong(bytes.len()));
    }
    whole(bytes).or_else(|error| denial(bytes).ok_or(error))
}

/// What a denial needs to say, and no more.
#[derive(Deserialize)]
struct Denial {
    sender: SenderRef,
    #[serde(default)]
    mailbox: String,
    state: State,
}

fn denial(bytes: &[u8]) -> Option<SenderFile> {
    let Denial { sender, mailbox, state } = serde_json::from_slice(bytes).ok()?;
    match state {
        State::Unready(_) => Some(SenderFile::new(sender, mailbox, state)),
        State::Ready => None,
    }
}

fn whole(bytes: &[u8]) -> Result<SenderFile, ReadError> {
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let file: SenderFile = serde_path_to_error::deserialize(&mut json)
        .map_err(|error| field(&path(&error), &without_values(error.inner())))?;
    json.end().map_err(|_| field(".", "something follows behind the JSON"))?;
    check(&file)?;
    Ok(file)
}

/// The file's text.
pub fn write(file: &SenderFile) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(file)
}

/// The field's path; "." where the text ended before one could be named. A name that the file gives
/// may be anything: it stays on the line, and is cut.
fn path(error: &serde_path_to_error::Error<serde_json::Error>) -> String {
    match error.path().to_string().as_str() {
        "?" => ".".to_owned(),
        path => path.chars().map(|c| if c.is_control() { '?' } else { c }).take(PATH_LIMIT).collect(),
    }
}

/// serde's message, except where it would repeat a string of the file.
fn without_values(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let place = format!("line {} column {}", error.line(), error.column());
    match error.classify() {
        serde_json::error::Category::Data if text.starts_with("missing field") => text,
        serde_json::error::Category::Data => match text.rsplit_once("expected ") {
            Some((_, expected)) => format!("expected {expected}"),
            None => format!("wrong value at {place}"),
        },
        serde_json::error::Category::Syntax => format!("not JSON at {place}"),
        serde_json::error::Category::Eof => format!("the file ends too early, at {place}"),
        serde_json::error::Category::Io => "cannot be read".to_owned(),
    }
}

#[cfg(test)]
mod tests;
