//! The lines that log in by a bearer token (SASL XOAUTH2, as Microsoft and Google document it).

use base64::{Engine, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret, SecretString};

use super::XOAuth2;

/// The longest AUTH command with its CRLF: it has no more room than other commands, and what
/// does not fit waits for the 334 (RFC 4954 section 4). Exchange takes both forms; Postfix
/// refuses a longer command.
const MAX_COMMAND: usize = 512;
/// The longest response with its CRLF (RFC 4954 section 4).
const MAX_RESPONSE: usize = 12_288;

/// How the login begins, without CRLF.
pub(super) enum Opening {
    /// One line with the response in it.
    Whole(SecretString),
    /// [`BARE`]; the response follows the 334.
    Bare,
}

/// The command without the response, without CRLF.
pub(super) const BARE: &str = "AUTH XOAUTH2";

/// The first line; `None` if the token fits no line at all.
pub(super) fn open(login: &XOAuth2) -> Option<Opening> {
    let response = response(login);
    let length = response.expose_secret().len() + "\r\n".len();
    if length + "AUTH XOAUTH2 ".len() <= MAX_COMMAND {
        let line = format!("AUTH XOAUTH2 {}", response.expose_secret());
        Some(Opening::Whole(line.into()))
    } else if length <= MAX_RESPONSE {
        Some(Opening::Bare)
    } else {
        None
    }
}

/// The response line, without CRLF.
pub(super) fn response(login: &XOAuth2) -> SecretString {
    let plain = SecretString::from(format!(
        "user={}\x01auth=Bearer {}\x01\x01",
        login.user,
        login.token.expose_secret()
    ));
    STANDARD.encode(plain.expose_secret()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login(token: &str) -> XOAuth2 {
        XOAuth2 { user: "ann@example.com".parse().unwrap(), token: token.into() }
    }

    /// The octets that the command takes with its CRLF.
    fn whole(token_length: usize) -> Option<usize> {
        match open(&login(&"t".repeat(token_length)))? {
            Opening::Whole(line) => Some(line.expose_secret().len() + 2),
            Opening::Bare => None,
        }
    }

    #[test]
    fn the_response_is_the_documented_one() {
        // the example of the SASL XOAUTH2 documents
        let login = XOAuth2 {
            user: "test@contoso.onmicrosoft.com".parse().unwrap(),
            token: "EwBAAl3BAAUFFpUAo7J3Ve0bjLBWZWCclRC3EoAA".into(),
        };
        let expected = "dXNlcj10ZXN0QGNvbnRvc28ub25taWNyb3NvZnQuY29tAWF1dGg9QmVhcmVyIEV3QkFBbDNCQUFVRkZwVUFv\
                        N0ozVmUwYmpMQldaV0NjbFJDM0VvQUEBAQ==";
        assert_eq!(response(&login).expose_secret(), expected);
    }

    #[test]
    fn the_response_is_in_the_command_only_where_it_fits_512_octets() {
        let longest = (1..1_000).rev().find(|n| whole(*n).is_some()).unwrap();
        assert!((508..=512).contains(&whole(longest).unwrap()));
        assert!(matches!(open(&login(&"t".repeat(longest + 1))), Some(Opening::Bare)));
    }

    #[test]
    fn a_token_that_fits_no_line_is_refused() {
        let fits = |n: usize| open(&login(&"t".repeat(n))).is_some();
        let longest = (1..20_000).rev().find(|n| fits(*n)).unwrap();
        let line = response(&login(&"t".repeat(longest))).expose_secret().len() + 2;
        assert!((12_284..=12_288).contains(&line), "{line}");
        assert!(!fits(longest + 1));
    }
}
