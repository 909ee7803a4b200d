//! What the operator may do to Secrets, and what others may do to the operator's.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use mail_egress_tests::eventually::eventually;
use mail_egress_tests::installation::{self, OPERATOR_NAMESPACE};

use crate::Bed;

const OPERATOR: &str = "--as=system:serviceaccount:mail-egress-system:mail-egress-operator";
const USER: &str = "--as=jane";
/// For what the API server does in its own time.
const SOON: Duration = Duration::from_secs(30);
const SENDER: &str = "mail-egress.io/sender";

pub(crate) async fn secrets_of_senders_are_written_by_the_operator_alone(bed: &Bed) -> Result<()> {
    let kubectl = &bed.kubectl;
    kubectl.apply(&installation::operator()?).await?;
    kubectl.run(&["create", "namespace", "team"]).await?;
    kubectl
        .run(&["create", "rolebinding", "jane", "--clusterrole=edit", "--user=jane", "-n", "team"])
        .await?;

    // A policy takes a moment to be in force, and the roles a moment to be aggregated. Until then the
    // tries are dry runs: one that was taken would make each later one unchanged, and that is allowed.
    eventually("a user is refused", SOON, async || {
        attempt(bed, USER, "team", "mail-egress-forged", SENDER, &["--dry-run=server"])
            .await
            .refused("by the mail-egress operator alone")
    })
    .await?;
    write(bed, USER, "team", "mail-egress-forged", SENDER)
        .await
        .refused("by the mail-egress operator alone")?;
    write(bed, USER, "team", "her-own", "Opaque").await.taken()?;
    // the mount goes by name: one of another type in its place could hold wider rules
    write(bed, USER, "team", "mail-egress-later", "Opaque").await.refused("mail-egress-")?;

    write(bed, OPERATOR, "team", "mail-egress-billing", SENDER).await.taken()?;
    write(bed, OPERATOR, "team", "her-own", "Opaque").await.refused("mail-egress.io/sender only")?;
    write(bed, OPERATOR, "team", "another", "Opaque").await.refused("mail-egress.io/sender only")?;
    write(bed, OPERATOR, OPERATOR_NAMESPACE, "mail-egress-ca", "Opaque").await.taken()?;
    write(bed, USER, "team", "mail-egress-billing", SENDER)
        .await
        .refused("by the mail-egress operator alone")?;

    Said(kubectl.run(&["get", "secret", "her-own", "-n", "team", OPERATOR]).await).refused("forbidden")?;
    Said(kubectl.run(&["get", "secrets", "-A", OPERATOR]).await).refused("forbidden")?;
    Said(kubectl.run(&["get", "secrets", "-n", OPERATOR_NAMESPACE, OPERATOR]).await).taken()?;

    for (kind, expected) in
        [("mailsenders", "yes"), ("entraapps", "no"), ("mailroutes", "no"), ("mailpolicies", "no")]
    {
        let resource = format!("{kind}.mail-egress.io");
        // the roles take a moment to be aggregated
        eventually("the roles are as they should be", SOON, async || {
            let answer = kubectl.run(&["auth", "can-i", "create", &resource, "-n", "team", USER]).await;
            let answer = answer.unwrap_or_else(|_| "no".to_owned());
            ensure!(answer.trim() == expected, "may a user with edit create {kind}? {answer}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

/// What kubectl said to an attempt.
struct Said(Result<String>);

impl Said {
    fn taken(self) -> Result<()> {
        self.0.map(drop)
    }

    fn refused(self, words: &str) -> Result<()> {
        match self.0 {
            Ok(said) => bail!("it was allowed: {said}"),
            Err(error) => {
                let said = format!("{error:#}");
                ensure!(said.to_lowercase().contains(words), "{words:?} is not in: {said}");
                Ok(())
            }
        }
    }
}

/// A server-side apply, as the operator's: it needs no right to read.
async fn write(bed: &Bed, whom: &str, namespace: &str, name: &str, kind: &str) -> Said {
    attempt(bed, whom, namespace, name, kind, &[]).await
}

async fn attempt(bed: &Bed, whom: &str, namespace: &str, name: &str, kind: &str, more: &[&str]) -> Said {
    let secret = format!(
        "apiVersion: v1
kind: Secret
metadata: {{name: {name}, namespace: {namespace}}}
type: {kind}
stringData: {{sender.json: \"written by {whom}\"}}
"
    );
    let manager = format!("--field-manager={}", whom.trim_start_matches("--as="));
    let words = ["apply", "--server-side", "--force-conflicts", &manager, whom, "-f", "-"];
    Said(bed.kubectl.feed(&[&words, more].concat(), &secret).await)
}
