//! The lines that log in: XOAUTH2 by a token (as Microsoft and Google document it), PLAIN (RFC 4616) and
//! LOGIN by a password.

use base64::{Engine, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret, SecretString};

use super::{Login, Offers};

/// The longest AUTH command with its CRLF: it has no more room than other commands, and what
/// does not fit waits for the 334 (RFC 4954 section 4). Exchange takes both forms; Postfix
/// refuses a longer command.
const MAX_COMMAND: usize = 512;
/// The longest response with its CRLF (RFC 4954 section 4).
const MAX_RESPONSE: usize = 12_288;

/// How we log in to this relay, by a mechanism that it offers.
pub(super) struct Sasl {
    mechanism: Mechanism,
    /// LOGIN's user name, which is asked for before the response.
    user: Option<SecretString>,
    /// In base64, without CRLF.
    response: SecretString,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mechanism {
    XOAuth2,
    Plain,
    Login,
}

/// Why we cannot log in to this relay.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// None of these is offered.
    NotOffered(&'static str),
    /// The response fits no line.
    TooLong,
}

/// How the login begins, without CRLF.
pub(super) enum Opening {
    /// One line with the response in it.
    Whole(SecretString),
    /// A command without it; the response follows the 334.
    Bare(&'static str),
    /// A command that asks for the user name first.
    User(&'static str),
}

impl Sasl {
    /// The mechanism for this login among those that are offered; `None` where there is nothing to
    /// log in with.
    pub(super) fn choose(login: &Login, offers: &Offers) -> Result<Option<Self>, Unfit> {
        let offered = |name: &str| offers.mechanisms.iter().any(|mechanism| mechanism == name);
        let encoded = |plain: SecretString| SecretString::from(STANDARD.encode(plain.expose_secret()));
        let sasl = match login {
            Login::None => return Ok(None),
            Login::XOAuth2(login) => {
                if !offered("XOAUTH2") {
                    return Err(Unfit::NotOffered("XOAUTH2"));
                }
                let token = login.token.expose_secret();
                let plain = format!("user={}\x01auth=Bearer {token}\x01\x01", login.user);
                Self { mechanism: Mechanism::XOAuth2, user: None, response: encoded(plain.into()) }
            }
            Login::Password(login) => {
                let (user, password) = (&login.user, login.password.expose_secret());
                if offered("PLAIN") {
                    let plain = format!("\0{user}\0{password}");
                    Self { mechanism: Mechanism::Plain, user: None, response: encoded(plain.into()) }
                } else if offered("LOGIN") {
                    let user = Some(encoded(user.as_str().into()));
                    Self { mechanism: Mechanism::Login, user, response: encoded(password.into()) }
                } else {
                    return Err(Unfit::NotOffered("PLAIN or LOGIN"));
                }
            }
        };
        let lines = sasl.user.iter().chain([&sasl.response]);
        match lines.map(|line| line.expose_secret().len() + "\r\n".len()).max() {
            Some(longest) if longest > MAX_RESPONSE => Err(Unfit::TooLong),
            Some(_) | None => Ok(Some(sasl)),
        }
    }

    /// The first line.
    pub(super) fn opening(&self) -> Opening {
        let response = self.response.expose_secret();
        match self.mechanism {
            // its initial response would be the user name, and not every server knows that
            Mechanism::Login => Opening::User(self.bare()),
            Mechanism::XOAuth2 | Mechanism::Plain => {
                let line = format!("{} {response}", self.bare());
                match line.len() + "\r\n".len() <= MAX_COMMAND {
                    true => Opening::Whole(line.into()),
                    false => Opening::Bare(self.bare()),
                }
            }
        }
    }

    /// The command without anything, without CRLF.
    pub(super) fn bare(&self) -> &'static str {
        match self.mechanism {
            Mechanism::XOAuth2 => "AUTH XOAUTH2",
            Mechanism::Plain => "AUTH PLAIN",
            Mechanism::Login => "AUTH LOGIN",
        }
    }

    /// LOGIN's user name, without CRLF.
    pub(super) fn user(&self) -> &str {
        self.user.as_ref().map_or("", |user| user.expose_secret())
    }

    /// The response line, without CRLF.
    pub(super) fn response(&self) -> &str {
        self.response.expose_secret()
    }

    /// Whether it is a password that is shown, and not a token.
    pub(super) fn shows_a_password(&self) -> bool {
        match self.mechanism {
            Mechanism::XOAuth2 => false,
            Mechanism::Plain | Mechanism::Login => true,
        }
    }

    /// What answers a challenge that nothing is left to say to: XOAUTH2's explains a refusal and wants
    /// an empty line, any other is broken off (RFC 4954 section 4).
    pub(super) fn last_word(&self) -> &'static str {
        match self.mechanism {
            Mechanism::XOAuth2 => "",
            Mechanism::Plain | Mechanism::Login => "*",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Password, XOAuth2};
    use super::*;

    fn offers(mechanisms: &[&str]) -> Offers {
        let mechanisms = mechanisms.iter().map(|&it| it.to_owned()).collect();
        Offers { mechanisms, ..Offers::default() }
    }

    fn by_token(token: &str) -> Result<Sasl, Unfit> {
        let login = XOAuth2 { user: "ann@example.com".to_owned(), token: token.into() };
        Sasl::choose(&Login::XOAuth2(login), &offers(&["XOAUTH2"])).map(Option::unwrap)
    }

    fn by_password(mechanisms: &[&str]) -> Result<Sasl, Unfit> {
        let login = Password { user: "ann".to_owned(), password: "s3cr\u{e9}t".into() };
        Sasl::choose(&Login::Password(login), &offers(mechanisms)).map(Option::unwrap)
    }

    /// The octets that the command takes with its CRLF.
    fn whole(token_length: usize) -> Option<usize> {
        match by_token(&"t".repeat(token_length)).ok()?.opening() {
            Opening::Whole(line) => Some(line.expose_secret().len() + 2),
            Opening::Bare(_) | Opening::User(_) => None,
        }
    }

    #[test]
    fn the_response_is_the_documented_one() {
        // the example of the SASL XOAUTH2 documents
        let login = XOAuth2 {
            user: "test@contoso.onmicrosoft.com".to_owned(),
            token: "EwBAAl3BAAUFFpUAo7J3Ve0bjLBWZWCclRC3EoAA".into(),
        };
        let sasl = Sasl::choose(&Login::XOAuth2(login), &offers(&["LOGIN", "XOAUTH2"])).unwrap().unwrap();
        let expected = "dXNlcj10ZXN0QGNvbnRvc28ub25taWNyb3NvZnQuY29tAWF1dGg9QmVhcmVyIEV3QkFBbDNCQUFVRkZwVUFv\
                        N0ozVmUwYmpMQldaV0NjbFJDM0VvQUEBAQ==";
        assert_eq!(sasl.response(), expected);
    }

    #[test]
    fn the_response_is_in_the_command_only_where_it_fits_512_octets() {
        let longest = (1..1_000).rev().find(|n| whole(*n).is_some()).unwrap();
        assert!((508..=512).contains(&whole(longest).unwrap()));
        assert!(matches!(
            by_token(&"t".repeat(longest + 1)).unwrap().opening(),
            Opening::Bare("AUTH XOAUTH2")
        ));
    }

    #[test]
    fn a_token_that_fits_no_line_is_refused() {
        let length = |n: usize| by_token(&"t".repeat(n)).ok().map(|sasl| sasl.response().len() + 2);
        let longest = (1..20_000).rev().find(|n| length(*n).is_some()).unwrap();
        assert!((12_284..=12_288).contains(&length(longest).unwrap()));
        assert!(length(longest + 1).is_none());
    }

    #[test]
    fn a_password_is_said_by_plain_and_else_by_login() {
        let sasl = by_password(&["LOGIN", "PLAIN"]).unwrap();
        let Opening::Whole(line) = sasl.opening() else { panic!("not whole") };
        let plain = line.expose_secret().strip_prefix("AUTH PLAIN ").unwrap();
        assert_eq!(STANDARD.decode(plain).unwrap(), "\0ann\0s3cr\u{e9}t".as_bytes());
        let sasl = by_password(&["LOGIN", "XOAUTH2"]).unwrap();
        assert!(matches!(sasl.opening(), Opening::User("AUTH LOGIN")));
        assert_eq!((sasl.user(), sasl.response()), ("YW5u", "czNjcsOpdA=="));
    }

    #[test]
    fn nothing_is_chosen_that_is_not_offered() {
        assert_eq!(by_password(&["XOAUTH2", "CRAM-MD5"]).err(), Some(Unfit::NotOffered("PLAIN or LOGIN")));
        assert!(matches!(Sasl::choose(&Login::None, &offers(&["LOGIN"])), Ok(None)));
    }
}
