//! Reading and writing the Secret that keeps the CA.

use std::future::Future;

use k8s_openapi::api::core::v1::Secret;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::json;
use tracing::{info, warn};

use super::limited;
use super::stored::{Damage, Stored};
use crate::leader::{NotLeading, Term};

/// The Secret's type, so that nobody mounts it for something else.
const SECRET_TYPE: &str = "mail-egress.io/ca";

/// Why the CA could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// Somebody has changed it; the leader writes it anew.
    #[error(
        "the Secret {name} holds no usable CA: {damage}; the leader writes it anew, and deleting it has the same effect"
    )]
    Damaged {
        /// Namespace and name.
        name: String,
        /// Which entry, and what about it.
        damage: String,
    },
    /// The API server refused, or could not be reached.
    #[error("the Secret {name} could not be {verb}")]
    Request {
        /// Namespace and name.
        name: String,
        /// What was tried.
        verb: &'static str,
        /// What it answered.
        #[source]
        source: kube::Error,
    },
    /// The API server did not answer in time.
    #[error("the Secret {name} could not be {verb}: no answer in time")]
    Late {
        /// Namespace and name.
        name: String,
        /// What was tried.
        verb: &'static str,
    },
    /// Leadership was lost on the way.
    #[error(transparent)]
    NotLeading(#[from] NotLeading),
}

/// The CAs and the version of the Secret that they were read from.
pub(super) struct Found {
    pub(super) stored: Stored,
    pub(super) version: Option<String>,
}

/// What the Secret says.
pub(super) enum Content {
    Sound(Found),
    Missing,
    Damaged(Damaged),
}

/// A Secret without a CA that could sign.
pub(super) struct Damaged {
    name: String,
    damage: Damage,
    version: Option<String>,
}

impl Damaged {
    pub(super) fn refusal(&self) -> SecretError {
        SecretError::Damaged { name: self.name.clone(), damage: self.damage.to_string() }
    }

    pub(super) fn version(self) -> Option<String> {
        self.version
    }
}

/// The one Secret.
pub(super) struct CaSecret {
    secrets: Api<Secret>,
    namespace: String,
    name: String,
}

impl CaSecret {
    pub(super) fn new(client: &Client, namespace: &str, name: &str) -> Self {
        Self {
            secrets: Api::namespaced(client.clone(), namespace),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    pub(super) async fn read(&self) -> Result<Content, SecretError> {
        let secret = self.request("read", self.secrets.get_opt(&self.name)).await?;
        Ok(secret.map_or(Content::Missing, |secret| self.content(secret)))
    }

    /// Creates it; where another replica was faster, what that one created counts.
    pub(super) async fn create(&self, stored: Stored) -> Result<Found, SecretError> {
        let data = stored.data().into_iter().filter_map(|(entry, value)| Some((entry, value?)));
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                labels: Some([("app.kubernetes.io/managed-by".to_owned(), "mail-egress".to_owned())].into()),
                ..ObjectMeta::default()
            },
            type_: Some(SECRET_TYPE.to_owned()),
            data: Some(data.collect()),
            ..Secret::default()
        };
        let created = self.request("created", self.secrets.create(&PostParams::default(), &secret)).await;
        match created {
            Ok(created) => {
                info!(secret = self.full_name(), "created the webhook's CA");
                Ok(Found { stored, version: created.metadata.resource_version })
            }
            Err(SecretError::Request { source: kube::Error::Api(status), .. }) if status.code == 409 => {
                let secret = self.request("read", self.secrets.get(&self.name)).await?;
                match self.content(secret) {
                    Content::Sound(found) => Ok(found),
                    Content::Damaged(damaged) => Err(damaged.refusal()),
                    Content::Missing => Err(self.failed("read", kube::Error::Api(status))),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Writes all entries over exactly the version that was read.
    pub(super) async fn replace(
        &self,
        term: &Term,
        version: Option<String>,
        stored: Stored,
    ) -> Result<Found, SecretError> {
        let patch = Patch::Merge(json!({
            "metadata": {"resourceVersion": version},
            "data": stored.data(),
        }));
        let params = PatchParams::default();
        let written = self.request("changed", self.secrets.patch(&self.name, &params, &patch));
        let written = term.fenced(written).await??;
        Ok(Found { stored, version: written.metadata.resource_version })
    }

    fn content(&self, secret: Secret) -> Content {
        let version = secret.metadata.resource_version;
        match Stored::read(&secret.data.unwrap_or_default()) {
            Ok((stored, damages)) => {
                for damage in damages {
                    warn!(secret = self.full_name(), %damage, "an entry of the CA's Secret is not used");
                }
                Content::Sound(Found { stored, version })
            }
            Err(damage) => Content::Damaged(Damaged { name: self.full_name(), damage, version }),
        }
    }

    async fn request<T>(
        &self,
        verb: &'static str,
        request: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, SecretError> {
        match limited(request).await {
            Some(answer) => answer.map_err(|source| self.failed(verb, source)),
            None => Err(SecretError::Late { name: self.full_name(), verb }),
        }
    }

    fn failed(&self, verb: &'static str, source: kube::Error) -> SecretError {
        SecretError::Request { name: self.full_name(), verb, source }
    }

    fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}
