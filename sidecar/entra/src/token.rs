//! A token that Entra has given: its value, kept from view, and its end.

use std::time::Duration;

use jiff::Timestamp;
use oauth2::TokenResponse;
use secrecy::SecretString;

use crate::answer::Grant;

/// A bearer token that can be put on one line of SMTP or into one header as it is.
///
/// The value is 1 to 16,384 visible ASCII characters. It is opaque: nothing may be concluded from
/// it, and `expires_at` comes from the response's `expires_in` alone.
#[derive(Clone, Debug)]
pub struct Token {
    /// The token itself; `Debug` shows nothing of it.
    pub value: SecretString,
    /// When it ends, counted from the moment before it was asked for, so never too late.
    pub expires_at: Timestamp,
}

/// What a token request has brought. `Debug` shows no token.
#[derive(Clone, Debug)]
pub struct Granted {
    /// The access token.
    pub token: Token,
    /// The refresh token to be shown next time, where the answer has one: a successor of the one that
    /// was shown, or the first after a sign-in. It is to be kept before the access token is used, since
    /// it lives longer than the one before. 1 to 16,384 visible ASCII characters; one of another form is
    /// left out, and the one that was shown stays in use.
    pub refresh_token: Option<SecretString>,
}

/// Longest token accepted; Entra's are 1 to 3 KiB, and more with many roles.
pub(crate) const MAX_OCTETS: usize = 16 * 1024;

/// Longest life believed. Entra gives at most 28 hours (fact sheet A, "Lifetime").
const MAX_LIFE: Duration = Duration::from_secs(7 * 24 * 3600);

/// What is wrong with a token response.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("it has no access_token")]
    Missing,
    #[error("its access_token is longer than {MAX_OCTETS} octets")]
    TooLong,
    #[error("its access_token holds whitespace, control or non-ASCII characters")]
    Unprintable,
    #[error("its token_type is not Bearer")]
    NotBearer,
    #[error("its expires_in is missing or no number of seconds")]
    NoLifetime,
    #[error("its expires_in of {0} s is not between 1 s and 7 days")]
    OddLifetime(u64),
}

impl Granted {
    pub(crate) fn from_grant(grant: &Grant, now: Timestamp) -> Result<Self, Unusable> {
        let usable = |text: &&str| !text.is_empty() && text.len() <= MAX_OCTETS && is_visible(text);
        let refresh_token = grant.refresh_token().map(|token| token.secret().as_str());
        Ok(Self {
            token: Token::from_grant(grant, now)?,
            refresh_token: refresh_token.filter(usable).map(SecretString::from),
        })
    }
}

impl Token {
    pub(crate) fn from_grant(grant: &Grant, now: Timestamp) -> Result<Self, Unusable> {
        let value = grant.value();
        if value.is_empty() {
            return Err(Unusable::Missing);
        }
        if value.len() > MAX_OCTETS {
            return Err(Unusable::TooLong);
        }
        if !is_visible(value) {
            return Err(Unusable::Unprintable);
        }
        if !grant.is_bearer() {
            return Err(Unusable::NotBearer);
        }
        let seconds = grant.lifetime().ok_or(Unusable::NoLifetime)?;
        if seconds == 0 || seconds > MAX_LIFE.as_secs() {
            return Err(Unusable::OddLifetime(seconds));
        }
        let expires_at =
            now.checked_add(Duration::from_secs(seconds)).map_err(|_| Unusable::OddLifetime(seconds))?;
        Ok(Self { value: value.into(), expires_at })
    }
}

fn is_visible(text: &str) -> bool {
    text.bytes().all(|octet| octet.is_ascii_graphic())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn read(json: &str) -> Result<Token, Unusable> {
        Token::from_grant(&serde_json::from_str(json).unwrap(), NOW)
    }

    #[test]
    fn reads_a_token_and_counts_its_end_from_the_question() {
        for json in [
            r#"{"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":"eyJ0.a-b_c.d~="}"#,
            r#"{"token_type":"bearer","expires_in":"3599","access_token":"eyJ0.a-b_c.d~="}"#,
        ] {
            let token = read(json).unwrap();
            assert_eq!(token.value.expose_secret(), "eyJ0.a-b_c.d~=");
            assert_eq!(token.expires_at.as_second(), 3599);
            assert!(!format!("{token:?}").contains("eyJ0"));
        }
    }

    #[test]
    fn refuses_a_life_that_cannot_be() {
        for (life, why) in [
            ("0", Unusable::OddLifetime(0)),
            ("604801", Unusable::OddLifetime(604_801)),
            ("18446744073709551615", Unusable::OddLifetime(u64::MAX)),
            ("-1", Unusable::NoLifetime),
            ("1.5", Unusable::NoLifetime),
            ("null", Unusable::NoLifetime),
            ("\"soon\"", Unusable::NoLifetime),
        ] {
            let json = format!(r#"{{"token_type":"Bearer","access_token":"a","expires_in":{life}}}"#);
            assert_eq!(read(&json).unwrap_err(), why, "{life}");
        }
        assert_eq!(read(r#"{"token_type":"Bearer","access_token":"a"}"#).unwrap_err(), Unusable::NoLifetime);
    }

    #[test]
    fn refuses_a_token_that_would_break_a_line() {
        for value in ["a b", "a\\r\\nMAIL FROM:<x>", "a\\u0001b", "a\\tb", "a\\u00e9", "a\\u0000"] {
            let json = format!(r#"{{"token_type":"Bearer","expires_in":1,"access_token":"{value}"}}"#);
            assert_eq!(read(&json).unwrap_err(), Unusable::Unprintable, "{value}");
        }
        let long = "x".repeat(MAX_OCTETS + 1);
        let json = format!(r#"{{"token_type":"Bearer","expires_in":1,"access_token":"{long}"}}"#);
        assert_eq!(read(&json).unwrap_err(), Unusable::TooLong);
    }

    #[test]
    fn an_odd_refresh_token_is_left_out_and_the_token_kept() {
        let granted = |field: &str| {
            let json = format!(
                r#"{{"token_type":"Bearer","expires_in":9,"access_token":"a","refresh_token":{field}}}"#
            );
            Granted::from_grant(&serde_json::from_str(&json).unwrap(), NOW).unwrap()
        };
        let good = granted(r#""0.AX~!*$""#);
        assert_eq!(good.refresh_token.as_ref().unwrap().expose_secret(), "0.AX~!*$");
        assert!(!format!("{good:?}").contains("0.AX"));
        for odd in ["7", "null", "[]", "\"\"", r#""a\nb""#] {
            assert!(granted(odd).refresh_token.is_none(), "{odd}");
        }
    }

    #[test]
    fn refuses_what_is_no_bearer_token() {
        for (json, why) in [
            (r#"{"expires_in":1,"access_token":"a","token_type":"pop"}"#, Unusable::NotBearer),
            (r#"{"expires_in":1,"access_token":"a"}"#, Unusable::NotBearer),
            (r#"{"expires_in":1,"token_type":"Bearer"}"#, Unusable::Missing),
            (r#"{"expires_in":1,"token_type":"Bearer","access_token":""}"#, Unusable::Missing),
            ("{}", Unusable::Missing),
        ] {
            assert_eq!(read(json).unwrap_err(), why, "{json}");
        }
    }
}
