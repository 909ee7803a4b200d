//! Objects for tests: one sender, one app that admits it, one route.

use std::{collections::BTreeMap, sync::Arc};

use jiff::Timestamp;
use k8s_openapi::{ByteString, api::core::v1::Secret};
use mail_egress_config::Token;
use mail_egress_crds::{EntraApp, MailRoute, MailSender};
use serde_json::{Value, json};

use super::{
    build::Sending,
    references::References,
    validate::{Validated, validate},
};
use crate::{
    credential::{Credentials, Lookup},
    watches::Named,
};

pub(super) fn sender(spec: Value) -> MailSender {
    let mut whole =
        json!({"entraApp": "contoso", "mailbox": "billing@contoso.com", "route": "exchange-online"});
    overlay(&mut whole, spec);
    let mut sender = MailSender::new("billing", serde_json::from_value(whole).unwrap());
    sender.metadata.namespace = Some("shop".into());
    sender.metadata.uid = Some("5ca1ab1e".into());
    sender
}

pub(super) fn app(spec: Value) -> Named<EntraApp> {
    let mut whole = json!({
        "tenant": "contoso.onmicrosoft.com",
        "clientID": "00000000-0000-0000-0000-000000000001",
        "credential": {"clientSecret": {"secretName": "contoso"}},
        "allowedNamespaces": [{"namespaces": ["shop"], "mailboxes": ["*@contoso.com"]}],
    });
    overlay(&mut whole, spec);
    Named::Found(Arc::new(EntraApp::new("contoso", serde_json::from_value(whole).unwrap())))
}

pub(super) fn route(spec: Value) -> Named<MailRoute> {
    Named::Found(Arc::new(MailRoute::new("exchange-online", serde_json::from_value(spec).unwrap())))
}

pub(super) fn references() -> References {
    References {
        app: Some(app(json!({}))),
        route: route(json!({"exchangeOnline": {}})),
        fallback: None,
        namespace_labels: BTreeMap::from([("team".into(), "shop".into())]),
        credentials: Credentials::new("mail-egress-system"),
        policies: Vec::new(),
        token_user: None,
    }
}

/// A moment before all that is dated in tests has ended.
pub(super) fn now() -> Timestamp {
    "2026-11-23T11:00:00Z".parse().unwrap()
}

pub(super) fn secret(credentials: &mut Credentials, name: &str, values: &[(&str, &str)]) {
    let data = values.iter().map(|(key, value)| ((*key).to_owned(), ByteString((*value).into())));
    let secret = Secret { data: Some(data.collect()), ..Secret::default() };
    credentials.note(name, Lookup::Found(&secret));
}

/// What a sidecar is told of a sender with this token.
pub(super) fn sending(validated: &Validated, token: Option<Token>) -> Sending {
    Sending {
        route: validated.exit().route.clone(),
        token,
        token_source: None,
        fallback: None,
        limits: validated.limits(),
    }
}

pub(super) fn validated() -> Validated {
    validate(&sender(json!({})), &references(), now()).result.unwrap()
}

fn overlay(whole: &mut Value, patch: Value) {
    let (Value::Object(whole), Value::Object(patch)) = (whole, patch) else { panic!("not objects") };
    whole.extend(patch);
}
