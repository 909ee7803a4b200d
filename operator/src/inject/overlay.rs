//! What we decide, laid over what is there already.
//!
//! Between two calls the API server fills in defaults, the LimitRanger adds limits, OpenShift a
//! user, and other webhooks their variables. All of that stays; what we decide wins.

use serde_json::Value;

use super::quantity::Quantity;

/// Ours over what was found: objects by key, lists of named things by their name, all else whole.
pub(super) fn overlay(found: &Value, ours: &Value) -> Value {
    match (found, ours) {
        (Value::Object(found), Value::Object(ours)) => {
            let mut merged = found.clone();
            for (key, value) in ours {
                let value = match found.get(key) {
                    Some(found) if key == "resources" => quantities(found, value),
                    Some(found) => overlay(found, value),
                    None => value.clone(),
                };
                merged.insert(key.clone(), value);
            }
            Value::Object(merged)
        }
        (Value::Array(found), Value::Array(ours)) => match identity(ours) {
            Some(key) => Value::Array(by_identity(found, ours, key)),
            None => Value::Array(ours.clone()),
        },
        _ => ours.clone(),
    }
}

/// The field that tells the elements of a list apart, as in the API's own schema.
fn identity(list: &[Value]) -> Option<&'static str> {
    ["mountPath", "name"].into_iter().find(|key| list.iter().all(|element| element[*key].is_string()))
}

fn by_identity(found: &[Value], ours: &[Value], key: &str) -> Vec<Value> {
    let same = |a: &Value, b: &Value| a[key] == b[key];
    let mut merged: Vec<Value> = found
        .iter()
        .map(|found| match ours.iter().find(|ours| same(ours, found)) {
            Some(ours) => overlay(found, ours),
            None => found.clone(),
        })
        .collect();
    let missing = ours.iter().filter(|ours| !found.iter().any(|found| same(found, ours)));
    merged.extend(missing.cloned());
    merged
}

/// The API server writes quantities in its own way: `0.5Gi` comes back as `512Mi`.
fn quantities(found: &Value, ours: &Value) -> Value {
    match (found, ours) {
        (Value::Object(found), Value::Object(ours)) => {
            let mut merged = found.clone();
            for (key, value) in ours {
                let value = found.get(key).map_or_else(|| value.clone(), |found| quantities(found, value));
                merged.insert(key.clone(), value);
            }
            Value::Object(merged)
        }
        (Value::String(a), Value::String(b)) => {
            let same = Quantity::parse(a).is_some_and(|a| Some(a) == Quantity::parse(b));
            if same { found.clone() } else { ours.clone() }
        }
        _ => ours.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_others_added_stays_and_what_we_decide_wins() {
        let found = json!({
            "image": "old", "imagePullPolicy": "IfNotPresent", "args": ["a", "b"],
            "env": [{"name": "PROXY", "value": "x"}],
            "securityContext": {"runAsUser": 1_000_680_000, "runAsNonRoot": false},
            "resources": {"requests": {"cpu": "10m"}, "limits": {"cpu": "1", "memory": "512Mi"}},
        });
        let ours = json!({
            "image": "new", "args": ["c"],
            "securityContext": {"runAsNonRoot": true},
            "resources": {"requests": {"cpu": "20m"}, "limits": {"memory": "0.5Gi"}},
        });
        let merged = json!({
            "image": "new", "imagePullPolicy": "IfNotPresent", "args": ["c"],
            "env": [{"name": "PROXY", "value": "x"}],
            "securityContext": {"runAsUser": 1_000_680_000, "runAsNonRoot": true},
            "resources": {"requests": {"cpu": "20m"}, "limits": {"cpu": "1", "memory": "512Mi"}},
        });
        assert_eq!(overlay(&found, &ours), merged);
        assert_eq!(overlay(&merged, &ours), merged, "once is enough");
    }

    #[test]
    fn a_token_mounted_over_our_empty_directory_gives_way() {
        let found = json!([
            {"name": "kube-api-access-x", "mountPath": "/var/run/secrets", "readOnly": true},
            {"name": "extra", "mountPath": "/extra"},
        ]);
        let ours = json!([
            {"name": "nothing", "mountPath": "/var/run/secrets"},
            {"name": "sender", "mountPath": "/sender"},
        ]);
        let merged = json!([
            {"name": "nothing", "mountPath": "/var/run/secrets", "readOnly": true},
            {"name": "extra", "mountPath": "/extra"},
            {"name": "sender", "mountPath": "/sender"},
        ]);
        assert_eq!(overlay(&found, &ours), merged);
    }
}
