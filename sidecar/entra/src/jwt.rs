//! A lenient look into a token, to explain failures and never to decide anything.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::token::MAX_OCTETS;

/// What a token says of itself, unverified. Claims that are absent, oddly typed or unfit to be
/// shown (control characters, more than 256 octets) are `None` or left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// Whom the token is for (`aud`); several where it is a list.
    pub audiences: Vec<String>,
    /// The application roles granted, at most 64; `None` where the token has no such claim, as
    /// under RBAC for Applications.
    pub roles: Option<Vec<String>>,
    /// What a user has allowed the application to do (`scp`), in a token on the user's behalf.
    pub scopes: Option<String>,
    /// From when the token says that it is valid (`nbf`).
    pub not_before: Option<Timestamp>,
    /// When the token says that it ends (`exp`); the token response decides.
    pub expires_at: Option<Timestamp>,
    /// Tenant id.
    pub tid: Option<String>,
    /// Application id: `appid`, or `azp` in v2 tokens.
    pub appid: Option<String>,
}

/// Reads the claims of a signed JWT (RFC 7519) without verifying it. `None` for anything else:
/// a token is opaque, and one that cannot be read is as good as any other.
#[must_use]
pub fn claims(token: &str) -> Option<Claims> {
    if token.len() > MAX_OCTETS {
        return None;
    }
    let mut parts = token.split('.');
    let (_header, payload, _signature) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None; // five parts: encrypted (RFC 7516)
    }
    let payload = URL_SAFE_NO_PAD.decode(payload).ok()?;
    let payload: Map<String, Value> = serde_json::from_slice(&payload).ok()?;
    Some(Claims {
        audiences: payload.get("aud").map(texts).unwrap_or_default(),
        roles: payload.get("roles").map(texts),
        scopes: payload.get("scp").and_then(text),
        not_before: payload.get("nbf").and_then(seconds),
        expires_at: payload.get("exp").and_then(seconds),
        tid: payload.get("tid").and_then(text),
        appid: payload.get("appid").or_else(|| payload.get("azp")).and_then(text),
    })
}

fn text(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    (text.len() <= 256 && !text.chars().any(char::is_control)).then(|| text.to_owned())
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::Array(values) => values.iter().filter_map(text).take(64).collect(),
        single => text(single).into_iter().collect(),
    }
}

/// RFC 7519 section 2: a NumericDate may have a fraction.
fn seconds(value: &Value) -> Option<Timestamp> {
    let seconds = value.as_i64().or_else(|| value.as_f64().map(|s| s as i64))?;
    Timestamp::from_second(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(payload: &str) -> String {
        format!("eyJhbGciOiJSUzI1NiJ9.{}.c2ln", URL_SAFE_NO_PAD.encode(payload))
    }

    #[test]
    fn reads_the_claims_of_an_application_token() {
        let found = claims(&token(
            r#"{"aud":"https://outlook.office365.com","roles":["SMTP.SendAsApp"],"nbf":1699990000,"exp":1700000000,"tid":"t","appid":"a"}"#,
        ));
        let expected = Claims {
            audiences: vec!["https://outlook.office365.com".to_owned()],
            roles: Some(vec!["SMTP.SendAsApp".to_owned()]),
            scopes: None,
            not_before: Some(Timestamp::from_second(1_699_990_000).unwrap()),
            expires_at: Some(Timestamp::from_second(1_700_000_000).unwrap()),
            tid: Some("t".to_owned()),
            appid: Some("a".to_owned()),
        };
        assert_eq!(found, Some(expected));
    }

    #[test]
    fn odd_claims_are_left_out_and_the_others_kept() {
        let found = claims(&token(
            r#"{"aud":["a",7,"b"],"roles":"Mail.Send","exp":1e300,"tid":{},"azp":"app","appid":null}"#,
        ));
        let found = found.unwrap();
        assert_eq!(found.audiences, ["a", "b"]);
        assert_eq!(found.roles, Some(vec!["Mail.Send".to_owned()]));
        assert_eq!((found.expires_at, found.tid, found.appid), (None, None, None));
        assert_eq!(claims(&token(r#"{"azp":"app"}"#)).unwrap().appid.as_deref(), Some("app"));
        assert_eq!(claims(&token(r#"{"tid":"a\nb"}"#)).unwrap(), Claims::default());
    }

    #[test]
    fn a_token_without_roles_differs_from_one_with_none_granted() {
        assert_eq!(claims(&token("{}")).unwrap().roles, None);
        assert_eq!(claims(&token(r#"{"roles":[]}"#)).unwrap().roles, Some(Vec::new()));
    }

    #[test]
    fn what_is_no_jwt_has_no_claims() {
        for opaque in ["", "EwBoA8l6BAAU", "a.b", "a.b.c", "a.e30.c.d.e", "..", "a.W10.c", "\u{e9}.\u{e9}.x"]
        {
            assert_eq!(claims(opaque), None, "{opaque}");
        }
        assert_eq!(claims(&token(&format!("{{\"tid\":\"{}\"}}", "x".repeat(MAX_OCTETS)))), None);
    }
}
