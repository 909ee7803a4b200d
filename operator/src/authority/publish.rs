//! The `caBundle` by which the API server knows the webhook.

use base64::Engine;
use k8s_openapi::api::admissionregistration::v1::MutatingWebhookConfiguration;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};

use super::limited;
use crate::leader::{NotLeading, Term};
use crate::webhook::WEBHOOK_NAME;

/// Owns the one field, so that manifests without it can be applied again and again.
const FIELD_MANAGER: &str = "mail-egress-ca";

/// Why the bundle was not applied.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The API server refused, or could not be reached.
    #[error(
        "the caBundle of the MutatingWebhookConfiguration {name} could not be applied (is the configuration there, and may the operator patch it?)"
    )]
    Request {
        /// The configuration's name.
        name: String,
        /// What the API server answered.
        #[source]
        source: kube::Error,
    },
    /// The API server did not answer in time.
    #[error(
        "the caBundle of the MutatingWebhookConfiguration {name} could not be applied: no answer in time"
    )]
    Late {
        /// The configuration's name.
        name: String,
    },
    /// Leadership was lost on the way.
    #[error(transparent)]
    NotLeading(#[from] NotLeading),
}

/// Applies `bundle`. Needs nothing but `patch` on this one object; where nothing changes, nothing
/// is written.
pub(super) async fn apply(
    client: &Client,
    term: &Term,
    name: &str,
    bundle: &str,
) -> Result<(), PublishError> {
    let configurations: Api<MutatingWebhookConfiguration> = Api::all(client.clone());
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let patch = Patch::Apply(patch(name, bundle));
    let applied = term.fenced(limited(configurations.patch(name, &params, &patch))).await?;
    match applied {
        Some(answer) => {
            answer.map(drop).map_err(|source| PublishError::Request { name: name.to_owned(), source })
        }
        None => Err(PublishError::Late { name: name.to_owned() }),
    }
}

fn patch(name: &str, bundle: &str) -> Value {
    let bundle = base64::engine::general_purpose::STANDARD.encode(bundle);
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [{"name": WEBHOOK_NAME, "clientConfig": {"caBundle": bundle}}],
    })
}
