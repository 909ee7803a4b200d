//! Objects for tests: one sender, one app that admits it, one route.

use std::{collections::BTreeMap, sync::Arc};

use mail_egress_crds::{EntraApp, MailRoute, MailSender};
use serde_json::{Value, json};

use super::validate::{References, Validated, validate};
use crate::watches::Named;

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
        namespace_labels: BTreeMap::from([("team".into(), "shop".into())]),
    }
}

pub(super) fn validated() -> Validated {
    validate(&sender(json!({})), &references()).result.unwrap()
}

fn overlay(whole: &mut Value, patch: Value) {
    let (Value::Object(whole), Value::Object(patch)) = (whole, patch) else { panic!("not objects") };
    whole.extend(patch);
}
