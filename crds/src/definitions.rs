//! The CustomResourceDefinitions of the four kinds, and the files that they lie in.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;

use crate::{EntraApp, MailPolicy, MailRoute, MailSender};

/// The CustomResourceDefinitions of the four kinds, ready to be applied.
pub fn definitions() -> [CustomResourceDefinition; 4] {
    let mut definitions = [EntraApp::crd(), MailRoute::crd(), MailSender::crd(), MailPolicy::crd()];
    for version in definitions.iter_mut().flat_map(|it| &mut it.spec.versions) {
        let schema = version.schema.as_mut();
        if let Some(schema) = schema.and_then(|schema| schema.open_api_v3_schema.as_mut()) {
            finish(schema);
        }
    }
    definitions
}

/// The file of a definition in the folder `crds/`, such as `mail-egress.io_mailsenders.yaml`.
pub fn file_name(definition: &CustomResourceDefinition) -> String {
    let spec = &definition.spec;
    format!("{}_{}.yaml", spec.group, spec.names.plural)
}

/// The whole content of that file.
///
/// # Errors
/// If the definition cannot be written as YAML.
pub fn to_yaml(definition: &CustomResourceDefinition) -> Result<String, serde_yaml::Error> {
    let yaml = serde_yaml::to_string(definition)?;
    Ok(format!("{HEADER}{yaml}"))
}

/// Finishes what the derive leaves.
///
/// No field may be null: to a CEL rule a null is present, to the Rust types it is absent, and the
/// two must not judge differently. The API server drops an explicit null of such a field.
///
/// Descriptions lose the line breaks of the source inside a paragraph, since `kubectl explain`
/// breaks lines by itself.
fn finish(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    if let Some(description) = &mut schema.description {
        let paragraphs = description.split("\n\n");
        let paragraphs: Vec<_> = paragraphs.map(|text| text.replace('\n', " ")).collect();
        *description = paragraphs.join("\n\n");
    }
    if let Some(properties) = &mut schema.properties {
        properties.values_mut().for_each(finish);
    }
    match &mut schema.items {
        Some(JSONSchemaPropsOrArray::Schema(items)) => finish(items),
        Some(JSONSchemaPropsOrArray::Schemas(items)) => items.iter_mut().for_each(finish),
        None => {}
    }
    match &mut schema.additional_properties {
        Some(JSONSchemaPropsOrBool::Schema(values)) => finish(values),
        Some(JSONSchemaPropsOrBool::Bool(_)) | None => {}
    }
}

const HEADER: &str = "\
# Made from the Rust types in crds/src by `cargo run -p mail-egress-crds --bin generate-crds`.
# Change those, not this.
";
