//! The Secrets in which the leader keeps its tokens, so that the next one asks Entra for nothing.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use mail_egress_crds::names;
use mail_egress_entra::Token;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use super::{
    Fingerprint, Held, Key, Owner,
    shelf::{self, Shelf, expose},
};
use crate::writer::{WriteError, Writer};

/// Where they lie.
const SHELF: Shelf = Shelf { label: names::LABEL_TOKEN, file: "token.json" };

/// What is kept. No `Debug`: it holds a token.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Kept {
    #[serde(flatten)]
    owner: Owner,
    scope: String,
    identity: String,
    request: String,
    obtained_at: Timestamp,
    expires_at: Timestamp,
    #[serde(serialize_with = "expose")]
    value: SecretString,
}

/// Reads all kept tokens. One that cannot be read is skipped: its app asks Entra again.
pub(super) async fn load(secrets: &Api<Secret>) -> Result<Vec<(Key, Held)>, kube::Error> {
    Ok(SHELF.load::<Kept>(secrets).await?.into_iter().map(Kept::taken).collect())
}

/// Keeps a token, over whatever stood there.
pub(super) async fn save(writer: &Writer, namespace: &str, key: &Key, held: &Held) -> Result<(), WriteError> {
    SHELF.save(writer, namespace, &key.secret_name(), &Kept::of(key, held)).await
}

/// Deletes a kept token; one that is not there is deleted already.
pub(super) async fn delete(writer: &Writer, namespace: &str, key: &Key) -> Result<(), WriteError> {
    shelf::delete(writer, namespace, &key.secret_name()).await
}

impl Kept {
    fn of(key: &Key, held: &Held) -> Self {
        Self {
            owner: key.owner.clone(),
            scope: key.scope.clone(),
            identity: held.fingerprint.identity.clone(),
            request: held.fingerprint.request.clone(),
            obtained_at: held.obtained_at,
            expires_at: held.token.expires_at,
            value: held.token.value.clone(),
        }
    }

    fn taken(self) -> (Key, Held) {
        let key = Key { owner: self.owner, scope: self.scope };
        let fingerprint = Fingerprint { identity: self.identity, request: self.request };
        let token = Token { value: self.value, expires_at: self.expires_at };
        (key, Held { token, obtained_at: self.obtained_at, fingerprint })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use k8s_openapi::ByteString;
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn reads_what_it_keeps() {
        let key = Key {
            owner: Owner::App("contoso".into()),
            scope: "https://outlook.office365.com/.default".into(),
        };
        let expires_at = Timestamp::UNIX_EPOCH;
        let held = Held {
            token: Token { value: SecretString::from("t0ken"), expires_at },
            obtained_at: expires_at,
            fingerprint: Fingerprint { identity: "a".into(), request: "b".into() },
        };
        let secret = SHELF.secret(&key.secret_name(), &Kept::of(&key, &held)).unwrap();
        let (again_key, again) = SHELF.read::<Kept>(&secret).unwrap().taken();
        assert_eq!(again_key, key);
        assert_eq!(again.token.value.expose_secret(), "t0ken");
        assert_eq!((again.obtained_at, again.fingerprint), (held.obtained_at, held.fingerprint));
        assert_eq!(secret.type_.as_deref(), Some("mail-egress.io/token"));
        let file = String::from_utf8(secret.data.unwrap().remove(SHELF.file).unwrap().0).unwrap();
        assert!(file.starts_with(r#"{"app":"contoso","scope":"#), "as earlier versions wrote it: {file}");
    }

    #[test]
    fn skips_what_it_cannot_read() {
        assert!(SHELF.read::<Kept>(&Secret::default()).is_none());
        let data = BTreeMap::from([(SHELF.file.to_owned(), ByteString(b"{}".to_vec()))]);
        assert!(SHELF.read::<Kept>(&Secret { data: Some(data), ..Secret::default() }).is_none());
    }
}
