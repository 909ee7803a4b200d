//! The newest refresh token of each owner: each exchange brings a new one, which is kept in a Secret of
//! its own, so that whatever writes the first one (GitOps, say) never takes us back.

use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use mail_egress_crds::names;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::{
    Owner,
    key::of_first,
    shelf::{self, Shelf, expose},
};
use crate::writer::{WriteError, Writer};

/// Where they lie.
const SHELF: Shelf = Shelf { label: names::LABEL_REFRESH_TOKEN, file: "refresh-token.json" };

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
    Ok(SHELF.load::<Kept>(secrets).await?.into_iter().map(Kept::taken).collect())
}

/// Keeps a refresh token, over whatever stood there.
pub(super) async fn save(
    writer: &Writer,
    namespace: &str,
    owner: &Owner,
    rotated: &Rotated,
) -> Result<(), WriteError> {
    SHELF.save(writer, namespace, &owner.refresh_secret_name(), &Kept::of(owner, rotated)).await
}

/// Deletes what is kept of an owner that is gone; what is not there is deleted already.
pub(super) async fn delete(writer: &Writer, namespace: &str, owner: &Owner) -> Result<(), WriteError> {
    shelf::delete(writer, namespace, &owner.refresh_secret_name()).await
}

impl Kept {
    fn of(owner: &Owner, rotated: &Rotated) -> Self {
        Self { owner: owner.clone(), first: rotated.first.clone(), value: rotated.value.clone() }
    }

    fn taken(self) -> (Owner, Rotated) {
        (self.owner, Rotated { first: self.first, value: self.value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_keeps() {
        let (first, owner) = (SecretString::from("r1"), Owner::App("contoso".into()));
        let rotated = Rotated::new(&first, SecretString::from("r2"));
        let secret = SHELF.secret(&owner.refresh_secret_name(), &Kept::of(&owner, &rotated)).unwrap();
        let (again_owner, again) = SHELF.read::<Kept>(&secret).unwrap().taken();
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
