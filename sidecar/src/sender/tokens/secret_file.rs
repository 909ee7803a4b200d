//! A file with a secret, such as the client secret: looked at often, read for each request, kept in no
//! memory.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use mail_egress_diagnosis::{Diagnosis, local, reason};
use secrecy::SecretString;
use secrecy::zeroize::Zeroizing;

/// Longest file that is read, in octets; Entra's secrets have 40.
const LIMIT: u64 = 4 * 1024;

/// The client secret. The error names field and path, and nothing of the content.
pub(super) fn read(path: &Path) -> Result<SecretString, Diagnosis> {
    text(path).map_err(|what| invalid(path, &what))
}

/// One line of text, without the line end that `echo` and editors leave behind. The error says what is
/// wrong with the file, and nothing of the content.
pub(crate) fn text(path: &Path) -> Result<SecretString, String> {
    let mut bytes = Zeroizing::new(Vec::new());
    File::open(path)
        .and_then(|file| file.take(LIMIT + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("cannot be read: {}", error.kind()))?;
    if bytes.len() as u64 > LIMIT {
        return Err("is longer than 4 KiB".to_owned());
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| "is no text")?;
    match text.trim_end_matches(['\r', '\n']) {
        "" => Err("is empty".to_owned()),
        text if text.chars().any(char::is_control) => Err("has more than one line".to_owned()),
        text => Ok(SecretString::from(text)),
    }
}

fn invalid(path: &Path, what: &str) -> Diagnosis {
    let path = path.display();
    local(reason::CREDENTIAL_INVALID)
        .with_cause(&format!("tokenSource.entra.clientSecretFile: {path} {what}"))
        .with_fix(&format!(
            "write the client secret's value (not its ID), as text, into {path}, and let the sidecar read it"
        ))
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn of(content: &[u8]) -> Result<String, String> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, content).unwrap();
        read(&path).map(|it| it.expose_secret().to_owned()).map_err(|error| error.sentence())
    }

    #[test]
    fn the_line_end_of_an_editor_is_no_part_of_it() {
        assert_eq!(of(b"s3cr~et\r\n").unwrap(), "s3cr~et");
    }

    #[test]
    fn what_is_wrong_is_said_with_field_and_path_and_without_the_content() {
        for content in [&b""[..], b"\n", b"s3cr\net", b"s3cr\xff", &[b's'; 5000]] {
            let sentence = of(content).unwrap_err();
            assert!(sentence.starts_with("tokenSource.entra.clientSecretFile: /"), "{sentence}");
            assert!(!sentence.contains("s3cr"), "{sentence}");
        }
        let missing = read(Path::new("/no/such/file")).unwrap_err().sentence();
        assert!(missing.contains("/no/such/file cannot be read"), "{missing}");
    }
}
