//! The Secrets in which the leader keeps its tokens, so that the next one asks Entra for nothing.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::{ByteString, api::core::v1::Secret};
use kube::{
    Api, ResourceExt,
    api::{DeleteParams, ListParams, ObjectMeta, Patch, PatchParams},
};
use mail_egress_crds::names;
use mail_egress_entra::Token;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use tracing::warn;

use super::{Fingerprint, Held, Key, Owner};
use crate::writer::{WriteError, Writer};

/// The one key of such a Secret.
const FILE: &str = "token.json";

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

/// The one place where a token is written out here: into the Secret that is made to keep it.
fn expose<S: Serializer>(value: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(value.expose_secret())
}

/// Reads all kept tokens. One that cannot be read is skipped: its app asks Entra again.
pub(super) async fn load(secrets: &Api<Secret>) -> Result<Vec<(Key, Held)>, kube::Error> {
    let labelled = ListParams::default().labels(&format!("{}=true", names::LABEL_TOKEN));
    let found = secrets.list(&labelled).await?;
    Ok(found.iter().filter_map(read).collect())
}

/// Keeps a token, over whatever stood there.
pub(super) async fn save(writer: &Writer, namespace: &str, key: &Key, held: &Held) -> Result<(), WriteError> {
    let secret = secret(key, held)?;
    let secrets: Api<Secret> = Api::namespaced(writer.client(), namespace);
    let forced = PatchParams::apply(names::FIELD_MANAGER).force();
    writer.write(secrets.patch(&key.secret_name(), &forced, &Patch::Apply(&secret))).await?;
    Ok(())
}

/// Deletes a kept token; one that is not there is deleted already.
pub(super) async fn delete(writer: &Writer, namespace: &str, key: &Key) -> Result<(), WriteError> {
    let secrets: Api<Secret> = Api::namespaced(writer.client(), namespace);
    match writer.write(secrets.delete(&key.secret_name(), &DeleteParams::default())).await {
        Ok(_) => Ok(()),
        Err(WriteError::Api(kube::Error::Api(status))) if status.is_not_found() => Ok(()),
        Err(error) => Err(error),
    }
}

fn secret(key: &Key, held: &Held) -> Result<Secret, WriteError> {
    let kept = Kept {
        owner: key.owner.clone(),
        scope: key.scope.clone(),
        identity: held.fingerprint.identity.clone(),
        request: held.fingerprint.request.clone(),
        obtained_at: held.obtained_at,
        expires_at: held.token.expires_at,
        value: held.token.value.clone(),
    };
    let file = serde_json::to_vec(&kept).map_err(kube::Error::SerdeError)?;
    let labels = [(names::LABEL_TOKEN, "true"), (names::LABEL_MANAGED_BY, names::MANAGED_BY)];
    let metadata = ObjectMeta {
        name: Some(key.secret_name()),
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

fn read(secret: &Secret) -> Option<(Key, Held)> {
    let file = secret.data.as_ref().and_then(|data| data.get(FILE));
    // serde's error could repeat a piece of the token
    let Some(kept) = file.and_then(|file| serde_json::from_slice::<Kept>(&file.0).ok()) else {
        warn!(secret = secret.name_any(), "a kept token cannot be read; Entra will be asked again");
        return None;
    };
    let key = Key { owner: kept.owner, scope: kept.scope };
    let fingerprint = Fingerprint { identity: kept.identity, request: kept.request };
    let token = Token { value: kept.value, expires_at: kept.expires_at };
    Some((key, Held { token, obtained_at: kept.obtained_at, fingerprint }))
}

#[cfg(test)]
mod tests {
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
        let secret = secret(&key, &held).unwrap();
        let (again_key, again) = read(&secret).unwrap();
        assert_eq!(again_key, key);
        assert_eq!(again.token.value.expose_secret(), "t0ken");
        assert_eq!((again.obtained_at, again.fingerprint), (held.obtained_at, held.fingerprint));
        assert_eq!(secret.type_.as_deref(), Some("mail-egress.io/token"));
        let file = String::from_utf8(secret.data.unwrap().remove(FILE).unwrap().0).unwrap();
        assert!(file.starts_with(r#"{"app":"contoso","scope":"#), "as earlier versions wrote it: {file}");
    }

    #[test]
    fn skips_what_it_cannot_read() {
        assert!(read(&Secret::default()).is_none());
        let data = BTreeMap::from([(FILE.to_owned(), ByteString(b"{}".to_vec()))]);
        assert!(read(&Secret { data: Some(data), ..Secret::default() }).is_none());
    }
}
