//! The newest refresh token of each owner: each exchange brings a new one, which is kept in a Secret of
//! its own, so that whatever writes the first one (GitOps, say) never takes us back.

use std::collections::BTreeMap;

use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, ObjectMeta, Patch, PatchParams},
};
use mail_egress_crds::names;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use tracing::warn;

use super::{Owner, key::of_first};
use crate::writer::{WriteError, Writer};

/// The one key of such a Secret.
const FILE: &str = "refresh-token.json";

/// The newest refresh token, and which first one it came of.
#[derive(Clone, Debug)]
pub(super) struct Rotated {
    first: String,
    value: SecretString,
}

/// What is kept. No `Debug`: it holds a token.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    #[serde(flatten)]
    owner: Owner,
    first: String,
    #[serde(serialize_with = "expose")]
    value: SecretString,
}

/// The one place where a refresh token is written out: into the Secret that is made to keep it.
fn expose<S: Serializer>(value: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(value.expose_secret())
}

impl Rotated {
    /// What came of an exchange that began with this first token.
    #[must_use]
    pub(super) fn new(first: &SecretString, value: SecretString) -> Self {
        Self { first: of_first(first.expose_secret()), value }
    }

    /// The token to be shown; `None` where another first one stands in the person's Secret by now, so
    /// that one begins anew.
    #[must_use]
    pub(super) fn of(&self, first: &SecretString) -> Option<&SecretString> {
        (self.first == of_first(first.expose_secret())).then_some(&self.value)
    }

    /// Whether both are the same token.
    #[must_use]
    pub(super) fn is(&self, other: &Self) -> bool {
        self.first == other.first && self.value.expose_secret() == other.value.expose_secret()
    }
}

/// Reads all that is kept. One that cannot be read is skipped: the first token is tried again.
pub(super) async fn load(secrets: &Api<Secret>) -> Result<Vec<(Owner, Rotated)>, kube::Error> {
    let labelled = ListParams::default().labels(&format!("{}=true", names::LABEL_REFRESH_TOKEN));
    let found = secrets.list(&labelled).await?;
    Ok(found.iter().filter_map(read).collect())
}

/// Keeps a refresh token, over whatever stood there.
pub(super) async fn save(
    writer: &Writer,
    namespace: &str,
    owner: &Owner,
    rotated: &Rotated,
) -> Result<(), WriteError> {
    let secret = secret(owner, rotated)?;
    let secrets: Api<Secret> = Api::namespaced(writer.client(), namespace);
    let forced = PatchParams::apply(names::FIELD_MANAGER).force();
    writer.write(secrets.patch(&owner.refresh_secret_name(), &forced, &Patch::Apply(&secret))).await?;
    Ok(())
}

/// Deletes what is kept of an owner that is gone; what is not there is deleted already.
pub(super) async fn delete(writer: &Writer, namespace: &str, owner: &Owner) -> Result<(), WriteError> {
    let secrets: Api<Secret> = Api::namespaced(writer.client(), namespace);
    match writer.write(secrets.delete(&owner.refresh_secret_name(), &DeleteParams::default())).await {
        Ok(_) => Ok(()),
        Err(WriteError::Api(kube::Error::Api(status))) if status.is_not_found() => Ok(()),
        Err(error) => Err(error),
    }
}

fn secret(owner: &Owner, rotated: &Rotated) -> Result<Secret, WriteError> {
    let kept = Kept { owner: owner.clone(), first: rotated.first.clone(), value: rotated.value.clone() };
    let file = serde_json::to_vec(&kept).map_err(kube::Error::SerdeError)?;
    let labels = [(names::LABEL_REFRESH_TOKEN, "true"), (names::LABEL_MANAGED_BY, names::MANAGED_BY)];
    let metadata = ObjectMeta {
        name: Some(owner.refresh_secret_name()),
        labels: Some(labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into()),
        ..ObjectMeta::default()
    };
    Ok(Secret {
        metadata,
        type_: Some(names::SECRET_TYPE_TOKEN.to_owned()),
        data: Some(BTreeMap::from([(FILE.to_owned(), ByteString(file))])),
        ..Secret::default()
    })
}

fn read(secret: &Secret) -> Option<(Owner, Rotated)> {
    let file = secret.data.as_ref().and_then(|data| data.get(FILE));
    // serde's error could repeat a piece of the token
    let Some(kept) = file.and_then(|file| serde_json::from_slice::<Kept>(&file.0).ok()) else {
        warn!(
            secret = secret.name_any(),
            "a kept refresh token cannot be read; the first one is tried again"
        );
        return None;
    };
    Some((kept.owner, Rotated { first: kept.first, value: kept.value }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_keeps() {
        let (first, owner) = (SecretString::from("r1"), Owner::App("contoso".into()));
        let rotated = Rotated::new(&first, SecretString::from("r2"));
        let secret = secret(&owner, &rotated).unwrap();
        let (again_owner, again) = read(&secret).unwrap();
        assert!(again_owner == owner && again.is(&rotated));
        assert_eq!(secret.metadata.name, Some(owner.refresh_secret_name()));
    }

    #[test]
    fn another_first_token_begins_anew() {
        let rotated = Rotated::new(&SecretString::from("r1"), SecretString::from("r2"));
        let shown =
            |first: &str| rotated.of(&SecretString::from(first)).map(|it| it.expose_secret().to_owned());
        assert_eq!(shown("r1").as_deref(), Some("r2"));
        assert_eq!(shown("another"), None);
        assert!(!format!("{rotated:?}").contains("r2"));
    }
}
