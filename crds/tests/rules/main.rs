//! Every rule and limit of the definitions, refused and accepted, without a cluster; and what the pages on
//! routes show.

// A panic is how a test says no; without the usual harness clippy does not see that this is one.
#![allow(clippy::unwrap_used, clippy::panic)]

mod cases;
mod pages;
mod schema;

use std::{collections::BTreeMap, path::Path, sync::Arc};

use kube::CustomResourceExt;
use libtest_mimic::{Arguments, Failed, Trial};
use mail_egress_crds::{
    EntraApp, MailPolicy, MailRoute, MailSender,
    definitions::{definitions, file_name},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use self::{
    cases::{Cases, Cause},
    schema::{Complaint, judge},
};

fn main() {
    let schemas: BTreeMap<String, Arc<Value>> = definitions()
        .iter()
        .map(|definition| {
            let schema = definition.spec.versions[0].schema.as_ref().unwrap();
            let schema = schema.open_api_v3_schema.as_ref().unwrap();
            let schema = serde_json::to_value(schema).unwrap();
            (definition.spec.names.kind.clone(), Arc::new(schema))
        })
        .collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases");
    let mut trials = pages::trials(&schemas);
    for cases in Cases::read_all(&folder) {
        let schema = &schemas[&cases.kind];
        trials.extend(trials_of(Arc::new(cases), schema));
    }
    for definition in definitions() {
        let schema = Arc::clone(&schemas[&definition.spec.names.kind]);
        let name = file_name(&definition);
        trials.push(Trial::test(format!("{name}: every list and every string is bounded"), move || {
            every_list_and_string_is_bounded(&schema, "")
        }));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}

fn trials_of(cases: Arc<Cases>, schema: &Arc<Value>) -> Vec<Trial> {
    let mut trials = Vec::new();
    let kind = cases.kind.clone();
    for case in cases.accepted.clone() {
        let (cases, schema) = (Arc::clone(&cases), Arc::clone(schema));
        trials.push(Trial::test(format!("{kind} accepts {}", case.name), move || {
            let document = cases.patched(case.patch.as_ref());
            is_accepted(&judge(&schema, &document, None))?;
            survives_the_types(&cases.kind, &document)
        }));
    }
    for case in cases.refused.clone() {
        let (cases, schema) = (Arc::clone(&cases), Arc::clone(schema));
        trials.push(Trial::test(format!("{kind} refuses {}", case.name), move || {
            let document = cases.patched(Some(&case.patch));
            is_refused(&judge(&schema, &document, None), &case.cause)
        }));
    }
    for case in cases.updates.clone() {
        let (cases, schema) = (Arc::clone(&cases), Arc::clone(schema));
        trials.push(Trial::test(format!("{kind} updated: {}", case.name), move || {
            let document = cases.patched(Some(&case.to));
            let complaints = judge(&schema, &document, Some(&cases.base));
            match &case.cause {
                None => is_accepted(&complaints),
                Some(cause) => is_refused(&complaints, cause),
            }
        }));
    }
    let schema = Arc::clone(schema);
    trials.push(Trial::test(format!("{kind}: every rule refuses some case"), move || {
        every_rule_refuses_some_case(&cases, &schema)
    }));
    trials
}

fn is_accepted(complaints: &[Complaint]) -> Result<(), Failed> {
    if complaints.is_empty() { Ok(()) } else { Err(format!("refused: {complaints:#?}").into()) }
}

/// Exactly one complaint, so that a person reads one clear line.
fn is_refused(complaints: &[Complaint], cause: &Cause) -> Result<(), Failed> {
    match complaints {
        [one] if one.field == cause.field && one.message.contains(&cause.because) => Ok(()),
        other => Err(format!("wanted {cause:?}, got {other:#?}").into()),
    }
}

/// The Rust types read the document, and write nothing that the schema refuses or that was not
/// there (apart from defaults).
fn survives_the_types(kind: &str, document: &Value) -> Result<(), Failed> {
    match kind {
        "EntraApp" => round_trip::<EntraApp>(document),
        "MailRoute" => round_trip::<MailRoute>(document),
        "MailSender" => round_trip::<MailSender>(document),
        "MailPolicy" => round_trip::<MailPolicy>(document),
        other => Err(format!("no type for {other}").into()),
    }
}

fn round_trip<K>(document: &Value) -> Result<(), Failed>
where
    K: CustomResourceExt + DeserializeOwned + Serialize,
{
    let typed: K = serde_json::from_value(document.clone())?;
    kube::core::cel::validate_cel(&typed)?;
    let written = serde_json::to_value(&typed)?;
    holds_all(document, &written, "")
}

fn holds_all(document: &Value, written: &Value, path: &str) -> Result<(), Failed> {
    match (document, written) {
        (Value::Object(document), Value::Object(written)) => {
            for (key, value) in document {
                let path = format!("{path}.{key}");
                match written.get(key) {
                    Some(other) => holds_all(value, other, &path)?,
                    None if value.as_array().is_some_and(Vec::is_empty) => {}
                    None => return Err(format!("{path} is lost").into()),
                }
            }
            match written.iter().find(|(_, value)| value.is_null()) {
                Some((key, _)) => Err(format!("{path}.{key} is written as null").into()),
                None => Ok(()),
            }
        }
        (Value::Array(document), Value::Array(written)) if document.len() == written.len() => {
            let mut pairs = document.iter().zip(written);
            pairs.try_for_each(|(value, other)| holds_all(value, other, &format!("{path}[]")))
        }
        (document, written) if document == written => Ok(()),
        (document, written) => Err(format!("{path} was {document} and is {written}").into()),
    }
}

fn every_rule_refuses_some_case(cases: &Cases, schema: &Value) -> Result<(), Failed> {
    let updates = cases.updates.iter().filter_map(|case| case.cause.as_ref());
    let causes: Vec<_> = cases.refused.iter().map(|case| &case.cause).chain(updates).collect();
    let mut messages = Vec::new();
    messages_of(schema, &mut messages);
    for message in messages {
        if !causes.iter().any(|cause| message.contains(&cause.because)) {
            return Err(format!("no case is refused by: {message}").into());
        }
    }
    Ok(())
}

fn messages_of(schema: &Value, messages: &mut Vec<String>) {
    for rule in schema["x-kubernetes-validations"].as_array().into_iter().flatten() {
        match rule["message"].as_str() {
            Some(message) => messages.push(message.to_owned()),
            None => panic!("a rule without a message: {rule}"),
        }
    }
    for below in below(schema) {
        messages_of(below.1, messages);
    }
}

fn every_list_and_string_is_bounded(schema: &Value, path: &str) -> Result<(), Failed> {
    let bounded = match schema["type"].as_str() {
        Some("string") => {
            schema["maxLength"].is_u64() || schema["enum"].is_array() || schema["format"] == "date-time"
        }
        Some("array") => schema["maxItems"].is_u64(),
        Some("object") => schema["additionalProperties"].is_null() || schema["maxProperties"].is_u64(),
        Some("integer") => path.starts_with(".status") || schema["maximum"].is_number(),
        Some("boolean") => true,
        other => return Err(format!("{path} is of type {other:?}").into()),
    };
    if !bounded {
        return Err(format!("{path} is not bounded: {schema}").into());
    }
    if schema["nullable"] == true {
        return Err(format!("{path} may be null").into());
    }
    if schema["description"].as_str().is_none_or(str::is_empty)
        && !path.ends_with("[]")
        && !path.ends_with(".*")
    {
        return Err(format!("{path} has no description").into());
    }
    below(schema)
        .into_iter()
        .try_for_each(|(name, below)| every_list_and_string_is_bounded(below, &format!("{path}{name}")))
}

/// What lies below a schema, with its step in the path.
fn below(schema: &Value) -> Vec<(String, &Value)> {
    let properties = schema["properties"].as_object().into_iter().flatten();
    let mut below: Vec<_> = properties.map(|(name, schema)| (format!(".{name}"), schema)).collect();
    if schema["items"].is_object() {
        below.push(("[]".into(), &schema["items"]));
    }
    if schema["additionalProperties"].is_object() {
        below.push((".*".into(), &schema["additionalProperties"]));
    }
    below
}
