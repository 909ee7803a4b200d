//! The cases that the crate `crds` is tested on, put to a real API server: it must say the same.

#[expect(clippy::unwrap_used, clippy::panic, reason = "the file is a test of another crate")]
#[path = "../../../crds/tests/rules/cases.rs"]
mod cases;

use std::path::Path;

use anyhow::{Context, Result, ensure};
use kube::api::{Api, DynamicObject, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, Config, config::Kubeconfig};
use serde_json::Value;

use crate::Bed;
use cases::{Cases, Cause};

pub(crate) async fn the_api_server_judges_every_case_as_the_unit_tests_do(bed: &Bed) -> Result<()> {
    let config = Kubeconfig::read_from(bed.running.kubeconfig())?;
    let client = Client::try_from(Config::from_custom_kubeconfig(config, &Default::default()).await?)?;
    bed.kubectl.run(&["create", "namespace", "shop"]).await?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crds/tests/cases");
    let mut wrong = Vec::new();
    let mut count = 0;
    for cases in Cases::read_all(&folder) {
        let api = api(&client, &cases)?;
        let accepted = cases.accepted.iter().map(|case| (&case.name, case.patch.as_ref(), None));
        let refused = cases.refused.iter().map(|case| (&case.name, Some(&case.patch), Some(&case.cause)));
        for (name, patch, cause) in accepted.chain(refused) {
            let object = serde_json::from_value(cases.patched(patch))?;
            let said = api.create(&try_it(), &object).await;
            count += 1;
            wrong.extend(judge(said, cause).err().map(|why| format!("{} {name}: {why:#}", cases.kind)));
        }
        let base = api.create(&PostParams::default(), &serde_json::from_value(cases.patched(None))?).await?;
        for case in &cases.updates {
            let mut object = serde_json::from_value::<DynamicObject>(cases.patched(Some(&case.to)))?;
            object.metadata.resource_version.clone_from(&base.metadata.resource_version);
            let name = object.metadata.name.clone().context("a case without a name")?;
            let said = api.replace(&name, &try_it(), &object).await;
            count += 1;
            let why = judge(said, case.cause.as_ref()).err();
            wrong.extend(why.map(|why| format!("{} update, {}: {why:#}", cases.kind, case.name)));
        }
        let name = base.metadata.name.context("an object without a name")?;
        api.delete(&name, &Default::default()).await?;
    }
    ensure!(wrong.is_empty(), "{} of {count} cases are judged otherwise:\n{}", wrong.len(), wrong.join("\n"));
    ensure!(count > 100, "only {count} cases were found");
    Ok(())
}

fn try_it() -> PostParams {
    PostParams { dry_run: true, field_manager: None }
}

fn api(client: &Client, cases: &Cases) -> Result<Api<DynamicObject>> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("mail-egress.io", "v1alpha1", &cases.kind));
    let namespace = cases.base["metadata"]["namespace"].as_str();
    Ok(match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    })
}

fn judge(said: kube::Result<DynamicObject>, expected: Option<&Cause>) -> Result<()> {
    let refusal = match (said, expected) {
        (Ok(_), None) => return Ok(()),
        (Ok(_), Some(cause)) => anyhow::bail!("it was accepted, not refused with {cause:?}"),
        (Err(kube::Error::Api(status)), expected) => {
            let cause = expected.with_context(|| format!("it was refused: {}", status.message))?;
            (status, cause)
        }
        (Err(error), _) => return Err(error.into()),
    };
    let (status, cause) = refusal;
    let causes = serde_json::to_value(&status.details).unwrap_or(Value::Null);
    let found = causes["causes"].as_array().into_iter().flatten().any(|found| {
        let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
        text("field") == cause.field && text("message").contains(&cause.because)
    });
    ensure!(found, "refused with {}, not with {cause:?}", status.message);
    Ok(())
}
