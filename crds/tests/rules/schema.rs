//! What an API server checks before it looks at CEL rules: types, limits, lists. As much of it as
//! the definitions use, in the API server's words.

use kube::core::cel::Validator;
use serde_json::Value;

/// A field, and what is wrong with it.
#[derive(Debug, PartialEq)]
pub(crate) struct Complaint {
    pub(crate) field: String,
    pub(crate) message: String,
}

/// Judges a document by a definition's schema and rules, as a creation or as an update of `old`.
pub(crate) fn judge(schema: &Value, document: &Value, old: Option<&Value>) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    check(schema, document, "", &mut complaints);
    if complaints.is_empty()
        && let Err(errors) = Validator::new().validate(schema, document, old)
    {
        complaints.extend(errors.into_vec().into_iter().map(|error| Complaint {
            field: match error.field_path {
                whole if whole.is_empty() => "<nil>".into(),
                path => path,
            },
            message: error.message,
        }));
    }
    complaints
}

fn check(schema: &Value, value: &Value, path: &str, complaints: &mut Vec<Complaint>) {
    let mut complain = |message: String| {
        complaints.push(Complaint { field: path.trim_start_matches('.').to_owned(), message });
    };
    let wanted = schema["type"].as_str().unwrap();
    let fits = match wanted {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        other => panic!("no field should be of type {other}"),
    };
    if !fits {
        return complain(format!("must be of type {wanted}"));
    }
    if let Some(choices) = schema["enum"].as_array()
        && !choices.contains(value)
    {
        complain("Unsupported value".into());
    }
    if let Some(text) = value.as_str() {
        if let Some(problem) = problem_of_text(schema, text) {
            complain(problem);
        }
    } else if let Some(number) = value.as_f64() {
        let (min, max) = (schema["minimum"].as_f64(), schema["maximum"].as_f64());
        if let Some(min) = min.filter(|min| number < *min) {
            complain(format!("should be greater than or equal to {min}"));
        }
        if let Some(max) = max.filter(|max| number > *max) {
            complain(format!("should be less than or equal to {max}"));
        }
    } else if let Some(items) = value.as_array() {
        if let Some(min) = schema["minItems"].as_u64().filter(|min| (items.len() as u64) < *min) {
            complain(format!("should have at least {min} items"));
        }
        if schema["maxItems"].as_u64().is_some_and(|max| items.len() as u64 > max) {
            complain("Too many".into());
        }
        for (index, item) in items.iter().enumerate() {
            let path = format!("{path}[{index}]");
            check(&schema["items"], item, &path, complaints);
            if is_duplicate(schema, &items[..index], item) {
                complaints.push(Complaint {
                    field: path.trim_start_matches('.').to_owned(),
                    message: "Duplicate value".into(),
                });
            }
        }
    } else if let Some(fields) = value.as_object() {
        for required in schema["required"].as_array().into_iter().flatten() {
            let name = required.as_str().unwrap();
            if !fields.contains_key(name) {
                complaints.push(Complaint {
                    field: format!("{path}.{name}").trim_start_matches('.').to_owned(),
                    message: "Required value".into(),
                });
            }
        }
        for (name, value) in fields {
            let below = [&schema["properties"][name], &schema["additionalProperties"]];
            match below.into_iter().find(|schema| schema.is_object()) {
                Some(schema) => check(schema, value, &format!("{path}.{name}"), complaints),
                // the API server knows these by itself
                None if path.is_empty() && ["apiVersion", "kind", "metadata"].contains(&&**name) => {}
                None => panic!("no definition has the field {path}.{name}"),
            }
        }
    }
}

fn problem_of_text(schema: &Value, text: &str) -> Option<String> {
    let length = text.chars().count() as u64;
    if let Some(min) = schema["minLength"].as_u64().filter(|min| length < *min) {
        return Some(format!("should be at least {min} chars long"));
    }
    if schema["maxLength"].as_u64().is_some_and(|max| length > max) {
        return Some("Too long".into());
    }
    if let Some(pattern) = schema["pattern"].as_str()
        && !regex::Regex::new(pattern).unwrap().is_match(text)
    {
        return Some(format!("should match '{pattern}'"));
    }
    if schema["format"] == "date-time" {
        let time: Result<k8s_openapi::apimachinery::pkg::apis::meta::v1::Time, _> =
            serde_json::from_value(Value::from(text));
        return time.is_err().then(|| "must be of type date-time".into());
    }
    None
}

fn is_duplicate(schema: &Value, before: &[Value], item: &Value) -> bool {
    match schema["x-kubernetes-list-type"].as_str() {
        Some("set") => before.contains(item),
        Some("map") => {
            let keys = schema["x-kubernetes-list-map-keys"].as_array().unwrap();
            before.iter().any(|other| {
                keys.iter().all(|key| other[key.as_str().unwrap()] == item[key.as_str().unwrap()])
            })
        }
        Some("atomic") | None => false,
        Some(other) => panic!("no list should be of type {other}"),
    }
}
