//! What Entra, or something in its place, may answer.

use std::time::Duration;

use mail_egress_diagnosis::Class;
use mail_egress_entra::{Retry, Trace};
use secrecy::ExposeSecret;

use crate::server::{Script, Server, ask, ask_within, at, brief_answer, http, json, now};

const GRANT: &str =
    r#"{"token_type":"Bearer","expires_in":3599,"ext_expires_in":3599,"access_token":"eyJ0.t0ken.sig"}"#;

#[tokio::test]
async fn a_token_ends_as_long_after_the_question_as_the_answer_says() {
    let mut server = Server::start(json("200 OK", GRANT)).await;
    let token = server.ask().await.unwrap();
    assert_eq!(token.value.expose_secret(), "eyJ0.t0ken.sig");
    assert_eq!(token.expires_at.as_second() - now().as_second(), 3599);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn the_secret_goes_in_the_body_as_a_form_and_nowhere_else() {
    let mut server = Server::start(json("200 OK", GRANT)).await;
    server.ask().await.unwrap();
    let requests = server.requests();
    let (head, body) = requests[0].split_once("\r\n\r\n").unwrap();
    let mut lines = head.split("\r\n");
    assert_eq!(lines.next(), Some("POST /contoso.onmicrosoft.com/oauth2/v2.0/token HTTP/1.1"));
    let fields: Vec<&str> = lines.collect();
    for field in [
        &*format!("host: {}", server.address),
        "content-type: application/x-www-form-urlencoded",
        "accept: application/json",
        "connection: close",
    ] {
        assert!(fields.contains(&field), "{field} is not in {fields:?}");
    }
    assert!(!head.contains("authorization"), "{head}");
    let mut form: Vec<&str> = body.split('&').collect();
    form.sort_unstable();
    assert_eq!(
        form,
        [
            "client_id=11111111-2222-3333-4444-555555555555",
            "client_secret=s3cr%7Eet%2Bwith%2Fodd%3D%26chars%25+and+space",
            "grant_type=client_credentials",
            "scope=https%3A%2F%2Foutlook.office365.com%2F.default",
        ]
    );
}

#[tokio::test]
async fn a_host_name_of_the_hosts_file_works_as_well_as_an_address() {
    let server = Server::start(json("200 OK", GRANT)).await;
    let mut request = server.request();
    request.endpoint = at(format!("https://localhost:{}", server.address.port()));
    assert!(ask(&request).await.is_ok());
}

#[tokio::test]
async fn an_answer_in_chunks_is_read_whole() {
    let (a, b) = GRANT.split_at(40);
    let chunks = format!("{:x}\r\n{a}\r\n{:x}\r\n{b}\r\n0\r\n\r\n", a.len(), b.len());
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let server = Server::start(Script::Answer(format!("{head}{chunks}"))).await;
    assert!(server.ask().await.is_ok());
}

#[tokio::test]
async fn a_wrong_secret_is_explained_with_entras_words_and_the_fix() {
    let refusal = r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided. Trace ID: 1a-2b Correlation ID: 3c-4d Timestamp: 2026-11-22 10:00:00Z","error_codes":[7000215],"timestamp":"2026-11-22 10:00:00Z","trace_id":"1a-2b","correlation_id":"3c-4d"}"#;
    let server = Server::start(json("401 Unauthorized", refusal)).await;
    let error = server.ask().await.unwrap_err();
    assert_eq!((error.diagnosis.reason, error.retry), ("InvalidClientSecret", Retry::WhenMended));
    let shown = error.to_string();
    assert!(shown.contains("AADSTS7000215: Invalid client secret provided."), "{shown}");
    assert!(shown.contains("To mend: put the secret's value (not its ID)"), "{shown}");
    assert!(!shown.contains("1a-2b") && !shown.contains("10:00"), "{shown}");
    let trace = Trace { trace_id: "1a-2b".to_owned(), correlation_id: "3c-4d".to_owned() };
    assert_eq!(error.trace.as_deref(), Some(&trace));
}

#[tokio::test]
async fn a_429_in_plain_text_is_throttling_with_its_wait() {
    for (field, wait) in [("Retry-After: 17\r\n", 17), ("", 60), ("Retry-After: 999999\r\n", 3600)] {
        let server = Server::start(http("429 Too Many Requests", field, "Too many requests")).await;
        let error = server.ask().await.unwrap_err();
        assert_eq!((error.diagnosis.reason, error.diagnosis.class), ("EntraThrottled", Class::Transient));
        assert_eq!(error.retry, Retry::After(Duration::from_secs(wait)));
    }
}

#[tokio::test]
async fn a_429_without_a_body_is_throttling() {
    let server = Server::start(http("429 Too Many Requests", "Retry-After: 5\r\n", "")).await;
    assert_eq!(server.ask().await.unwrap_err().retry, Retry::After(Duration::from_secs(5)));
}

#[tokio::test]
async fn a_429_whose_body_never_ends_is_throttling_all_the_same() {
    let head = "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 5\r\n";
    for script in [
        Script::Endless(format!("{head}\r\n"), "Too many requests. ".repeat(64)),
        Script::Stall(format!("{head}Content-Length: 99\r\n\r\nToo")),
    ] {
        let server = Server::start(script).await;
        let error = ask_within(&server.request(), brief_answer()).await.unwrap_err();
        assert_eq!(error.diagnosis.reason, "EntraThrottled");
        assert_eq!(error.retry, Retry::After(Duration::from_secs(5)));
    }
}

#[tokio::test]
async fn a_server_fault_is_asked_again_later() {
    for answer in [http("500 Internal Server Error", "", "oops"), http("503 Service Unavailable", "", "")] {
        let error = Server::start(answer).await.ask().await.unwrap_err();
        assert_eq!((error.diagnosis.reason, error.retry), ("EntraUnavailable", Retry::Backoff));
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let mut elsewhere = Server::start(json("200 OK", GRANT)).await;
    let fields = format!("Location: https://{}/\r\n", elsewhere.address);
    for status in ["302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let mut server = Server::start(http(status, &fields, "")).await;
        let error = server.ask().await.unwrap_err();
        assert_eq!(error.diagnosis.reason, "UnexpectedTokenResponse");
        let shown = error.to_string();
        assert!(shown.contains("redirect, which is not followed (HTTP 30"), "{shown}");
        assert_eq!(server.requests().len(), 1);
    }
    assert!(elsewhere.requests().is_empty());
}

#[tokio::test]
async fn a_200_that_is_no_token_response_says_who_gave_it() {
    for answer in [
        http("200 OK", "Content-Type: text/html\r\n", "<html>sign in</html>"),
        http("200 OK", "Content-Type: text/html\r\n", GRANT),
        json("200 OK", "not json"),
        json("200 OK", ""),
        json("200 OK", "{\"access_token\":7}"),
    ] {
        let server = Server::start(answer).await;
        let error = server.ask().await.unwrap_err();
        assert_eq!(error.diagnosis.reason, "TokenUnusable");
        let expected = format!("the login host {} answered HTTP 200 and no token response", server.address);
        assert_eq!(error.diagnosis.cause, expected);
    }
}

#[tokio::test]
async fn a_token_that_cannot_be_sent_is_refused_with_the_reason() {
    for (body, why) in [
        (r#"{"token_type":"Bearer","expires_in":9,"access_token":"a\r\nb"}"#, "holds whitespace, control"),
        (r#"{"token_type":"Bearer","access_token":"a"}"#, "expires_in is missing"),
        (r#"{"token_type":"Bearer","expires_in":0,"access_token":"a"}"#, "expires_in of 0 s"),
        (r#"{"token_type":"mac","expires_in":9,"access_token":"a"}"#, "not Bearer"),
        (r#"{"token_type":"Bearer","expires_in":9}"#, "no access_token"),
    ] {
        let error = Server::start(json("200 OK", body)).await.ask().await.unwrap_err();
        assert_eq!((error.diagnosis.reason, error.retry), ("TokenUnusable", Retry::Backoff));
        assert!(error.to_string().contains(why), "{error}");
    }
}

#[tokio::test]
async fn a_refusal_that_is_not_entras_is_called_so() {
    for answer in [http("403 Forbidden", "", "blocked by proxy"), json("400 Bad Request", "{}")] {
        let error = Server::start(answer).await.ask().await.unwrap_err();
        assert_eq!(error.diagnosis.reason, "UnexpectedTokenResponse");
        assert!(!error.to_string().contains("blocked by proxy"), "{error}");
    }
}
