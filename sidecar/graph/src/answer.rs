//! What an answer of Graph means.

use std::time::Duration;

use http::HeaderMap;
use http::header::RETRY_AFTER;
use jiff::Timestamp;
use mail_egress_diagnosis::{Class, Diagnosis, graph, words};
use mail_egress_entra::https::retry_after;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// Proof that Graph answered 202 to a whole message. Only [`crate::Unsent::conclude`] makes one.
#[derive(Debug, PartialEq, Eq)]
pub struct Accepted {
    request_id: String,
}

/// Graph's refusal, explained; or, by its class, that it is not known what became of the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Cause and fix, out of the one table.
    pub diagnosis: Diagnosis,
    /// The HTTP status; 0 where there was no answer.
    pub status: u16,
    /// For how long Graph wants nothing, where it said so: 1 s to 1 h.
    pub retry_after: Option<Duration>,
}

/// The head of an answer, as far as it is looked at.
#[derive(Debug)]
pub(crate) struct Head {
    pub(crate) status: u16,
    retry_after: Option<Duration>,
    request_id: String,
}

/// Graph's form of an error.
#[derive(Default, Deserialize)]
struct Body {
    #[serde(default)]
    error: Error,
}

#[derive(Default, Deserialize)]
struct Error {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

impl Accepted {
    /// The id by which Microsoft finds the request, fit for a log; empty where Graph said none.
    #[must_use]
    pub fn request_id(&self) -> &str {
        &self.request_id
    }
}

impl Head {
    pub(crate) fn read(status: u16, fields: &HeaderMap, now: Timestamp) -> Self {
        let text = |name: &str| fields.get(name).and_then(|field| field.to_str().ok()).unwrap_or_default();
        Self {
            status,
            retry_after: retry_after(text(RETRY_AFTER.as_str()), now),
            request_id: words(text("request-id")),
        }
    }

    /// Whether it says that the message was taken: 202 and nothing else (fact sheet D).
    pub(crate) fn accepts(&self) -> bool {
        self.status == 202
    }

    /// `whole`: the answer came after the whole request was written.
    pub(crate) fn judge(self, whole: bool, body: &[u8], token: &SecretString) -> Result<Accepted, Refused> {
        if whole && self.accepts() {
            return Ok(Accepted { request_id: self.request_id });
        }
        let Error { code, message } = serde_json::from_slice::<Body>(body).unwrap_or_default().error;
        // whatever it repeats, the token is not to be known by it
        let hidden = |text: &str| text.replace(token.expose_secret(), "TOKEN");
        let (code, mut message) = (hidden(&code), hidden(&message));
        if !self.request_id.is_empty() {
            message = format!("{message} [request-id {}]", hidden(&self.request_id));
        }
        let mut diagnosis = graph(self.status, &code, &message);
        if !whole && diagnosis.class == Class::Uncertain {
            // Graph never had the message
            diagnosis = graph(503, &code, &message).with_words(&format!("{} {code} {message}", self.status));
        }
        Err(Refused { diagnosis, status: self.status, retry_after: self.retry_after })
    }
}

impl Refused {
    /// The answer was lost behind the last octet of the message.
    pub(crate) fn lost(why: &str) -> Self {
        // what a gateway would say of it
        Self { diagnosis: graph(502, "", "").with_words(why), status: 0, retry_after: None }
    }

    /// The connection ended before the last octet of the message.
    pub(crate) fn unsent(diagnosis: Diagnosis) -> Self {
        Self { diagnosis, status: 0, retry_after: None }
    }

    /// Whether it is not known what became of the message.
    pub(crate) fn is_uncertain(&self) -> bool {
        self.diagnosis.class == Class::Uncertain
    }

    /// Whether it is the token that was not believed, or does not suffice.
    #[must_use]
    pub fn is_of_the_token(&self) -> bool {
        matches!(self.status, 401 | 403)
    }
}

#[cfg(test)]
mod tests {
    use mail_egress_diagnosis::Retry;

    use super::*;

    fn judged(status: u16, fields: &[(&'static str, &str)], body: &str) -> Result<Accepted, Refused> {
        judged_when(true, status, fields, body)
    }

    fn judged_when(
        whole: bool,
        status: u16,
        fields: &[(&'static str, &str)],
        body: &str,
    ) -> Result<Accepted, Refused> {
        let mut map = HeaderMap::new();
        for (name, value) in fields {
            map.insert(*name, value.parse().unwrap());
        }
        let now = "2026-11-22T10:00:00Z".parse().unwrap();
        Head::read(status, &map, now).judge(whole, body.as_bytes(), &"s3cret".into())
    }

    #[test]
    fn only_202_to_the_whole_message_is_success() {
        assert_eq!(judged(202, &[("request-id", "r1")], "").unwrap().request_id(), "r1");
        for status in [200, 201, 204, 302, 400, 503, 504] {
            assert!(judged(status, &[], "").is_err(), "{status}");
        }
        let early = judged_when(false, 202, &[], "").unwrap_err();
        assert_eq!(early.diagnosis.class, Class::Transient);
    }

    #[test]
    fn what_leaves_open_whether_it_was_taken_is_uncertain_once_all_was_sent() {
        for status in [200, 502, 504] {
            assert_eq!(judged(status, &[], "").unwrap_err().diagnosis.class, Class::Uncertain, "{status}");
            let early = judged_when(false, status, &[], "").unwrap_err().diagnosis;
            assert_eq!((early.class, early.retry), (Class::Transient, Retry::BackOff), "{status}");
        }
        assert_eq!(Refused::lost("closed").diagnosis.class, Class::Uncertain);
    }

    #[test]
    fn retry_after_comes_in_both_forms() {
        let wait = |field| judged(429, &[("retry-after", field)], "").unwrap_err().retry_after;
        assert_eq!(wait("30"), Some(Duration::from_secs(30)));
        assert_eq!(wait("Sun, 22 Nov 2026 10:00:45 GMT"), Some(Duration::from_secs(45)));
        assert_eq!(judged(503, &[], "").unwrap_err().retry_after, None);
    }

    #[test]
    fn the_codes_of_graph_are_looked_up_and_its_words_repeated() {
        let body = r#"{"error": {"code": "ErrorSendAsDenied", "message": "The user account which was used to submit this request does not have the right to send mail on behalf of the specified sending account."}}"#;
        let refused = judged(403, &[("request-id", "r2")], body).unwrap_err();
        assert_eq!((refused.diagnosis.reason, refused.diagnosis.class), ("SendAsDenied", Class::Mendable));
        let said = refused.diagnosis.said.unwrap();
        assert!(
            said.starts_with("403 ErrorSendAsDenied The user account") && said.ends_with("[request-id r2]")
        );
        let html = judged(400, &[], "<html>proxy</html>").unwrap_err();
        assert_eq!(html.diagnosis.reason, "GraphRequestRefused");
    }

    #[test]
    fn a_token_that_is_repeated_to_us_is_not_shown() {
        let body = r#"{"error": {"code": "InvalidAuthenticationToken", "message": "what is s3cret"}}"#;
        let refused = judged(401, &[], body).unwrap_err();
        assert_eq!(refused.diagnosis.reason, "TokenRefused");
        assert!(refused.is_of_the_token());
        assert!(!format!("{refused:?}").contains("s3cret"));
    }
}
