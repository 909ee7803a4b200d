//! A file with a secret, such as the client secret: looked at often, read for each request, kept in no
//! memory.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

/// Longest secret on one line, in octets: Entra's client secrets have 40, its refresh tokens 2,000.
pub(super) const LINE: u64 = 16 * 1024;
/// Longest PEM text, in octets.
pub(super) const PEM: u64 = 128 * 1024;

/// One line of text, without the line end that `echo` and editors leave behind. The error says what is
/// wrong with the file, and nothing of the content.
pub(crate) fn line(path: &Path, most: u64) -> Result<SecretString, String> {
    let text = text(path, most)?;
    match text.expose_secret().trim_end_matches(['\r', '\n']) {
        "" => Err("is empty".to_owned()),
        text if text.chars().any(char::is_control) => Err("has more than one line".to_owned()),
        text => Ok(SecretString::from(text)),
    }
}

/// The whole text, at most so many octets.
pub(super) fn text(path: &Path, most: u64) -> Result<SecretString, String> {
    let mut bytes = Zeroizing::new(Vec::new());
    File::open(path)
        .and_then(|file| file.take(most + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("cannot be read: {}", error.kind()))?;
    if bytes.len() as u64 > most {
        return Err(format!("is longer than {} KiB", most / 1024));
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| "is no text")?;
    Ok(SecretString::from(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(content: &[u8]) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, content).unwrap();
        line(&path, 4 * 1024).map(|it| it.expose_secret().to_owned())
    }

    #[test]
    fn the_line_end_of_an_editor_is_no_part_of_it() {
        assert_eq!(of(b"s3cr~et\r\n").unwrap(), "s3cr~et");
    }

    #[test]
    fn what_is_wrong_is_said_without_the_content() {
        for (content, said) in [
            (&b""[..], "is empty"),
            (b"\n", "is empty"),
            (b"s3cr\net", "has more than one line"),
            (b"s3cr\xff", "is no text"),
            (&[b's'; 5000], "is longer than 4 KiB"),
        ] {
            assert_eq!(of(content).unwrap_err(), said);
        }
        let missing = line(Path::new("/no/such/file"), LINE).unwrap_err();
        assert!(missing.starts_with("cannot be read: "), "{missing}");
    }
}
