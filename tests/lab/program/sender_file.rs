//! `sender.json` as the operator would write it, kept fresh, so that a sidecar can be tried
//! without Kubernetes.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use jiff::Timestamp;
use mail_egress_config::{FILE_NAME, SenderFile, SenderRef, State, Token};
use tokio::task::JoinSet;

use super::route::{Parts, RouteKind};
use crate::lab::{Form, Lab};

/// What the file is made of.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    pub(super) name: SenderRef,
    pub(super) client_id: String,
    pub(super) kind: RouteKind,
    pub(super) parts: Parts,
}

/// Writes the file with a new token, in one step for who reads it; tells how long the token lasts.
pub(super) fn write(lab: &Lab, sender: &Sender, folder: &Path) -> anyhow::Result<Duration> {
    let claims = lab.entra().claims_for(&sender.client_id, sender.kind.audience())?;
    let route = sender.kind.route(&sender.parts);
    let token = Token {
        value: lab.entra().mint(&claims, Form::Jwt)?,
        expires_at: Timestamp::from_second(claims.exp).context("the token's end is no time")?,
    };
    let file = SenderFile {
        token: if route.uses_token() { Some(token) } else { None },
        route: Some(route),
        ..SenderFile::new(sender.name.clone(), sender.parts.mailbox.clone(), State::Ready)
    };
    let (path, new) = (folder.join(FILE_NAME), folder.join(format!(".{FILE_NAME}.new")));
    let text = mail_egress_config::write(&file).context("cannot put sender.json into words")?;
    let mut options = std::fs::OpenOptions::new();
    options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .and_then(|()| std::fs::rename(&new, &path))
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(Duration::from_secs(u64::try_from(claims.exp - claims.iat).unwrap_or_default()))
}

/// Writes the file anew at half of each token's life, until dropped.
pub(super) fn keep(lab: Arc<Lab>, sender: Sender, folder: PathBuf) -> JoinSet<anyhow::Result<()>> {
    let mut task = JoinSet::new();
    task.spawn(async move {
        loop {
            let lifetime = write(&lab, &sender, &folder)?;
            tokio::time::sleep(lifetime.max(Duration::from_secs(2)) / 2).await;
        }
    });
    task
}
