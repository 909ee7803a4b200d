//! Mail that a real library composes and sends, by every route: what the server received is what was
//! sent, octet for octet behind the sidecar's own trace field; or it is refused as the route's page says.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use mail_egress_tests::lab::DEFAULT_MAILBOX;
use mail_egress_tests::lab::program::RouteKind;
use mail_egress_tests::stand::Stand;
use tokio::process::Command;

use crate::servers::postfix::field;

const COMPOSE: &str = include_str!("matrix/compose.py");

/// What is composed, in the words of `compose.py`.
const KINDS: [&str; 7] = ["bcc", "alternatives", "10KB", "3.5MB", "20MB", "signed", "international"];

/// For a message of 27 MB on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the route's page promises to refuse, and how the reply begins.
fn promised(route: RouteKind, kind: &str) -> Option<&'static str> {
    match (route, kind) {
        (RouteKind::AzureCommunicationServices, "20MB") | (RouteKind::Graph, "3.5MB" | "20MB") => {
            Some("552 ")
        }
        _ => None,
    }
}

/// Sends each kind of message by this route.
pub(crate) async fn arrives_as_it_was_sent(route: RouteKind) -> Result<()> {
    let stand = Stand::by_route(route).await?;
    for kind in KINDS {
        let folder = tempfile::tempdir()?;
        let before = arrived(&stand, route).len();
        let heard = compose(&stand, kind, folder.path()).await.with_context(|| kind.to_owned())?;
        let wanted = promised(route, kind).unwrap_or("250");
        ensure!(heard.starts_with(wanted), "{kind}: {heard}\n{}", stand.log());
        let arrived = arrived(&stand, route).split_off(before);
        if wanted != "250" {
            ensure!(arrived.is_empty(), "{kind}: the server has it all the same");
            continue;
        }
        let [(to, arrived)] = arrived.as_slice() else { anyhow::bail!("{kind}: {} arrived", arrived.len()) };
        let sent = fs::read(folder.path().join("sent.eml"))?;
        let mut whole = arrived.as_slice();
        if route == RouteKind::Graph && kind == "bcc" {
            // Graph sends to whom the header names, and hides this field from them
            let (hidden, behind) = field(whole, "Bcc: ")?;
            ensure!(hidden == b"hidden@contoso.com\r\n", "{}", String::from_utf8_lossy(hidden));
            whole = behind;
        }
        let (_, rest) = field(whole, "Received: ")?;
        ensure!(
            rest == sent,
            "{kind}: it arrived changed, {} octets of {}: {}",
            rest.len(),
            sent.len(),
            String::from_utf8_lossy(rest).chars().take(2_000).collect::<String>()
        );
        let recipients = fs::read_to_string(folder.path().join("recipients"))?;
        // Graph's are in the header's order
        let as_a_set = |it: Vec<&str>| it.into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
        let reached = as_a_set(to.iter().map(String::as_str).collect());
        ensure!(reached == as_a_set(recipients.lines().collect()), "{kind}: to {to:?}");
        if kind == "bcc" {
            ensure!(to.iter().any(|one| one == "hidden@contoso.com"), "to {to:?}");
            let tells = rest.windows(4).any(|at| at == b"Bcc:");
            ensure!(!tells, "the header tells of the hidden recipient");
        }
        if kind == "signed" {
            verify(rest, folder.path()).await?;
        }
        stand.lab.exchange().forget_messages();
    }
    ensure!(stand.lab.exchange().violations().is_empty(), "{:?}", stand.lab.exchange().violations());
    Ok(())
}

/// What the route's server has: to whom each message goes, and its octets.
fn arrived(stand: &Stand, route: RouteKind) -> Vec<(Vec<String>, Vec<u8>)> {
    let owned = |to: Vec<&str>| to.into_iter().map(str::to_owned).collect();
    match route {
        RouteKind::Graph => {
            let all = stand.lab.graph().messages();
            all.iter().map(|one| (one.recipients.clone(), one.content.clone())).collect()
        }
        _ => {
            let all = stand.lab.exchange().messages();
            all.iter().map(|one| (owned(one.recipients()), one.content.clone())).collect()
        }
    }
}

/// What the library heard.
async fn compose(stand: &Stand, kind: &str, folder: &Path) -> Result<String> {
    let (host, port) = (stand.smtp().ip().to_string(), stand.smtp().port().to_string());
    let mut command = Command::new("/usr/bin/python3");
    command.args(["-c", COMPOSE, kind, &host, &port, DEFAULT_MAILBOX]).arg(folder);
    let done = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let done = tokio::time::timeout(PATIENCE, done).await.context("it takes for ever")??;
    ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    Ok(String::from_utf8(done.stdout)?)
}

/// The signature still holds.
async fn verify(message: &[u8], folder: &Path) -> Result<()> {
    let file = folder.join("received.eml");
    fs::write(&file, message)?;
    let mut command = Command::new("openssl");
    command.args(["smime", "-verify", "-purpose", "any", "-CAfile"]).arg(folder.join("cert.pem"));
    let done = command.arg("-in").arg(&file).stdin(Stdio::null()).output().await?;
    ensure!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    Ok(())
}
