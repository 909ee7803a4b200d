//! Secrets of the operator's own namespace that keep one JSON file each, from leader to leader.

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, ObjectMeta, Patch, PatchParams},
};
use mail_egress_crds::names;
use secrecy::{ExposeSecret, SecretString};
use serde::{Serialize, Serializer, de::DeserializeOwned};
use tracing::warn;

use crate::writer::{WriteError, Writer};

/// Secrets of one kind.
#[derive(Clone, Copy, Debug)]
pub(super) struct Shelf {
    /// The label by which they are found.
    pub(super) label: &'static str,
    /// The one key of each, under which the file lies.
    pub(super) file: &'static str,
}

impl Shelf {
    /// Reads all. One that cannot be read is skipped, and said in the log.
    pub(super) async fn load<T: DeserializeOwned>(
        &self,
        secrets: &Api<Secret>,
    ) -> Result<Vec<T>, kube::Error> {
        let labelled = ListParams::default().labels(&format!("{}=true", self.label));
        let found = secrets.list(&labelled).await?;
        Ok(found.iter().filter_map(|secret| self.read(secret)).collect())
    }

    /// Keeps a file under this name, over whatever stood there.
    pub(super) async fn save<T: Serialize>(
        &self,
        writer: &Writer,
        namespace: &str,
        name: &str,
        content: &T,
    ) -> Result<(), WriteError> {
        let secret = self.secret(name, content)?;
        let secrets: Api<Secret> = Api::namespaced(writer.client(), namespace);
        let forced = PatchParams::apply(names::FIELD_MANAGER).force();
        writer.write(secrets.patch(name, &forced, &Patch::Apply(&secret))).await?;
        Ok(())
    }

    pub(super) fn secret<T: Serialize>(&self, name: &str, content: &T) -> Result<Secret, WriteError> {
        let file = serde_json::to_vec(content).map_err(kube::Error::SerdeError)?;
        let labels = [(self.label, "true"), (names::LABEL_MANAGED_BY, names::MANAGED_BY)];
        let metadata = ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some(labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into()),
            ..ObjectMeta::default()
        };
        Ok(Secret {
            metadata,
            type_: Some(names::SECRET_TYPE_TOKEN.to_owned()),
            data: Some(BTreeMap::from([(self.file.to_owned(), ByteString(file))])),
            ..Secret::default()
        })
    }

    pub(super) fn read<T: DeserializeOwned>(&self, secret: &Secret) -> Option<T> {
        let file = secret.data.as_ref().and_then(|data| data.get(self.file));
        // serde's error could repeat a piece of the token
        let read = file.and_then(|file| serde_json::from_slice(&file.0).ok());
        if read.is_none() {
            warn!(secret = secret.name_any(), "what is kept in this Secret cannot be read, and is had anew");
        }
        read
    }
}

/// Deletes what is kept under this name; what is not there is deleted already.
pub(super) async fn delete(writer: &Writer, namespace: &str, name: &str) -> Result<(), WriteError> {
    let secrets: Api<Secret> = Api::namespaced(writer.client(), namespace);
    match writer.write(secrets.delete(name, &DeleteParams::default())).await {
        Ok(_) => Ok(()),
        Err(WriteError::Api(kube::Error::Api(status))) if status.is_not_found() => Ok(()),
        Err(error) => Err(error),
    }
}

/// The one place where a token is written out here: into the Secret that is made to keep it.
pub(super) fn expose<S: Serializer>(value: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(value.expose_secret())
}
