//! What the API server says to objects that make no sense: one line that names the field.

use anyhow::{Result, bail, ensure};

use crate::Bed;

pub(crate) async fn a_route_with_two_ways_out(bed: &Bed) -> Result<()> {
    let yaml = "apiVersion: mail-egress.io/v1alpha1
kind: MailRoute
metadata: {name: both}
spec: {exchangeOnline: {}, graph: {}}
";
    refused(bed, yaml, &["exactly one of", "exchangeOnline", "graph"]).await
}

pub(crate) async fn a_mailbox_that_is_no_address(bed: &Bed) -> Result<()> {
    let yaml = "apiVersion: mail-egress.io/v1alpha1
kind: MailSender
metadata: {name: bad, namespace: default}
spec: {entraApp: contoso, mailbox: billing, route: exchange-online}
";
    refused(bed, yaml, &["spec.mailbox"]).await
}

pub(crate) async fn a_name_that_is_too_long(bed: &Bed) -> Result<()> {
    let yaml = format!(
        "apiVersion: mail-egress.io/v1alpha1
kind: MailSender
metadata: {{name: {}, namespace: default}}
spec: {{entraApp: contoso, mailbox: a@contoso.com, route: exchange-online}}
",
        "a".repeat(51)
    );
    refused(bed, &yaml, &["50"]).await
}

pub(crate) async fn another_tenant_for_the_same_app(bed: &Bed) -> Result<()> {
    let app = "apiVersion: mail-egress.io/v1alpha1
kind: EntraApp
metadata: {name: another-tenant}
spec:
  tenant: contoso.com
  clientID: 2f3b0c5e-6f1d-4d8e-9a34-0c9c5b1d7a10
  credential: {clientSecret: {secretName: contoso}}
";
    bed.kubectl.apply(app).await?;
    let words = [
        "patch",
        "entraapp",
        "another-tenant",
        "--type=merge",
        "-p",
        "{\"spec\":{\"tenant\":\"fabrikam.com\"}}",
    ];
    match bed.kubectl.run(&words).await {
        Ok(_) => bail!("it was changed"),
        Err(error) => {
            let said = format!("{error:#}");
            ensure!(said.contains("spec.tenant") && said.contains("immutable"), "{said}");
            Ok(())
        }
    }
}

async fn refused(bed: &Bed, yaml: &str, words: &[&str]) -> Result<()> {
    match bed.kubectl.apply(yaml).await {
        Ok(_) => bail!("it was accepted"),
        Err(error) => {
            let said = format!("{error:#}");
            for word in words {
                ensure!(said.contains(word), "{word} is not in: {said}");
            }
            Ok(())
        }
    }
}
