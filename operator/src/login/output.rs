//! Where the Secret with the refresh token goes: into a file, to standard output, or into the cluster.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io::{Write, stdout},
    os::unix::fs::OpenOptionsExt,
    path::PathBuf,
};

use anyhow::Context;
use k8s_openapi::api::core::v1::Secret;
use kube::{
    Api, Client,
    api::{ObjectMeta, Patch, PatchParams},
};
use mail_egress_crds::names;
use secrecy::{ExposeSecret, SecretString};

use crate::{args::LoginArgs, run::client};

/// The field manager of what a person applies by this command.
const FIELD_MANAGER: &str = "mail-egress-login";

/// Where it goes, opened before anybody signs in.
pub(super) enum Target {
    /// A file that did not exist before, for its owner's eyes; removed where it stays empty.
    File(Made),
    /// Standard output.
    Standard,
    /// The cluster of the caller's kubeconfig.
    Cluster(Client),
}

/// A file that was made and is not written yet.
pub(super) struct Made {
    file: File,
    path: PathBuf,
    is_written: bool,
}

impl Drop for Made {
    fn drop(&mut self) {
        if !self.is_written {
            // nobody signed in: the same command is to work again
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Target {
    /// Opens what the command line names.
    pub(super) async fn open(args: &LoginArgs) -> anyhow::Result<Self> {
        let Some(path) = &args.output else {
            let client = client().await.context("--apply")?;
            return Ok(Self::Cluster(client));
        };
        if path.as_os_str() == "-" {
            return Ok(Self::Standard);
        }
        let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = made.with_context(|| {
            format!("--output {} cannot be made (a file that is there is not overwritten)", path.display())
        })?;
        Ok(Self::File(Made { file, path: path.clone(), is_written: false }))
    }

    /// Writes the Secret, and tells where it is now.
    pub(super) async fn write(self, args: &LoginArgs, token: &SecretString) -> anyhow::Result<String> {
        let (name, namespace) = (&args.secret_name, &args.namespace);
        match self {
            Self::File(mut made) => {
                let written = yaml(args, token)?;
                made.file
                    .write_all(written.as_bytes())
                    .and_then(|()| made.file.sync_all())
                    .context("--output")?;
                made.is_written = true;
                Ok("the Secret is in the file: kubectl apply it, and delete the file".to_owned())
            }
            Self::Standard => {
                stdout().write_all(yaml(args, token)?.as_bytes()).context("standard output")?;
                Ok("the Secret is on standard output".to_owned())
            }
            Self::Cluster(client) => {
                let secrets: Api<Secret> = Api::namespaced(client, namespace);
                let forced = PatchParams::apply(FIELD_MANAGER).force();
                let applied = secrets.patch(name, &forced, &Patch::Apply(&secret(args, token))).await;
                applied.with_context(|| format!("the Secret {name} in {namespace} was not applied"))?;
                Ok(format!("the Secret {name} is in {namespace}"))
            }
        }
    }
}

fn secret(args: &LoginArgs, token: &SecretString) -> Secret {
    let labels = BTreeMap::from([(names::LABEL_CREDENTIAL.to_owned(), "true".to_owned())]);
    let metadata = ObjectMeta {
        name: Some(args.secret_name.clone()),
        namespace: Some(args.namespace.clone()),
        labels: Some(labels),
        ..ObjectMeta::default()
    };
    let data = BTreeMap::from([(args.key.clone(), token.expose_secret().to_owned())]);
    Secret { metadata, type_: Some("Opaque".to_owned()), string_data: Some(data), ..Secret::default() }
}

fn yaml(args: &LoginArgs, token: &SecretString) -> anyhow::Result<String> {
    serde_yaml::to_string(&secret(args, token)).context("the Secret cannot be written")
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Args, Command};

    fn args(output: &str) -> Box<LoginArgs> {
        let line = ["operator", "login", "--tenant=consumers", "--client-id=a", "--secret-name=me", output];
        match Args::try_parse_from(line).unwrap().command {
            Command::Login(args) => args,
            Command::Run(_) => panic!("another command"),
        }
    }

    #[tokio::test]
    async fn writes_a_secret_that_the_operator_may_read_and_overwrites_none() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret.yaml");
        let args = args(&format!("--output={}", path.display()));
        let token = SecretString::from("r3fresh");
        Target::open(&args).await.unwrap().write(&args, &token).await.unwrap();
        let secret: Secret = serde_yaml::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(secret.metadata.namespace.as_deref(), Some("mail-egress-system"));
        assert_eq!(secret.metadata.labels.unwrap()["mail-egress.io/credential"], "true");
        assert_eq!(secret.string_data.unwrap()["refreshToken"], "r3fresh");
        let mode = std::os::unix::fs::PermissionsExt::mode(&path.metadata().unwrap().permissions());
        assert_eq!(mode & 0o777, 0o600);
        let again = path.with_file_name("again.yaml");
        let given_up = self::args(&format!("--output={}", again.display()));
        drop(Target::open(&given_up).await.unwrap());
        assert!(!again.exists(), "an empty file stands in the way of the next try");
        let error = Target::open(&args).await.err().unwrap().to_string();
        assert!(error.contains("not overwritten"), "{error}");
    }
}
