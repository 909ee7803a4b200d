//! The file and the Secret, beside golden files.

use mail_egress_config::{LIMIT, parse};
use mail_egress_diagnosis::reason;
use secrecy::SecretString;
use serde_json::json;

use super::{super::fixtures, super::validate::validate, *};

fn token() -> Token {
    Token { value: SecretString::from("t0ken"), expires_at: "2026-11-23T12:00:00Z".parse().unwrap() }
}

fn ready() -> Orders {
    Orders::Send(fixtures::sending(&fixtures::validated(), Some(token())).into())
}

fn content(orders: &Orders) -> String {
    let secret = secret(&fixtures::sender(json!({})), orders).unwrap();
    let file = secret.data.unwrap().remove(FILE_NAME).unwrap();
    String::from_utf8(file.0).unwrap()
}

#[test]
fn a_ready_sender_gets_route_and_token() {
    let orders = ready();
    assert_eq!(content(&orders), include_str!("golden/ready.json").trim_end());
}

#[test]
fn a_denied_sender_gets_the_reason_and_no_token() {
    let mut references = fixtures::references();
    references.app = Some(fixtures::app(json!({"allowedNamespaces": []})));
    let denied = validate(&fixtures::sender(json!({})), &references, fixtures::now()).result.unwrap_err();
    assert_eq!(content(&Orders::Refuse(denied)), include_str!("golden/denied.json").trim_end());
}

#[test]
fn the_sidecar_can_read_what_is_written() {
    let refuse = Orders::Refuse(mail_egress_diagnosis::local(reason::TOKEN_MISSING));
    for orders in [ready(), refuse] {
        let content = content(&orders);
        assert!(content.len() < LIMIT);
        parse(content.as_bytes()).unwrap();
    }
}

#[test]
fn the_secret_is_of_our_type_and_goes_with_the_sender() {
    let orders = ready();
    let secret = serde_json::to_value(secret(&fixtures::sender(json!({})), &orders).unwrap()).unwrap();
    assert_eq!(secret["metadata"]["name"], "mail-egress-billing");
    assert_eq!(secret["metadata"]["namespace"], "shop");
    assert_eq!(secret["metadata"]["labels"], json!({"app.kubernetes.io/managed-by": "mail-egress"}));
    assert_eq!(secret["type"], "mail-egress.io/sender");
    let owner = json!([{
        "apiVersion": "mail-egress.io/v1alpha1", "kind": "MailSender", "name": "billing",
        "uid": "5ca1ab1e", "controller": true,
    }]);
    assert_eq!(secret["metadata"]["ownerReferences"], owner);
    let keys: Vec<_> = secret["data"].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["sender.json"]);
}

#[test]
fn debug_hides_the_token() {
    let shown = format!("{:?}", ready());
    assert!(!shown.contains("t0ken"), "{shown}");
}
