//! Selection of namespaces by their labels: Kubernetes' label selector, with every list bounded.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Selects namespaces by label. All requirements must be met; an empty selector selects every
/// namespace.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceSelector {
    /// Labels that the namespace must bear, with these values.
    #[schemars(extend("maxProperties" = 64, "additionalProperties" = {"type": "string", "maxLength": 63}))]
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
    /// Requirements on labels, beyond equality.
    #[schemars(length(max = 64))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub match_expressions: Vec<Requirement>,
}

/// One requirement on a label of the namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(self.operator in ['In', 'NotIn']) == (has(self.values) && self.values.size() > 0)")
        .message("values is needed with the operators In and NotIn, and must be absent with Exists and DoesNotExist"),
)]
pub struct Requirement {
    /// The label's key.
    #[schemars(
        length(min = 1, max = 317),
        pattern(r"^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$")
    )]
    pub key: String,
    /// How the label relates to the values.
    #[schemars(schema_with = "crate::schema::choice::<Operator>")]
    pub operator: Operator,
    /// The values, for `In` and `NotIn` only.
    #[schemars(length(max = 64), inner(length(max = 63)))]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

/// How a label relates to a requirement's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Operator {
    /// The label is there and has one of the values.
    In,
    /// The label is absent, or has none of the values.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is absent.
    DoesNotExist,
}

impl NamespaceSelector {
    /// Tells whether a namespace with these labels is selected, as Kubernetes itself decides it.
    pub fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        let equal = self.match_labels.iter().all(|(key, value)| labels.get(key) == Some(value));
        equal && self.match_expressions.iter().all(|requirement| requirement.is_met(labels))
    }
}

impl Requirement {
    fn is_met(&self, labels: &BTreeMap<String, String>) -> bool {
        let label = labels.get(&self.key);
        match self.operator {
            Operator::In => label.is_some_and(|value| self.values.contains(value)),
            Operator::NotIn => label.is_none_or(|value| !self.values.contains(value)),
            Operator::Exists => label.is_some(),
            Operator::DoesNotExist => label.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::NamespaceSelector;

    fn selects(selector: &str, labels: &[(&str, &str)]) -> bool {
        let selector: NamespaceSelector = serde_yaml::from_str(selector).unwrap();
        let labels: BTreeMap<String, String> =
            labels.iter().map(|&(key, value)| (key.into(), value.into())).collect();
        selector.selects(&labels)
    }

    #[test]
    fn nothing_asked_selects_everything() {
        assert!(selects("{}", &[]));
    }

    #[test]
    fn every_requirement_must_be_met() {
        let selector = "
            matchLabels: {team: shop}
            matchExpressions: [{key: stage, operator: In, values: [prod, test]}]";
        assert!(selects(selector, &[("team", "shop"), ("stage", "test")]));
        assert!(!selects(selector, &[("team", "shop"), ("stage", "dev")]));
        assert!(!selects(selector, &[("team", "hr"), ("stage", "test")]));
        assert!(!selects(selector, &[("team", "shop")]));
    }

    #[test]
    fn not_in_holds_for_an_absent_label_as_in_kubernetes() {
        let selector = "matchExpressions: [{key: stage, operator: NotIn, values: [prod]}]";
        assert!(selects(selector, &[]));
        assert!(selects(selector, &[("stage", "dev")]));
        assert!(!selects(selector, &[("stage", "prod")]));
    }

    #[test]
    fn existence_is_about_the_key_alone() {
        assert!(selects("matchExpressions: [{key: a, operator: Exists}]", &[("a", "")]));
        assert!(!selects("matchExpressions: [{key: a, operator: Exists}]", &[]));
        assert!(selects("matchExpressions: [{key: a, operator: DoesNotExist}]", &[]));
        assert!(!selects("matchExpressions: [{key: a, operator: DoesNotExist}]", &[("a", "")]));
    }
}
