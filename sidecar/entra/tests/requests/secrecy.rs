//! Neither the secret nor a token is in anything that could be printed.

use mail_egress_entra::dial::Resolver;
use mail_egress_entra::{Limits, TokenClient};

use crate::server::{SECRET, Script, Server, Shown, ask_within, brief_answer, http, json, now};

const TOKEN: &str = "eyJ0eXAi.t0p-s3cret-t0ken.sig";

/// Every form of the secret and the token that must not be seen.
fn assert_hidden(shown: &str) {
    for hidden in [SECRET, "s3cr~et", "s3cr%7Eet", TOKEN, "t0p-s3cret"] {
        assert!(!shown.contains(hidden), "{hidden} is in: {shown}");
    }
}

#[tokio::test]
async fn no_error_shows_the_secret_or_a_token_whatever_the_server_repeats() {
    let grant = format!(r#"{{"token_type":"Bearer","expires_in":0,"access_token":"{TOKEN}"}}"#);
    let echo = format!(
        "client_secret={SECRET} client_secret=s3cr%7Eet%2Bwith%2Fodd%3D%26chars%25+and+space {TOKEN}"
    );
    let refusal = format!(
        r#"{{"error":"{SECRET}","error_description":"{}","error_codes":[7000215],"trace_id":"{SECRET}"}}"#,
        echo.replace(TOKEN, ""),
    );
    for script in [
        json("200 OK", &grant),
        json("200 OK", &format!("{grant} trailing")),
        json("200 OK", &format!(r#"{{"access_token":["{TOKEN}"]}}"#)),
        http("200 OK", &format!("Content-Type: {TOKEN}\r\n"), &grant),
        json("401 Unauthorized", &refusal),
        json("401 Unauthorized", &grant),
        http("429 Too Many Requests", &format!("Retry-After: {TOKEN}\r\n"), &echo),
        http("500 Internal Server Error", "", &echo),
        http("302 Found", &format!("Location: https://login.test/{TOKEN}\r\n"), &echo),
        Script::Answer(format!("{TOKEN} {SECRET}\r\n\r\n")),
        Script::Answer(format!("HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{grant}")),
        Script::Stall(format!("HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{grant}")),
    ] {
        let server = Server::start(script).await;
        let error = ask_within(&server.request(), brief_answer()).await.unwrap_err();
        assert_hidden(&format!("{error} {error:?} {error:#?} {:?}", error.diagnosis));
    }
    let unproven = Server::with_certificate(Shown::WrongName, json("200 OK", &grant)).await;
    let error = unproven.ask().await.unwrap_err();
    assert_hidden(&format!("{error} {error:?}"));
}

#[tokio::test]
async fn neither_request_nor_client_nor_token_shows_a_secret() {
    let grant = format!(r#"{{"token_type":"Bearer","expires_in":9,"access_token":"{TOKEN}"}}"#);
    let server = Server::start(json("200 OK", &grant)).await;
    let request = server.request();
    let client = TokenClient::new(Resolver::system().unwrap(), Limits::default());
    let token = client.request(&request, now()).await.unwrap().token;
    assert_hidden(&format!("{request:?} {request:#?} {client:?} {token:?} {token:#?}"));
}

#[tokio::test]
async fn a_request_can_be_made_by_any_task() {
    let server = Server::start(json("200 OK", "{}")).await;
    let request = server.request();
    let client = TokenClient::new(Resolver::system().unwrap(), Limits::default());
    let asked = tokio::spawn(async move { client.request(&request, now()).await });
    assert!(asked.await.unwrap().is_err());
}
