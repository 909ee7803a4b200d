//! The file that the operator writes and the sidecar reads.

use mail_egress_config::{ReadError, SenderFile, State, parse, write};
use secrecy::ExposeSecret;
use serde_json::Value;

/// A file is read or refused in one line that names a field and repeats no value; what is read is
/// fit for use, is the same when it is written and read again, and shows its token to nobody.
///
/// Input: the file.
pub fn config(input: &[u8]) {
    match parse(input) {
        Ok(file) => used(&file),
        Err(error) => refused(input, &error),
    }
}

fn used(file: &SenderFile) {
    let written = write(file).unwrap();
    let again = parse(written.as_bytes()).expect("what was written is read");
    assert_eq!(write(&again).unwrap(), written);
    let shown = format!("{file:?}");
    if let Some(token) = &file.token {
        let token = token.value.expose_secret();
        assert!(!token.contains(char::is_control) && !token.contains(' '));
        assert!(token.len() < 12 || !shown.contains(token), "a token is shown");
    }
    match &file.state {
        State::Ready => assert!(file.route.is_some() && file.mailbox.contains('@')),
        State::Unready(_) => {}
    }
}

fn refused(input: &[u8], error: &ReadError) {
    let text = error.to_string();
    assert!(!text.contains(['\r', '\n']) && text.len() < 500, "{text}");
    let value: Option<Value> = serde_json::from_slice(input).ok();
    let token = value.as_ref().and_then(|file| file.pointer("/token/value")).and_then(Value::as_str);
    if let Some(token) = token.filter(|token| token.len() >= 12 && text.contains(*token)) {
        // unless a token happens to be made of our own words
        let other = String::from_utf8_lossy(input).replace(token, &"#".repeat(token.len()));
        let said = parse(other.as_bytes()).err().map(|error| error.to_string());
        assert!(said.is_some_and(|said| said.contains(token)), "a token is repeated");
    }
}
